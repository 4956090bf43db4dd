r"""
3.1.1 Images generated from noise
=================================

What does the network want to see? You will start from noise and change it, step by
step, until the network predicts a digit of your choice: one image for each class. Then
you will start again from other noise, and measure whether the same image comes out.

The image :math:`X` follows the gradient of the cost, which is the target's logit:

.. math::

   C(X) = z_t(X), \qquad
   X_0 = 128 + 40\,\varepsilon, \qquad
   X_{k+1} = \operatorname{clip}\left(
       X_k + \eta \, \frac{\partial C}{\partial X}(X_k) \right)

Here :math:`z_t` is the logit of the target class :math:`t` (before the softmax),
:math:`\varepsilon` is standard Gaussian noise, one number per pixel, :math:`\eta` is
the step size, and :math:`\operatorname{clip}` limits every intensity to 0..255. This is
activation maximization :cite:p:`erhan2009`; :cite:t:`simonyan2014` applied it to the
classes of a convolutional network.
"""

# %%
# The step, written out
# ---------------------
# We attack the network of problem 1 with the highest validation accuracy. Its weights
# never change: the gradient is taken with respect to the image alone. Here are 20 steps
# towards a 3 in plain PyTorch. :func:`mnist_lab.maximize_logit` does the same, for many
# images in one batch.
import math

import torch
from torch.nn.functional import avg_pool2d

import mnist_lab as lab
from mnist_lab._utils.network import unchanged
from mnist_lab.plotting._pages import adversarial as figures

dataset = lab.load_dataset()
network = lab.best(dataset=dataset)
print(network)
model = network.model
seed, target, step_size = 0, 3, 2000

# %%
noise = torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
# sphinx_gallery_exercise = "x: the image after 20 steps, (1, 1, 28, 28)"
x = (128 + 40 * noise).clamp(0, 255)
for _ in range(20):
    x.requires_grad_()
    cost = model(x)[0, target]
    (gradient,) = torch.autograd.grad(cost, x)
    x = (x + step_size * gradient).detach().clamp(0, 255)
same = lab.maximize_logit(model, [target], seed, step_size=step_size, steps=20)
torch.testing.assert_close(same.images, x, rtol=0, atol=0.5)

# %%
# One image for each class
# ------------------------
# All ten start from the same noise. They are shown as a file would store them, rounded
# to whole intensities from black (0) to white (255). The network judges the rounded
# images.
frames: list[torch.Tensor] = []
with unchanged(model):
    ten = lab.maximize_logit(
        model, range(10), seed, callback=lambda _, images: frames.append(images)
    )
figure = lab.plotting.generated_images(ten)

# %%
hits = int(ten.success.sum())
lowest = float(ten.rounded_target_probability.min())
sure = min(math.floor(1000 * lowest), 999) / 1000  # never rounded to certainty
extreme = float(((ten.rounded == 0) | (ten.rounded == 255)).float().mean())
lab.report.reading(
    f"{'All' if hits == 10 else f'{hits} of the'} ten images are classified as their "
    f"target, whose probability is at least {sure:.1%}. The images are dense "
    f"textures of dark and bright marks, and {extreme:.0%} of their pixels are fully "
    f"black or white. Whether they resemble digits is the subject of question 3.1.3."
)

# %%
# The way there
# -------------
# A row of the strip is a moment, a column a target. The film below shows the same ten
# images. It moves on the site and stands still in print.
strip = (0, 10, 25, 50, 100, len(frames) - 1)
figure = figures.film_strip([frames[step] for step in strip], strip)

# %%
shown = range(0, len(frames), 15)
animation = figures.ascent_animation([frames[step] for step in shown], shown)

# %%
predicted = torch.stack([model.probabilities(f).argmax(dim=1) for f in frames])
known = int(predicted[0, 0])  # all ten start from the same noise
hit = predicted == ten.targets  # (steps + 1, 10)
first = {t: int(hit[:, t].nonzero()[0, 0]) for t in range(10) if hit[:, t].any()}
first.pop(known)
flat = torch.stack(frames).flatten(2)  # (steps + 1, 10, 784)


def like_noise(steps: dict[int, int]) -> float:
    """Mean correlation of the targets' images, each after its steps, with the noise."""
    pairs = [torch.stack([flat[0, t], flat[step, t]]) for t, step in steps.items()]
    return float(torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs]).mean())


# %%
moved = float((frames[1] != frames[0]).float().mean())
if first:
    last = dict.fromkeys(first, len(frames) - 1)
    span = f"between step {min(first.values())} and step {max(first.values())}"
    film = (
        f"{'The' if len(first) == 9 else f'{len(first)} of the'} nine other targets "
        f"are reached {span}. At that moment an image still has a mean correlation of "
        f"{like_noise(first):.2f} with its noise, and at the end of "
        f"{like_noise(last):.2f}."
    )
else:
    span = "in none"
    film = "No other target is ever reached."
lab.report.reading(
    f"A step moves the whole image at once: the first one changes {moved:.0%} of the "
    f"pixels, each in proportion to its own derivative. The network classifies the "
    f"noise itself as {known}. {film}"
)

# %%
# Other noise, other images
# -------------------------
# A row of this table is another noise image, a column a target. If a class had one
# image that the network looks for, a column would show it again and again.
starts = 12
many = lab.maximize_logit(model, list(range(10)) * starts, seed)
figure = lab.plotting.image_table(
    many.rounded.unflatten(0, (starts, 10))[:5],
    title="The same targets from other noise",
    row_labels=range(1, 6),
    column_labels=range(10),
    xlabel="target",
    ylabel="noise image",
)


# %%
# How similar are two images?
# ---------------------------
# Two images that start from the same noise share that noise. So we only compare images
# from *different* noise, and ask whether those of the same class are more similar than
# those of different classes. The similarity is the correlation of their pixels. A blur
# of 5×5 pixels removes the fine detail and leaves what is coarse.
def correlations(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of disjoint pairs of noise images: each class with itself, mean of the others."""
    similar = torch.corrcoef(images.flatten(1)).unflatten(0, (starts, 10))
    of_pairs = similar.unflatten(2, (starts, 10))  # (noise, class, noise, class)
    pairs = torch.stack([of_pairs[k, :, k + 1] for k in range(0, starts, 2)])
    same_class = pairs.diagonal(dim1=1, dim2=2)
    return same_class, (pairs.sum((1, 2)) - same_class.sum(1)) / 90


versions = [many.images, avg_pool2d(many.images, 5, 1, 2, count_include_pad=False)]
measured = [correlations(images) for images in versions]

# %%
interval = lab.stats.mean_interval
alike = {
    "same class": [interval(own.mean(dim=1).tolist()) for own, _ in measured],
    "different classes": [interval(others.tolist()) for _, others in measured],
}

# %%
figure = lab.plotting.estimates(
    alike,
    ["pixels", "after a 5×5 blur"],
    title="Similarity of images from different noise",
    unit="mean correlation of two images",
)

# %%
(sharp, blurred), different = alike["same class"], alike["different classes"][1]
by_class = measured[1][0].mean(dim=0)
shared = blurred.low > max(different.high, 0)
lab.report.reading(
    "After the blur, images of the same class from different noise have a "
    f"correlation of {blurred.value:.2f}, images of different classes of "
    f"{different.value:.2f}. Without the blur, the same class has {sharp.value:.2f}. "
    + (
        f"So a class has a coarse pattern that comes back from other noise, while the "
        f"fine detail differs. The pattern is clearest for target "
        f"{int(by_class.argmax())} ({float(by_class.max()):.2f}) and weakest for "
        f"target {int(by_class.argmin())} ({float(by_class.min()):.2f})."
        if shared
        else "So no pattern that all images of a class share is shown."
    )
)

# %%
# In your browser
# ---------------
# The same ascent, step by step. Compare the networks. The :doc:`live lab </live>` has
# more.
#
# .. live:: ascent

# %%
# Try it
# ------
# - Set ``step_size=20000``: are the targets still reached, and what happens to the
#   grey pixels?
# - Set ``sigma=0``, so that the ascent starts from flat grey: which details of the
#   images are still there, and which came from the noise?
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_3_adversarial_plot_3_1_2_confidence.py` asks whether the
# network is always that sure.
# :ref:`sphx_glr_auto_examples_3_adversarial_plot_3_1_3_resemblance.py` asks whether the
# images look like digits.

# %%
# The answer
# ----------
lab.report.answer(
    "3.1.1",
    f"{'All ten' if hits == 10 else f'{hits} of the ten'} images, one for each class, "
    f"are classified as their target, whose probability is at least {sure:.1%}; the "
    f"noise itself is classified as {known}, and the other targets are reached {span} "
    f"of {len(frames) - 1}. The network is the one of problem 1 with the highest "
    f"validation accuracy: {network.name.replace('_', ' ')}, seed {network.seed}, "
    f"{network.validation_accuracy:.2%}. The images are textures of dark and bright "
    "marks. "
    + (
        "Other noise gives another image with the same coarse pattern"
        if shared
        else "Other noise gives another image, with no pattern in common"
    )
    + ": after a blur, images of the same class from different noise have a "
    f"correlation of {blurred.value:.2f} ({blurred.confidence:.0%} interval "
    f"{blurred.low:.2f} to {blurred.high:.2f}, {starts // 2} pairs of noise images), "
    f"images of different classes of {different.value:.2f}.",
    dataset=dataset,
)

# %%

# sphinx_gallery_thumbnail_number = 1
# sphinx_gallery_tags = ["gradient ascent"]
lab.plotting.show()
