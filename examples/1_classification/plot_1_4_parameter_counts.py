r"""
1.4 Number of parameters
========================

A parameter is a number that training has to find. You will see how many of them each
layer holds, derive the counts by hand, and compare them with the amount of arithmetic
that each layer does: the two are in different layers.

A filter of a convolution has a weight for each pixel of its window in each input
channel, and one bias. A unit of a fully connected layer has a weight for each input,
and one bias:

.. math::

   P_{\mathrm{conv}} = (k^2\, C_{\mathrm{in}} + 1)\, C_{\mathrm{out}}, \qquad
   P_{\mathrm{fc}} = (N_{\mathrm{in}} + 1)\, N_{\mathrm{out}}

Here :math:`P` is the number of parameters of a layer, :math:`k` the height and width of
the window in pixels, :math:`C_{\mathrm{in}}` and :math:`C_{\mathrm{out}}` the numbers
of input and output channels, and :math:`N_{\mathrm{in}}` and :math:`N_{\mathrm{out}}`
the numbers of inputs and outputs. The size of the image does not occur in
:math:`P_{\mathrm{conv}}`, because a filter uses the same weights at every position.
This *weight sharing* is a main idea of :cite:t:`lecun1998`.
"""

# %%
# Counted
# -------
# Each layer holds one tensor of weights and one of biases. PyTorch lists them all, so
# one line counts them. The library's table also says which layer holds how many.
import mnist_lab as lab
from mnist_lab.plotting._pages.classification import parameters_and_multiply_adds

model = lab.DigitCNN()
counts = lab.parameter_counts(model)
print(counts)
assert counts.total == sum(parameter.numel() for parameter in model.parameters())

# %%
# Derived
# -------
# The same numbers follow from the formulas. The first fully connected layer has one
# input for each of the 32×7×7 outputs of the second pool.

# sphinx_gallery_exercise = "by_hand: a dictionary, from layer to number of parameters"
by_hand = {
    "conv1": (3 * 3 * 1 + 1) * 32,
    "conv2": (3 * 3 * 32 + 1) * 32,
    "fc1": (32 * 7 * 7 + 1) * 500,
    "fc2": (500 + 1) * 10,
}
print(by_hand)
assert by_hand == counts.by_layer
assert counts.total == counts.convolutional + counts.fully_connected

# %%
# Parameters and arithmetic
# -------------------------
# A multiply-add is one multiplication and one addition. A weight of a fully connected
# layer is used in one of them per image. A weight of a convolution is used at every
# position of its window: 28×28 times in conv1, 14×14 times in conv2.
shapes = lab.layer_shapes(model)
work = {row.name: row.multiply_adds for row in shapes if row.multiply_adds}
weights = {name: getattr(model, name).weight.numel() for name in work}
for name, multiply_adds in work.items():
    print(f"{name}: {multiply_adds / weights[name]:.0f} multiply-adds per weight")
assert work["conv1"] == weights["conv1"] * 28 * 28
assert work["conv2"] == weights["conv2"] * 14 * 14
figure = parameters_and_multiply_adds(counts, shapes)

# %%
arithmetic = sum(work.values())
largest = max(counts.by_layer, key=counts.by_layer.__getitem__)
busiest = max(work, key=work.__getitem__)
held = counts.by_layer[largest] / counts.total
convolved = counts.convolutional / counts.total
lab.report.reading(
    f"{largest} holds {held:.1%} of the parameters and does "
    f"{work[largest] / arithmetic:.0%} of the arithmetic. {busiest} holds "
    f"{counts.by_layer[busiest] / counts.total:.1%} of the parameters and does "
    f"{work[busiest] / arithmetic:.0%} of the arithmetic. A smaller "
    f"{largest} saves memory; a smaller {busiest} saves arithmetic."
)

# %%
# What weight sharing saves
# -------------------------
# Suppose that conv1 were a fully connected layer, with the same outputs but with
# weights of its own for each of them.
inputs, neurons = 28 * 28, 32 * 28 * 28
unshared = (inputs + 1) * neurons
print(f"fully connected: {unshared:,} parameters; conv1: {counts.by_layer['conv1']:,}")

# %%
# With batch normalization
# ------------------------
# Batch normalization (:cite:t:`ioffe2015`) adds a scale and a shift for each of the 32
# channels, after both convolutions. The running means and variances are measured, not
# learned, so they are not parameters.
normalized = lab.parameter_counts(lab.DigitCNN(batch_norm=True))
added = normalized.total - counts.total
print(f"batch normalization adds {added} parameters")
assert added == normalized.normalization == 2 * 2 * 32

# %%
# Try it
# ------
# * Change 500 to 100 in ``by_hand``, in both places, and drop the assertions. Which
#   share of all parameters does fc1 still hold?
# * Change the 3×3 windows of ``by_hand`` to 5×5. Which layer grows most, and why does
#   the total hardly change?
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_1_classification_plot_1_3_layer_dimensions.py` derives
# the shapes used here, and
# :ref:`sphx_glr_auto_examples_1_classification_plot_1_6_batch_norm.py` measures whether
# batch normalization helps.

# %%
# The answer
# ----------
lab.report.answer(
    "1.4",
    f"The network has {counts.total:,} parameters: {counts.fully_connected:,} "
    f"({counts.fully_connected / counts.total:.1%}) in the fully connected layers and "
    f"{counts.convolutional:,} ({convolved:.1%}) in the convolutional layers. "
    f"{largest} alone holds {counts.by_layer[largest]:,} of them ({held:.1%}).",
)

# %%

# sphinx_gallery_tags = ["architecture"]
lab.plotting.show()
