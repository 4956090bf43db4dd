r"""
3.1.2 Confidence in the generated images
========================================

Does the network always predict the target class on the images generated from noise, and
with what confidence? You will count it over many noise images, also after rounding, and
watch the confidence grow. Then you will look for conditions under which it fails.

The confidence is the probability of the target class :math:`t`, the softmax of the
logits :math:`z_k`:

.. math::

   p_t(X) = \frac{\exp z_t(X)}{\sum_{k=0}^{9} \exp z_k(X)}
          = \frac{1}{1 + \sum_{k \ne t} \exp\left(z_k(X) - z_t(X)\right)}

It only compares the ten classes with each other; the network has no class for "not a
digit". :cite:t:`nguyen2015` generated images that mean nothing to us and that networks
classify with high confidence. :cite:t:`hein2019` showed why networks of ReLUs can be
confident far away from all training images.
"""

# %%
# Many noise images for every class
# ---------------------------------
# Every class starts from the same noise images. The probability that matters is that
# of the *target*: the probability of the predicted class would hide every failure. An
# image is confident if its target has more than 99%. The ascent takes 150 steps, half
# of those of page 3.1.1, which makes the test harder.
import math
from functools import partial

import torch

import mnist_lab as lab
from mnist_lab._utils.network import unchanged
from mnist_lab.plotting._pages import adversarial as figures

dataset = lab.load_dataset()
network = lab.best(dataset=dataset)
print(network)
model = network.model
starts, steps, threshold = 24, 150, 0.99
seed = 1

# %%
moments: dict[int, torch.Tensor] = {}


def keep(step: int, images: torch.Tensor) -> None:
    """Keep the probabilities in the first 100 steps."""
    if step <= 100 and step % 5 == 0:
        moments[step] = model.probabilities(images)


targets = list(range(10)) * starts
with unchanged(model):
    result = lab.maximize_logit(model, targets, seed, steps=steps, callback=keep)


# %%
# The remaining probability
# -------------------------
# Probabilities close to 1 cannot be told apart on an axis from 0 to 1. So the figure
# shows what is left to the nine other classes, one point per image, on a logarithmic
# axis. What lies below the dashed line is confident.
def confident(probabilities: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Which images give their target more than the threshold, (N,)."""
    return probabilities.gather(1, classes[:, None])[:, 0] > threshold


as_made = confident(result.probabilities, result.targets)
stored = confident(result.rounded_probabilities, result.targets)
figure = figures.remaining_probability(result, threshold=threshold)

# %%
digits = dataset.test[:1000]
on_digits = torch.cat([model(part).detach() for part in digits.images.split(250)])
of_digits = on_digits.gather(1, digits.labels[:, None]).median()
of_images = result.cost[-1].median()
lowest = float(result.rounded_target_probability.min())
least = min(math.floor(10_000 * lowest), 9_999) / 10_000  # never rounded to certainty
lab.report.reading(
    f"Of {len(stored)} images, {int(as_made.sum())} are confident as they were "
    f"generated, and {int(stored.sum())} after rounding to whole intensities. The "
    f"smallest probability of a target is {least:.2%} or more. The median logit of the "
    f"target is {of_images:.0f}; for the class of a test digit it is {of_digits:.0f}."
)

# %%
# Each noise image is one trial
# -----------------------------
# The images are not so many independent trials: the ten images of a row share their
# noise. What is drawn at random is the noise image. So the question becomes: for which
# fraction of all noise images do *all ten* classes succeed? Its interval counts the
# noise images, not the generated ones.
rows = stored.unflatten(0, (starts, 10))
all_ten = rows.all(dim=1)
interval = lab.stats.proportion_interval(int(all_ten.sum()), starts)
print(f"noise images for which all ten classes succeed: {interval}")

# %%
# Noise itself
# ------------
# Before the first step the image is noise. The network distributes its probability over
# the ten classes all the same.
noise = moments[0][::10]  # one row per noise image
labels = noise.argmax(dim=1)
favourite = int(labels.mode().values)
share, middle = (labels == favourite).float().mean(), noise.amax(dim=1).median()
already = int(confident(noise, labels).sum())

# %%
lab.report.reading(
    f"{share:.0%} of the {starts} noise images are classified as {favourite}, and the "
    f"median probability of the predicted class is {middle:.0%}. "
    f"{already or 'None'} of them "
    f"{'is' if already == 1 else 'are'} classified with more than {threshold:.0%}: "
    + (
        "a high confidence needs no digit, and not even an attack."
        if already
        else "the network is less sure of plain noise than of what we make of it."
    )
)

# %%
# The confidence grows
# --------------------
# The fraction of the images that are classified as their target, and of those that are
# confident, in the first 100 steps.
probabilities = torch.stack(list(moments.values()))  # (moments, N, 10)
predicted = (probabilities.argmax(dim=2) == result.targets).float().mean(dim=1)
sure = torch.stack([confident(p, result.targets).float().mean() for p in probabilities])
figure = figures.target_shares(
    torch.tensor(list(moments)),
    {
        "classified as the target": predicted,
        f"target above {threshold:.0%}": sure,
    },
)


# %%
def reached(fractions: torch.Tensor, level: float) -> str:
    """The first of the moments at which a fraction is at least a level."""
    early = [step for step, f in zip(moments, fractions, strict=True) if f >= level]
    return f"after {early[0]} steps" if early else f"not within {max(moments)} steps"


lab.report.reading(
    f"Half of the images are classified as their target {reached(predicted, 0.5)}, and "
    f"confident {reached(sure, 0.5)}. All are confident {reached(sure, 1.0)}. So the "
    f"{steps} steps of this page are more than is needed."
    if bool(sure[-1] == 1)
    else f"Half of the images are classified as their target "
    f"{reached(predicted, 0.5)}, and confident {reached(sure, 0.5)}. After "
    f"{max(moments)} steps {sure[-1]:.0%} are confident."
)

# %%
# Is it always so?
# ----------------
# "Always" cannot be shown, only refuted. So we change the conditions, one at a time:
# the noise, the clipping, the number of steps, and the network. Each gives ten images.
few = range(10)
attack = partial(lab.maximize_logit, targets=few, seed=seed, steps=steps)
tried = {
    "noise of std 10": attack(model, sigma=10.0),
    "noise of std 80": attack(model, sigma=80.0),
    "without clipping": attack(model, clip=None),
    "ten steps": attack(model, steps=10),
}

# %%
other = lab.trained(network.name, seed=(network.seed + 1) % 5, dataset=dataset)
tried["another network"] = attack(other.model)
counts = {
    name: int(confident(made.rounded_probabilities, made.targets).sum())
    for name, made in tried.items()
}
for name, count in counts.items():
    print(f"{name:>20}: {count} of {len(few)} confident")

# %%
kept = [name for name, count in counts.items() if count == len(few)]
failing = [name for name, count in counts.items() if count < len(few)]
lab.report.reading(
    (f"All {len(few)} images are confident with {', '.join(kept)}. " if kept else "")
    + (
        f"Not all are with {', '.join(failing)}."
        if failing
        else "No change made it fail."
    )
)

# %%
# Try it
# ------
# - Set ``threshold = 0.999999``: at which step are the images that confident?
# - Pass ``objective="margin"`` to :func:`mnist_lab.targeted_attack` with ``beta=0``
#   from the same noise: are the targets reached in fewer steps?
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_3_adversarial_plot_3_1_1_generated_images.py` shows the
# images.
# :ref:`sphx_glr_auto_examples_3_adversarial_plot_3_1_4_cost.py` follows the logit step
# by step.

# %%
# The answer
# ----------
every = bool(stored.all())
lab.report.answer(
    "3.1.2",
    ("Yes: all " if every else f"Not always: {int(stored.sum())} of ")
    + f"{len(stored)} images ({starts} noise images, ten classes each, {steps} steps) "
    f"are classified as their target with more than {threshold:.0%}, after rounding to "
    f"whole intensities. The smallest probability of a target is {least:.2%} or more. "
    f"All ten classes succeed for {int(all_ten.sum())} of the {starts} noise images, "
    f"that is {interval.value:.0%} ({interval.confidence:.0%} interval "
    f"{interval.low:.0%} to {interval.high:.0%}). "
    + (
        f"With {', '.join(failing)}, not all images are confident."
        if failing
        else "Other noise, fewer steps and another network change nothing."
    ),
    dataset=dataset,
)

# %%

# sphinx_gallery_thumbnail_number = 1
# sphinx_gallery_tags = ["gradient ascent"]
lab.plotting.show()
