"""Charts of measured numbers: distributions, groups to compare, and estimates with their intervals."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from mnist_lab._utils.contracts import Sized, TensorOf, Values, checked
from mnist_lab.plotting.style import BLUE, GREY, SERIES, WIDTH, check_order, numbers
from mnist_lab.stats import Interval


@checked
def distributions(
    values: Annotated[Mapping[str, Values], Sized(1, len(SERIES))],
    *,
    title: str,
    unit: str,
    marked: tuple[float, str] | None = None,
) -> Figure:
    """Draw the cumulative distribution of several groups of values.

    Parameters
    ----------
    values
        The values of each group by its name; at most four groups.
    title
        Title of the figure.
    unit
        Label of the horizontal axis: what the values are, with their unit.
    marked
        A value to mark with a vertical line, and its name.

    Returns
    -------
    Figure
        One step curve per group. The further right a curve lies, the larger are the values.

    Examples
    --------
    >>> import torch
    >>> figure = distributions({"noise": torch.rand(50)}, title="Noise", unit="value", marked=(0.5, "mean"))
    >>> plt.close(figure)
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.8), layout="constrained")
    for (name, group), (colour, line, _) in zip(values.items(), SERIES, strict=False):
        array = numbers(group).flatten()
        axes.ecdf(array, color=colour, linestyle=line, linewidth=2, label=f"{name} ({len(array):,})")
    if marked is not None:
        axes.axvline(marked[0], color="black", linewidth=1, label=marked[1])
    axes.set(title=title, xlabel=unit, ylabel="share at or below")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


@checked
def measured_groups(groups: Mapping[str, Annotated[Tensor, TensorOf(("N",))]], *, title: str, unit: str) -> Figure:
    """Draw how a measurement is distributed in several groups, compared with the first group.

    Parameters
    ----------
    groups
        The values (N,) of each group by its name. The first group is the reference, such as real digits.
    title
        Title of the figure.
    unit
        Label of the horizontal axis: what was measured, with its unit.

    Returns
    -------
    Figure
        One box per group from the lower to the upper quartile, with the median and with whiskers from the 1st to the
        99th percentile. A grey band continues the whiskers of the first group.

    Examples
    --------
    >>> import torch
    >>> figure = measured_groups({"real": torch.rand(9), "noise": torch.rand(5)}, title="Ink", unit="mean intensity")
    >>> plt.close(figure)
    """
    values = [numbers(group) for group in groups.values()]
    figure, axes = plt.subplots(figsize=(WIDTH, 0.9 + 0.42 * len(groups)), layout="constrained")
    boxes = axes.boxplot(
        values,
        orientation="horizontal",
        whis=(1, 99),  # codespell:ignore whis - matplotlib's name for the whiskers
        widths=0.6,
        showfliers=False,
        patch_artist=True,
        medianprops={"color": "black", "linewidth": 2},
    )
    low, high = (float(cap.get_xdata()[0]) for cap in boxes["caps"][:2])
    axes.axvspan(low, high, color=GREY, alpha=0.25, linewidth=0, zorder=0)
    for box, colour in zip(boxes["boxes"], [GREY, *[BLUE] * (len(values) - 1)], strict=True):
        box.set(facecolor=colour, alpha=0.7)
    axes.set(title=title, xlabel=unit, yticks=range(1, len(values) + 1), yticklabels=list(groups))
    axes.invert_yaxis()
    axes.set_xlim(left=min(0, axes.get_xlim()[0]))
    axes.grid(alpha=0.3, axis="x")
    return figure


@checked
def estimates(
    series: Annotated[Mapping[str, Sequence[Interval]], Sized(1, len(SERIES))],
    names: Annotated[Sequence[str], Sized(1)],
    *,
    title: str,
    unit: str,
    limits: tuple[float | None, float | None] = (None, None),
    marked: Sequence[float] = (),
    marked_as: str = "by chance",
    joined: bool = False,
) -> Figure:
    """Draw estimates with their intervals, several series side by side.

    Parameters
    ----------
    series
        By name, one interval for each of `names`, all of the same confidence; at most four series.
    names
        What is estimated, along the horizontal axis.
    title
        Title of the figure.
    unit
        Label of the vertical axis.
    limits
        Limits of the vertical axis. None fits a limit to the estimates.
    marked, marked_as
        A reference value for each of `names`, drawn as a short line, and its name in the legend.
    joined
        Whether a line joins the estimates of a series, as for a progression.

    Returns
    -------
    Figure
        One marker per estimate, with its interval as a bar.

    Raises
    ------
    ValueError
        If the numbers of names, intervals and reference values differ, or the confidences differ.

    Examples
    --------
    >>> heads = Interval(0.5, 0.4, 0.6, 0.95)
    >>> figure = estimates({"coin": [heads, heads]}, ["first", "second"], title="Heads", unit="share")
    >>> plt.close(figure)
    """
    check_order(limits)
    for name, intervals in series.items():
        if len(intervals) != len(names):
            raise ValueError(f"series[{name!r}]: expected {len(names)} intervals, one per name, got {len(intervals)}")
    if len(marked) not in (0, len(names)):
        raise ValueError(f"marked: expected {len(names)} values, one per name, or none, got {len(marked)}")
    confidences = {interval.confidence for intervals in series.values() for interval in intervals}
    if len(confidences) > 1:
        raise ValueError(f"series: expected intervals of one confidence, got {sorted(confidences)}")
    figure, axes = plt.subplots(figsize=(WIDTH, 3.8), layout="constrained")
    places = np.arange(len(names))
    for index, ((name, intervals), (colour, line, marker)) in enumerate(zip(series.items(), SERIES, strict=False)):
        shift = 0 if joined else 0.3 * (index - (len(series) - 1) / 2) / max(len(series) - 1, 1)
        middle = np.array([interval.value for interval in intervals])
        below = middle - [interval.low for interval in intervals]
        above = [interval.high for interval in intervals] - middle
        axes.errorbar(
            places + shift,
            middle,
            yerr=np.maximum([below, above], 0),  # rounding may put a bound beyond the value
            color=colour,
            marker=marker,
            linestyle=line if joined else "none",
            capsize=4,
            label=name,
        )
    if marked:
        axes.hlines(marked, places - 0.35, places + 0.35, color="black", linewidth=1, label=marked_as)
    axes.set(title=title, ylabel=unit, xticks=places, xticklabels=names, xlim=(-0.5, len(names) - 0.5), ylim=limits)
    axes.grid(alpha=0.3, axis="y")
    # Beside the axes, because the location "best" ignores the intervals, and in as many columns as fit below them.
    heading = f"with {confidences.pop():.0%} intervals"
    for columns in range(len(series) + 1, 0, -1):
        legend = figure.legend(title=heading, loc="outside lower center", ncols=columns)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    return figure
