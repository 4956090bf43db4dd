"""
3.1.1 Images generated from noise
=================================

We start from noise and change it, pixel by pixel, until the network sees a digit that
we chose: ten classes, ten images, and more of them from other noise. A film shows how
they come to be.
"""

# %%
# Climbing a logit
# ----------------
# The network is the one of problem 1 with the highest validation accuracy. Its logit
# for the target class is the cost C, and every step moves the image X along the
# gradient of C, X ← X + step size × dC/dX, and then clips it to 0..255. Only the image
# moves: that the weights stay the same, bit for bit, is checked here. All classes and
# all starts climb in one batch.
import torch

import mnist_lab as lab
from mnist_lab._utils.network import unchanged
from mnist_lab.plotting._pages import adversarial as figures

dataset = lab.load_dataset()
network = lab.best(dataset=dataset)
starts, seed = 5, 0
frames: list[torch.Tensor] = []
with unchanged(network.model):
    result = lab.maximize_logit(
        network.model,
        list(range(10)) * starts,
        seed=seed,
        callback=lambda _, images: frames.append(images[:10]),
    )
print(network)
print(result)

# %%
# One image for each class
# ------------------------
# All ten begin as the same noise around grey. Each is shown as it would be stored,
# rounded to whole intensities, from black (0) to white (255), and the network is asked
# about the rounded image.
ten = lab.maximize_logit(network.model, range(10), seed=seed)
assert torch.equal(ten.rounded, result.rounded[:10])  # no row depends on its batch
figure = lab.plotting.generated_images(ten)

# %%
# Other noise, other images
# -------------------------
# A row is a start, a column a target. If a class had one image that the network is
# looking for, a column would show it again and again. How alike two images are is
# measured by the correlation of their pixels: of one class from different starts, and
# of different classes from the same start.
table = result.rounded.unflatten(0, (starts, 10))
figure = lab.plotting.image_table(
    table,
    title="The same targets from other noise",
    row_labels=range(1, starts + 1),
    column_labels=range(10),
    xlabel="target",
    ylabel="start",
)
alike = torch.corrcoef(result.images.flatten(1))
pair = torch.triu(torch.ones_like(alike, dtype=torch.bool), diagonal=1)
same_class = result.targets[:, None] == result.targets
start = torch.arange(starts).repeat_interleave(10)
same_start = start[:, None] == start
within = float(alike[pair & same_class].mean())
between = float(alike[pair & same_start].mean())
print(f"mean correlation, one class from two starts: {within:.2f}")
print(f"mean correlation, two classes from one start: {between:.2f}")

# %%
# The way there
# -------------
# A row of the strip is a moment, a column a class. The film below it shows the same
# ten images; it moves on the site and stands still in print.
strip = (0, 10, 25, 50, 100, len(frames) - 1)
figure = figures.film_strip([frames[step] for step in strip], strip)

# %%
# When the network is convinced
# -----------------------------
# For each image the first step is noted after which the network predicts the target
# for it.
shown = range(0, len(frames), 15)
animation = figures.ascent_animation([frames[step] for step in shown], shown)
predicted = torch.stack(
    [network.model.probabilities(frame).argmax(dim=1) for frame in frames]
)
taken = predicted == torch.arange(10)
first = [int(row.nonzero()[0]) if row.any() else None for row in taken.T]
for target, step in enumerate(first):
    print(f"target {target}: " + ("never" if step is None else f"after step {step}"))

# %%
# The answer
# ----------
# The clipping keeps every image one that could be stored and shown. Why nothing in the
# cost asks for a digit is the subject of question 3.1.3.
sure = result.rounded_target_probability
steps = [step for step in first if step is not None]
lab.report.answer(
    "3.1.1",
    f"Of {len(sure)} images generated from noise ({starts} starts for each class, seed "
    f"{seed}, {len(frames) - 1} steps), {int(result.success.sum())} are predicted as "
    f"their target after rounding; the target's smallest probability is "
    f"{float(sure.min()):.4f}. "
    + f"From the first start {len(steps)} of the classes are reached"
    + (f", the last after step {max(steps)}" if steps else "")
    + f". Images of one class from two starts correlate by {within:.2f} on average, "
    f"images of two classes from one start by {between:.2f}.",
    dataset=dataset,
)
lab.plotting.show()
