"""Training as it progresses, and two kinds of training compared."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mnist_lab._utils.checks import check_named, check_number, check_sequence, check_text, check_type
from mnist_lab.plotting.style import BLUE, GREY, ORANGE, RED, SERIES, axes_or_new, figure_of
from mnist_lab.stats import PairedComparison
from mnist_lab.training.loop import History


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
    if not len(check_type(history, "history", History, "a History, as fit() returns it")):
        raise ValueError("history: expected at least one epoch, got none")
    if figure is not None:
        check_type(figure, "figure", Figure, "matplotlib's figure or None")
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
    check_named(histories, "histories", _check_runs, most=len(SERIES))
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
        What :func:`mnist_lab.stats.paired_comparison` returned.
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
    check_type(comparison, "comparison", PairedComparison, "a PairedComparison, as paired_comparison() returns it")
    check_text(title, "title")
    check_text(unit, "unit")
    check_number(scale, "scale", low=0, above=True)
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


def _check_runs(runs: object, name: str) -> None:
    check_sequence(runs, name, lambda run, place: check_type(run, place, History, "a History, as fit() returns it"))
    epochs = {len(run) for run in cast("Sequence[History]", runs)}
    if len(epochs) != 1 or epochs == {0}:
        found = ", ".join(map(str, sorted(epochs))) or "no history"
        raise ValueError(f"{name}: expected histories of the same number of epochs, got {found}")
