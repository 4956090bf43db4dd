"""Each check rejects bad values with a message that names the argument, what is expected and what was given."""

import math
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mnist_lab._utils import checks


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 1, 28, 28)), r"got an array of float64 and shape \(1, 1, 28, 28\)"),
        ("digit", "got str 'digit'"),
        (None, "expected a dense tensor of shape"),
        (torch.zeros(28, 28), r"got a float32 tensor of shape \(28, 28\)"),
        (torch.zeros(1, 3, 28, 28), r"expected shape \(N, 1, 28, 28\)"),
        (torch.zeros(1, 1, 32, 32), r"expected shape \(N, 1, 28, 28\)"),
        (torch.zeros(1, 1, 28, 28, dtype=torch.int64), "expected uint8 or floating-point"),
        (torch.zeros(1, 1, 28, 28, dtype=torch.bool), "expected uint8 or floating-point"),
        (torch.zeros(1, 1, 28, 28).to_sparse(), "got a sparse_coo float32 tensor"),
        (torch.zeros(1, 1, 28, 28, device="meta"), "on meta"),
        (torch.full((1, 1, 28, 28), float("nan")), "got NaN"),
        (torch.full((1, 1, 28, 28), float("inf")), "got values from inf to inf"),
        (torch.full((1, 1, 28, 28), 256.0), "expected pixel intensities in 0..255"),
        (torch.full((1, 1, 28, 28), -0.5), "expected pixel intensities in 0..255"),
    ],
)
def test_bad_images_are_rejected(images: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        checks.check_images(images, "digits")
    assert str(caught.value).startswith("digits: expected ")


def test_one_nan_among_many_pixels_is_found() -> None:
    images = torch.zeros(5, 1, 28, 28)
    images[3, 0, 14, 14] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        checks.check_images(images)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_images_of_every_pixel_type_pass_unchanged(dtype: torch.dtype) -> None:
    images = torch.full((2, 1, 28, 28), 255, dtype=dtype)
    assert checks.check_images(images) is images


def test_an_empty_batch_is_rejected_only_where_it_makes_no_sense() -> None:
    nothing = torch.zeros(0, 1, 28, 28)
    assert checks.check_images(nothing) is nothing
    with pytest.raises(ValueError, match="at least one image"):
        checks.check_images(nothing, empty=False)


def test_stored_images_are_uint8() -> None:
    stored = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    assert checks.check_images(stored, stored=True) is stored
    with pytest.raises(TypeError, match="^images: expected uint8 pixels, as MNIST stores them, got a float32"):
        checks.check_images(stored.float(), stored=True)


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (1, 1, 28, 28)])
def test_a_single_image_may_come_without_its_batch(shape: tuple[int, ...]) -> None:
    assert checks.check_images(torch.zeros(shape), single=True).shape == (1, 1, 28, 28)
    with pytest.raises(ValueError, match="^images: expected shape"):
        checks.check_images(torch.zeros(3, 28, 28), single=True)


def ramp() -> Tensor:
    return torch.linspace(0, 1, 784).view(1, 1, 28, 28)


@pytest.mark.parametrize(
    ("images", "warned"),
    [
        (ramp(), "multiply them by 255"),
        (ramp().half(), "multiply them by 255"),
        (255 * ramp(), ""),
        (ramp().round(), ""),  # only zeros and ones, which are intensities too
        (torch.zeros(1, 1, 28, 28), ""),
        (torch.where(ramp() < 0.1, 0, 255), "pass 255 minus the images"),
        (torch.where(ramp() < 0.1, 0.0, 255.0), "pass 255 minus the images"),
        (torch.where(ramp() < 0.1, 255.0, 0.0), ""),
        (torch.full((1, 1, 28, 28), 255.0), ""),
    ],
)
def test_images_in_other_units_are_warned_of(images: Tensor, warned: str) -> None:
    images = images.byte() if images.dtype == torch.int64 else images
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        checks.check_images(images, "digits")
    assert [str(warning.message).startswith("digits: expected ") for warning in caught] == [True] * bool(warned)
    assert all(warned in str(warning.message) for warning in caught)


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
def test_bad_labels_are_rejected(labels: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^labels: .*{message}"):
        checks.check_labels(labels)


def test_labels_come_back_as_int64() -> None:
    assert checks.check_labels(torch.tensor([3, 9], dtype=torch.uint8)).dtype == torch.int64
    assert checks.check_labels(torch.tensor([], dtype=torch.int32)).tolist() == []


def test_labels_may_be_listed_where_that_is_allowed() -> None:
    for listed in ([3, 9], (3, 9), range(3, 10, 6), np.array([3, 9])):
        assert torch.equal(checks.check_labels(listed, listed=True), torch.tensor([3, 9]))
    assert checks.check_labels([], listed=True).dtype == torch.int64
    with pytest.raises(ValueError, match=r"^labels.*: expected an integer in 0\.\.9, got 10"):
        checks.check_labels([10], listed=True)
    for wrong in ("39", [3.0], [True], [[3]]):
        with pytest.raises(TypeError, match="^labels.*: expected an integer"):
            checks.check_labels(wrong, listed=True)


@pytest.mark.parametrize(
    ("shape", "fits", "does_not"),
    [
        (("N",), [(0,), (5,)], [(), (1, 1)]),
        ((2, "N"), [(2, 0), (2, 5)], [(2,), (3, 5), (2, 5, 1)]),
        (("...",), [(), (3,), (1, 2, 3)], []),
        (("N", "..."), [(3,), (1, 2, 3)], [()]),
        (("N", "...", 4), [(3, 4), (3, 1, 2, 4)], [(4,), (3, 5)]),
    ],
)
def test_a_tensor_has_its_shape(
    shape: tuple[int | str, ...], fits: list[tuple[int, ...]], does_not: list[tuple[int, ...]]
) -> None:
    for sizes in fits:
        checks.check_tensor(torch.zeros(sizes), "values", *shape, empty=True)
    for sizes in does_not:
        with pytest.raises(ValueError, match="^values: expected shape"):
            checks.check_tensor(torch.zeros(sizes), "values", *shape, empty=True)


def test_a_tensor_has_its_type_and_its_range() -> None:
    for wrong in (None, [1.0], np.zeros(2), torch.zeros(2).long(), torch.zeros(2).bool(), torch.zeros(2).to_sparse()):
        with pytest.raises(TypeError, match=r"^values: expected a.* floating-point tensor.* \(N,\)"):
            checks.check_tensor(wrong, "values", "N", dtypes=checks.FLOATS)
    for value in (-0.1, 1.1, math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match=r"^values: expected finite values in 0\.\.1, got"):
            checks.check_tensor(torch.tensor([0.5, value]), "values", "N", low=0, high=1)
    checks.check_tensor(torch.tensor([0.0, 1.0]), "values", "N", low=0, high=1)
    checks.check_tensor(torch.tensor([math.nan]), "values", "N", finite=False)
    with pytest.raises(ValueError, match="^values: expected at least one value"):
        checks.check_tensor(torch.zeros(0), "values", "N")


@given(st.integers(-100, 100), st.integers(-50, 0), st.integers(0, 50))
def test_an_integer_lies_in_its_range(value: int, low: int, high: int) -> None:
    for given_value in (value, np.int64(value), np.int8(value)):
        if low <= value <= high:
            found = checks.check_integer(given_value, "steps", low=low, high=high)
            assert found == value
            assert type(found) is int
        else:
            with pytest.raises(ValueError, match=rf"^steps: expected an integer in {low}\.\.{high}, got {value}"):
                checks.check_integer(given_value, "steps", low=low, high=high)


@pytest.mark.parametrize(
    "value", [True, np.bool_(True), 1.0, "1", None, torch.tensor(1), np.array(1), np.array([1]), int]
)
def test_an_integer_is_an_integer(value: object) -> None:
    with pytest.raises(TypeError, match="^steps: expected an integer of at least 1, got"):
        checks.check_integer(value, "steps", low=1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e-9, 1.1])
def test_a_number_is_finite_and_in_its_range(value: float) -> None:
    with pytest.raises(ValueError, match="^share: expected a finite number of at least 0 and at most 1, got"):
        checks.check_number(value, "share", low=0, high=1)


@pytest.mark.parametrize("value", [True, "1", None, 1j, torch.tensor(1.0), [1.0], float])
def test_a_number_is_a_number(value: object) -> None:
    with pytest.raises(TypeError, match="^rate: expected a finite number, got"):
        checks.check_number(value, "rate")


def test_a_bound_can_be_excluded() -> None:
    for inside in (0, 1, np.float32(0.5)):
        assert type(checks.check_number(inside, "rate", low=0, high=1)) is float
    with pytest.raises(ValueError, match="above 0 and below 1, got 0"):
        checks.check_number(0, "rate", low=0, high=1, above=True, below=True)
    with pytest.raises(ValueError, match="above 0 and below 1, got 1"):
        checks.check_number(1, "rate", low=0, high=1, above=True, below=True)


def test_a_choice_is_one_of_the_known_strings() -> None:
    assert checks.check_choice("noise", "start", ("noise", "image")) == "noise"
    for wrong, error in (("Noise", ValueError), ("", ValueError), (3, TypeError), (None, TypeError)):
        with pytest.raises(error, match="^start: expected .*'noise'.*'image', got"):
            checks.check_choice(wrong, "start", ("noise", "image"))


def test_a_path_is_a_string_or_a_path() -> None:
    assert checks.check_path("a/b", "path") == checks.check_path(Path("a/b"), "path") == Path("a", "b")

    class Folder(os.PathLike[str]):
        def __fspath__(self) -> str:
            return "a"

    assert checks.check_path(Folder(), "path") == Path("a")
    for wrong, error in (("", ValueError), (3, TypeError), (b"a", TypeError), (None, TypeError)):
        with pytest.raises(error, match="^path: expected a path, got"):
            checks.check_path(wrong, "path")


def test_a_device_is_present() -> None:
    assert checks.check_device("cpu", "device") == checks.check_device(torch.device("cpu"), "device")
    for wrong, error in (("abacus", ValueError), ("meta", ValueError), ("cuda:99", ValueError), (0, TypeError)):
        with pytest.raises(error, match="^device: expected a device of torch that is present"):
            checks.check_device(wrong, "device")


def test_a_network_has_weights_that_it_can_run_and_learn_with() -> None:
    with torch.inference_mode():
        frozen = nn.Linear(1, 1)
    meta, lazy = nn.Linear(1, 1, device="meta"), nn.Sequential(nn.LazyLinear(10))
    assert checks.check_network(meta, runs=False) is meta
    assert checks.check_network(frozen) is frozen
    with pytest.raises(ValueError, match=r"^model: expected initialized layers, got 0\.weight without a shape yet"):
        checks.check_network(lazy, runs=False)
    with pytest.raises(ValueError, match="^model: expected weights with data, got weight"):
        checks.check_network(meta)
    with pytest.raises(ValueError, match="^model: expected weights through which gradients pass, got weight"):
        checks.check_network(frozen, gradients=True)
    for wrong in ("plain", nn.Linear, torch.relu, None):
        with pytest.raises(TypeError, match=r"^model: expected a torch\.nn\.Module, got"):
            checks.check_network(wrong)


def test_a_description_is_short_and_on_one_line() -> None:
    assert checks.describe(None) == "None"
    assert checks.describe(torch.zeros(2, dtype=torch.int64)) == "an int64 tensor of shape (2,)"
    assert checks.describe(torch.zeros(2, device="meta")) == "a float32 tensor of shape (2,) on meta"
    assert checks.describe("a\n b" * 50).startswith("str 'a\\n ba\\n b")
    assert len(checks.describe(list(range(1000)))) < 80
