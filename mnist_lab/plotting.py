"""One function a figure: each takes what was measured, draws it, and returns the figure.

Image scales are fixed: 0..255 for images, 0..1 for probabilities, symmetric around zero for weights. Colours are those
of Okabe and Ito, which stay apart for colour-blind eyes and on a light or a dark page.
"""

import os
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mnist_lab.progress import REPORT_VARIABLE
from mnist_lab.training import History

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#7F7F7F"


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
        Left the cross-entropy loss (batch by batch, and measured at the end of each epoch), in the middle the
        misclassified share of training and validation images, right the validation accuracy.

    Examples
    --------
    >>> figure = training_curves(network.history)  # doctest: +SKIP
    """
    figure = figure or plt.figure(figsize=(11, 3.6), layout="constrained")
    loss, error, accuracy = figure.subplots(1, 3)
    epochs = range(1, len(history) + 1)
    batches = [(index + 1) * len(history) / len(history.batch_loss) for index in range(len(history.batch_loss))]

    loss.plot(batches, history.batch_loss, color=GREY, linewidth=0.5, alpha=0.6, label="each training batch")
    loss.plot(epochs, history.train_loss, "o-", color=BLUE, label="training")
    loss.plot(epochs, history.validation_loss, "s--", color=ORANGE, label="validation")
    loss.set(title="Loss", ylabel="cross-entropy (nats)", yscale="log")

    error.plot(epochs, history.train_error, "o-", color=BLUE, label="training")
    error.plot(epochs, history.validation_error, "s--", color=ORANGE, label="validation")
    error.set(title="Error", ylabel="misclassified")
    error.set_ylim(bottom=0)

    accuracy.plot(epochs, history.validation_accuracy, "s--", color=ORANGE, label="validation")
    accuracy.set(title="Accuracy", ylabel="classified correctly")

    for axes, decimals in ((error, 1), (accuracy, 1)):
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=decimals))
    for axes in (loss, error, accuracy):
        axes.set_xlabel("epochs of training")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
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
