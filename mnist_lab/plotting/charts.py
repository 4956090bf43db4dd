"""Charts of measured numbers: how they are distributed, and estimates with their intervals."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from mnist_lab._utils.checks import (
    check_flag,
    check_named,
    check_number,
    check_sequence,
    check_tensor,
    check_text,
    check_type,
    describe,
)
from mnist_lab.plotting.style import BLUE, GREEN, ORANGE, RED
from mnist_lab.stats import Interval

# Each with a line and a marker of its own.
STYLES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (RED, ":", "D"))


def distributions(
    values: Mapping[str, Tensor], *, title: str, unit: str, marked: tuple[float, str] | None = None
) -> Figure:
    """Draw how the values of several groups are distributed: for each value, the share of a group that is below it.

    Parameters
    ----------
    values
        The values of each group by its name; at most four groups.
    title
        Of the figure.
    unit
        What the values are.
    marked
        A value to mark with a line, and its name.

    Returns
    -------
    Figure
        One step curve a group; a curve further to the right belongs to larger values.

    Examples
    --------
    >>> import torch
    >>> figure = distributions({"noise": torch.rand(50)}, title="Noise", unit="value", marked=(0.5, "mean"))
    >>> plt.close(figure)
    """
    check_named(values, "values", lambda group, name: check_tensor(group, name, "..."), most=len(STYLES))
    check_text(title, "title")
    check_text(unit, "unit")
    if marked is not None:
        if not isinstance(marked, tuple) or len(marked) != 2:
            raise TypeError(f"marked: expected a value and its name, or None, got {describe(marked)}")
        check_number(marked[0], "marked[0]", low=-math.inf)
        check_text(marked[1], "marked[1]")
    figure = plt.figure(figsize=(6.0, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for (name, group), (colour, line, _) in zip(values.items(), STYLES, strict=False):
        numbers = group.detach().flatten().cpu().numpy()
        axes.ecdf(numbers, color=colour, linestyle=line, linewidth=2, label=f"{name} ({len(numbers):,})")
    if marked is not None:
        axes.axvline(marked[0], color="black", linewidth=1, label=marked[1])
    axes.set(title=title, xlabel=unit, ylabel="share at or below")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def estimates(
    series: Mapping[str, Sequence[Interval]],
    names: Sequence[str],
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
        By name, one estimate for each of `names`; at most four series.
    names
        What is estimated, along the horizontal axis.
    title
        Of the figure.
    unit
        What the estimates are.
    limits
        Of the vertical axis, None where it may fit the estimates.
    marked, marked_as
        For each of `names` a value to mark with a short line, and what it is.
    joined
        Whether `names` are a progression, whose estimates a line joins.

    Returns
    -------
    Figure
        A marker an estimate, with its interval as a bar.

    Examples
    --------
    >>> chance = Interval(0.5, 0.4, 0.6, 0.95)
    >>> figure = estimates({"coin": [chance, chance]}, ["first", "second"], title="Heads", unit="share")
    >>> plt.close(figure)
    """
    count = check_sequence(names, "names", check_text)
    if not count:
        raise ValueError("names: expected at least one name, got none")
    check_named(series, "series", lambda one, name: check_sequence(one, name, _interval, count=count), most=len(STYLES))
    for name, text in (("title", title), ("unit", unit), ("marked_as", marked_as)):
        check_text(text, name)
    check_limits(limits, open_ended=True)
    if check_sequence(marked, "marked", partial(check_number, low=-math.inf)) not in (0, count):
        raise ValueError(f"marked: expected {count} values or none, got {len(marked)}")
    check_flag(joined, "joined")
    figure = plt.figure(figsize=(6.0, 3.8), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(names))
    for index, ((name, intervals), (colour, line, marker)) in enumerate(zip(series.items(), STYLES, strict=False)):
        shift = 0 if joined else 0.3 * (index - (len(series) - 1) / 2) / max(len(series) - 1, 1)
        middle = np.array([interval.value for interval in intervals])
        below = middle - [interval.low for interval in intervals]
        above = [interval.high for interval in intervals] - middle
        axes.errorbar(
            places + shift,
            middle,
            yerr=np.maximum([below, above], 0),
            color=colour,
            marker=marker,
            linestyle=line if joined else "none",
            capsize=4,
            label=name,
        )
    if len(marked):
        axes.hlines(marked, places - 0.35, places + 0.35, color="black", linewidth=1, label=marked_as)
    confidence = next(iter(series.values()))[0].confidence
    axes.set(title=title, ylabel=unit, xticks=places, xticklabels=names, xlim=(-0.5, len(names) - 0.5), ylim=limits)
    axes.grid(alpha=0.3, axis="y")
    # Beside the axes, since "best" knows nothing of the intervals.
    figure.legend(title=f"with {confidence:.0%} intervals", loc="outside lower center", ncols=len(series) + 1)
    return figure


def check_limits(limits: object, *, open_ended: bool = False) -> None:
    """Refuse what is no pair of a lower and a higher end; an end may be None where that is allowed."""
    if not isinstance(limits, tuple | list) or len(limits) != 2:
        raise TypeError(f"limits: expected a lower and a higher end, got {describe(limits)}")
    ends = [
        -math.inf * (-1) ** place
        if open_ended and end is None
        else check_number(end, f"limits[{place}]", low=-math.inf)
        for place, end in enumerate(limits)
    ]
    if ends[0] > ends[1]:
        raise ValueError(f"limits: expected a lower and a higher end, got {ends[0]:g} and {ends[1]:g}")


def _interval(value: object, name: str) -> None:
    check_type(value, name, Interval, "an Interval")
