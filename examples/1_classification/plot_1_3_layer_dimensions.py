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
import mnist_lab as lab
from mnist_lab.plotting._pages import classification as figures

model = lab.DigitCNN()
shapes = lab.layer_shapes(model)
print(shapes)

# %%
# By the closed formula
# ---------------------
# Convolutions and pools slide a window of *k* pixels over *n* pixels of input, in steps
# of the stride *s*, with padding *p* on both sides. The window fits
# ``(n + 2p - k) // s + 1`` times, where ``//`` rounds down. A 3×3 window with padding 1
# keeps the size, a 2×2 pool with stride 2 halves it.
windows = {
    "conv1": (3, 1, 1),
    "pool1": (2, 2, 0),
    "conv2": (3, 1, 1),
    "pool2": (2, 2, 0),
}
n = 28
for name, (k, s, p) in windows.items():
    print(f"{name}: ({n} + 2·{p} - {k}) // {s} + 1 = ", end="")
    n = (n + 2 * p - k) // s + 1
    print(n)
    assert shapes[name].output_shape == (32, n, n)

# %%
# How much of the image an output sees
# ------------------------------------
# One output of conv1 depends on 3×3 pixels. Every later window is as many outputs of
# the layer before, and so wider in pixels: with *j* pixels between neighbouring outputs
# (the *jump*), a window of *k* widens the *receptive field* by ``(k - 1) * j``, and its
# stride multiplies the jump. Each pool doubles the jump, so the second convolution
# widens the field twice as much as the first.
field, jump = 1, 1
for name, (k, s, _) in windows.items():
    field, jump = field + (k - 1) * jump, jump * s
    print(f"{name}: sees {field}×{field} pixels, the next output lies {jump} further")
    assert shapes[name].receptive_field == (field, field)

# %%
# On a digit
# ----------
# The squares are as large as what one output of each layer depends on. What reaches
# the fully connected layers are pieces of strokes; they are the first to see the image
# whole.
image = lab.load_dataset().train.images[0]
figure = figures.receptive_fields(image, shapes, [*windows, "fc1"])

# %%
# Another input size
# ------------------
# Convolutions and pools take any size, and :func:`mnist_lab.layer_shapes` any network.
# A fully connected layer is built for one size: it is what ties the network to images
# of 28×28.
convolutions = model[1:6]  # from conv1 to pool2
print(lab.layer_shapes(convolutions, (1, 45, 64)))

# %%
# The answer
# ----------
# The last column of the tables is the number of multiplications, each with its
# addition, for one image: outputs × inputs that each of them weighs.
work = {row.name: row.multiply_adds for row in shapes if row.multiply_adds}
busiest = max(work, key=work.__getitem__)
steps = [*windows, "fc1", "fc2"]
sizes = ["×".join(map(str, shapes[name].output_shape)) for name in steps]
start = "×".join(map(str, shapes[0].input_shape))
lab.report.answer(
    "1.3",
    f"The input is {start}; the outputs are "
    + ", ".join(f"{name} {size}" for name, size in zip(steps, sizes, strict=True))
    + " (channels × height × width). fc1 takes the numbers that pool2 gives as "
    f"{shapes['fc1'].input_shape[0]} in a row. One image takes "
    f"{shapes.multiply_adds:,} multiply-adds, "
    f"{work[busiest] / shapes.multiply_adds:.0%} of them in {busiest}.",
)
lab.plotting.show()
