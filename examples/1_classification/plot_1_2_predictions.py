r"""
1.2 Predictions on test images
==============================

You will see a dozen test images, drawn at random, with their true and predicted labels.
Then you will see every test image that the network gets wrong, how confident it is when
it is wrong, and which digits it confuses.

The network gives a logit :math:`z_k` for each class :math:`k`. The softmax turns the
ten logits into probabilities :math:`p_k` that sum to one. The prediction
:math:`\hat{y}` is the class with the largest probability, and that probability is the
*confidence* of the prediction:

.. math::

   p_k = \frac{e^{z_k}}{\sum_{j=0}^{9} e^{z_j}}, \qquad
   \hat{y} = \arg\max_k \, p_k, \qquad
   \mathrm{confidence} = p_{\hat{y}}

The second figure follows :cite:t:`lecun1998`, who show every test image that their
network misclassifies.
"""

# %%
# Twelve images at random
# -----------------------
# A seed draws the images, so nobody has picked them, and everyone gets the same ones. A
# correct prediction has a check mark. A wrong one has a cross and a dashed frame.
from collections import Counter
from math import comb

import torch

import mnist_lab as lab
from mnist_lab.plotting.style import percent

seed, count = 0, 12
dataset = lab.load_dataset()
network = lab.trained("plain", seed=0, dataset=dataset)
generator = torch.Generator().manual_seed(seed)
chosen = torch.randperm(len(dataset.test), generator=generator)[:count]
drawn = dataset.test[chosen]
outcome = lab.evaluate(network.model, drawn)
figure = lab.plotting.predictions(drawn.images, outcome)

# %%
right = int(outcome.correct.sum())
lowest, least = outcome.probabilities.amax(dim=1).min(dim=0)
lab.report.reading(
    f"{right} of the {count} predictions are correct. The network is least confident "
    f"about the image with the true label {outcome.labels[least]}: it predicts "
    f"{outcome.predictions[least]} with a probability of {percent(float(lowest))}."
)

# %%
# Every mistake
# -------------
# Twelve images say little about mistakes. Here are all misclassified test images (the
# first 96, if there are more), the most confident mistakes first.
result = lab.evaluate(network.model, dataset.test)
confidence = result.probabilities.amax(dim=1)
wrong = (~result.correct).nonzero().flatten()
wrong = wrong[confidence[wrong].argsort(descending=True)]
error = lab.stats.proportion_interval(len(wrong), len(dataset.test))
shown = dataset.test[wrong[:96]]
figure = lab.plotting.mistakes(shown.images, lab.evaluate(network.model, shown))

# %%
total, mistakes, sure = len(dataset.test), len(wrong), 0.99
clean = comb(total - mistakes, count) / comb(total, count)
certain = int((confidence[wrong] > sure).sum())
lab.report.reading(
    f"{mistakes} of the {total:,} test images are misclassified: {error}. Of these "
    f"mistakes, {certain} have a confidence above {sure:.0%}. A random draw of {count} "
    f"images contains no mistake with a probability of {clean:.0%}, so the first "
    f"figure says little about the accuracy."
)

# %%
# Confidence as a warning
# -----------------------
# Suppose that a person can check 3% of the images. Then the network should hand over
# its least confident predictions. The threshold for that is chosen on the validation
# images. The test images show how well it works.
held = lab.evaluate(network.model, dataset.validation)
threshold = float(held.probabilities.amax(dim=1).quantile(0.03))
checked = confidence < threshold
groups = {"correct": result.correct, "misclassified": ~result.correct}
figure = lab.plotting.distributions(
    {name: confidence[group] for name, group in groups.items() if group.any()},
    title="Confidence of test predictions",
    unit="confidence (probability of the predicted class)",
    marked=(threshold, "threshold"),
)

# %%
caught = int((checked & ~result.correct).sum())
words = "There is no mistake to catch."
if mistakes:
    middle = [percent(float(confidence[group].median())) for group in groups.values()]
    words = (
        f"The median confidence is {middle[0]} for correct predictions and {middle[1]} "
        f"for mistakes. {int(checked.sum())} of {total:,} predictions "
        f"({checked.float().mean():.1%}) are below the threshold of {threshold:.3f}. "
        f"They include {caught} of the {mistakes} mistakes: "
        f"{lab.stats.proportion_interval(caught, mistakes)}."
    )
lab.report.reading(words)

# %%
# Which digits are confused
# -------------------------
# A row is a true label, a column a prediction. Correct predictions are grey, and only
# mistakes are shaded.
figure = lab.plotting.confusion_matrix(result)

# %%
# Ten digits form 45 pairs. Some pair is always the most frequent one, even if all are
# equally likely. So the three most confused pairs are chosen on the validation images,
# and only then counted on the test images. If all pairs were equally likely, those
# three would hold 3/45 of the test mistakes.


def confused(outcome: lab.Evaluation) -> Counter[frozenset[int]]:
    """Mistakes by pair of digits, in either direction."""
    labels = zip(outcome.labels.tolist(), outcome.predictions.tolist(), strict=True)
    return Counter(frozenset(pair) for pair in labels if pair[0] != pair[1])


pairs = [pair for pair, _ in confused(held).most_common(3)]
counts = confused(result)
again = sum(counts[pair] for pair in pairs)
by_chance = 3 / 45

# %%
names = [f"{min(pair)} and {max(pair)}: {counts[pair]}" for pair in pairs]
verdict = "There are no mistakes to compare."
if mistakes and pairs:
    share = lab.stats.proportion_interval(again, mistakes)
    verdict = (
        f"The three pairs confused most often on the validation images make up {share} "
        f"of the test mistakes ({', '.join(names)}), where three of 45 equally "
        f"likely pairs would make up {by_chance:.1%}. "
        + (
            "So together they are confused more often than by chance, though not each "
            "of them has to be."
            if share.low > by_chance
            else "These mistakes are too few to show a preference for these pairs."
        )
    )
lab.report.reading(verdict)

# %%
# Your own digit
# --------------
# Draw a digit, and watch the probabilities of the ten classes while you draw. The
# :doc:`live lab </live>` has more.
#
# .. live:: probabilities

# %%
# Try it
# ------
# * Draw other images: change ``seed`` to 1, 2, 3, ... How many draws does it take until
#   the first figure shows a mistake?
# * Let a person check 1% or 10% of the images instead of 3%. Which share of the
#   mistakes do they get to see?
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_1_classification_plot_1_1_training_curves.py` shows how
# this network was trained.
# :ref:`sphx_glr_auto_examples_3_adversarial_plot_3_1_2_confidence.py` measures the
# confidence on images that no person has drawn.

# %%
# The answer
# ----------
lab.report.answer(
    "1.2",
    f"{right} of {count} test images drawn at random (seed {seed}) are classified "
    "correctly; the first figure shows them with their true and predicted labels. Of "
    f"all {total:,} test images, the network ({network.name}, seed {network.seed}) "
    f"misclassifies {mistakes}: {error}. {verdict}",
    dataset=dataset,
)

# %%

# sphinx_gallery_tags = ["evaluation"]
lab.plotting.show()
