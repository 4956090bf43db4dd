"""Figures of question 1.1: a training run that was measured several times per epoch."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mnist_lab.plotting.style import BLUE, GREY, ORANGE, WIDTH, log_scale
from mnist_lab.training.evaluation import Evaluation


def errors_by_epoch(epochs: Sequence[float], train: Sequence[Evaluation], validation: Sequence[Evaluation]) -> Figure:
    """Error (logarithmic) and accuracy, one marker per measurement; `epochs` is when each was made."""
    figure, (above, below) = _panels("Error and accuracy during training")
    for name, results, style in (("training", train, "o-"), ("validation", validation, "s--")):
        colour = BLUE if name == "training" else ORANGE
        above.plot(epochs, [result.error for result in results], style, color=colour, markersize=5, label=name)
        below.plot(epochs, [result.accuracy for result in results], style, color=colour, markersize=5)
    above.set(ylabel="error (misclassified)")
    below.set(ylabel="accuracy (correct)", xlim=(0, 1.02 * epochs[-1]))
    log_scale(above)
    for axes in (above, below):
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def loss_by_epoch(
    epochs: Sequence[float],
    train: Sequence[Evaluation],
    validation: Sequence[Evaluation],
    *,
    batch_loss: Sequence[float],
    learning_rate: Sequence[float],
) -> Figure:
    """The loss (logarithmic) of every batch and of every measurement, above the learning rate of every step."""
    figure, (above, below) = _panels("Loss and learning rate during training")
    steps = np.arange(1, len(batch_loss) + 1) * epochs[-1] / len(batch_loss)
    above.plot(steps, batch_loss, color=GREY, linewidth=0.7, alpha=0.8, label="each batch")
    above.plot(epochs, [result.loss for result in train], "o-", color=BLUE, markersize=5, label="training")
    above.plot(epochs, [result.loss for result in validation], "s--", color=ORANGE, markersize=5, label="validation")
    above.set(ylabel="cross-entropy (nats)")
    below.plot(steps, learning_rate, color="black")
    below.set(ylabel="learning rate", xlim=(0, 1.02 * epochs[-1]))
    log_scale(above)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def _panels(title: str) -> tuple[Figure, tuple[Axes, Axes]]:
    """Two panels with a common axis of epochs."""
    figure = plt.figure(figsize=(WIDTH, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    figure.suptitle(title)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    below.set_xlabel("epoch")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, (above, below)
