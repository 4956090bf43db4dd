"""What the network says of images: predictions, mistakes, confusions."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from mnist_lab._utils.checks import CLASSES, check_images, check_integer, check_type
from mnist_lab.training.evaluation import Evaluation
from mnist_lab.plotting.style import GREEN, GREY, RED, axes_or_new, figure_of, image_grid

EVALUATION = "an Evaluation, as evaluate() returns it"


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
    _check_outcomes(images, result, columns)
    figure, panels = image_grid(images, columns, 1.32)
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
    _check_outcomes(images, result, columns)
    figure, panels = image_grid(images, columns, 1.3)
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
    check_type(result, "result", Evaluation, EVALUATION)
    axes = axes_or_new(axes, size=(6.0, 5.4))
    counts = (result.labels * CLASSES + result.predictions).bincount(minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    wrong = counts - counts.diag().diag()
    most = max(int(wrong.max()), 1)
    shades = axes.imshow(wrong.numpy(), cmap="Blues", vmin=0, vmax=most)
    for true, predicted in np.ndindex(CLASSES, CLASSES):
        count = int(counts[true, predicted])
        if true == predicted:
            axes.text(predicted, true, f"{count}", ha="center", va="center", fontsize=8, color=GREY)
        elif count:
            colour = "white" if count > 0.6 * most else "black"
            axes.text(predicted, true, f"{count}", ha="center", va="center", fontsize=10, color=colour)
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES), xlabel="predicted label", ylabel="true label")
    axes.set_title("Which digit is taken for which")
    figure = figure_of(axes)
    bar = figure.colorbar(shades, ax=axes, label="misclassified images", shrink=0.85)
    bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _check_outcomes(images: object, result: object, columns: object) -> None:
    count = len(check_type(result, "result", Evaluation, EVALUATION).labels)
    check_images(images, count=count)
    check_integer(columns, "columns", low=1)


def _outcomes(result: Evaluation) -> tuple[list[int], list[int], list[float]]:
    """True labels, predictions, and the probabilities of the predictions."""
    return result.labels.tolist(), result.predictions.tolist(), result.probabilities.amax(dim=1).tolist()


def _percent(probability: float) -> str:
    """A probability that is not rounded to certainty."""
    return ">99.9%" if probability > 0.999 else f"{probability:.1%}"
