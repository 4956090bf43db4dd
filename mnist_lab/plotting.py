"""One function a figure: each takes what was measured, draws it, and returns the figure.

Image scales are fixed: 0..255 for images, 0..1 for probabilities, symmetric around zero for weights. Colours are those
of Okabe and Ito, which stay apart for colour-blind eyes and on a light or a dark page.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from mnist_lab.checks import CLASSES, PIXEL_MAX
from mnist_lab.introspection import ParameterCounts
from mnist_lab.layers import LayerShapes
from mnist_lab.progress import REPORT_VARIABLE
from mnist_lab.statistics import PairedComparison
from mnist_lab.training import Evaluation, History

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#7F7F7F"
SERIES = (BLUE, ORANGE, GREEN, RED)


def training_curves(history: History, *, figure: Figure | None = None) -> Figure:
    """Draw the losses, the errors and the accuracy by epoch, each in a panel of its own.

    Parameters
    ----------
    history
        What :func:`mnist_lab.fit` returned.
    figure
        A figure to draw into; a new one by default.

    Returns
    -------
    Figure
        Three panels: the cross-entropy loss, the misclassified share and the accuracy, each of training and
        validation images at the end of each epoch; the first two also batch by batch.

    Examples
    --------
    >>> figure = training_curves(network.history)  # doctest: +SKIP
    """
    figure = figure or plt.figure(figsize=(6.4, 5.8), layout="constrained")
    panels = figure.subplot_mosaic([["loss", "loss"], ["error", "accuracy"]])
    loss, error, accuracy = (panels[name] for name in ("loss", "error", "accuracy"))
    epochs = range(1, len(history) + 1)
    batch_loss, batch_error = np.array(history.batch_loss), np.array(history.batch_error)
    progress = np.arange(1, len(batch_loss) + 1) * len(history) / len(batch_loss)  # in epochs
    window = max(1, len(batch_loss) // 40)

    def measured(axes: Axes, train: Sequence[float], validation: Sequence[float]) -> None:
        axes.plot(epochs, train, "o-", color=BLUE, label="training, end of epoch")
        axes.plot(epochs, validation, "s--", color=ORANGE, label="validation, end of epoch")

    loss.plot(progress, batch_loss, color=GREY, linewidth=0.5, alpha=0.6, label="each training batch")
    measured(loss, history.train_loss, history.validation_loss)
    loss.set(title="Loss", ylabel="cross-entropy (nats)", yscale="log")

    smooth = np.convolve(batch_error, np.full(window, 1 / window), mode="valid")
    error.plot(progress[window - 1 :], smooth, color=GREY, linewidth=1, label=f"mean of {window} batches")
    measured(error, history.train_error, history.validation_error)
    error.set(title="Error", ylabel="misclassified", yscale="log")
    error.yaxis.set_major_formatter(PercentFormatter(1))

    measured(accuracy, [1 - share for share in history.train_error], history.validation_accuracy)
    accuracy.set(title="Accuracy", ylabel="classified correctly")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))

    for axes in (loss, error, accuracy):
        axes.set_xlabel("epochs of training")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    loss.legend()
    error.legend(handles=error.lines[:1])
    return figure


def compared_errors(histories: Mapping[str, Sequence[History]], *, axes: Axes | None = None) -> Figure:
    """Draw the validation error by epoch of several kinds of network, each trained with several seeds.

    Parameters
    ----------
    histories
        For each kind, its name and the histories of its runs, all of the same number of epochs.
    axes
        Where to draw; a new figure by default.

    Returns
    -------
    Figure
        One curve a kind, the mean over its runs, in a band from the lowest run to the highest.

    Examples
    --------
    >>> compared_errors({"plain": plain, "batch_norm": normalized})  # doctest: +SKIP
    """
    axes = axes_or_new(axes)
    for (name, runs), colour, style in zip(histories.items(), SERIES, ("o-", "s--", "^:", "D-."), strict=False):
        errors = np.array([run.validation_error for run in runs])  # (runs, epochs)
        epochs = range(1, errors.shape[1] + 1)
        axes.plot(epochs, errors.mean(axis=0), style, color=colour, label=f"{name}, mean of {len(runs)}")
        axes.fill_between(epochs, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    axes.set(title="Validation error, mean and range over seeds", xlabel="epochs of training", ylabel="misclassified")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_minor_formatter(PercentFormatter(1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return figure_of(axes)


def paired_differences(
    comparison: PairedComparison, *, title: str, unit: str, scale: float = 1.0, axes: Axes | None = None
) -> Figure:
    """Draw the difference of every pair, their mean and its interval, against no difference.

    Parameters
    ----------
    comparison
        What :func:`mnist_lab.statistics.paired_comparison` returned.
    title
        What is compared.
    unit
        The unit of the differences after `scale`.
    scale
        Factor for the drawing, 100 for percentage points say.
    axes
        Where to draw; a new figure by default.

    Returns
    -------
    Figure
        A dot a pair; below them the mean as a diamond with its interval.

    Examples
    --------
    >>> paired_differences(comparison, title="Accuracy", unit="points", scale=100)  # doctest: +SKIP
    """
    axes = axes_or_new(axes, size=(6.0, 2.8))
    values = scale * np.array(comparison.differences)
    mean, low, high = scale * comparison.mean, scale * comparison.low, scale * comparison.high
    axes.axvline(0, color="black", linewidth=1)
    axes.plot(values, np.ones_like(values), "o", color=BLUE, alpha=0.7, label="a pair")
    axes.errorbar(
        [mean],
        [0],
        xerr=[[mean - low], [high - mean]],
        fmt="D",
        color=RED,
        capsize=6,
        label=f"mean, {comparison.confidence:.0%} interval",
    )
    axes.set(title=title, xlabel=unit, ylim=(-0.7, 1.7), yticks=[0, 1], yticklabels=["mean", "pairs"])
    axes.grid(alpha=0.3, axis="x")
    return figure_of(axes)


def figure_of(axes: Axes) -> Figure:
    """The figure that the axes are part of."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes that can be drawn into are part of one
    return figure


def axes_or_new(axes: Axes | None, *, size: tuple[float, float] = (6.0, 4.0)) -> Axes:
    """The axes that a caller passed, or those of a new figure."""
    return axes if axes is not None else plt.figure(figsize=size, layout="constrained").add_subplot()


def show(folder: str | os.PathLike[str] = "figures") -> None:
    """Show the open figures in windows; where there is no screen, save them and say where.

    A page calls this last, so that it serves as a script. In a notebook, and while the report is built, the figures
    are shown by those.

    Parameters
    ----------
    folder
        Where figures are saved if they cannot be shown, as PNG files named after the script.

    Examples
    --------
    >>> show()
    """
    if os.environ.get(REPORT_VARIABLE):
        return
    if mpl.get_backend().lower() != "agg":
        plt.show()
        return
    import __main__  # noqa: PLC0415 - whoever runs now, not when this module was imported

    name = Path(getattr(__main__, "__file__", "figure")).stem
    for number in plt.get_fignums():
        path = Path(folder) / f"{name}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        plt.figure(number).savefig(path, dpi=150)
        print(f"Figure saved: {path}")  # noqa: T201 - the user has to learn where it is
    plt.close("all")


# What the network says, and what it is made of ---------------------------------------------------------------------


def predictions(images: Tensor, result: Evaluation, *, columns: int = 4) -> Figure:
    """Draw images with their true and predicted labels and the probability of the prediction.

    A misclassified image stands in a thick dashed frame, and a cross takes the place of the check mark.

    Parameters
    ----------
    images
        Images (N, 1, 28, 28) in 0..255.
    result
        What :func:`mnist_lab.evaluate` returned for them.
    columns
        Images a row.

    Returns
    -------
    Figure
        One panel an image.

    Examples
    --------
    >>> figure = predictions(split.images, lab.evaluate(model, split))  # doctest: +SKIP
    """
    figure, panels = _image_grid(images, columns, 1.32)
    for axes, true, predicted, sure in zip(panels, *_outcomes(result), strict=True):
        right = true == predicted
        axes.set_title(f"true {true}, predicted {predicted}\n{'✓' if right else '✗'} {_percent(sure)}", fontsize=9)
        for spine in axes.spines.values():
            spine.set(color=GREEN if right else RED, linewidth=1 if right else 3.5, linestyle="-" if right else "--")
    figure.suptitle("Labels, and the probability of the prediction")
    return figure


def mistakes(images: Tensor, result: Evaluation, *, columns: int = 8) -> Figure:
    """Draw misclassified images, each under "true → predicted" and the probability of the prediction.

    Parameters
    ----------
    images, result, columns
        As in :func:`predictions`.

    Returns
    -------
    Figure
        One panel an image, in the order given.

    Examples
    --------
    >>> figure = mistakes(wrong.images, lab.evaluate(model, wrong))  # doctest: +SKIP
    """
    figure, panels = _image_grid(images, columns, 1.3)
    for axes, true, predicted, sure in zip(panels, *_outcomes(result), strict=True):
        axes.set_title(f"{true} → {predicted}\n{_percent(sure)}", fontsize=8, pad=2)
    figure.suptitle("Misclassified: true → predicted, and its probability")
    return figure


def confusion_matrix(result: Evaluation, *, axes: Axes | None = None) -> Figure:
    """Draw how often each digit is read as each other one.

    Parameters
    ----------
    result
        What :func:`mnist_lab.evaluate` returned.
    axes
        Where to draw; new axes by default.

    Returns
    -------
    Figure
        A row a true label, a column a prediction. The shade tells the mistakes alone: they would vanish beside the
        diagonal, where the images that are read correctly are counted in grey.

    Examples
    --------
    >>> figure = confusion_matrix(lab.evaluate(model, dataset.test))  # doctest: +SKIP
    """
    axes = axes_or_new(axes, size=(6.0, 5.4))
    counts = (result.labels * CLASSES + result.predictions).bincount(minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    wrong = counts - counts.diag().diag()
    most = max(int(wrong.max()), 1)
    shades = axes.imshow(wrong.numpy(), cmap="Blues", vmin=0, vmax=most)
    for (true, predicted), count in ((place, int(counts[place])) for place in _places(CLASSES)):
        if true == predicted:
            axes.text(predicted, true, f"{count}", ha="center", va="center", fontsize=8, color=GREY)
        elif count:
            colour = "white" if count > 0.6 * most else "black"
            axes.text(predicted, true, f"{count}", ha="center", va="center", fontsize=10, color=colour)
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES), xlabel="predicted label", ylabel="true label")
    axes.set_title("Which digit is taken for which")
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes that are drawn into stand in one
    bar = figure.colorbar(shades, ax=axes, label="misclassified images", shrink=0.85)
    bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


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
    axes = axes_or_new(axes, size=(6.0, 4.1))
    _draw_image(axes, image)
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
    figure = axes.get_figure(root=True)
    assert figure is not None
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
    axes = axes_or_new(axes, size=(6.0, 3.8))
    rows = [row for row in shapes if row.multiply_adds]
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
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


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
    axes = axes_or_new(axes)
    styles = [(BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (RED, ":")]
    for (name, rate), (colour, line) in zip(rates.items(), styles, strict=False):
        ranked = rate.flatten().sort().values.numpy()
        places = np.linspace(0, 1, len(ranked))
        axes.plot(places, ranked, color=colour, linestyle=line, linewidth=2, label=f"{name} ({len(ranked):,} neurons)")
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="images in which a neuron fires")
    axes.set_xlabel("neurons of the layer, from the most silent to the busiest")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.set_title("How often the neurons fire")
    axes.grid(alpha=0.3)
    axes.legend()
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


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
    maps = {name: (rate == 0).float().mean(dim=0) for name, rate in rates.items() if rate.ndim == 3}
    figure = plt.figure(figsize=(6.0, 3.0), layout="constrained")
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    for axes, (name, silent) in zip(panels, maps.items(), strict=True):
        shades = axes.imshow(silent.numpy(), cmap="cividis", vmin=0, vmax=1)
        axes.set_title(f"{name}, {len(rates[name])} filters")
        axes.set(xlabel="column", ylabel="row")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, integer=True))
    figure.suptitle("Filters that fire in none of the images")
    bar = figure.colorbar(shades, ax=panels, label="share of the filters", shrink=0.8)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1))
    return figure


def _image_grid(images: Tensor, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """The images in rows of `columns` on a figure 6 inches wide, each row as many times as high as a panel is wide."""
    rows = max(1, -(-len(images) // columns))
    figure = plt.figure(figsize=(6.0, 0.5 + rows * height * 6.0 / columns), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[len(images) :]:
        axes.remove()
    for axes, image in zip(panels, images, strict=False):
        _draw_image(axes, image)
    return figure, panels[: len(images)]


def _draw_image(axes: Axes, image: Tensor) -> None:
    axes.imshow(image.detach().squeeze(0).cpu().numpy(), cmap="gray", vmin=0, vmax=PIXEL_MAX)
    axes.set(xticks=[], yticks=[])


def _outcomes(result: Evaluation) -> tuple[list[int], list[int], list[float]]:
    """True labels, predictions, and the probabilities of the predictions."""
    return result.labels.tolist(), result.predictions.tolist(), result.probabilities.amax(dim=1).tolist()


def _percent(probability: float) -> str:
    """A probability that is not rounded to certainty."""
    return ">99.9%" if probability > 0.999 else f"{probability:.1%}"


def _share(share: float) -> str:
    """A share that is not rounded to nothing."""
    return "<0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def _places(size: int) -> list[tuple[int, int]]:
    return [(row, column) for row in range(size) for column in range(size)]


# Problem 3 ----------------------------------------------------------------------------------------------------------


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
    figure = plt.figure(figsize=(6.0, 0.4 + len(rows) * (0.4 + 6.0 / len(columns))), layout="constrained")
    figure.suptitle(title)
    # A row is a figure of its own: its name stands above it, where it takes the room of no image.
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for part, (name, images) in zip(parts, rows.items(), strict=True):
        part.suptitle(name, x=0.01, ha="left", fontsize=10)
        for axes, image, column in zip(part.subplots(1, len(columns)), images, columns, strict=True):
            _draw_image(axes, image)
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
    classes = targets.unique().tolist()
    figure = plt.figure(figsize=(6.0, 0.8 + 1.5 * -(-len(classes) // 5)), layout="constrained")
    panels = figure.subplots(-(-len(classes) // 5), min(5, len(classes)), sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(classes) :]:
        axes.remove()
    for axes, label in zip(panels.flat, classes, strict=False):
        values = cost[:, targets == label].double().cpu().numpy()
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
    axes = axes_or_new(axes, size=(6.0, 3.4))
    for (name, cost), colour, mark in zip(costs.items(), SERIES, "os^D", strict=False):
        change = cost.diff(dim=0).double().cpu()
        step, image = (change < 0).nonzero(as_tuple=True)
        done, depth = (step + 1) / max(len(change), 1), -change[step, image]
        axes.plot(done.numpy(), depth.numpy(), mark, color=colour, markersize=4, alpha=0.6, label=name)
    axes.set(xlim=(0, 1.01), xlabel="share of the run done", ylabel="fall of the cost (logits)")
    if any(bool((cost.diff(dim=0) < 0).any()) for cost in costs.values()):
        axes.set_yscale("log")  # which cannot be drawn without any value
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title("Steps in which the cost fell, and how deep")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure_of(axes)
