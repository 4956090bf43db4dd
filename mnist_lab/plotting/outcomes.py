"""What the network predicts: images with their predictions, mistakes, confusions, generated images."""

from typing import Annotated

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from mnist_lab._utils.contracts import CLASSES, FLOATS, PIXEL_MAX, Count, Images, TensorOf, checked
from mnist_lab.attacks.result import AttackResult
from mnist_lab.data.handwriting import Handwriting
from mnist_lab.plotting.style import BLUE, GREEN, GREY, RED, WIDTH, image_grid, percent
from mnist_lab.training.evaluation import Evaluation

SURE = 0.7  # the probability from which on a reading is drawn as sure


@checked
def predictions(images: Images, result: Evaluation, *, columns: Count = 4) -> Figure:
    """Draw images with their true and predicted labels and the probability of the prediction.

    A correct prediction has a check mark. A misclassified image has a cross and a thick dashed frame.

    Parameters
    ----------
    images
        Images (N, 1, 28, 28) in 0..255.
    result
        Result of :func:`mnist_lab.evaluate` for these images.
    columns
        Images per row.

    Returns
    -------
    Figure
        One panel per image.

    Raises
    ------
    ValueError
        If `result` is not of as many images.

    Examples
    --------
    >>> import torch
    >>> result = Evaluation(0.5, 1.2, torch.tensor([3, 7]), torch.eye(10)[[3, 7]], torch.tensor([3, 1]))
    >>> figure = predictions(torch.zeros(2, 1, 28, 28), result)
    >>> plt.close(figure)
    """
    _check_pair(images, result)
    figure, panels = image_grid(images, columns, 1.32)
    for axes, true, predicted, probability in zip(panels, *_outcomes(result), strict=True):
        right = true == predicted
        mark = "✓" if right else "✗"
        axes.set_title(f"true {true}, predicted {predicted}\n{mark} {percent(probability)}", fontsize=9)
        for spine in axes.spines.values():
            spine.set(color=GREEN if right else RED, linewidth=1 if right else 3.5, linestyle="-" if right else "--")
    figure.suptitle("Labels, and the probability of the prediction")
    return figure


@checked
def reading(
    found: Handwriting, probabilities: Annotated[Tensor, TensorOf(("N", CLASSES), FLOATS, low=0, high=1)]
) -> Figure:
    """Draw a picture of handwriting with a box around each digit, and above the box what the network reads.

    The box of a digit whose reading has a probability below 70 % is dashed.

    Parameters
    ----------
    found
        Result of :func:`mnist_lab.read_picture`.
    probabilities
        The network's probabilities for ``found.images``, (N, 10).

    Returns
    -------
    Figure
        The picture in grey, with axes in its pixels.

    Raises
    ------
    ValueError
        If `probabilities` are not of as many digits.

    Examples
    --------
    >>> import torch
    >>> from mnist_lab.data.handwriting import read_picture
    >>> one = np.full((90, 60), 255, np.uint8)
    >>> one[20:70, 28:34] = 0
    >>> figure = reading(read_picture(one), torch.eye(10)[[1]])
    >>> plt.close(figure)
    """
    if len(probabilities) != len(found):
        raise ValueError(f"probabilities: expected {len(found)} rows, one per digit, got {len(probabilities)}")
    probabilities = probabilities.detach()
    width, height = found.size
    figure = plt.figure(figsize=(WIDTH, min(0.9 + WIDTH * height / width, 9)), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(found.picture.numpy(), cmap="gray", vmin=0, vmax=PIXEL_MAX, extent=(0, width, height, 0))
    for (left, top, right, bottom), row in zip(found.boxes.tolist(), probabilities, strict=True):
        sure = float(row.max()) >= SURE
        color, line = (BLUE, "-") if sure else (RED, "--")
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, color=color, linestyle=line))
        text = axes.annotate(
            str(int(row.argmax())), (left, top), xytext=(0, 2), textcoords="offset points", color=color
        )
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    axes.set(title=f"What is read (dashed: probability below {SURE:.0%})", xlabel="pixels", ylabel="pixels")
    return figure


@checked
def mistakes(images: Images, result: Evaluation, *, columns: Count = 8) -> Figure:
    """Draw misclassified images, each below "true → predicted" and the probability of the prediction.

    Parameters
    ----------
    images, result, columns
        As in :func:`predictions`.

    Returns
    -------
    Figure
        One panel per image, in the given order.

    Raises
    ------
    ValueError
        If `result` is not of as many images.

    Examples
    --------
    >>> import torch
    >>> result = Evaluation(0.0, 5.0, torch.tensor([7]), torch.eye(10)[[7]], torch.tensor([1]))
    >>> figure = mistakes(torch.zeros(1, 1, 28, 28), result)
    >>> plt.close(figure)
    """
    _check_pair(images, result)
    figure, panels = image_grid(images, columns, 1.3)
    for axes, true, predicted, probability in zip(panels, *_outcomes(result), strict=True):
        axes.set_title(f"{true} → {predicted}\n{percent(probability)}", fontsize=8, pad=2)
    figure.suptitle("Misclassified: true → predicted, and its probability")
    return figure


@checked
def confusion_matrix(result: Evaluation) -> Figure:
    """Draw how often each digit is classified as each other digit.

    Parameters
    ----------
    result
        Result of :func:`mnist_lab.evaluate`.

    Returns
    -------
    Figure
        One row per true label, one column per prediction. Only mistakes are shaded, because they would be invisible
        on a scale that includes the diagonal; the diagonal's counts are grey.

    Examples
    --------
    >>> import torch
    >>> labels = torch.arange(10)
    >>> figure = confusion_matrix(Evaluation(1.0, 0.0, labels, torch.eye(10), labels))
    >>> plt.close(figure)
    """
    counts = (result.labels * CLASSES + result.predictions).bincount(minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    wrong = counts - counts.diag().diag()
    most = max(int(wrong.max()), 1)
    figure, axes = plt.subplots(figsize=(WIDTH, 5.4), layout="constrained")
    shades = axes.imshow(wrong.numpy(), cmap="Blues", vmin=0, vmax=most)
    for true, predicted in np.ndindex(CLASSES, CLASSES):
        count = int(counts[true, predicted])
        if true == predicted:
            axes.text(predicted, true, f"{count}", ha="center", va="center", fontsize=9, color=GREY)
        elif count:
            colour = "white" if count > 0.6 * most else "black"
            axes.text(predicted, true, f"{count}", ha="center", va="center", fontsize=10, color=colour)
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES), xlabel="predicted label", ylabel="true label")
    axes.set_title("Confusion matrix, mistakes shaded")
    bar = figure.colorbar(shades, ax=axes, label="misclassified images", shrink=0.85)
    bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@checked
def generated_images(result: AttackResult, *, columns: Count = 5) -> Figure:
    """Draw generated images, each with its target, its predicted class and the probability of that class.

    Parameters
    ----------
    result
        Result of an attack, such as :func:`mnist_lab.maximize_logit`.
    columns
        Images per row.

    Returns
    -------
    Figure
        One panel per image, rounded to whole intensities, on the scale 0..255.

    Examples
    --------
    >>> from mnist_lab import DigitCNN, maximize_logit
    >>> figure = generated_images(maximize_logit(DigitCNN(), range(10), steps=1))
    >>> plt.close(figure)
    """
    figure, panels = image_grid(result.rounded, columns, 1.32)
    probabilities, predicted = result.rounded_probabilities.max(dim=1)
    for axes, target, label, probability in zip(
        panels, result.targets.tolist(), predicted.tolist(), probabilities.tolist(), strict=True
    ):
        axes.set_title(f"target {target}\n→ {label}, {percent(probability)}", fontsize=9)
    figure.suptitle("Generated images: target → prediction, and its probability")
    return figure


def _check_pair(images: Tensor, result: Evaluation) -> None:
    if len(images) != len(result.labels):
        raise ValueError(f"images: expected {len(result.labels)}, one per label of result, got {len(images)}")


def _outcomes(result: Evaluation) -> tuple[list[int], list[int], list[float]]:
    """True labels, predictions, and the probabilities of the predictions."""
    return result.labels.tolist(), result.predictions.tolist(), result.probabilities.amax(dim=1).tolist()
