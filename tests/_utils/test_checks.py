"""Checks refuse what they have to, with a message that names the argument, what was given and what is expected."""

import numpy as np
import pytest
import torch

from mnist_lab import checks


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 1, 28, 28)), "got a ndarray of float64 and shape"),
        ("digit", "got str 'digit'"),
        (None, "expected a dense tensor of shape"),
        (torch.zeros(28, 28), r"got a float32 tensor of shape \(28, 28\)"),
        (torch.zeros(1, 3, 28, 28), r"expected shape \(N, 1, 28, 28\)"),
        (torch.zeros(1, 1, 32, 32), r"expected shape \(N, 1, 28, 28\)"),
        (torch.zeros(1, 1, 28, 28, dtype=torch.int64), "expected uint8 or floating-point"),
        (torch.zeros(1, 1, 28, 28, dtype=torch.bool), "expected uint8 or floating-point"),
        (torch.full((1, 1, 28, 28), float("nan")), "got NaN"),
        (torch.full((1, 1, 28, 28), float("inf")), "got values from inf to inf"),
        (torch.full((1, 1, 28, 28), 256.0), "expected pixel intensities in 0..255"),
        (torch.full((1, 1, 28, 28), -0.5), "expected pixel intensities in 0..255"),
    ],
)
def test_images_that_are_none_are_refused(images: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        checks.check_images(images, "digits")
    assert str(caught.value).startswith("digits: ")


def test_one_nan_among_many_pixels_is_found() -> None:
    images = torch.zeros(5, 1, 28, 28)
    images[3, 0, 14, 14] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        checks.check_images(images)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_images_of_every_pixel_type_pass_unchanged(dtype: torch.dtype) -> None:
    images = torch.full((2, 1, 28, 28), 255, dtype=dtype)
    assert checks.check_images(images) is images


def test_no_image_at_all_is_refused_only_where_it_makes_no_sense() -> None:
    nothing = torch.zeros(0, 1, 28, 28)
    checks.check_images(nothing)
    with pytest.raises(ValueError, match="at least one image"):
        checks.check_images(nothing, empty=False)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2], "expected an integer tensor"),
        (torch.tensor([1.0]), "expected an integer tensor"),
        (torch.tensor([True]), "expected an integer tensor"),
        (torch.tensor([[1]]), r"expected shape \(N,\)"),
        (torch.tensor(1), r"expected shape \(N,\)"),
        (torch.tensor([0, 9, 10]), "got 10 at position 2"),
        (torch.tensor([0, -1]), "got -1 at position 1"),
    ],
)
def test_labels_that_are_none_are_refused(labels: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        checks.check_labels(labels)


def test_labels_come_back_as_int64() -> None:
    assert checks.check_labels(torch.tensor([3, 9], dtype=torch.uint8)).dtype == torch.int64


def test_one_label_an_image() -> None:
    with pytest.raises(ValueError, match="expected 3 of them, one an image, got 2"):
        checks.check_labels(torch.tensor([1, 2]), count=3)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, torch.tensor(1)])
def test_an_integer_is_an_integer(value: object) -> None:
    with pytest.raises(TypeError, match="steps: expected an integer of at least 1, got"):
        checks.check_integer(value, "steps", low=1)


def test_an_integer_has_its_range_and_may_come_from_numpy() -> None:
    assert checks.check_integer(np.int64(3), "steps", low=1, high=3) == 3
    for value in (0, 4):
        with pytest.raises(ValueError, match=f"steps: expected an integer in 1..3, got {value}"):
            checks.check_integer(value, "steps", low=1, high=3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e-9, 1.1])
def test_a_number_is_finite_and_in_its_range(value: float) -> None:
    with pytest.raises(ValueError, match="share: expected a finite number of at least 0 and at most 1"):
        checks.check_number(value, "share", low=0, high=1)


def test_a_bound_can_be_excluded() -> None:
    assert checks.check_number(0, "rate", low=0) == 0
    with pytest.raises(ValueError, match="above 0"):
        checks.check_number(0, "rate", low=0, above=True)
    with pytest.raises(TypeError, match="rate: .* got str '1'"):
        checks.check_number("1", "rate", low=0)
