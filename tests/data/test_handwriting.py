"""Pictures of handwriting become digits as MNIST has them."""

import pytest
import torch
from torch import Tensor

from mnist_lab.data.handwriting import as_mnist
from mnist_lab.data.synthetic.rendering import draw
from tests.data.golden_ink import examples

PAIRS = examples()
each_pair = pytest.mark.parametrize(("ink", "digit"), PAIRS, ids=[str(tuple(ink.shape)) for ink, _ in PAIRS])


@pytest.fixture(scope="module")
def digits() -> Tensor:
    """Digits that are normalized already."""
    return draw(torch.arange(10), torch.Generator().manual_seed(0))[:, 0]


def enlarged(ink: Tensor, rows: int, columns: int) -> Tensor:
    return ink.repeat_interleave(rows, dim=0).repeat_interleave(columns, dim=1)


@each_pair
def test_ink_is_averaged_over_areas(ink: Tensor, digit: Tensor) -> None:
    """On a grid so fine that both the picture's pixels and the digit's are whole numbers of its squares."""
    rows, columns = (ink > 0).nonzero().T
    cropped = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    sides = torch.tensor(cropped.shape)
    height, width = (20 * sides / sides.max() + 0.5).floor().clamp_min(1).long().tolist()
    fine = enlarged(cropped, height, width)
    mean = fine.unflatten(1, (width, -1)).unflatten(0, (height, -1)).mean(dim=(1, 3))
    expected = (255 * mean / mean.max() + 0.5).floor()
    inked = digit > 0
    top, left = (int(inked.any(dim=dim).nonzero()[0]) for dim in (1, 0))
    assert (digit[top : top + height, left : left + width] - expected).abs().max() <= 1
    assert digit.long().sum() == digit[top : top + height, left : left + width].long().sum()


@each_pair
def test_what_does_not_change_the_digit(ink: Tensor, digit: Tensor) -> None:
    assert torch.equal(as_mnist(ink / 3), digit), "a fainter pen"
    assert torch.equal(as_mnist(torch.nn.functional.pad(ink, (3, 50, 9, 1))), digit), "another place"
    assert torch.equal(as_mnist(enlarged(ink, 3, 3)), digit), "another resolution"
    assert torch.equal(as_mnist(ink.T), digit.T), "a transposed picture"


@each_pair
def test_the_digit_is_fitted_and_centred_by_mass(ink: Tensor, digit: Tensor) -> None:
    assert digit.shape == (28, 28)
    assert digit.max() == 255
    inked = digit > 0
    assert max(int(inked.any(dim=dim).sum()) for dim in (0, 1)) == 20
    for dim in (0, 1):
        mass = digit.double().sum(dim=dim)
        centre = float((mass * (torch.arange(28) + 0.5)).sum() / mass.sum())
        assert abs(centre - 14) <= 0.5
    assert ink.max() > 0


def test_digits_of_mnist_stay_as_they_are(digits: Tensor) -> None:
    for digit in digits:
        again = as_mnist(digit)
        brightest = digit.double() * (255 / int(digit.max()))
        assert (again - brightest).abs().max() <= 0.5


def test_no_ink_is_an_error() -> None:
    with pytest.raises(ValueError, match="^ink: expected a pixel above 0, got none"):
        as_mnist(torch.zeros(5, 5))
