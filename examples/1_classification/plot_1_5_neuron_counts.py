r"""
1.5 Number of neurons
=====================

We count the neurons of the network by the library and by hand, and see how other
definitions change the total. Then we see how many of these neurons respond to the test
images at all, and remove those that never do.

Here a neuron is one weighted sum plus a bias: one output of a convolution or of a fully
connected layer. The number of neurons is

.. math::

    N = \sum_{l \in \text{conv}} C_l \, H_l \, W_l + \sum_{l \in \text{fc}} D_l

:math:`C_l` is the number of filters of the convolution :math:`l`, :math:`H_l` and
:math:`W_l` are the height and the width of its output in pixels, and :math:`D_l` is the
number of outputs of the fully connected layer :math:`l`. All neurons of a filter share
their weights and form a feature map :cite:p:`lecun1998`.
"""

# %%
# Count the neurons
# -----------------
# The count needs the shapes of the layers, so the library runs the network once.
# Pooling outputs are listed in a column of their own. They are not counted.
import copy

import torch

import mnist_lab as lab
from mnist_lab.plotting._pages import classification as figures

seed = 0
dataset = lab.load_dataset()
model = lab.trained("plain", seed=seed, dataset=dataset).model
counts = lab.neuron_counts(model)
print(counts)

# %%
# Check by hand
# -------------
# A convolution has one neuron per filter and position. Its parameters do not depend on
# the number of positions. So the convolutions have nearly all of the neurons, and the
# fully connected layers have nearly all of the parameters.

# sphinx_gallery_exercise = "by_hand: a dictionary, from layer to number of neurons"
by_hand = {"conv1": 32 * 28 * 28, "conv2": 32 * 14 * 14, "fc1": 500, "fc2": 10}
assert by_hand == counts.by_layer
parameters = lab.parameter_counts(model).by_layer
for layer, neurons in by_hand.items():
    print(f"{layer}: {neurons:6,} neurons, {parameters[layer]:7,} parameters")

# %%
# Other definitions
# -----------------
# Other totals are common. In LeNet-5 the subsampling layers had weights, so their units
# were neurons; a max-pool has none, yet many still count its outputs. Some add the
# pixels of the input. Others count one neuron per filter, at all positions together.
shapes = {row.name: row.output_shape for row in counts.rows}
per_filter = sum(shapes[layer][0] for layer in counts.by_layer)
print(f"with pooling outputs:              {counts.with_pooling:6,}")
print(f"with pooling outputs and pixels:   {counts.with_pooling + 28 * 28:6,}")
print(f"one per filter or fully connected: {per_filter:6,}")

# %%
# How often a neuron is active
# ----------------------------
# A ReLU passes a sum above 0. The neuron is then active. We count in how many of the
# test images this happens to each neuron. The ten logits of fc2 have no ReLU, so they
# are left out.
rates = lab.firing_rates(model, dataset.test.images)
figure = figures.activation_groups(rates)
for name, rate in rates.items():
    print(f"{name}: {rate.mean():.1%} of the neurons are active in an average image")

# %%
never = {name: int((rate == 0).sum()) for name, rate in rates.items()}
always = {name: int((rate == 1).sum()) for name, rate in rates.items()}
least = min(rates, key=lambda name: float(rates[name].mean()))
few = ", ".join(f"{n:,} of {rates[k].numel():,} in {k}" for k, n in never.items())
many = ", ".join(f"{n:,} in {k}" for k, n in always.items())
lab.report.reading(
    f"Neurons that are active in none of the test images: {few}. Neurons that are "
    f"active in all of them: {many}. Activity is sparsest in {least}, where "
    f"{rates[least].mean():.0%} of the neurons are active in an average image."
)

# %%
# Where the inactive neurons are
# ------------------------------
# A neuron of conv1 sees a window of 3x3 pixels. Where no test image has ink in it, the
# neuron has the same value for every image: it is active in all of them or in none.
# Elsewhere, a neuron that is active in all images still passes on a value that depends
# on the ink.
figure = figures.inactive_neurons(rates)
ink = dataset.test.images.amax(dim=0).float()  # (1, 28, 28): the most of any image
window = torch.nn.functional.max_pool2d(ink, 3, stride=1, padding=1)
blank = window[0] == 0
ring = torch.ones(14, 14, dtype=torch.bool)
ring[1:-1, 1:-1] = False  # the outermost positions of conv2

# %%
inactive = {name: (rate == 0).float() for name, rate in rates.items()}
dead = sum(int(inactive[k].flatten(1).all(dim=1).sum()) for k in ("conv1", "conv2"))
if blank.any():
    constant = [int((rates["conv1"][:, blank] == value).sum()) for value in (0, 1)]
    words = (
        f"No test image has ink in the window of {int(blank.sum())} of the "
        f"{blank.numel()} positions of conv1. These positions hold {constant[0]:,} of "
        f"the {never['conv1']:,} neurons that are never active and {constant[1]:,} of "
        f"the {always['conv1']:,} that are always active."
    )
else:
    words = "At every position of conv1 some test image has ink in the window."
lab.report.reading(
    f"{words} At the outermost positions of conv2 "
    f"{inactive['conv2'][:, ring].mean():.0%} of the filters are never active, and at "
    f"the other positions {inactive['conv2'][:, ~ring].mean():.0%}. "
    + (
        f"{dead} {'filter is' if dead == 1 else 'filters are'} active nowhere."
        if dead
        else "Each filter is active somewhere."
    )
)

# %%
# The inactive units of fc1
# -------------------------
# A unit of fc1 sees the whole image. If it is never active on the test images, its
# output is always 0 and adds nothing to any logit. So we can remove it.
active = rates["fc1"] > 0
small = copy.deepcopy(model)
small.fc1.weight = torch.nn.Parameter(model.fc1.weight[active])
small.fc1.bias = torch.nn.Parameter(model.fc1.bias[active])
small.fc2.weight = torch.nn.Parameter(model.fc2.weight[:, active])
images = dataset.test.images
probabilities = [each.probabilities(images) for each in (model, small)]
torch.testing.assert_close(*probabilities, atol=1e-4, rtol=0)

# %%
# Are other networks like this one?
# ---------------------------------
# One network could be an exception. We count the inactive units of fc1 in the networks
# of five seeds, and in the same networks before training.
seeds = range(5)
counted = []
for trained in lab.trained_many("plain", seeds, dataset=dataset):
    pair = (lab.DigitCNN(seed=trained.seed), trained.model)
    units = [lab.activations(m, images, "fc1") > 0 for m in pair]
    counted.append([int((~unit.any(dim=0)).sum()) for unit in units])
before, after = zip(*counted, strict=True)
print("inactive units of fc1 before training:", before, "after:", after)

# %%
change = lab.stats.paired_comparison(before, after)
mean_before, mean_after = (lab.stats.mean_interval(each) for each in (before, after))
if change.significant:
    verdict = f"Training makes {'more' if change.mean > 0 else 'fewer'} units inactive"
else:
    verdict = "Training does not clearly change the number of inactive units"
saved = lab.parameter_counts(model).total - lab.parameter_counts(small).total
lab.report.reading(
    f"{verdict}: {mean_before.value:.0f} of the 500 before it and "
    f"{mean_after.value:.0f} after it "
    f"(means of {len(seeds)} networks; difference {change.mean:+.0f}, "
    f"{change.confidence:.0%} interval {change.low:+.0f} to {change.high:+.0f}). In "
    f"the network above, {never['fc1']} units and their {saved:,} parameters "
    f"({saved / lab.parameter_counts(model).total:.0%} of all) can be removed, and "
    "every probability on the test images stays the same to within 0.0001."
)

# %%
# Your own digit
# --------------
# How many of these neurons does a digit of your own activate? The :doc:`live lab
# </live>` has more.
#
# .. live:: units

# %%
# Try it
# ------
# * Count the neurons of ``lab.DigitCNN(batch_norm=True)``. The total stays the same,
#   since batch normalization rescales outputs and adds none.
# * Replace ``"plain"`` by ``"batch_norm"`` and compare the bars of conv2: batch
#   normalization centres the sums of every filter, so watch the share that is active.
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_1_classification_plot_1_4_parameter_counts.py` counts the
# weights, and :ref:`sphx_glr_auto_examples_2_visualization_plot_2_3_activations.py`
# shows the activations of single images.

# %%
# The answer
# ----------
lab.report.answer(
    "1.5",
    f"The network has {counts.total:,} neurons if each output of a convolution or of a "
    f"fully connected layer counts as one: {counts.convolutional:,} in the "
    f"convolutional layers and {counts.fully_connected} in the fully connected layers. "
    f"With the pooling outputs the total is {counts.with_pooling:,}; with one neuron "
    f"per filter it is {per_filter}. Of the "
    f"{counts.by_layer['fc1']} units of fc1, "
    f"{mean_after.value:.0f} on average are active in none of the {len(images):,} test "
    f"images ({min(after)} to {max(after)} in {len(seeds)} networks).",
    dataset=dataset,
)

# %%

# sphinx_gallery_thumbnail_number = 1
# sphinx_gallery_tags = ["architecture", "activations"]
lab.plotting.show()
