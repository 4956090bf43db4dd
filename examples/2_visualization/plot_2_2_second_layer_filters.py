r"""
2.2 Filters of the second layer
===============================

Each of the 32 filters of conv2 has a 3x3 kernel for each of the 32 maps of conv1. We
plot all 1,024 kernels and compare them with the filters of conv1: in numbers, by how
far training moved them, and by the pieces of images that they respond to most.

A filter of conv2 reads maps, not pixels:

.. math::

    z_o = b_o + \sum_{i=1}^{32} w_{o,i} * a_i

:math:`z_o` is the map that the filter :math:`o` computes, :math:`a_i` is the map of
filter :math:`i` of conv1 after pooling and ReLU, :math:`w_{o,i}` is the kernel for it,
:math:`*` slides the kernel over the map, and :math:`b_o` is a bias. A single kernel
means little, because what it looks for depends on its map. So we also show what the
whole filter responds to, as :cite:t:`zeiler2014` do.
"""

# %%
# All 1,024 kernels
# -----------------
# A row is a filter of conv2. A column is the map of conv1 that its kernels read. Red
# weights are positive, blue ones are negative, and white is zero.
import copy
import statistics

import torch

import mnist_lab as lab
from mnist_lab.introspection.filters import describe_filters, pattern_shares
from mnist_lab.introspection.probing import agreement, top_activating_patches
from mnist_lab.plotting._pages import filters as figures

seed = 0
dataset = lab.load_dataset()
model = lab.trained("plain", seed=seed, dataset=dataset).model
kernels = lab.filters(model, "conv2")  # (32, 32, 3, 3)
figure = figures.kernel_grid(kernels)

# %%
# A column that stands out
# ------------------------
# Are long kernels important? We compare the column with the longest kernels and the
# one of median length. We set the kernels of a column to zero, so that conv2 no longer
# sees this map, and evaluate the network on the validation images.
lengths = kernels.flatten(2).norm(dim=2).mean(dim=0)  # (32,), one per column
longest, median = int(lengths.argmax()), int(lengths.argsort()[len(lengths) // 2])
errors = [lab.evaluate(model, dataset.validation).error]
for column in (longest, median):
    cut = copy.deepcopy(model)
    cut.conv2.weight.data[:, column] = 0
    errors.append(lab.evaluate(cut, dataset.validation).error)
print("validation errors:", [f"{error:.2%}" for error in errors])

# %%
untrained = lab.filters(lab.DigitCNN(seed=seed), "conv2")
start = untrained.flatten(2).norm(dim=2).mean(dim=0)
ratio, even = (float(each.max() / each.median()) for each in (lengths, start))
edge, edge_before = (
    float((pattern_shares(each)["edge"] > 0.5).float().mean())
    for each in (kernels, untrained)
)
needs = "needs" if errors[1] > 1.5 * errors[0] else "hardly needs"
lab.report.reading(
    f"Edges hold more than half of {edge:.0%} of the kernels, and of {edge_before:.0%} "
    f"before training. Column {longest} has the longest kernels, {ratio:.1f} times as "
    f"long as those of the median column. Before training the factor is {even:.2f}. "
    f"The network {needs} this column: its validation error is {errors[0]:.2%}, "
    f"without this column {errors[1]:.2%}, and without the column of median length "
    f"{errors[2]:.2%}."
)

# %%
# Both layers in numbers
# ----------------------
# *Smoothness* is how alike neighbouring weights are. *Edge share* and *average share*
# are how much of a kernel is an oriented edge or a plain average. *Similarity* is the
# absolute cosine between two filters. A filter of conv2 has 288 weights and one of
# conv1 has 9, which changes the similarity by itself. So compare each layer with its
# state before training too.
seeds = range(5)
trained = [n.model for n in lab.trained_many("plain", seeds, dataset=dataset)]
networks = {"before": [lab.DigitCNN(seed=each) for each in seeds], "after": trained}
numbers = {}
for layer in ("conv1", "conv2"):
    for state, models in networks.items():
        weights = [lab.filters(each, layer) for each in models]
        numbers[f"{layer} {state}"] = [describe_filters(each) for each in weights]
names = ["smoothness", "edge share", "average share", "similarity"]
figure = figures.filter_numbers(numbers, names)

# %%
first, second = numbers["conv1 after"], numbers["conv2 after"]
compared = []
for name, more, less in (
    ("smoothness", "smoother", "rougher"),
    ("edge share", "more edge-like", "less edge-like"),
    ("average share", "more like a plain average", "less like a plain average"),
):
    of_conv1, of_conv2 = ([row[name] for row in rows] for rows in (first, second))
    gap = lab.stats.paired_comparison(of_conv1, of_conv2)
    means = f"{statistics.mean(of_conv2):.2f} against {statistics.mean(of_conv1):.2f}"
    word = more if gap.mean > 0 else less
    compared.append(
        f"{word if gap.significant else f'not measurably {word}'} ({means})"
    )
comparison = f"{', '.join(compared[:-1])} and {compared[-1]}"
moved = {
    layer: sum(
        float(torch.cosine_similarity(a.flatten(1), b.flatten(1)).mean())
        for a, b in (
            (lab.filters(old, layer), lab.filters(new, layer))
            for old, new in zip(*networks.values(), strict=True)
        )
    )
    / len(seeds)
    for layer in ("conv1", "conv2")
}
lab.report.reading(
    f"The trained kernels of conv2 are {comparison} than the filters of conv1. The "
    "cosine between a filter before and after training is "
    f"{moved['conv1']:.2f} on average in conv1 and {moved['conv2']:.2f} in conv2. The "
    "smaller it is, the more training has changed the filter."
)

# %%
# What the filters respond to
# ---------------------------
# A neuron of conv2 sees 8x8 pixels, and one of conv1 only 3x3. A row shows the patches
# of test images that activate a filter most, each from another image. The eight filters
# are those whose strongest activation varies most from image to image.
images = dataset.test.images[:1000]
maps = lab.activations(model, images, "conv2")  # (1000, 32, 14, 14)
patches = top_activating_patches(images, maps, size=8, stride=2, start=-3, count=8)
units = maps.amax((2, 3)).std(dim=0).topk(8).indices.sort().values
figure = figures.top_patches(patches, units.tolist())

# %%
within, between = (each[units] for each in agreement(patches))
lab.report.reading(
    f"Two patches of a row correlate by {within.min():.2f} to {within.max():.2f} on "
    f"average, and a patch of a row correlates with those of other filters by "
    f"{between.min():.2f} to {between.max():.2f}. "
    + (
        "So the patches of a row look more like each other than like those of most "
        "other filters. Two rows can still show the same piece of a stroke."
        if within.min() > between.max() + 0.3
        else "So the patches of some rows look hardly more alike than those of "
        "different rows."
    )
)

# %%
# Are the filters specific?
# -------------------------
# A random filter prefers some patches too. So we measure how much more the patches of a
# filter correlate with each other than with those of other filters, and compare trained
# networks with themselves before training. The fields are those of page 1.3: 3 pixels,
# one apart, for conv1; 8 pixels, two apart, for conv2.
fields = {
    "conv1": {"size": 3, "stride": 1, "start": -1},
    "conv2": {"size": 8, "stride": 2, "start": -3},
}


def specificity(model: lab.DigitCNN, layer: str) -> float:
    """How specific the filters of a layer are, on average."""
    maps = lab.activations(model, images, layer)
    patches = top_activating_patches(images, maps, count=8, **fields[layer])
    within, between = agreement(patches)
    return float((within - between).mean())


# %%
# Five networks
# -------------
# Each network gives one number per layer. Patches of different size correlate
# differently. So compare a layer before and after training, not the two layers.
specific: dict[str, list[list[float]]] = {}
for state, models in networks.items():
    specific[state] = []
    for layer in fields:
        specific[state].append([specificity(each, layer) for each in models])
figure = figures.specificities(specific, list(fields))

# %%
sharper = [
    lab.stats.paired_comparison(before, after)
    for before, after in zip(*specific.values(), strict=True)
]
said = []
for layer, change in zip(fields, sharper, strict=True):
    verb = (
        "rises" if change.low > 0 else "falls" if change.high < 0 else "does not change"
    )
    verb += "" if change.significant else " measurably"
    said.append(
        f"in {layer} it {verb} ({change.mean:+.2f}, {change.confidence:.0%} interval "
        f"{change.low:+.2f} to {change.high:+.2f})"
    )
lab.report.reading(
    f"Training changes how specific the filters are: {' and '.join(said)}; "
    f"{len(seeds)} networks, {len(images):,} test images."
    if any(change.significant for change in sharper)
    else f"Training does not measurably change how specific the filters are: "
    f"{' and '.join(said)}; {len(seeds)} networks, {len(images):,} test images."
)

# %%
# Try it
# ------
# * Set ``seed = 1`` in the first cell. Watch whether another column stands out, and
#   whether the network needs it.
# * Show the patches of validation digits of one class only, for example
#   ``dataset.validation.images[dataset.validation.labels == 1]``. Watch which filters
#   still find something.
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_2_visualization_plot_2_1_first_layer_filters.py` looks at
# the filters of conv1, and
# :ref:`sphx_glr_auto_examples_2_visualization_plot_2_3_activations.py` at what changes
# from one layer to the next.

# %%
# The answer
# ----------
alike = [sum(each[-1]) / len(seeds) for each in specific.values()]
change = sharper[-1]
further = "further" if moved["conv2"] < moved["conv1"] else "less far"
learned = (
    "Training makes the filters of conv2 more specific"
    if change.low > 0
    else "Training makes the filters of conv2 less specific"
    if change.high < 0
    else "Training does not measurably change how specific the filters of conv2 are"
)
lab.report.answer(
    "2.2",
    f"The kernels of conv2, {kernels.shape[0] * kernels.shape[1]:,} in all, are "
    f"{comparison} than the filters of conv1 ({len(seeds)} networks). Training has "
    f"moved them {further} from their random start (cosine {moved['conv2']:.2f} "
    f"against {moved['conv1']:.2f}). {learned}: the patches of 8x8 pixels that "
    f"activate a filter most correlate by {alike[1]:.2f} more with each other than "
    f"with those of other filters, and by {alike[0]:.2f} before training (difference "
    f"{change.mean:+.2f}, {change.confidence:.0%} interval {change.low:+.2f} to "
    f"{change.high:+.2f}).",
    dataset=dataset,
)

# %%

# sphinx_gallery_thumbnail_number = 3
# sphinx_gallery_tags = ["filters"]
lab.plotting.show()
