"""Images that attacks generated, and how they came to be."""

from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray
from torch import Tensor

from mnist_lab.attacks.targeted import AttackResult
from mnist_lab._utils.checks import (
    CLASSES,
    PIXEL_MAX,
    check_images,
    check_integer,
    check_named,
    check_number,
    check_sequence,
    check_tensor,
    check_text,
    check_type,
)
from mnist_lab.plotting.style import BLUE, GREEN, GREY, ORANGE, axes_or_new, draw_image, figure_of, image_grid

FAINTEST = 1e-38  # the smallest probability that single precision holds
STYLES = ((BLUE, "o-"), (ORANGE, "s--"), (GREEN, "^:"))


def generated_images(result: AttackResult, *, columns: int = 5) -> Figure:
    """Draw generated images, each with its target, its predicted class and the probability of that class.

    Parameters
    ----------
    result
        What an attack returned.
    columns
        Images a row.

    Returns
    -------
    Figure
        One panel an image, rounded as it would be stored, on the scale 0..255.

    Examples
    --------
    >>> figure = generated_images(lab.maximize_logit(model, range(10)))  # doctest: +SKIP
    """
    _check_result(result)
    check_integer(columns, "columns", low=1)
    figure, panels = image_grid(result.rounded, columns, 1.32)
    predictions = result.rounded_probabilities.argmax(dim=1)
    sureness = result.rounded_probabilities.amax(dim=1)
    for axes, target, predicted, sure in zip(panels, result.targets, predictions, sureness, strict=True):
        percent = ">99.9%" if sure > 0.999 else f"{float(sure):.1%}"
        axes.set_title(f"target {int(target)}\n→ {int(predicted)}, {percent}", fontsize=9)
    figure.suptitle("Generated images: target → prediction, and its probability")
    return figure


def image_table(
    images: Tensor, *, title: str, rows: Sequence[object], columns: Sequence[object], row_name: str, column_name: str
) -> Figure:
    """Draw a table of images without space between them, on the scale 0..255.

    Parameters
    ----------
    images
        Images (R, C, 1, 28, 28).
    title
        What it shows.
    rows, columns
        The names of the R rows and of the C columns.
    row_name, column_name
        What these names are.

    Returns
    -------
    Figure
        One axes with all images in it.

    Examples
    --------
    >>> figure = image_table(images, title="...", rows="ab", columns="123", row_name="start", column_name="target")
    ... # doctest: +SKIP
    """
    check_tensor(images, "images", "R", "C", 1, 28, 28, low=0, high=PIXEL_MAX)
    count_rows, count_columns = images.shape[:2]
    check_sequence(rows, "rows", _anything, count=count_rows)
    check_sequence(columns, "columns", _anything, count=count_columns)
    for name, text in (("title", title), ("row_name", row_name), ("column_name", column_name)):
        check_text(text, name)
    figure = plt.figure(figsize=(6.0, 0.9 + 5.4 * count_rows / count_columns), layout="constrained")
    axes = figure.add_subplot()
    _draw_table(axes, images)
    axes.set_xticks((np.arange(count_columns) + 0.5) * 28 - 0.5, [str(name) for name in columns])
    axes.set_yticks((np.arange(count_rows) + 0.5) * 28 - 0.5, [str(name) for name in rows])
    axes.set(xlabel=column_name, ylabel=row_name, title=title)
    axes.tick_params(length=0)
    return figure


def film_strip(frames: Sequence[Tensor], steps: Sequence[int]) -> Figure:
    """Draw how images came to be: a row a step, a column an image.

    Parameters
    ----------
    frames
        The images (N, 1, 28, 28) after each number of steps.
    steps
        These numbers.

    Returns
    -------
    Figure
        A table of images on the scale 0..255.

    Examples
    --------
    >>> figure = film_strip([frames[step] for step in (0, 100, 300)], (0, 100, 300))  # doctest: +SKIP
    """
    _check_frames(frames, steps)
    return image_table(
        torch.stack(list(frames)),
        title="From noise to the target, step by step",
        rows=steps,
        columns=range(len(frames[0])),
        row_name="steps",
        column_name="target",
    )


def ascent_animation(frames: Sequence[Tensor], steps: Sequence[int], *, columns: int = 5) -> FuncAnimation:
    """Animate how images came to be.

    Parameters
    ----------
    frames, steps
        As in :func:`film_strip`.
    columns
        Images a row.

    Returns
    -------
    FuncAnimation
        Keep it in a variable for as long as it has to live.

    Examples
    --------
    >>> animation = ascent_animation(frames, range(len(frames)))  # doctest: +SKIP
    """
    _check_frames(frames, steps)
    check_integer(columns, "columns", low=1)
    figure, panels = image_grid(frames[0], columns, 1.12)
    figure.set_dpi(80)
    for target, axes in enumerate(panels):
        axes.set_title(f"target {target}", fontsize=9)
    heading = figure.suptitle(f"Ascent from noise, step {steps[0]}")
    # Laid out once: for every frame anew it would take longer than all the rest.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")

    def draw(number: int) -> list[Axes]:
        heading.set_text(f"Ascent from noise, step {steps[number]}")
        for axes, image in zip(panels, frames[number], strict=True):
            axes.images[0].set_data(image[0].detach().cpu().numpy())
        return panels

    animation = FuncAnimation(figure, draw, frames=len(frames), interval=150)
    # Where a script saves the figure as a still, nothing plays the animation, and its deletion would warn of that.
    animation._draw_was_started = True  # type: ignore[attr-defined]
    return animation


def doubts(result: AttackResult, *, threshold: float = 0.99, axes: Axes | None = None) -> Figure:
    """Draw for every target class how much probability the network leaves to the other classes.

    Where all images are taken for their target, the target's probabilities are all but 1 and a linear axis shows
    nothing; what they lack of 1 tells them apart.

    Parameters
    ----------
    result
        What an attack returned.
    threshold
        The probability of the target above which an image counts as sure; marked.
    axes
        Where to draw; new axes by default.

    Returns
    -------
    Figure
        A point an image, on a logarithmic axis, with the median of each class. What single precision cannot hold any
        more stands at the axis's end, 1e-38.

    Examples
    --------
    >>> figure = doubts(lab.maximize_logit(model, list(range(10)) * 20))  # doctest: +SKIP
    """
    _check_result(result)
    check_number(threshold, "threshold", low=0, high=1)
    axes = axes_or_new(axes)
    # The small probabilities are added up by themselves: 1 - p would lose them to rounding.
    others = result.rounded_probabilities.scatter(1, result.targets[:, None], 0.0).sum(dim=1).clamp_min(FAINTEST)
    for target in result.targets.unique().tolist():
        values = others[result.targets == target]
        spread = np.linspace(-0.25, 0.25, len(values))
        axes.plot(target + spread, values.numpy(), "o", color=BLUE, markersize=4, alpha=0.7, label="an image")
        middle = float(values.median())
        axes.plot(
            [target - 0.35, target + 0.35], [middle] * 2, color=ORANGE, linewidth=2.5, label="median of the class"
        )
    axes.axhline(1 - threshold, color=GREY, linestyle="--", label=f"target at {threshold:.0%}")
    axes.set(yscale="log", xticks=range(CLASSES), xlabel="target", ylabel="probability left to the other classes")
    axes.set_title("How much doubt the generated images leave (lower is surer)", fontsize=11)
    axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(once.values(), once.keys(), loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, frameon=False)
    return figure_of(axes)


def attacked_pairs(originals: Tensor, images: Tensor) -> Figure:
    """Draw the table of all pairs: a row the digit that an image should look like, a column what it is taken for.

    Parameters
    ----------
    originals
        An image of each digit, (10, 1, 28, 28), in order.
    images
        The attacks on them, (90, 1, 28, 28): digit by digit, and for each digit the other classes in order.

    Returns
    -------
    Figure
        The originals stand framed on the diagonal.

    Examples
    --------
    >>> figure = attacked_pairs(originals, result.rounded)  # doctest: +SKIP
    """
    check_images(originals, "originals", count=CLASSES)
    check_images(images, count=CLASSES * (CLASSES - 1))
    rows = []
    for digit in range(CLASSES):
        others = list(images[digit * (CLASSES - 1) : (digit + 1) * (CLASSES - 1)])
        rows.append(torch.stack([*others[:digit], originals[digit].to(images.dtype), *others[digit:]]))
    figure = image_table(
        torch.stack(rows),
        title="Attacked digits; framed, the digits as they were",
        rows=range(CLASSES),
        columns=range(CLASSES),
        row_name="digit that it was",
        column_name="class for which it is taken",
    )
    for digit in range(CLASSES):
        corner = (digit * 28 - 0.5, digit * 28 - 0.5)
        figure.axes[0].add_patch(Rectangle(corner, 28, 28, fill=False, edgecolor=ORANGE, linewidth=2.5))
    return figure


def perturbation(original: Tensor, generated: Tensor, *, title: str) -> Figure:
    """Draw an image, its attack, and the difference between them on a symmetric scale.

    Parameters
    ----------
    original, generated
        Images (1, 28, 28).
    title
        What they are.

    Returns
    -------
    Figure
        Three panels; red is what became brighter, blue what became darker.

    Examples
    --------
    >>> figure = perturbation(images[0], result.images[0], title="A 2 that is taken for a 5")  # doctest: +SKIP
    """
    for name, image in (("original", original), ("generated", generated)):
        check_tensor(image, name, 1, 28, 28, low=0, high=PIXEL_MAX)
    check_text(title, "title")
    figure = plt.figure(figsize=(6.0, 2.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for axes, image, name in ((left, original, "target image"), (middle, generated, "generated image")):
        draw_image(axes, image)
        axes.set_title(name, fontsize=10)
    difference = (generated.detach().double() - original.detach().double()).squeeze(0)
    shades = right.imshow(difference.cpu().numpy(), cmap="RdBu_r", vmin=-PIXEL_MAX, vmax=PIXEL_MAX)
    right.set(xticks=[], yticks=[])
    right.set_title("difference", fontsize=10)
    figure.colorbar(shades, ax=right, orientation="horizontal", ticks=[-255, 0, 255], label="intensity")
    figure.suptitle(title)
    return figure


def shares_by_step(steps: Tensor, shares: dict[str, Tensor], *, axes: Axes | None = None) -> Figure:
    """Draw how shares of the images grow with the steps.

    Parameters
    ----------
    steps
        Numbers of steps, (S,).
    shares
        Shares 0..1 at these, (S,), by what they are the share of; at most three.
    axes
        Where to draw; new axes by default.

    Returns
    -------
    Figure
        A line a share.

    Examples
    --------
    >>> figure = shares_by_step(steps, {"predicted as the target": share})  # doctest: +SKIP
    """
    _check_shares(shares, len(check_tensor(steps, "steps", "S", low=0)))
    axes = axes_or_new(axes, size=(6.0, 3.4))
    for (name, share), (colour, style) in zip(shares.items(), STYLES, strict=False):
        axes.plot(_numbers(steps), _numbers(share), style, color=colour, markersize=4, label=name)
    axes.set(xlabel="steps", ylabel="share of the images", ylim=(-0.03, 1.03), title="The network becomes convinced")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure_of(axes)


def success_by_beta(betas: Tensor, shares: dict[str, Tensor], distortions: Tensor) -> Figure:
    """Draw what the weight of the mean squared error trades off.

    Parameters
    ----------
    betas
        The weights, (B,).
    shares
        Shares 0..1 of the images at each weight, (B,), by what they are the share of; at most three.
    distortions
        Median L2 distortion at each weight, in intensities, (B,).

    Returns
    -------
    Figure
        Above the shares, below the distortion, over a logarithmic axis of weights.

    Examples
    --------
    >>> figure = success_by_beta(betas, {"taken for the target": success}, distortions)  # doctest: +SKIP
    """
    check_tensor(betas, "betas", "B", low=0)
    _check_shares(shares, len(betas))
    check_tensor(distortions, "distortions", len(betas), low=0)
    figure = plt.figure(figsize=(6.0, 5.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for (name, share), (colour, style) in zip(shares.items(), STYLES, strict=False):
        above.plot(_numbers(betas), _numbers(share), style, color=colour, label=name)
    above.set(xscale="log", ylim=(-0.03, 1.03), ylabel="share of the images", title="What beta trades off")
    above.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    above.legend(fontsize=9, loc="center left")
    below.plot(_numbers(betas), _numbers(distortions), "o-", color=GREY)
    below.set(xlabel="beta (logits a squared intensity)", ylabel="median L2 distortion")
    below.set_ylim(bottom=0)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    return figure


def values_by_pair(values: Tensor, *, title: str, label: str, axes: Axes | None = None) -> Figure:
    """Draw a value for every ordered pair of digits.

    Parameters
    ----------
    values
        Values (10, 10), a row a digit and a column a target; the diagonal is left blank.
    title, label
        What they are, and their unit.
    axes
        Where to draw; new axes by default.

    Returns
    -------
    Figure
        A shaded table with a colour bar that begins at 0.

    Examples
    --------
    >>> figure = values_by_pair(distances, title="Least distortion", label="L2")  # doctest: +SKIP
    """
    # What stands on the diagonal is not drawn, and so may be anything.
    kept = check_tensor(values, "values", CLASSES, CLASSES, finite=False).detach().double().clone().fill_diagonal_(0)
    check_tensor(kept, "values", CLASSES, CLASSES, low=0)
    check_text(title, "title")
    check_text(label, "label")
    axes = axes_or_new(axes, size=(6.0, 5.4))
    table = kept.fill_diagonal_(float("nan")).cpu().numpy()
    most = float(np.nanmax(table))
    shades = axes.imshow(table, cmap="Blues", vmin=0, vmax=most)
    for row, column in zip(*np.nonzero(~np.isnan(table)), strict=True):
        colour = "white" if table[row, column] > 0.6 * most else "black"
        axes.text(column, row, f"{table[row, column]:.0f}", ha="center", va="center", fontsize=9, color=colour)
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES), title=title)
    axes.set(xlabel="class for which it is taken", ylabel="digit that it was")
    figure_of(axes).colorbar(shades, ax=axes, label=label, shrink=0.85)
    return figure_of(axes)


def _check_result(result: object) -> None:
    if not len(check_type(result, "result", AttackResult, "an AttackResult, as an attack returns it").targets):
        raise ValueError("result: expected at least one image, got none")


def _check_frames(frames: object, steps: object) -> None:
    count = check_sequence(frames, "frames", partial(check_images, empty=False))
    if not count:
        raise ValueError("frames: expected at least one frame, got none")
    images = cast("Sequence[Tensor]", frames)
    for position, frame in enumerate(images):
        check_images(frame, f"frames[{position}]", count=len(images[0]))
    check_sequence(steps, "steps", partial(check_integer, low=0), count=count)


def _check_shares(shares: object, count: int) -> None:
    check_named(shares, "shares", lambda share, name: check_tensor(share, name, count, low=0, high=1), most=len(STYLES))


def _anything(value: object, name: str) -> None:
    """Whatever can be written."""


def _numbers(values: Tensor) -> NDArray[np.float64]:
    return values.detach().double().cpu().numpy()


def _draw_table(axes: Axes, images: Tensor) -> None:
    """All images (R, C, 1, 28, 28) in one picture, a thin line between them."""
    rows, columns = images.shape[:2]
    picture = images[:, :, 0].permute(0, 2, 1, 3).reshape(rows * 28, columns * 28)
    axes.imshow(picture.detach().cpu().numpy(), cmap="gray", vmin=0, vmax=PIXEL_MAX)
    for place in range(1, rows):
        axes.axhline(place * 28 - 0.5, color="white", linewidth=1.5)
    for place in range(1, columns):
        axes.axvline(place * 28 - 0.5, color="white", linewidth=1.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
