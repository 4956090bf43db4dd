r"""
2.3 Activations, layer by layer
===============================

What do the two convolutions make of a digit, and what changes with depth? You will look
at their activation maps, first for one digit and then for five. Then you will measure
at each stage how selective the neurons are for a class, and how well a linear function
tells the classes apart.

The selectivity index of a neuron :cite:p:`morcos2018` is

.. math::

   s = \frac{\mu_{\mathrm{max}} - \mu_{\mathrm{others}}}
            {\mu_{\mathrm{max}} + \mu_{\mathrm{others}}}

Here :math:`\mu_{\mathrm{max}}` is the mean activation for the class to which the neuron
responds most, and :math:`\mu_{\mathrm{others}}` the average of its mean activations for
the other nine. The index :math:`s` is 0 if the neuron responds to all classes alike,
and 1 if it responds to one class only. A *linear probe* :cite:p:`alain2017` is a linear
classifier of the activations of one layer.
"""

# %%
# All maps of conv1 for one digit
# -------------------------------
# An activation is the output of a neuron after the ReLU and before the pool. The 32
# filters of conv1 give 32 maps of 28×28.
import torch

import mnist_lab as lab
from mnist_lab.introspection.probing import (
    image_similarity,
    linear_probe,
    selectivity_above_chance,
)

seed = 0
dataset = lab.load_dataset()
model = lab.trained("plain", seed=seed, dataset=dataset).model
test = dataset.test
first = torch.stack([(test.labels == label).nonzero()[0, 0] for label in range(10)])
digits = test.images[first]
conv1 = lab.activations(model, digits, "conv1")  # (10, 32, 28, 28)

# %%
figure = lab.plotting.montage(
    conv1[2],
    title="All 32 maps of conv1 for a 2",
    unit="activation",
    limits=(0, float(conv1[2].max())),
    cmap="viridis",
    gap=3,
)

# %%
# All maps of conv2 for the same digit
# ------------------------------------
# The 32 filters of conv2 give 32 maps of 14×14, since a pool precedes them.
conv2 = lab.activations(model, digits, "conv2")  # (10, 32, 14, 14)
figure = lab.plotting.montage(
    conv2[2],
    title="All 32 maps of conv2 for a 2",
    unit="activation",
    limits=(0, float(conv2[2].max())),
    cmap="viridis",
    gap=2,
)

# %%
shapes = lab.layer_shapes(model)
alike, area, background = {}, {}, {}
for name, maps, stride, padding in (("conv1", conv1, 1, 1), ("conv2", conv2, 2, 3)):
    alike[name] = int((image_similarity(maps, digits).nanmean(dim=0) > 0.5).sum())
    area[name] = float((maps > 0).float().mean())
    side = (shapes[name].receptive_field or (0, 0))[0]
    sees = torch.nn.functional.max_pool2d(digits.float(), side, stride, padding) > 0
    on_blank = ((maps > 0) & ~sees).sum((0, 2, 3)) / (~sees).sum()
    background[name] = int((on_blank > 0.5).sum())
fewer = alike["conv2"] < alike["conv1"]
marks = area["conv2"] < area["conv1"] / 2 and background["conv2"] < 3
lab.report.reading(
    f"{alike['conv1'] or 'None'} of the 32 maps of conv1 have an absolute correlation "
    f"above 0.5 with the image (mean over ten digits, at 14×14 pixels). "
    f"{background['conv1'] or 'None'} are active on the blank background. Of conv2, "
    f"{'only ' if fewer else ''}{alike['conv2'] or 'none'} have such a correlation, "
    f"and {background['conv2'] or 'none'} are active on the background. On average a "
    f"map of conv1 is active at {area['conv1']:.0%} of its positions, a map of conv2 "
    f"at {area['conv2']:.0%}"
    f"{': it marks a few places on the digit instead of drawing it' if marks else ''}."
)

# %%
# The same maps for five digits
# -----------------------------
# These are the eight maps of each layer whose mean activation differs most between the
# ten digits.
for name, maps in (("conv1", conv1), ("conv2", conv2)):
    varied = maps.mean((2, 3)).std(dim=0).topk(8).indices.sort().values
    figure = lab.plotting.beside_digits(
        digits[1::2],
        maps[1::2, varied],
        title=f"Eight maps of {name} for five digits",
        unit="activation",
        limits=(0, float(maps[:, varied].max())),
        column_labels=[f"map {index}" for index in varied],
    )

# %%
variation = {}
for name, maps in (("conv1", conv1), ("conv2", conv2)):
    means = maps.mean((2, 3))  # (10, 32)
    used = means.amax(dim=0) > 0
    variation[name] = float((means.std(dim=0) / means.mean(dim=0))[used].mean())
if variation["conv2"] > variation["conv1"]:
    meaning = (
        "So the maps of conv1 treat the digits more alike. What a map of conv2 "
        "responds to is in some digits more than in others."
    )
else:
    meaning = "So the maps of conv2 depend no more on the digit than those of conv1."
lab.report.reading(
    f"From digit to digit, the mean activation of a map varies by "
    f"{variation['conv1']:.0%} in conv1 and by {variation['conv2']:.0%} in conv2 "
    f"(standard deviation over ten digits relative to the mean, averaged over all "
    f"maps). {meaning}"
)

# %%
# Five networks, before and after training
# ----------------------------------------
# Now we measure. Four stages are compared: the pixels, conv1, conv2 and the fully
# connected layer fc1. What a network shows with its initial weights is the work of the
# architecture, not of training. So five networks are measured before and after it.
generator = torch.Generator().manual_seed(seed)
sample = test[torch.randperm(len(test), generator=generator)[:1500]]
stages, seeds = ("pixels", "conv1", "conv2", "fc1"), range(5)
networks = {
    "trained": [n.model for n in lab.trained_many("plain", seeds, dataset=dataset)],
    "before training": [lab.DigitCNN(seed=s) for s in seeds],
}


# %%
def features(network: lab.DigitCNN, stage: str, images: torch.Tensor) -> torch.Tensor:
    """The activations of a stage. The pixels are the stage before all layers."""
    return (
        images / 255 if stage == "pixels" else lab.activations(network, images, stage)
    )


def over_networks(values: torch.Tensor) -> list[lab.stats.Interval]:
    """The mean over the networks at each stage, with its interval."""
    return [lab.stats.mean_interval(stage.tolist()) for stage in values.T]


# %%
# How selective the neurons are
# -----------------------------
# By chance, some class has the largest mean, so the index is above 0 even for a neuron
# that knows nothing. The index for shuffled labels is therefore subtracted. The
# intervals are over the five networks, which all see the same 1,500 test images.
def responses(network: lab.DigitCNN, stage: str) -> list[float]:
    """The mean selectivity above chance, and the share of activations that are zero."""
    answers = features(network, stage, sample.images)
    selectivity = selectivity_above_chance(answers, sample.labels, seed)
    active = int(answers.count_nonzero()) / answers.numel()
    return [float(selectivity.nanmean()), 1 - active]


measured = {
    name: torch.tensor([[responses(n, stage) for stage in stages] for n in group])
    for name, group in networks.items()
}  # (5 networks, 4 stages, 2 measures)

# %%
figure = lab.plotting.estimates(
    {name: over_networks(values[:, :, 0]) for name, values in measured.items()},
    stages,
    title="Selectivity of the neurons for a class",
    unit="mean index above chance",
    joined=True,
)


# %%
def verb(difference: lab.stats.PairedComparison) -> str:
    """Whether a measure rises from one stage to the next."""
    if not difference.significant:
        return "stays near"
    return "rises to" if difference.mean > 0 else "falls to"


selectivity, zeros = measured["trained"].unbind(dim=2)
initial_selectivity, initial_zeros = measured["before training"].unbind(dim=2)
selectivity_steps = [
    lab.stats.paired_comparison(*selectivity[:, index : index + 2].T.tolist())
    for index in range(3)
]
course = ", ".join(
    f"{verb(difference)} {selectivity[:, index].mean():.2f} in {stage}"
    for index, (stage, difference) in enumerate(
        zip(stages[1:], selectivity_steps, strict=True), start=1
    )
)
compared = {
    stage: lab.stats.paired_comparison(before.tolist(), after.tolist())
    for stage, before, after in zip(
        stages[1:], initial_selectivity.T[1:], selectivity.T[1:], strict=True
    )
}
due = [name for name, d in compared.items() if d.significant and d.mean > 0]
sparse = lab.stats.paired_comparison(initial_zeros[:, 2].tolist(), zeros[:, 2].tolist())
lab.report.reading(
    f"From {selectivity[:, 0].mean():.2f} for the pixels, selectivity {course}. Before "
    f"training, the three layers have "
    f"{', '.join(f'{value:.2f}' for value in initial_selectivity.mean(dim=0)[1:])}: "
    f"training raises it in {', '.join(due) or 'none of them'}. "
    f"{zeros[:, 2].mean():.0%} of the activations of conv2 are zero, before training "
    f"{initial_zeros[:, 2].mean():.0%}"
    f"{': training makes it sparse' if sparse.significant and sparse.mean > 0 else ''}."
)

# %%
# A linear probe at each stage
# ----------------------------
# A probe is fitted to each stage by ridge regression on 1,000 training images.
# Validation images choose the strength of its regularization. The more features there
# are, the easier any classes are to separate, and conv1 has 25,088. The initial weights
# show how much that alone does.
chosen = torch.randperm(len(dataset.train), generator=generator)[:1000]
fitted = (dataset.train[chosen], dataset.validation[:1000])


def probed(network: lab.DigitCNN, stage: str) -> torch.Tensor:
    """For each test image, 1 if a linear probe of a stage classifies it correctly."""
    data = []
    for part in fitted:
        data += [features(network, stage, part.images), part.labels]
    predictions = linear_probe(*data).predict(features(network, stage, sample.images))
    return (predictions == sample.labels).float()


# %%
right = {}  # (5 networks, 4 stages, 1500 images)
for name, group in networks.items():
    rows = [torch.stack([probed(n, stage) for stage in stages]) for n in group]
    right[name] = torch.stack(rows)

# %%
figure = lab.plotting.estimates(
    {name: over_networks(values.mean(dim=2)) for name, values in right.items()},
    stages,
    title="Test accuracy of a linear probe",
    unit="images classified correctly",
    joined=True,
)

# %%
accuracy = right["trained"].mean((0, 2)).tolist()
before = right["before training"].mean((0, 2)).tolist()
steps = [
    lab.stats.crossed_comparison(right["trained"][:, i], right["trained"][:, i + 1])
    for i in range(3)
]
gains = [
    lab.stats.crossed_comparison(right["before training"][:, i], right["trained"][:, i])
    for i in range(1, 4)
]
rising = all(step.significant and step.mean > 0 for step in steps)


def listed(values: list[float], form: str) -> str:
    """Values in one form, with commas between them."""
    return ", ".join(format(value, form) for value in values)


def points(difference: lab.stats.PairedComparison) -> str:
    """A difference of accuracies in percentage points, with its interval."""
    mean, low, high = (
        100 * v for v in (difference.mean, difference.low, difference.high)
    )
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


lab.report.reading(
    f"From stage to stage the accuracy "
    f"{'rises' if rising else 'does not rise throughout'}: {listed(accuracy, '.1%')}. "
    f"With initial weights, the probe of conv1 has {before[1]:.1%}, against "
    f"{before[0]:.1%} for the pixels. Training adds, in points, "
    f"{points(gains[0])} in conv1, {points(gains[1])} in conv2 and {points(gains[2])} "
    f"in fc1. (Intervals over networks and images.)"
)

# %%
# Your own digit
# --------------
# Choose a map to see where on your digit it answers most. The :doc:`live lab </live>`
# has more.
#
# .. live:: maps

# %%
# Try it
# ------
# * Replace ``"plain"`` by ``"batch_norm"``, and ``lab.DigitCNN(seed=s)`` by
#   ``lab.DigitCNN(batch_norm=True, seed=s)``. Is conv2 still as sparse?
# * Fit the probes on 200 training images instead of 1,000. At which stage does the
#   accuracy suffer most?
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_2_visualization_plot_2_2_second_layer_filters.py` shows
# the filters behind the maps of conv2.
# :ref:`sphx_glr_auto_examples_2_visualization_plot_2_4_occlusion.py` asks which parts
# of the image the whole network needs.

# %%
# The answer
# ----------
images = sample.images[:300]
resemblance = {
    name: torch.tensor(
        [
            [
                float(image_similarity(features(n, layer, images), images).nanmean())
                for layer in ("conv1", "conv2")
            ]
            for n in group
        ]
    )
    for name, group in networks.items()
}  # (5 networks, 2 layers)
like_image = lab.stats.paired_comparison(*resemblance["trained"].T.tolist())
if like_image.significant and like_image.mean < 0:
    likeness = "they look less like the digit"
else:
    likeness = "they do not look less like the digit"
fields = [shapes[layer].receptive_field or (0, 0) for layer in ("conv1", "conv2")]
sides = [maps.shape[-1] for maps in (conv1, conv2)]
deeper = selectivity_steps[1]
selective = deeper.significant and deeper.mean > 0
fewer_active = lab.stats.paired_comparison(zeros[:, 1].tolist(), zeros[:, 2].tolist())
sparser = fewer_active.significant and fewer_active.mean > 0
# What a step adds without training, as a part of what it adds with it.
made = [
    stage
    for i, stage in enumerate(stages[1:])
    if before[i + 1] - before[i] > (accuracy[i + 1] - accuracy[i]) / 2
]
learned = [stage for stage in stages[1:] if stage not in made]
probe = ", ".join(f"{s} {a:.1%}" for s, a in zip(stages, accuracy, strict=True))
lab.report.answer(
    "2.3",
    f"With depth the maps get coarser ({sides[0]}×{sides[0]}, then "
    f"{sides[1]}×{sides[1]}), an activation sees more of the image "
    f"({fields[0][0]}×{fields[0][1]}, then {fields[1][0]}×{fields[1][1]} pixels), and "
    f"{likeness} (mean absolute correlation "
    f"{listed(resemblance['trained'].mean(0).tolist(), '.2f')}; before training "
    f"{listed(resemblance['before training'].mean(0).tolist(), '.2f')}). The "
    f"activations get {'' if sparser else 'no '}sparser ({zeros[:, 1].mean():.0%} are "
    f"zero in conv1, {zeros[:, 2].mean():.0%} in conv2) and "
    f"{'' if selective else 'not clearly '}more selective for a class (index above "
    f"chance {selectivity[:, 1].mean():.2f}, {selectivity[:, 2].mean():.2f}; "
    f"{selectivity[:, 3].mean():.2f} in fc1). A linear probe reads the class better "
    f"{'at every stage' if rising else 'at some stages only'}: {probe}; before "
    f"training it is {listed(before[1:], '.1%')} in the three layers. So more than "
    f"half of the step to {' and to '.join(made) or 'no layer'} is the work of the "
    f"architecture, and the step to {' and to '.join(learned) or 'no layer'} is mostly "
    f"learned: training adds {points(gains[1])} points in conv2 and "
    f"{points(gains[2])} in fc1 ({len(seeds)} networks).",
    dataset=dataset,
)

# %%

# sphinx_gallery_thumbnail_number = 4
# sphinx_gallery_tags = ["activations"]
lab.plotting.show()
