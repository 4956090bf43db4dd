"""Figures of question 1: what the network is made of, when its neurons are active, and two recipes compared."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray
from torch import Tensor

from mnist_lab.introspection.layers import LayerShapes
from mnist_lab.introspection.summary import ParameterCounts
from mnist_lab.plotting.style import BLUE, ORANGE, PURPLE, RED, SERIES, WIDTH, draw_image, log_scale, numbers
from mnist_lab.stats import PairedComparison
from mnist_lab.training.recipe import History

# Neurons by the share of images in which they are active.
ACTIVITY: dict[str, Callable[[NDArray[np.float64]], NDArray[np.bool_]]] = {
    "none": lambda rate: rate == 0,
    "up to 1%": lambda rate: (rate > 0) & (rate <= 0.01),
    "1% to 99%": lambda rate: (rate > 0.01) & (rate < 0.99),
    "99% and more": lambda rate: (rate >= 0.99) & (rate < 1),
    "all": lambda rate: rate == 1,
}
# Their colours, and those of the numbers on them.
ACTIVITY_COLOURS = (
    ("#333333", "white"),
    (BLUE, "white"),
    ("#A6D8F0", "black"),
    ("#F7D58B", "black"),
    (ORANGE, "black"),
)


def receptive_fields(image: Tensor, shapes: LayerShapes, layers: Sequence[str]) -> Figure:
    """The image (1, 28, 28), and around its centre the receptive field of each layer, drawn to scale."""
    figure, axes = plt.subplots(figsize=(WIDTH, 4.1), layout="constrained")
    draw_image(axes, image)
    height, width = image.shape[-2:]
    for name, (colour, line, _) in zip(layers, [*SERIES, (PURPLE, "-", "")], strict=False):
        field = shapes[name].receptive_field
        if field is not None:
            corner = ((width - field[1]) // 2 - 0.5, (height - field[0]) // 2 - 0.5)
            label = f"{name}: {field[0]}×{field[1]} pixels"
            axes.add_patch(
                Rectangle(
                    corner, field[1], field[0], fill=False, color=colour, ls=line, lw=3, label=label, clip_on=False
                )
            )
    axes.set_title("Receptive field of one output")
    figure.legend(loc="outside right center")
    return figure


def parameters_and_multiply_adds(parameters: ParameterCounts, shapes: LayerShapes) -> Figure:
    """Two bars per layer: its share of all parameters, and its share of all multiply-adds."""
    rows = [row for row in shapes if row.multiply_adds]
    held = [parameters.by_layer[row.name] for row in rows]
    done = [row.multiply_adds or 0 for row in rows]
    figure, axes = plt.subplots(figsize=(WIDTH, 3.8), layout="constrained")
    for offset, values, total, label, colour, hatch in (
        (-0.2, held, parameters.total, "parameters", BLUE, ""),
        (0.2, done, sum(done), "multiply-adds per image", ORANGE, "///"),
    ):
        places = [place + offset for place in range(len(rows))]
        shares = [value / total for value in values]
        bars = axes.barh(places, shares, height=0.38, label=label, color=colour, hatch=hatch, edgecolor="white")
        axes.bar_label(bars, [f"{value:,} ({_share(value / total)})" for value in values], padding=3, fontsize=9)
    axes.set(yticks=range(len(rows)), yticklabels=[row.name for row in rows], xlabel="share of the whole network")
    axes.set_xlim(0, 1.35)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.invert_yaxis()
    axes.set_title("Parameters and multiply-adds of each layer")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def activation_groups(rates: Mapping[str, Tensor]) -> Figure:
    """One bar per layer, divided into neurons that are active in none, few, some, most and all of the images."""
    figure, axes = plt.subplots(figsize=(WIDTH, 3.0), layout="constrained")
    left = np.zeros(len(rates))
    for (label, holds), (colour, text) in zip(ACTIVITY.items(), ACTIVITY_COLOURS, strict=True):
        shares = np.array([holds(numbers(rate)).mean() for rate in rates.values()])
        bars = axes.barh(range(len(rates)), shares, left=left, color=colour, label=label, edgecolor="white")
        texts = [f"{share:.0%}" if share >= 0.045 else "" for share in shares]  # there is no room for less
        axes.bar_label(bars, texts, label_type="center", fontsize=9, color=text)
        left += shares
    axes.set(yticks=range(len(rates)), yticklabels=[f"{name}\n({rate.numel():,})" for name, rate in rates.items()])
    axes.set(xlim=(0, 1), xlabel="share of the neurons of the layer", title="In how many images a neuron is active")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=3, frameon=False, title="active in ... of the images")
    return figure


def inactive_neurons(rates: Mapping[str, Tensor]) -> Figure:
    """One map per convolution: the share of the filters that are active in no image, at each position."""
    maps = {name: numbers(rate == 0).mean(axis=0) for name, rate in rates.items() if rate.ndim == 3}
    figure = plt.figure(figsize=(WIDTH, 3.0), layout="constrained")
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    for axes, (name, inactive) in zip(panels, maps.items(), strict=True):
        shades = axes.imshow(inactive, cmap="cividis", vmin=0, vmax=1)
        axes.set_title(f"{name}, {len(rates[name])} filters")
        axes.set(xlabel="column", ylabel="row")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, integer=True))
    figure.suptitle("Filters that are active in none of the images")
    bar = figure.colorbar(shades, ax=panels, label="share of the filters", shrink=0.8)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1))
    return figure


def validation_errors(histories: Mapping[str, Sequence[History]]) -> Figure:
    """One curve per kind of network: the mean validation error of its runs, in a band from the lowest to highest."""
    figure, axes = plt.subplots(figsize=(WIDTH, 4.0), layout="constrained")
    for (name, runs), (colour, line, marker) in zip(histories.items(), SERIES, strict=False):
        errors = np.array([run.validation_error for run in runs])  # (runs, epochs)
        epochs = range(1, errors.shape[1] + 1)
        label = f"{name}, mean of {len(runs)}"
        axes.plot(epochs, errors.mean(axis=0), color=colour, linestyle=line, marker=marker, label=label)
        axes.fill_between(epochs, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    axes.set(title="Validation error, mean and range over seeds", xlabel="epoch", ylabel="misclassified images")
    log_scale(axes)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_minor_formatter(PercentFormatter(1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return figure


def accuracy_differences(comparisons: Mapping[str, PairedComparison]) -> Figure:
    """One row per set of images: a dot per pair of networks, and the mean difference with its interval."""
    figure, axes = plt.subplots(figsize=(WIDTH, 1.3 + 0.7 * len(comparisons)), layout="constrained")
    axes.axvline(0, color="black", linewidth=1)
    for row, comparison in enumerate(comparisons.values()):
        values = 100 * np.array(comparison.differences)
        mean, low, high = 100 * comparison.mean, 100 * comparison.low, 100 * comparison.high
        # Marked once, for the legend.
        pair, interval = ("each pair", f"mean, {comparison.confidence:.0%} interval") if row == 0 else (None, None)
        axes.plot(values, np.full_like(values, row - 0.15), "o", color=BLUE, alpha=0.7, label=pair)
        margins = [[mean - low], [high - mean]]
        axes.errorbar([mean], [row + 0.15], xerr=margins, fmt="D", color=RED, capsize=6, label=interval)
    axes.set(title="Accuracy with batch normalization minus without", xlabel="percentage points")
    axes.set_ylim(len(comparisons) - 0.5, -0.5)
    axes.set_yticks(range(len(comparisons)), list(comparisons))
    axes.grid(alpha=0.3, axis="x")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def seconds_by_turn(times: Mapping[str, Sequence[float]]) -> Figure:
    """One curve per kind of network: the seconds that it took in each turn."""
    figure, axes = plt.subplots(figsize=(WIDTH, 3.2), layout="constrained")
    for (name, seconds), (colour, line, marker) in zip(times.items(), SERIES, strict=False):
        axes.plot(range(1, len(seconds) + 1), seconds, color=colour, linestyle=line, marker=marker, label=name)
    axes.set(title="Time per epoch", xlabel="turn", ylabel="seconds", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _share(share: float) -> str:
    """A share that is not rounded to nothing."""
    return "<0.1%" if 0 < share < 0.001 else f"{share:.1%}"
