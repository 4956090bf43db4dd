"""The climb of a cost from noise, and what its images resemble."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from mnist_lab._utils.checks import check_images, check_labels, check_named, check_sequence, check_tensor, check_text
from mnist_lab.plotting.style import BLUE, GREY, SERIES, axes_or_new, draw_image, figure_of


def image_rows(rows: Mapping[str, Tensor], *, columns: Sequence[str], title: str) -> Figure:
    """Draw several kinds of images below each other, such as generated images and what they are compared with.

    Parameters
    ----------
    rows
        For each kind, its name and its images (N, 1, 28, 28) in 0..255, as many as there are columns.
    columns
        The heading of each column.
    title
        What is compared.

    Returns
    -------
    Figure
        A row a kind, under its name; below each image its column's heading.

    Examples
    --------
    >>> image_rows({"generated": result.images}, columns="0123456789", title="From noise")  # doctest: +SKIP
    """
    count = check_sequence(columns, "columns", check_text)
    check_named(rows, "rows", partial(check_images, empty=False, count=count))
    check_text(title, "title")
    figure = plt.figure(figsize=(6.0, 0.4 + len(rows) * (0.4 + 6.0 / len(columns))), layout="constrained")
    figure.suptitle(title)
    # A row is a figure of its own: its name stands above it, where it takes the room of no image.
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for part, (name, images) in zip(parts, rows.items(), strict=True):
        part.suptitle(name, x=0.01, ha="left", fontsize=10)
        for axes, image, column in zip(part.subplots(1, len(columns)), images, columns, strict=True):
            draw_image(axes, image)
            axes.set_xlabel(column, fontsize=9, labelpad=1)
    return figure


def measured_groups(groups: Mapping[str, Tensor], *, title: str, unit: str, axes: Axes | None = None) -> Figure:
    """Draw how a measurement is distributed in several groups of images, against the first of them.

    Parameters
    ----------
    groups
        For each group, its name and its values (N,). The first one is the measure of the others, real digits say.
    title
        What was measured.
    unit
        Its unit.
    axes
        Where to draw; new axes by default.

    Returns
    -------
    Figure
        A box a group from the lower to the upper quartile, with the median and whiskers from the 1st to the 99th
        percentile. The whiskers of the first group go through the figure as a band.

    Examples
    --------
    >>> measured_groups({"real": real, "made": made}, title="Distance", unit="intensities")  # doctest: +SKIP
    """
    check_named(groups, "groups", lambda group, name: check_tensor(group, name, "N"))
    check_text(title, "title")
    check_text(unit, "unit")
    axes = axes_or_new(axes, size=(6.0, 0.9 + 0.42 * len(groups)))
    values = [group.detach().double().cpu().numpy() for group in groups.values()]
    axes.axvspan(*np.percentile(values[0], [1, 99]), color=GREY, alpha=0.25, linewidth=0)
    boxes = axes.boxplot(
        values,
        orientation="horizontal",
        whis=(1, 99),  # codespell:ignore whis - matplotlib's name for the whiskers
        widths=0.6,
        showfliers=False,
        patch_artist=True,
        medianprops={"color": "black", "linewidth": 2},
    )
    for box, colour in zip(boxes["boxes"], [GREY, *[BLUE] * (len(values) - 1)], strict=True):
        box.set(facecolor=colour, alpha=0.7)
    axes.set(title=title, xlabel=unit, yticks=range(1, len(values) + 1), yticklabels=list(groups))
    axes.invert_yaxis()
    axes.set_xlim(left=min(0, axes.get_xlim()[0]))
    axes.grid(alpha=0.3, axis="x")
    return figure_of(axes)


def cost_by_step(cost: Tensor, targets: Tensor, *, title: str) -> Figure:
    """Draw the cost of an attack by step, class by class.

    Parameters
    ----------
    cost
        The cost by step, (steps + 1, N), as :class:`mnist_lab.AttackResult` has it.
    targets
        The target of each image, (N,).
    title
        Which attack it was.

    Returns
    -------
    Figure
        A panel a class, all on one scale: the mean over the starts, in a dark band of one standard deviation and a
        light one from the lowest start to the highest.

    Examples
    --------
    >>> cost_by_step(result.cost, result.targets, title="Gradient ascent")  # doctest: +SKIP
    """
    check_tensor(cost, "cost", "steps + 1", "N")
    classes = check_labels(targets, "targets", count=cost.shape[1]).unique().tolist()
    check_text(title, "title")
    figure = plt.figure(figsize=(6.0, 0.8 + 1.5 * -(-len(classes) // 5)), layout="constrained")
    panels = figure.subplots(-(-len(classes) // 5), min(5, len(classes)), sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(classes) :]:
        axes.remove()
    for axes, label in zip(panels.flat, classes, strict=False):
        values = cost.detach()[:, targets == label].double().cpu().numpy()
        steps, mean, deviation = range(len(values)), values.mean(axis=1), values.std(axis=1)
        axes.fill_between(steps, values.min(axis=1), values.max(axis=1), color=BLUE, alpha=0.2, linewidth=0)
        axes.fill_between(steps, mean - deviation, mean + deviation, color=BLUE, alpha=0.4, linewidth=0)
        axes.plot(steps, mean, color=BLUE)
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set_title(f"target {label}", fontsize=9, pad=3)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    figure.suptitle(title)
    figure.supxlabel("updates of the image", fontsize=10)
    figure.supylabel("cost: logit of the target", fontsize=10)
    return figure


def falling_steps(costs: Mapping[str, Tensor], *, axes: Axes | None = None) -> Figure:
    """Draw when and how deep the cost of an ascent falls in a step.

    Parameters
    ----------
    costs
        For each run, its name and its cost by step, (steps + 1, N).
    axes
        Where to draw; new axes by default.

    Returns
    -------
    Figure
        A mark for each fall of an image in a step, its depth on a logarithmic scale, over the share of the run that
        is done. Steps that rise have no mark.

    Examples
    --------
    >>> falling_steps({"step size 3000": result.cost})  # doctest: +SKIP
    """
    check_named(costs, "costs", lambda cost, name: check_tensor(cost, name, "steps + 1", "N"), most=len(SERIES))
    axes = axes_or_new(axes, size=(6.0, 3.4))
    for (name, cost), colour, mark in zip(costs.items(), SERIES, "os^D", strict=False):
        change = cost.diff(dim=0).double().cpu()
        step, image = (change < 0).nonzero(as_tuple=True)
        done, depth = (step + 1) / max(len(change), 1), -change[step, image].detach()
        axes.plot(done.numpy(), depth.numpy(), mark, color=colour, markersize=4, alpha=0.6, label=name)
    axes.set(xlim=(0, 1.01), xlabel="share of the run done", ylabel="fall of the cost (logits)")
    if any(bool((cost.diff(dim=0) < 0).any()) for cost in costs.values()):
        axes.set_yscale("log")  # which cannot be drawn without any value
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title("Steps in which the cost fell, and how deep")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure_of(axes)
