"""
1.3 Dimensions of the layers
============================

An image enters as 1×28×28 numbers and leaves as ten. We read off what each layer takes
and gives, recompute it by the closed formula, and see how much of the image one output
of each layer looks at.
"""

# %%
# Input and output of every layer
# -------------------------------
# The table comes from passing one blank image through the network: channels × height
# × width, the batch left out. The ReLU stands behind the pool. The larger of two
# rectified numbers is the rectified larger number, so the network is the same as with
# the ReLU in front, and three of four numbers need no rectifying.
from torch import nn

import mnist_lab as lab

model = lab.DigitCNN()
shapes = lab.layer_shapes(model)
print(shapes)

# %%
# By the closed formula
# ---------------------
# Convolutions and pools slide a window of :math:`k` pixels over their input, in steps
# of the stride :math:`s`, with padding :math:`p` on both sides. The window fits
#
# .. math:: n_\text{out} = \left\lfloor \frac{n_\text{in} + 2p - k}{s} \right\rfloor + 1
#
# times. A 3×3 window with padding 1 keeps the size, a 2×2 pool with stride 2 halves it.
for name in ("conv1", "pool1", "conv2", "pool2"):
    layer, row = model.get_submodule(name), shapes[name]
    k, s, p = (
        value[0] if isinstance(value, tuple) else value
        for value in (layer.kernel_size, layer.stride, layer.padding)
    )
    n = row.input_shape[1]
    side = (n + 2 * p - k) // s + 1
    print(f"{name}: ({n} + 2·{p} - {k}) // {s} + 1 = {side}")
    assert row.output_shape == (32, side, side)

# %%
# How much of the image an output sees
# ------------------------------------
# One output of conv1 depends on 3×3 pixels. Every later window is as many outputs of
# the layer before, and so wider in pixels: with :math:`j` pixels between neighbouring
# outputs (the *jump*), a window of :math:`k` widens the *receptive field* by
# :math:`(k - 1)\,j`, and its stride multiplies the jump. Each pool doubles the jump, so
# the second convolution widens the field twice as much as the first.
field, jump = 1, 1
for name, k, s in (("conv1", 3, 1), ("pool1", 2, 2), ("conv2", 3, 1), ("pool2", 2, 2)):
    field, jump = field + (k - 1) * jump, jump * s
    print(f"{name}: sees {field}×{field} pixels, neighbours are {jump} pixels apart")
    assert shapes[name].receptive_field == (field, field)

# %%
# On a digit
# ----------
# The squares are what one output in the middle of each layer depends on. The
# convolutions see edges and ends of strokes, no digit; only the fully connected layers
# see the image whole.
image = lab.load_dataset().train.images[0]
layers = ["conv1", "pool1", "conv2", "pool2", "fc1"]
figure = lab.plotting.receptive_fields(image, shapes, layers)

# %%
# Another input size
# ------------------
# Convolutions and pools take any size, and :func:`mnist_lab.layer_shapes` any network.
# A fully connected layer is built for one size: it is what ties the network to images
# of 28×28.
convolutions = nn.Sequential(*(model.get_submodule(name) for name in layers[:4]))
print(lab.layer_shapes(convolutions, (1, 45, 64)))

# %%
# The answer
# ----------
# The last column of the tables is the number of multiplications, each with its
# addition, for one image: outputs × inputs a window. Most of them are in conv2.
steps = ["conv1", "pool1", "conv2", "pool2", "fc1", "fc2"]
sizes = ["×".join(map(str, shapes[name].output_shape)) for name in steps]
chain = ", ".join(f"{name} {size}" for name, size in zip(steps, sizes, strict=True))
start = "×".join(map(str, shapes[0].input_shape))
flat = shapes["fc1"].input_shape[0]
busiest = max(shapes, key=lambda row: row.multiply_adds or 0)
assert busiest.name == "conv2"
lab.report.answer(
    "1.3",
    f"The input is {start}; the outputs are {chain} (channels × height × width). "
    f"Between pool2 and fc1 the {sizes[3]} numbers are laid out as {flat:,}. "
    f"One image takes {shapes.multiply_adds:,} multiply-adds, "
    f"{busiest.multiply_adds / shapes.multiply_adds:.0%} of them in {busiest.name}.",
)
lab.plotting.show()
