"""Curves of a training run show every measurement where it was made."""

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

import mnist_lab as lab
from mnist_lab.plotting._pages.training import errors_by_epoch, loss_by_epoch


def measured(wrong: int, loss: float) -> lab.Evaluation:
    labels = torch.arange(10)
    predictions = torch.where(labels < wrong, (labels + 1) % 10, labels)
    return lab.Evaluation(1 - wrong / 10, loss, predictions, torch.eye(10)[predictions], labels)


EPOCHS = [0.5, 1.0]
TRAIN = [measured(2, 0.4), measured(0, 0.1)]
VALIDATION = [measured(3, 0.5), measured(1, 0.3)]


def curves(axes: Axes) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
        for line in axes.lines
    }


def test_errors_and_accuracies_add_up_to_one() -> None:
    error, accuracy = errors_by_epoch(EPOCHS, TRAIN, VALIDATION).axes
    assert curves(error) == {"training": (EPOCHS, [0.2, 0.0]), "validation": (EPOCHS, [0.3, 0.1])}
    for above, below in zip(error.lines, accuracy.lines, strict=True):
        assert np.asarray(above.get_ydata()) + np.asarray(below.get_ydata()) == pytest.approx(1)
    assert error.get_yscale() == "log"


def test_losses_and_the_learning_rate_share_the_axis_of_epochs() -> None:
    loss, rate = loss_by_epoch(EPOCHS, TRAIN, VALIDATION, batch_loss=[2, 1, 0.5, 0.2], learning_rate=[1, 4, 2, 0]).axes
    assert curves(loss) == {
        "each batch": ([0.25, 0.5, 0.75, 1.0], [2, 1, 0.5, 0.2]),
        "training": (EPOCHS, [0.4, 0.1]),
        "validation": (EPOCHS, [0.5, 0.3]),
    }
    assert np.asarray(rate.lines[0].get_ydata()).tolist() == [1, 4, 2, 0]
    assert rate.get_xlabel() == "epoch"
    assert rate.get_xlim() == loss.get_xlim()
