"""Figures of question 3: images that attacks generated, how they came about, and what the attacks cost."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from mnist_lab._utils.contracts import CLASSES, PIXEL_MAX
from mnist_lab.attacks.result import AttackResult
from mnist_lab.plotting.grids import image_table
from mnist_lab.plotting.style import BLUE, GREY, ORANGE, SERIES, WIDTH, draw_image, image_grid, numbers

FAINTEST = 1e-38  # the smallest probability that single precision holds


def film_strip(frames: Sequence[Tensor], steps: Sequence[int]) -> Figure:
    """A table of images (N, 1, 28, 28): one row per number of steps, one column per target."""
    return image_table(
        torch.stack(list(frames)),
        title="From noise to the target, step by step",
        row_labels=steps,
        column_labels=range(len(frames[0])),
        xlabel="target",
        ylabel="step",
    )


def ascent_animation(frames: Sequence[Tensor], steps: Sequence[int]) -> FuncAnimation:
    """The images (N, 1, 28, 28) as they change. The caller has to keep the animation in a variable."""
    figure, panels = image_grid(frames[0], 5, 1.12)
    figure.set_dpi(80)
    for target, axes in enumerate(panels):
        axes.set_title(f"target {target}", fontsize=9)
    heading = figure.suptitle(f"Gradient ascent from noise, step {steps[0]}")
    # Laid out once, because a new layout for every frame takes longer than everything else.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")

    def draw(number: int) -> list[Axes]:
        heading.set_text(f"Gradient ascent from noise, step {steps[number]}")
        for axes, image in zip(panels, frames[number], strict=True):
            axes.images[0].set_data(numbers(image[0]))
        return panels

    animation = FuncAnimation(figure, draw, frames=len(frames), interval=150)
    # A script saves the figure as a still and never plays the animation, which would warn when it is deleted.
    animation._draw_was_started = True  # type: ignore[attr-defined]
    return animation


def remaining_probability(result: AttackResult, *, threshold: float) -> Figure:
    """One point per image: the probability of all classes but the target, on a logarithmic axis.

    Where every image is classified as its target, all target probabilities are close to 1 and a linear axis shows
    nothing. Values below the range of single precision lie at the end of the axis, 1e-38.
    """
    # Summed over the other classes, because 1 - p would lose small probabilities to rounding.
    others = result.rounded_probabilities.scatter(1, result.targets[:, None], 0.0).sum(dim=1).clamp_min(FAINTEST)
    figure, axes = plt.subplots(figsize=(WIDTH, 4.2), layout="constrained")
    for place, target in enumerate(result.targets.unique().tolist()):
        values = numbers(others[result.targets == target])
        spread, middle = np.linspace(-0.25, 0.25, len(values)), float(np.median(values))
        names = ("one image", "median of the class") if place == 0 else (None, None)
        axes.plot(target + spread, values, "o", color=BLUE, markersize=4, alpha=0.7, label=names[0])
        axes.plot([target - 0.35, target + 0.35], [middle] * 2, color=ORANGE, linewidth=2.5, label=names[1])
    axes.axhline(1 - threshold, color=GREY, linestyle="--", label=f"target at {threshold:.0%}")
    axes.set(yscale="log", xticks=range(CLASSES), xlabel="target", ylabel="probability of the other classes")
    axes.set_title("Probability left to the other classes")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def target_shares(steps: Tensor, shares: Mapping[str, Tensor]) -> Figure:
    """One line per share of the images, (S,) in 0..1, by the number of steps (S,)."""
    figure, axes = plt.subplots(figsize=(WIDTH, 3.4), layout="constrained")
    _draw_shares(axes, steps, shares)
    axes.set(xlabel="step", title="Images that reach their target")
    axes.legend()
    return figure


def accuracy_by_radius(radii: Sequence[float], accuracies: Mapping[str, Tensor]) -> Figure:
    """One line per network: its accuracy (R,) in 0..1 under an attack, by the attack's radius (R,)."""
    figure, axes = plt.subplots(figsize=(WIDTH, 3.4), layout="constrained")
    _draw_shares(axes, torch.tensor(radii), accuracies)
    axes.set(xlabel="L2 radius of the attack (intensities 0 to 1)", ylabel="classified correctly")
    axes.set_title("Accuracy under attack")
    axes.legend()
    return figure


def success_by_beta(betas: Tensor, shares: Mapping[str, Tensor], distortions: Tensor) -> Figure:
    """Above shares of the images, below their median L2 distortion (intensities 0 to 1), by beta; all (B,)."""
    figure = plt.figure(figsize=(WIDTH, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_shares(above, betas, shares)
    above.set(xscale="log", title="The trade-off that beta sets")
    below.plot(numbers(betas), numbers(distortions), "o-", color=GREY)
    below.set(xlabel="beta (logits per squared intensity)", ylabel="median L2 distortion,\nintensities 0 to 1")
    below.set_ylim(bottom=0)
    below.grid(alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False)
    return figure


def attacked_pairs(originals: Tensor, images: Tensor) -> Figure:
    """All pairs of digits: one row per original digit, one column per target; the originals are framed.

    `originals` holds an image of each digit in order, (10, 1, 28, 28). `images` holds the attacks, (90, 1, 28, 28):
    digit by digit, and for each digit the nine targets in order.
    """
    rows = []
    for digit, others in enumerate(images.unflatten(0, (CLASSES, CLASSES - 1))):
        rows.append(torch.cat([others[:digit], originals[digit : digit + 1].to(images.dtype), others[digit:]]))
    figure = image_table(
        torch.stack(rows),
        title="Attacked digits (originals framed)",
        row_labels=range(CLASSES),
        column_labels=range(CLASSES),
        xlabel="target",
        ylabel="original digit",
    )
    for digit in range(CLASSES):
        corner = (digit * 29 - 0.5, digit * 29 - 0.5)
        figure.axes[0].add_patch(Rectangle(corner, 28, 28, fill=False, edgecolor=ORANGE, linewidth=2.5))
    return figure


def perturbation(original: Tensor, generated: Tensor, *, title: str) -> Figure:
    """An image (1, 28, 28), the attack on it, and their difference: red is brighter, blue is darker."""
    figure = plt.figure(figsize=(WIDTH, 2.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for axes, image, name in ((left, original, "original image"), (middle, generated, "generated image")):
        draw_image(axes, image)
        axes.set_title(name, fontsize=10)
    difference = (numbers(generated) - numbers(original)).squeeze(0)
    shades = right.imshow(difference, cmap="RdBu_r", vmin=-PIXEL_MAX, vmax=PIXEL_MAX)
    right.set(xticks=[], yticks=[])
    right.set_title("difference", fontsize=10)
    figure.colorbar(shades, ax=right, orientation="horizontal", ticks=[-255, 0, 255], label="intensity")
    figure.suptitle(title)
    return figure


def image_rows(rows: Mapping[str, Tensor], *, column_labels: Sequence[object], title: str) -> Figure:
    """One row per kind of image (N, 1, 28, 28), below its name; the label of its column is below each image."""
    figure = plt.figure(figsize=(WIDTH, 0.4 + len(rows) * (0.4 + WIDTH / len(column_labels))), layout="constrained")
    figure.suptitle(title)
    # Each row is a subfigure, so that its name stands above it and takes no width from the images.
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for part, (name, images) in zip(parts, rows.items(), strict=True):
        part.suptitle(name, x=0.01, ha="left", fontsize=10)
        for axes, image, label in zip(part.subplots(1, len(column_labels)), images, column_labels, strict=True):
            draw_image(axes, image)
            axes.set_xlabel(str(label), fontsize=9, labelpad=1)
    return figure


def cost_by_step(cost: Tensor, targets: Tensor, *, title: str) -> Figure:
    """One panel per target: the mean cost over the images of that target, its standard deviation and its range.

    `cost` is (steps + 1, N), `targets` (N,).
    """
    classes = targets.unique().tolist()
    figure = plt.figure(figsize=(WIDTH, 0.8 + 1.5 * -(-len(classes) // 5)), layout="constrained")
    panels = figure.subplots(-(-len(classes) // 5), min(5, len(classes)), sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(classes) :]:
        axes.remove()
    for axes, label in zip(panels.flat, classes, strict=False):
        values = numbers(cost[:, targets == label])
        steps, mean, std = range(len(values)), values.mean(axis=1), values.std(axis=1)
        axes.fill_between(steps, values.min(axis=1), values.max(axis=1), color=BLUE, alpha=0.2, linewidth=0)
        axes.fill_between(steps, mean - std, mean + std, color=BLUE, alpha=0.4, linewidth=0)
        axes.plot(steps, mean, color=BLUE)
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set_title(f"target {label}", fontsize=9, pad=3)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    figure.suptitle(title)
    figure.supxlabel("step", fontsize=10)
    figure.supylabel("cost (logit of the target)", fontsize=10)
    return figure


def curves(
    panels: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    log_x: bool = False,
) -> Figure:
    """Panels side by side on one vertical scale, each by its name; a curve is its places and its values, (K,) each."""
    figure = plt.figure(figsize=(WIDTH, 3.8), layout="constrained")
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, group) in zip(row, panels.items(), strict=True):
        for (label, (places, values)), (colour, line, marker) in zip(group.items(), SERIES, strict=False):
            style = {"color": colour, "linestyle": line, "marker": marker if len(places) <= 20 else ""}
            axes.plot(numbers(places), numbers(values), **style, markersize=4, label=label)
        if log_x:
            axes.set_xscale("log")
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(xlabel)
        axes.grid(alpha=0.3)
    row[0].set_ylabel(ylabel)
    figure.suptitle(title)
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _draw_shares(axes: Axes, places: Tensor, shares: Mapping[str, Tensor]) -> None:
    for (name, share), (colour, line, marker) in zip(shares.items(), SERIES, strict=False):
        x, y = numbers(places), numbers(share)
        axes.plot(x, y, color=colour, linestyle=line, marker=marker, markersize=4, label=name)
    axes.set(ylabel="share of the images", ylim=(-0.03, 1.03))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(alpha=0.3)
