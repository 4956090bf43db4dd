"""What the network is made of: what its layers see, where its parameters are, when its neurons fire."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from mnist_lab._utils.checks import PIXEL_MAX, check_choice, check_named, check_sequence, check_tensor, check_type
from mnist_lab.introspection.summary import ParameterCounts
from mnist_lab.introspection.layers import LayerShapes
from mnist_lab.plotting.style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    axes_or_new,
    draw_image,
    figure_of,
)


def receptive_fields(image: Tensor, shapes: LayerShapes, layers: Sequence[str], *, axes: Axes | None = None) -> Figure:
    """Draw how much of an image one output in the middle of each layer can depend on.

    Parameters
    ----------
    image
        One image (1, 28, 28) in 0..255.
    shapes
        What :func:`mnist_lab.layer_shapes` returned.
    layers
        The layers to draw, by name.
    axes
        Where to draw; new axes by default.

    Returns
    -------
    Figure
        The image, and around its middle a rectangle a layer, drawn to scale.

    Examples
    --------
    >>> figure = receptive_fields(image, shapes, ["conv1", "conv2"])  # doctest: +SKIP
    """
    check_tensor(image, "image", 1, "H", "W", low=0, high=PIXEL_MAX)
    _check_shapes(shapes)
    check_sequence(layers, "layers", lambda layer, name: check_choice(layer, name, [row.name for row in shapes]))
    axes = axes_or_new(axes, size=(6.0, 4.1))
    draw_image(axes, image)
    height, width = image.shape[-2:]
    styles = [(BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (RED, ":"), (PURPLE, "-")]
    for name, (colour, line) in zip(layers, styles, strict=False):
        field = shapes[name].receptive_field
        if field is not None:
            corner = ((width - field[1]) // 2 - 0.5, (height - field[0]) // 2 - 0.5)
            label = f"{name}: {field[0]}×{field[1]} pixels"
            axes.add_patch(
                Rectangle(
                    corner, field[1], field[0], fill=False, color=colour, ls=line, lw=3, label=label, clip_on=False
                )
            )
    axes.set_title("What one output can see of the image")
    figure = figure_of(axes)
    figure.legend(loc="outside right center")
    return figure


def parameters_and_arithmetic(parameters: ParameterCounts, shapes: LayerShapes, *, axes: Axes | None = None) -> Figure:
    """Draw where a network's parameters are against where its arithmetic is.

    Parameters
    ----------
    parameters
        What :func:`mnist_lab.parameter_counts` returned.
    shapes
        What :func:`mnist_lab.layer_shapes` returned for the same network.
    axes
        Where to draw; new axes by default.

    Returns
    -------
    Figure
        Two bars for each layer that multiplies: its share of all parameters, its share of all multiply-adds.

    Examples
    --------
    >>> figure = parameters_and_arithmetic(lab.parameter_counts(model), lab.layer_shapes(model))  # doctest: +SKIP
    """
    check_type(parameters, "parameters", ParameterCounts, "ParameterCounts, as parameter_counts() returns them")
    rows = [row for row in _check_shapes(shapes) if row.multiply_adds]
    missing = [row.name for row in rows if row.name not in parameters.by_layer]
    if missing or not rows:
        found = f"no parameters of {', '.join(missing)}" if missing else "no layer that multiplies"
        raise ValueError(f"parameters: expected those of the network of shapes, got {found}")
    axes = axes_or_new(axes, size=(6.0, 3.8))
    held = [parameters.by_layer[row.name] for row in rows]
    done = [row.multiply_adds or 0 for row in rows]
    for offset, values, total, label, colour, hatch in (
        (-0.2, held, parameters.total, "parameters", BLUE, ""),
        (0.2, done, shapes.multiply_adds, "multiply-adds for one image", ORANGE, "///"),
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
    axes.set_title("Where the parameters are, and where the arithmetic is")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False)
    return figure_of(axes)


def firing_rates(rates: dict[str, Tensor], *, axes: Axes | None = None) -> Figure:
    """Draw how often the neurons of each layer fire, from the most silent one to the busiest.

    Parameters
    ----------
    rates
        What :func:`mnist_lab.firing_rates` returned.
    axes
        Where to draw; new axes by default.

    Returns
    -------
    Figure
        A line a layer. Where it lies on the floor there are neurons that never fire; the area below it is the share
        of neurons that fire on average.

    Examples
    --------
    >>> figure = firing_rates(lab.firing_rates(model, dataset.test.images))  # doctest: +SKIP
    """
    check_named(rates, "rates", _check_rate, most=4)
    axes = axes_or_new(axes)
    styles = [(BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (RED, ":")]
    for (name, rate), (colour, line) in zip(rates.items(), styles, strict=False):
        ranked = rate.detach().flatten().sort().values.cpu().numpy()
        places = np.linspace(0, 1, len(ranked))
        axes.plot(places, ranked, color=colour, linestyle=line, linewidth=2, label=f"{name} ({len(ranked):,} neurons)")
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="images in which a neuron fires")
    axes.set_xlabel("neurons of the layer, from the most silent to the busiest")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.set_title("How often the neurons fire")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure_of(axes)


def silent_neurons(rates: dict[str, Tensor]) -> Figure:
    """Draw where the neurons of the convolutions are that never fire.

    Parameters
    ----------
    rates
        What :func:`mnist_lab.firing_rates` returned.

    Returns
    -------
    Figure
        A map a convolution: at each position, the share of the filters that fire there in no image.

    Examples
    --------
    >>> figure = silent_neurons(lab.firing_rates(model, dataset.test.images))  # doctest: +SKIP
    """
    check_named(rates, "rates", _check_rate)
    maps = {name: (rate == 0).float().mean(dim=0) for name, rate in rates.items() if rate.ndim == 3}
    if not maps:
        raise ValueError(f"rates: expected those of at least one convolution, got {', '.join(rates)}")
    figure = plt.figure(figsize=(6.0, 3.0), layout="constrained")
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    for axes, (name, silent) in zip(panels, maps.items(), strict=True):
        shades = axes.imshow(silent.cpu().numpy(), cmap="cividis", vmin=0, vmax=1)
        axes.set_title(f"{name}, {len(rates[name])} filters")
        axes.set(xlabel="column", ylabel="row")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, integer=True))
    figure.suptitle("Filters that fire in none of the images")
    bar = figure.colorbar(shades, ax=panels, label="share of the filters", shrink=0.8)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1))
    return figure


def _share(share: float) -> str:
    """A share that is not rounded to nothing."""
    return "<0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def _check_shapes(shapes: object) -> LayerShapes:
    return check_type(shapes, "shapes", LayerShapes, "LayerShapes, as layer_shapes() returns them")


def _check_rate(rate: object, name: str) -> None:
    check_tensor(rate, name, "...", low=0, high=1)
