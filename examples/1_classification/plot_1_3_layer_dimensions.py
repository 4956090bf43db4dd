r"""
1.3 Dimensions of the layers
============================

An image enters the network as 1×28×28 intensities and leaves it as ten probabilities.
You will see the shape of the data before and after every layer, compute each shape with
one formula, and see how large a part of the image a single output depends on.

A convolution or a pool slides a window over its input. The number of positions at which
the window fits is the size of the output:

.. math::

   m = \left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1

Here :math:`n` is the height (or width) of the input in pixels, :math:`m` that of the
output, :math:`k` that of the window, :math:`p` the padding (zeros added on each side)
and :math:`s` the stride (pixels from one position to the next);
:math:`\lfloor\cdot\rfloor` rounds down. The design, convolutions and pools followed by
fully connected layers, goes back to :cite:t:`lecun1998`.
"""

# %%
# Input and output of every layer
# -------------------------------
# The table lists shapes for one image, as channels × height × width. A batch of N
# images has one more axis of length N in front. The network itself ends with logits, so
# the softmax is appended here to give it a row of its own.
from collections import OrderedDict

from torch import nn

import mnist_lab as lab
from mnist_lab.plotting._pages.classification import receptive_fields
from mnist_lab.plotting._pages.layers import layer_outputs

model = lab.DigitCNN()
softmax = ("softmax", nn.Softmax(dim=1))
network = nn.Sequential(OrderedDict([*model.named_children(), softmax]))
shapes = lab.layer_shapes(network)
print(shapes)

# %%
# A ReLU changes no shape. In this library it follows the pool. The order does not
# matter: the maximum of rectified values is the rectified maximum. Pooling first leaves
# the ReLU only a quarter of the values.

# %%
# The shapes, drawn
# -----------------
# Each sheet is a channel; at most four of the 32 are drawn. The orange bars are
# vectors, which have neither height nor width.
names = ["conv1", "pool1", "conv2", "pool2", "flatten", "fc1", "fc2", "softmax"]
outputs = [("input", shapes[0].input_shape)]
outputs += [(name, shapes[name].output_shape) for name in names]
figure = layer_outputs(outputs)

# %%
sizes = {name: shapes[name].output_shape for name in names}
vector = shapes["fc1"].input_shape[0]
lab.report.reading(
    f"The convolutions keep height and width, and each pool halves them: "
    f"{shapes[0].input_shape[1]}, {sizes['pool1'][1]}, {sizes['pool2'][1]} pixels. The "
    f"first convolution turns 1 channel into {sizes['conv1'][0]}. The "
    f"{sizes['pool2'][0]}×{sizes['pool2'][1]}×{sizes['pool2'][2]} outputs of pool2 are "
    f"flattened to {vector:,} values, the input of fc1."
)

# %%
# The shapes, computed
# --------------------
# The formula gives the same sizes. A 3×3 window with padding 1 and stride 1 keeps the
# size. A 2×2 window with stride 2 and no padding halves it.
windows = {"conv1": (3, 1, 1), "pool1": (2, 0, 2)}  # k, p, s
windows |= {"conv2": (3, 1, 1), "pool2": (2, 0, 2)}
n = 28
for name, (k, p, s) in windows.items():
    m = (n + 2 * p - k) // s + 1
    print(f"{name}: ({n} + 2 * {p} - {k}) // {s} + 1 = {m}")
    assert shapes[name].output_shape == (32, m, m)
    n = m
assert shapes["fc1"].input_shape == (32 * n * n,)

# %%
# How much of the image one output depends on
# -------------------------------------------
# One output of conv1 depends on 3×3 pixels, its *receptive field*. A later window
# covers :math:`k` outputs of the layer before. If these are :math:`j` pixels apart, the
# window widens the receptive field by :math:`(k - 1)\,j` pixels, and its stride
# multiplies :math:`j` by :math:`s`. At the border of the image, part of the field lies
# outside.
field, jump = 1, 1
for name, (k, _, s) in windows.items():
    field, jump = field + (k - 1) * jump, jump * s
    print(f"{name}: receptive field {field}x{field} px, outputs {jump} px apart")
    assert shapes[name].receptive_field == (field, field)
image = lab.load_dataset().train.images[0]
figure = receptive_fields(image, shapes, [*windows, "fc1"])

# %%
rows, columns = ((image[0] > 0).any(dim=axis).sum().item() for axis in (1, 0))
assert shapes["fc1"].receptive_field == (28, 28)
lab.report.reading(
    f"One output of pool2 depends on a square of {field}×{field} pixels, "
    f"{field**2 / 28**2:.0%} of the image. This digit covers {rows}×{columns} pixels, "
    f"{'not more' if max(rows, columns) <= field else 'more'} than that. fc1 is the "
    f"first layer whose outputs depend on the whole image."
)

# %%
# Try it
# ------
# * Set the padding of both convolutions in ``windows`` to 0 and drop the assertions.
#   Watch the size go 28, 26, 13, 11, 5: how many inputs would fc1 need?
# * Run ``print(lab.layer_shapes(model[1:7], (1, 45, 64)))``. Convolutions and pools
#   take an image of any size, and a size that is odd loses a row to the pool. Why can
#   fc1 not take the result?
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_1_classification_plot_1_4_parameter_counts.py` counts the
# weights of these layers, and
# :ref:`sphx_glr_auto_examples_1_classification_plot_1_5_neuron_counts.py` their
# outputs.

# %%
# The answer
# ----------
steps = [*windows, "fc1", "fc2", "softmax"]
sides = {
    name: [
        "×".join(map(str, shape))
        for shape in (shapes[name].input_shape, shapes[name].output_shape)
    ]
    for name in steps
}
lab.report.answer(
    "1.3",
    "Input → output of each layer for one image, as channels × height × width: "
    + ", ".join(f"{name} {before} → {after}" for name, (before, after) in sides.items())
    + f". The output of pool2 is flattened to {vector} values before fc1, and a ReLU "
    "changes no shape.",
)

# %%

# sphinx_gallery_tags = ["architecture"]
lab.plotting.show()
