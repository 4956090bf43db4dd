"""
1.2 Predictions on test images
==============================

A dozen test images, drawn at random, with what they are, what the network reads, and
how sure it is. Then every test image that it misreads, the surest mistakes first, and
a table of which digit is taken for which.
"""

# %%
# Twelve images at random
# -----------------------
# The images are drawn by a seed, so they are nobody's choice, and yet they are the
# same ones each time. A check mark says that the prediction is right; a misread image
# would stand in a thick dashed frame, under a cross.
import torch

import mnist_lab as lab

dataset = lab.load_dataset()
network = lab.trained("plain", dataset=dataset)
seed, count = 0, 12
generator = torch.Generator().manual_seed(seed)
drawn = dataset.test[torch.randperm(len(dataset.test), generator=generator)[:count]]
outcome = lab.evaluate(network.model, drawn)
print(f"{outcome.correct.sum()} of {count} right")
figure = lab.plotting.predictions(drawn.images, outcome)

# %%
# Every mistake
# -------------
# Twelve images at random say little about how the network errs. Here is what it
# misreads among all test images, in the order of the probability that it gives to the
# wrong digit. The first ones are those to worry about: to the network they are its
# clearest cases.
result = lab.evaluate(network.model, dataset.test)
sureness = result.probabilities.amax(dim=1)
wrong = (~result.correct).nonzero().flatten()
wrong = wrong[sureness[wrong].argsort(descending=True)]
shown = dataset.test[wrong[:96]]  # more would be a wall, not a figure
figure = lab.plotting.mistakes(shown.images, lab.evaluate(network.model, shown))
print(f"{len(wrong)} of {len(result.labels):,} misclassified, {len(shown)} shown")

# %%
# How sure it is when it errs
# ---------------------------
# The probability is a warning sign if it is lower where the network errs. Then a
# threshold catches mistakes: whatever is less sure goes to a human reader. What such a
# reader has to look at, and what slips through, follows from the threshold.
threshold = 0.99
doubtful = sureness < threshold
caught = int((doubtful & ~result.correct).sum())
for name, group in (("right", result.correct), ("wrong", ~result.correct)):
    median = sureness[group].median() if group.any() else float("nan")
    print(f"median probability of a {name} prediction: {median:.4f}")
print(f"{int(doubtful.sum())} predictions are less than {threshold:.0%} sure;")
print(f"{caught} of the {len(wrong)} mistakes are among them")

# %%
# Which digits are confused
# -------------------------
# A row is a true label, a column what the network made of it. Only the mistakes are
# shaded; in grey stand the images that are read correctly. A pair such as 4 and 9 can
# be confused in both directions, so the ranking adds the two up.
figure = lab.plotting.confusion_matrix(result)
ends = torch.stack([result.labels[wrong], result.predictions[wrong]]).sort(dim=0).values
pairs, times = ends.unique(dim=1, return_counts=True)
ranking = sorted(zip(times.tolist(), pairs.T.tolist(), strict=True), reverse=True)
for mistakes, (one, other) in ranking[:5]:
    print(f"{one} and {other}: {mistakes} mistakes")

# %%
# How to read the table
# ---------------------
# If mistakes fell anywhere alike, each of the 45 pairs of digits would have its even
# share of them. The ranking says how far the most frequent pairs are above that, and
# so whether the network errs at random or where two digits look alike.
top = ranking[:3]
top_share = sum(mistakes for mistakes, _ in top) / max(len(wrong), 1)
print(f"the {len(top)} most frequent pairs: {top_share:.0%} of the mistakes")
print(f"three pairs of 45 at random: {3 / 45:.0%}")

# %%
# The answer
# ----------
named = ", ".join(f"{one} and {other} ({n})" for n, (one, other) in top)
lab.report.answer(
    "1.2",
    f"Of {count} test images drawn at random (seed {seed}), "
    f"{int(outcome.correct.sum())} are read correctly. Of all {len(result.labels):,}, "
    f"{len(wrong)} are misclassified"
    + (f", most often {named}: {top_share:.0%} of the mistakes" if top else "")
    + f". With less than {threshold:.0%} probability come {int(doubtful.sum())} "
    f"predictions, {caught} of the mistakes among them; one network, seed "
    f"{network.seed}.",
    dataset=dataset,
)
lab.plotting.show()
