"""The language of contracts: what each annotation accepts, what it turns it into, and what it says of the rest."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mnist_lab._utils.contracts import (
    Above,
    AtLeast,
    Between,
    Bounds,
    ClassIndices,
    Confidence,
    Count,
    FilePath,
    Images,
    Labels,
    NotBlank,
    Per,
    Seed,
    Sized,
    TensorOf,
    checked,
    checker_of,
    contract_of,
)

LABELS = torch.tensor([3, 8])
IMAGES = torch.zeros(2, 1, 28, 28)


@checked
def example(
    images: Images,
    labels: Annotated[Tensor, ClassIndices(), Per("images")],
    patch: Annotated[int, Between(1, 28)] = 99,
    *,
    start: Literal["noise", "image"] = "noise",
    weights: Annotated[Sequence[float], Sized(1), Per("images")] | None = None,
) -> dict[str, Any]:
    """Return the arguments as they arrive."""
    return {"images": images, "labels": labels, "patch": patch, "start": start, "weights": weights}


def test_good_arguments_arrive_by_position_and_by_name() -> None:
    patch: Any = np.int64(3)
    found = example(IMAGES, labels=LABELS.to(torch.uint8), patch=patch, start="image", weights=(1, 2))
    assert found["images"] is IMAGES
    assert found["labels"].dtype == torch.int64
    assert (found["patch"], type(found["patch"])) == (3, int)
    assert found["weights"] == [1.0, 2.0]


def test_defaults_are_not_checked() -> None:
    assert example(IMAGES, LABELS)["patch"] == 99


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": torch.tensor([3])}, "^labels: expected 2, one for each of images, got 1$"),
        ({"labels": torch.tensor([3, 10])}, "^labels: expected class indices in 0..9, got 10 at position 1$"),
        ({"patch": 29}, r"^patch: expected an integer in 1\.\.28, got 29$"),
        ({"patch": 3.0}, r"^patch: expected an integer in 1\.\.28, got float 3\.0$"),
        ({"patch": None}, r"^patch: expected an integer in 1\.\.28, got None$"),
        ({"start": "grey"}, "^start: expected .*'noise'.*'image', got str 'grey'$"),
        ({"weights": [0.5]}, "^weights: expected 2, one for each of images, got 1$"),
        ({"weights": []}, "^weights: expected at least 1 entry, got 0$"),
        ({"weights": [0.5, "1"]}, r"^weights\[1\]: expected a finite number, got str '1'$"),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        example(**{"images": IMAGES, "labels": LABELS, **arguments})


def test_missing_and_unknown_arguments_raise_pythons_own_error() -> None:
    with pytest.raises(TypeError, match=r"example\(\) missing 1 required positional argument: 'labels'"):
        example(IMAGES)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"example\(\) got an unexpected keyword argument 'colour'"):
        example(IMAGES, LABELS, colour=1)  # type: ignore[call-arg]


def test_a_checked_function_keeps_its_name_signature_and_docstring() -> None:
    assert example.__name__ == "example"
    assert example.__doc__ == "Return the arguments as they arrive."
    assert list(inspect.signature(example).parameters) == ["images", "labels", "patch", "start", "weights"]
    assert list(contract_of(example)) == ["images", "labels", "patch", "start", "weights"]


def test_the_fields_of_a_dataclass_are_checked_and_converted() -> None:
    @checked
    @dataclass(frozen=True)
    class Part:
        name: Annotated[str, NotBlank()]
        labels: Labels

    part = Part("a", torch.tensor([3], dtype=torch.int8))
    assert part.labels.dtype == torch.int64
    with pytest.raises(ValueError, match="^name: expected a string that is not blank, got str ' '"):
        Part(" ", part.labels)


def test_a_method_is_checked_but_not_its_self() -> None:
    class Probe:
        @checked
        def predict(self, count: Count) -> int:
            return count

    assert Probe().predict(3) == 3
    with pytest.raises(ValueError, match="^count: expected an integer of at least 1, got 0"):
        Probe().predict(0)


class Number(float):
    """A number of somebody else."""


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (int, [0, -3, np.int8(3)], [1.0, True, "1", None, torch.tensor(1), [1]]),
        (float, [0, 1.5, np.float32(2), Number(3)], [float("nan"), float("inf"), True, "1", None, 1j]),
        (bool, [True, False, np.bool_(True)], [0, 1, "True", None]),
        (str, ["", "a"], [b"a", 1, None]),
        (Annotated[str, NotBlank()], ["a"], ["", " \n", None]),
        (Seed, [0, 2**63 - 1], [-1, 2**63, 1.0]),
        (Count, [1, 2**70], [0, -1]),
        (Confidence, [1e-9, 0.5, 1 - 1e-9], [0, 1, -0.1, 1.1]),
        (Annotated[float, Above(0)], [1e-300, 3], [0, -1]),
        (Annotated[float, AtLeast(0)], [0, 3], [-1e-300]),
        (Annotated[int, Bounds(high=3)], [-(2**70), 3], [4]),
        (int | None, [None, 3], ["3", 3.0]),
        (Annotated[int, Between(0, 9)] | Literal["search"], [3, "search"], [10, "other", None]),
        (Literal["a", "b"], ["a", "b"], ["c", "A", 0, None]),
        (
            Sequence[int],
            [[], [1, 2], (1,), range(3), np.array([1, 2]), torch.tensor([1, 2])],
            ["12", {1}, 1, [1.0], None],
        ),
        (Annotated[Sequence[int], Sized(1, 2)], [[1], [1, 2]], [[], [1, 2, 3]]),
        (tuple[float, float], [(1, 2), [1, 2]], [(1,), (1, 2, 3), "12", None]),
        (tuple[int, ...], [(), (1, 2), [1]], [(1.0,), 3, None]),
        (Mapping[str, int], [{"a": 1}], [{}, {"a": 1.0}, {1: 1}, [("a", 1)], None]),
        (Callable[[int], int], [abs], [3, None, "abs"]),
        (FilePath, ["a"], ["", b"a", 3, None]),
        (slice, [slice(3)], [3, None]),
        (Annotated[Tensor, TensorOf(("N", 2))], [torch.zeros(3, 2)], [torch.zeros(3), torch.zeros(0, 2), [[1, 2]]]),
    ],
    ids=str,
)
def test_an_annotation_accepts_the_good_and_rejects_the_bad(annotation: Any, good: list[Any], bad: list[Any]) -> None:
    check = checker_of(annotation)
    for value in good:
        check(value, "argument")
    for value in bad:
        with pytest.raises((TypeError, ValueError), match=r"^argument(\[.+\])?(, key)?: expected .+, got .+"):
            check(value, "argument")


def test_numbers_of_numpy_become_pythons_at_any_depth() -> None:
    check = checker_of(Mapping[str, Sequence[tuple[int, float]]])
    found = check({"a": [(np.int64(1), np.float32(2))]}, "argument")
    assert found == {"a": [(1, 2.0)]}
    assert [type(number) for number in found["a"][0]] == [int, float]


def test_the_place_of_a_bad_entry_is_named() -> None:
    check = checker_of(Mapping[str, Sequence[tuple[int, float]]])
    with pytest.raises(TypeError, match=r"^argument\['a'\]\[1\]\[0\]: expected an integer, got str '1'"):
        check({"a": [(1, 2.0), ("1", 2.0)]}, "argument")


def test_a_union_says_what_is_wrong_with_the_member_whose_type_is_right() -> None:
    check = checker_of(Annotated[int, Between(0, 9)] | Annotated[str, NotBlank()] | None)
    with pytest.raises(ValueError, match=r"^label: expected an integer in 0\.\.9, got 10$"):
        check(10, "label")
    expected = r"^label: expected an integer in 0\.\.9 or a string that is not blank or None, got list \[\]$"
    with pytest.raises(TypeError, match=expected):
        check([], "label")


@given(st.floats(), st.floats(-5, 5), st.floats(0, 5), st.booleans(), st.booleans())
def test_bounds_are_what_they_say(value: float, low: float, width: float, above: bool, below: bool) -> None:
    high = low + width
    check = checker_of(Annotated[float, Bounds(low, high, above=above, below=below)])
    inside = (low < value if above else low <= value) and (value < high if below else value <= high)
    if inside:
        assert check(value, "x") == value
    else:
        with pytest.raises(ValueError, match="^x: expected a finite number"):
            check(value, "x")


def test_the_text_of_a_contract_says_what_is_expected() -> None:
    assert contract_of(example) == {
        "images": "images (N, 1, 28, 28), uint8 or float in 0..255",
        "labels": "class indices 0..9, an integer tensor (N,), one for each of images",
        "patch": "an integer in 1..28",
        "start": "one of 'noise', 'image'",
        "weights": "a sequence of at least 1 entry, each a finite number, one for each of images or None",
    }


@pytest.mark.parametrize("annotation", [set[int], Annotated[str, "a remark"], Annotated[Tensor, Sized(1)]])
def test_an_annotation_without_a_meaning_is_an_error_at_the_first_call(annotation: Any) -> None:
    def function(argument: Any) -> None:
        """Take an argument."""

    function.__annotations__["argument"] = annotation
    with pytest.raises(TypeError, match="no check is known for the"):
        checked(function)(1)


def test_an_argument_without_an_annotation_is_an_error_at_the_first_call() -> None:
    def function(argument) -> None:  # type: ignore[no-untyped-def]
        """Take an argument."""

    with pytest.raises(TypeError, match="expected an annotation for 'argument', got none"):
        checked(function)(1)
