"""
2.3 Activations, layer by layer
===============================

What do the two convolutions make of a digit, and what changes with depth? We look at
their maps for several digits, and then measure three things at each stage: how many
neurons are silent, how selective they are for a class, and how well a linear function
can tell the classes apart.
"""

# %%
# All maps of one digit
# ---------------------
# The activations after the ReLU and before the pooling: 32 maps of 28x28 from conv1,
# 32 maps of 14x14 from conv2. Each figure has one scale from zero to its largest
# activation.
import torch

import mnist_lab as lab
from mnist_lab.introspection.probing import class_selectivity, linear_probe

dataset = lab.load_dataset()
model = lab.trained("plain", dataset=dataset).model
untrained = lab.DigitCNN(seed=0)
test = dataset.test
first = torch.stack([(test.labels == label).nonzero()[0, 0] for label in range(10)])
for layer in ("conv1", "conv2"):
    maps = lab.activations(model, test.images[first[2:3]], layer)[0]
    figure = lab.plotting.montage(
        maps,
        title=f"All 32 maps of {layer} for a {test.labels[first[2]]}",
        unit="activation",
        limits=(0, float(maps.max())),
        cmap="viridis",
        gap=1 + maps.shape[-1] // 14,
    )

# %%
# The same maps for several digits
# --------------------------------
# Five digits in rows, and in columns the eight maps of each layer whose mean activation
# differs most between images. Look for maps that show the whole digit still, and for
# maps that answer to some part of it.
digits = first[[0, 1, 2, 4, 7]]
for layer in ("conv1", "conv2"):
    maps = lab.activations(model, test.images[digits], layer)
    varied = maps.mean((2, 3)).std(dim=0).topk(8).indices.sort().values
    figure = lab.plotting.beside_digits(
        test.images[digits],
        maps[:, varied],
        title=f"Eight maps of {layer} for five digits",
        unit="activation",
        limits=(0, float(maps[:, varied].max())),
        column_labels=[str(int(index)) for index in varied],
    )

# %%
# Stages to compare
# -----------------
# The pixels are the stage before all layers. The same network before training is the
# control at every stage: what it shows as well is the architecture's doing.
STAGES = ("pixels", "conv1", "conv2", "fc1")


def features(network: lab.DigitCNN, stage: str, images: torch.Tensor) -> torch.Tensor:
    """The activations of a stage for each image, (N, neurons)."""
    if stage == "pixels":
        return images.flatten(1) / 255
    return lab.activations(network, images, stage).flatten(1)


# %%
# How sparse and how selective the neurons are
# --------------------------------------------
# *Silent* is the share of activations that are zero. *Selectivity* compares a neuron's
# mean answer to its favourite class with that to the others: 0 if it answers to all
# alike, 1 if to one alone. A mean over few images favours some class by luck, and
# shuffled labels show how much.
sample = dataset.test[:1500]
order = torch.randperm(len(sample), generator=torch.Generator().manual_seed(0))
silent, selectivity = {}, {}
for name, network, labels in (
    ("trained", model, sample.labels),
    ("before training", untrained, sample.labels),
    ("trained, labels shuffled", model, sample.labels[order]),
):
    answers = [features(network, stage, sample.images) for stage in STAGES]
    silent[name] = [float((a == 0).float().mean()) for a in answers]
    values = [class_selectivity(a, labels) for a in answers]
    selectivity[name] = [
        lab.stats.mean_interval(v[v.isfinite()].tolist()) for v in values
    ]
for stage, share, before in zip(STAGES, *list(silent.values())[:2], strict=True):
    print(f"{stage}: {share:.1%} silent, before training {before:.1%}")
figure = lab.plotting.estimates(
    selectivity,
    STAGES,
    title="Selectivity of the neurons for a class",
    unit="selectivity, mean over neurons",
    limits=(0, 1),
    joined=True,
)

# %%
# How well a linear function tells the classes apart
# --------------------------------------------------
# A linear probe is fitted to each stage by ridge regression on 2,000 training images;
# validation images choose its regularization, and the test images are read once. More
# features make any classes easier to separate, and conv1 has 25,088 of them: that is
# why the untrained network matters here.
count = 2000
chosen = torch.randperm(len(dataset.train), generator=torch.Generator().manual_seed(0))
train, validation = dataset.train[chosen[:count]], dataset.validation[:count]
parts = [test[start : start + 500] for start in range(0, len(test), 500)]


def probed(network: lab.DigitCNN, stage: str) -> lab.stats.Interval:
    """The test accuracy of a linear probe at a stage of a network."""
    known = features(network, stage, train.images)
    held_out = features(network, stage, validation.images)
    probe = linear_probe(known, train.labels, held_out, validation.labels)
    right = [
        int((probe.predict(features(network, stage, p.images)) == p.labels).sum())
        for p in parts
    ]
    return lab.stats.proportion_interval(sum(right), len(test))


linear = {
    "trained": [probed(model, stage) for stage in STAGES],
    "before training": [probed(untrained, stage) for stage in STAGES],
}
for index, stage in enumerate(STAGES):
    after, before = linear["trained"][index], linear["before training"][index]
    print(f"{stage:6}  {after.value:.2%}, before training {before.value:.2%}")
figure = lab.plotting.estimates(
    linear,
    STAGES,
    title="Test accuracy of a linear probe at each stage",
    unit="share classified correctly",
    joined=True,
)

# %%
# The answer
# ----------
# What is said of the course from stage to stage follows from the numbers of the trained
# network; what training has to do with it, from the untrained one.
accuracy = [interval.value for interval in linear["trained"]]
gain = [accuracy[i] - linear["before training"][i].value for i in range(len(STAGES))]
selective = [interval.value for interval in selectivity["trained"]]
rises = (
    "rises at every stage"
    if accuracy == sorted(accuracy)
    else "does not rise throughout"
)


def listed(values: list[float], form: str) -> str:
    """The values in one form, with commas between them."""
    return ", ".join(format(value, form) for value in values)


lab.report.answer(
    "2.3",
    f"Over {', '.join(STAGES)} the accuracy of a linear probe {rises}: "
    f"{listed(accuracy, '.1%')}. Training has added "
    f"{listed([100 * g for g in gain[1:]], '+.1f')} points to the last three. The "
    f"neurons' selectivity for a class is {listed(selective, '.2f')}, and "
    f"{listed(silent['trained'], '.0%')} of the activations are zero. (Probes of "
    f"{count:,} training images, {len(test):,} test images, one network.)",
    dataset=dataset,
)
lab.plotting.show()
