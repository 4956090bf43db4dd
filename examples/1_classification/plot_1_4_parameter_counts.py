"""
1.4 Number of parameters
========================

How many numbers training has to find, how many of them the convolutions hold and how
many the fully connected layers: counted, derived by hand, and set against where the
arithmetic is done.
"""

# %%
# Counted
# -------
# Each layer holds a tensor of weights and one of biases. Pools, ReLUs and the
# standardization of the input hold none.
import math

import mnist_lab as lab
from mnist_lab.plotting._pages import classification as figures

model = lab.DigitCNN()
counts = lab.parameter_counts(model)
print(counts)

# %%
# Derived
# -------
# A convolution has a weight for each input channel and each pixel of the window, the
# same at every position, and a bias: times the number of filters. A fully connected
# layer has a weight for each input, and a bias: times the number of its outputs. fc1
# reads the 32 maps of 7×7 that the second pool leaves.
by_hand = {
    "conv1": (1 * 3 * 3 + 1) * 32,
    "conv2": (32 * 3 * 3 + 1) * 32,
    "fc1": (32 * 7 * 7 + 1) * 500,
    "fc2": (500 + 1) * 10,
}
print(by_hand)
assert by_hand == counts.by_layer
assert counts.total == counts.convolutional + counts.fully_connected

# %%
# Parameters and arithmetic are in different places
# -------------------------------------------------
# A filter's few weights are used at every position of the image, a weight of a fully
# connected layer once. So the layer with nearly all parameters is not the one that
# does most of the work. Who wants a smaller file would cut fc1; who wants less
# arithmetic, conv2.
shapes = lab.layer_shapes(model)
figure = figures.parameters_and_multiply_adds(counts, shapes)
work = {row.name: row.multiply_adds for row in shapes if row.multiply_adds}
for row in counts.rows:
    uses = work[row.name] / math.prod(row.shapes["weight"])
    print(f"{row.name}: multiply-adds a weight for one image: {uses:.0f}")
largest = max(counts.by_layer, key=counts.by_layer.__getitem__)
busiest = max(work, key=work.__getitem__)
assert (largest, busiest) == ("fc1", "conv2")

# %%
# With batch normalization
# ------------------------
# A scale and a shift for each of the 32 channels, after both convolutions. The running
# means and variances that stand beside them are measured, not learned: they are no
# parameters. (Question 1.6 is whether it helps.)
normalized = lab.parameter_counts(lab.DigitCNN(batch_norm=True))
added = normalized.total - counts.total
print(
    f"batch normalization adds {added} parameters: 2 layers × 2 tensors × 32 channels"
)
assert added == normalized.normalization == 2 * 2 * 32

# %%
# The answer
# ----------
lab.report.answer(
    "1.4",
    f"The network has {counts.total:,} parameters: {counts.convolutional:,} in the "
    f"convolutional layers and {counts.fully_connected:,} in the fully connected ones "
    f"({counts.fully_connected / counts.total:.1%}). {largest} alone holds "
    f"{counts.by_layer[largest] / counts.total:.1%} of them, {busiest} does "
    f"{work[busiest] / shapes.multiply_adds:.0%} of the multiply-adds. Batch "
    f"normalization would add {added}.",
)
lab.plotting.show()
