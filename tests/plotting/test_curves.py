"""Training curves show what was measured, each labelled as what it is."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes

import mnist_lab as lab

HISTORY = lab.History(
    train_loss=(0.3, 0.1),
    train_error=(0.1, 0.02),
    validation_loss=(0.4, 0.2),
    validation_error=(0.12, 0.04),
    validation_accuracy=(0.88, 0.96),
    seconds=(1.0, 1.0),
    batch_loss=tuple(np.linspace(2.3, 0.2, 20)),
    batch_error=tuple(np.linspace(0.9, 0.02, 20)),
)


def curves(axes: Axes) -> dict[object, list[float]]:
    return {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in axes.lines}


def test_curves_show_what_was_measured_each_labelled_as_what_it_is() -> None:
    figure = lab.plotting.training_curves(HISTORY)
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels) == ["Loss", "Error", "Accuracy"]
    drawn = curves(panels["Error"])
    assert drawn["training, end of epoch"] == [0.1, 0.02]
    assert drawn["validation, end of epoch"] == [0.12, 0.04]
    drawn = curves(panels["Accuracy"])
    assert drawn["training, end of epoch"] == [0.9, 0.98]
    assert drawn["validation, end of epoch"] == [0.88, 0.96]
    drawn = curves(panels["Loss"])
    assert drawn["loss of each training batch"] == list(HISTORY.batch_loss)
    assert all(axes.get_xlabel() == "epoch" and axes.get_ylabel() for axes in figure.axes)


def test_a_history_without_an_epoch_is_an_error() -> None:
    empty = lab.History((), (), (), (), (), (), (), ())
    with pytest.raises(ValueError, match="^history: expected at least one epoch, got none$"):
        lab.plotting.training_curves(empty)


def test_a_network_without_any_mistake_has_training_curves_too() -> None:
    perfect = replace(HISTORY, validation_error=(0.0, 0.0), train_error=(0.0, 0.0), batch_error=(0.0,) * 20)
    lab.plotting.training_curves(perfect).draw_without_rendering()
