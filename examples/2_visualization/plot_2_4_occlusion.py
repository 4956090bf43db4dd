"""
2.4 Occlusion
=============

Does the network look at the digit, or at the background? A square patch slides over the
image, and we watch the probability of the true class. First for one digit of every
class and patches of one to five pixels; then as a test over hundreds of digits, with a
network that has learned nothing as its control.
"""

# %%
# One digit of every class
# ------------------------
# For each class the first test digit that is classified correctly. The place in a map
# is the place of the patch's centre, and the colour the probability of the true class
# when a grey patch (intensity 128) lies there.
import torch

import mnist_lab as lab
from mnist_lab.introspection.occlusion.faithfulness import measure_faithfulness
from mnist_lab.introspection.saliency import randomize_parameters

dataset = lab.load_dataset()
model = lab.trained("plain", dataset=dataset).model
right = dataset.test[lab.evaluate(model, dataset.test).correct]
first = torch.stack([(right.labels == label).nonzero()[0, 0] for label in range(10)])
digits = right[first]
sizes = range(1, 6)
maps = torch.stack(
    [lab.occlusion_map(model, digits.images, digits.labels, patch=p) for p in sizes],
    dim=1,
)  # (10, 5, 28, 28)
figure = lab.plotting.beside_digits(
    digits.images,
    maps,
    title="Probability of the true class, by position of the patch",
    unit="probability of the true class",
    column_labels=[f"{p}×{p}" for p in sizes],
)

# %%
# The nearly flat maps, zoomed
# ----------------------------
# A sure network leaves little to see on a scale from 0 to 1. So here is the largest
# patch once more, each map stretched from its own lowest to its own highest
# probability. Both stand above it, since what looks strong here can be very small.
largest = maps[:, -1]
low, high = largest.amin((1, 2), keepdim=True), largest.amax((1, 2), keepdim=True)
bounds = zip(range(10), low.flatten(), high.flatten(), strict=True)
figure = lab.plotting.montage(
    (largest - low) / (high - low).clamp(min=1e-12),
    title="The 5×5 maps, each from its lowest to its highest",
    unit="0: the map's lowest probability, 1: its highest",
    limits=(0, 1),
    cmap="viridis",
    columns=5,
    captions=[f"{label}: {a:.4f} to {b:.4f}" for label, a, b in bounds],
    gap=2,
)

# %%
# Black, grey and white patches
# -----------------------------
# A black patch hides ink and is invisible on the background, a white one adds ink, and
# a grey one changes both by as much. That makes grey the fair choice for the question.
# The five digits are those whose grey maps fall lowest.
weakest = low.flatten().argsort()[:5].sort().values
fills = (0, 128, 255)
chosen = digits[weakest]
figure = lab.plotting.beside_digits(
    chosen.images,
    torch.stack(
        [lab.occlusion_map(model, chosen.images, chosen.labels, 5, f) for f in fills],
        dim=1,
    ),
    title="Patches of 5×5 in black, grey and white",
    unit="probability of the true class",
    column_labels=["black", "grey", "white"],
)

# %%
# A test over many digits
# -----------------------
# For each digit, the *drop* is the probability without a patch minus that with it. If
# the network looks at the digit, the drop grows with the ink that the patch hides. The
# control is a network that has learned nothing, with the same weights in a random order
# within each layer: four such networks, each asked about a quarter of the digits.
count, patch = 400, 5
order = torch.randperm(len(right), generator=torch.Generator().manual_seed(0))
sample = right[order[:count]]
trained = measure_faithfulness(model, sample.images, sample.labels, patch)
quarters = [sample[start::4] for start in range(4)]
controls = [
    measure_faithfulness(
        randomize_parameters(model, seed), part.images, part.labels, patch
    )
    for seed, part in enumerate(quarters)
]

# %%
# Drop and ink
# ------------
# The mean drop by how much of the patch lies on ink, each digit counted once, with
# intervals over the digits.
ends = (0, 0.2, 0.4, 0.6, 1)
by_ink = {
    "trained": trained.by_ink(ends),
    "shuffled weights": torch.cat([control.by_ink(ends) for control in controls]),
}
drops = {
    name: [lab.stats.mean_interval(c[c.isfinite()].tolist()) for c in values.T]
    for name, values in by_ink.items()
}
figure = lab.plotting.estimates(
    drops,
    ["none", *(f"to {end:.0%}" for end in ends[1:])],
    title="Drop of the probability by the ink under the patch",
    unit="drop of the probability, mean over digits",
    joined=True,
)

# %%
# How to read the figure
# ----------------------
# Zero means that the patch makes no difference. The rank correlation says the same
# without regard to how large the drops are: over all 784 places of a digit, does more
# hidden ink go with a larger drop?
correlations = {
    "trained": trained.correlations,
    "shuffled weights": torch.cat([control.correlations for control in controls]),
}
related = {
    name: lab.stats.mean_interval(values[values.isfinite()].tolist())
    for name, values in correlations.items()
}
both = by_ink["trained"][:, [0, -2]]  # background, and a good part of ink
both = both[both.isfinite().all(dim=1)]
more = lab.stats.paired_comparison(both[:, 0].tolist(), both[:, 1].tolist())
for name, c in related.items():
    print(f"{name}: rank correlation {c.value:+.3f} ({c.low:+.3f} to {c.high:+.3f})")

# %%
# Where a patch changes the prediction, and to what
# -------------------------------------------------
# The five digits of the sample whose prediction changes at the most places. The colour
# is the class that the network predicts when the patch lies there; before each row
# stands the true class and the one that most often takes its place under a 5×5 patch.
changed = trained.predictions != sample.labels[:, None, None]
most = changed.sum((1, 2)).argsort(descending=True)[:5]
fragile = sample[most]
instead = [trained.predictions[i][changed[i]].mode().values for i in most]
figure = lab.plotting.beside_digits(
    fragile.images,
    torch.stack(
        [
            lab.occluded_probabilities(model, fragile.images, p).argmax(dim=3)
            for p in sizes
        ],
        dim=1,
    ),
    title="Predicted class, by position of the patch",
    unit="predicted class",
    limits=(-0.5, 9.5),
    cmap="tab10",
    row_labels=[f"{a} → {b}" for a, b in zip(fragile.labels, instead, strict=True)],
    column_labels=[f"{p}×{p}" for p in sizes],
)
share = lab.stats.proportion_interval(int(changed.any(2).any(1).sum()), count)
takes = sample.labels[:, None, None].expand_as(changed)[changed] * 10
pairs = (takes + trained.predictions[changed]).bincount(minlength=100)
print(
    f"digits with a place where a {patch}×{patch} patch changes the prediction: {share}"
)
for pair in pairs.topk(5).indices.tolist():
    print(f"{pair // 10} becomes {pair % 10} at {pairs[pair]} places")
on_ink = float((trained.ink[changed] > 0).float().mean())
print(f"{on_ink:.0%} of these places have ink under the patch")

# %%
# The answer
# ----------
# The learning counts as meaningful if the drop goes with the ink, and does so beyond
# what the shuffled networks show.
digit, control = related["trained"], related["shuffled weights"]
background, stroke = drops["trained"][0], drops["trained"][-2]
meaningful = digit.low > max(0, control.high)
verdict = "The learning is meaningful" if meaningful else "Not shown to be meaningful"
also = "costs something too" if background.low > 0 else "costs nothing measurable"
lab.report.answer(
    "2.4",
    f"{verdict}: over {count} correctly classified test digits, each under "
    f"{patch}×{patch} grey patches, the drop of the true class's probability has a "
    f"rank correlation of "
    f"{digit.value:+.2f} ({digit.low:+.2f} to {digit.high:+.2f}) with the hidden ink, "
    f"against {control.value:+.2f} ({control.low:+.2f} to {control.high:+.2f}) with "
    f"shuffled weights. A patch on the background {also}, since grey is ink where "
    f"there was none: the mean drop is {100 * background.value:.2f} points there and "
    f"{100 * stroke.value:.2f} where {ends[-3]:.0%} to {ends[-2]:.0%} of the patch is "
    f"ink (difference within a digit {100 * more.mean:+.2f}, {100 * more.low:+.2f} to "
    f"{100 * more.high:+.2f}). Some patch changes the prediction of "
    f"{share.value:.1%} of the digits; {on_ink:.0%} of those places have ink under it.",
    dataset=dataset,
)
# sphinx_gallery_thumbnail_number = 3
lab.plotting.show()
