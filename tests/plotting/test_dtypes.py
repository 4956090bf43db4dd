"""Every public figure draws every floating-point type, also bfloat16, which NumPy does not know."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

import mnist_lab as lab

LABELS = torch.arange(2)
RESULT = lab.Evaluation(1.0, 0.0, LABELS, torch.eye(10)[:2], LABELS)
FIGURES: dict[str, Callable[[Tensor], Figure]] = {
    "montage": lambda values: lab.plotting.montage(values[:, 0], title="a", unit="b", limits=(0, 255)),
    "beside_digits, digits": lambda values: lab.plotting.beside_digits(
        values, torch.zeros(2, 3, 14, 14), title="a", unit="b"
    ),
    "beside_digits, maps": lambda values: lab.plotting.beside_digits(
        torch.zeros(2, 1, 28, 28), values, title="a", unit="b"
    ),
    "image_table": lambda values: lab.plotting.image_table(
        values[None], title="a", row_labels=[0], column_labels=[0, 1], xlabel="c", ylabel="r"
    ),
    "predictions": lambda values: lab.plotting.predictions(values, RESULT),
    "mistakes": lambda values: lab.plotting.mistakes(values, RESULT),
    "distributions": lambda values: lab.plotting.distributions({"a": values}, title="a", unit="b"),
    "measured_groups": lambda values: lab.plotting.measured_groups({"a": values.flatten()}, title="a", unit="b"),
}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.uint8], ids=str)
@pytest.mark.parametrize("name", FIGURES)
def test_a_type_of_number_changes_nothing(name: str, dtype: torch.dtype) -> None:
    # Whole numbers to 255 are exact in each of these types.
    values = torch.randint(256, (2, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    drawn, expected = (pixels(FIGURES[name](values.to(kind))) for kind in (dtype, torch.float32))
    assert np.array_equal(drawn, expected)


def test_an_evaluation_in_half_precision_is_drawn() -> None:
    half = lab.Evaluation(1.0, 0.0, LABELS, torch.eye(10)[:2].bfloat16(), LABELS)
    lab.plotting.predictions(torch.zeros(2, 1, 28, 28), half).canvas.draw()


def test_values_with_a_gradient_are_drawn() -> None:
    weights = torch.nn.Parameter(torch.rand(4, 3, 3, dtype=torch.bfloat16))
    lab.plotting.montage(weights, title="a", unit="b", limits=(0, 1)).canvas.draw()
    assert weights.requires_grad


def pixels(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
