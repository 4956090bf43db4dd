"""Training curves: loss, error and accuracy by epoch."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mnist_lab._utils.contracts import checked
from mnist_lab.plotting.style import BLUE, GREY, ORANGE, WIDTH, log_scale
from mnist_lab.training.recipe import History


@checked
def training_curves(history: History) -> Figure:
    """Draw loss, error and accuracy by epoch, in three panels.

    Parameters
    ----------
    history
        Result of :func:`mnist_lab.fit`, of at least one epoch.

    Returns
    -------
    Figure
        Cross-entropy loss, error rate and accuracy of training and validation images at the end of each epoch. The
        panels of the loss and of the error also show the training batches.

    Raises
    ------
    ValueError
        If there is no epoch.

    Examples
    --------
    >>> share = (0.2, 0.1)
    >>> figure = training_curves(History(share, share, share, share, (0.8, 0.9), (1.0, 1.0), share, share))
    >>> plt.close(figure)
    """
    if not len(history):
        raise ValueError("history: expected at least one epoch, got none")
    figure = plt.figure(figsize=(WIDTH, 6.0), layout="constrained")
    panels = figure.subplot_mosaic([["loss", "loss"], ["error", "accuracy"]])
    loss, error, accuracy = (panels[name] for name in ("loss", "error", "accuracy"))
    epochs = range(1, len(history) + 1)
    batch_loss, batch_error = np.array(history.batch_loss), np.array(history.batch_error)
    progress = np.arange(1, len(batch_loss) + 1) * len(history) / len(batch_loss)  # in epochs
    window = max(1, len(batch_loss) // 40)

    def end_of_epoch(axes: Axes, train: Sequence[float], validation: Sequence[float]) -> None:
        axes.plot(epochs, train, "o-", color=BLUE, label="training, end of epoch")
        axes.plot(epochs, validation, "s--", color=ORANGE, label="validation, end of epoch")

    loss.plot(progress, batch_loss, color=GREY, linewidth=0.7, alpha=0.8, label="loss of each training batch")
    end_of_epoch(loss, history.train_loss, history.validation_loss)
    loss.set(title="Loss", ylabel="cross-entropy (nats)")

    smooth = np.convolve(batch_error, np.full(window, 1 / window), mode="valid")
    error.plot(
        progress[window - 1 :], smooth, color=GREY, linewidth=1, label=f"error, mean of {window} training batches"
    )
    end_of_epoch(error, history.train_error, history.validation_error)
    error.set(title="Error", ylabel="misclassified")

    end_of_epoch(accuracy, [1 - rate for rate in history.train_error], history.validation_accuracy)
    accuracy.set(title="Accuracy", ylabel="correctly classified")

    for axes in (loss, error):
        log_scale(axes)
    for axes in (error, accuracy):
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    for axes in (loss, error, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    handles = [*loss.lines[1:], loss.lines[0], error.lines[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return figure
