"""What an argument may be is said once, in the signature, and checked before any work.

A public function is decorated with :func:`checked`. Each of its annotations is a type that :func:`checker_of` knows, or
``Annotated[type, constraint]`` with one of the constraints below. Each error names the argument, what is expected and
what was given. pydantic and beartype were tried first: neither knows a tensor's shape, values and layout, names what
is expected of a network, or converts numpy's numbers without converting text and booleans too.
"""

import functools
import inspect
import math
import os
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np
import torch
from torch import Tensor, nn

from mnist_lab._utils.checks import (
    CLASSES,
    FLOATS,
    INTEGERS,
    PIXEL_MAX,
    SEED_MAX,
    check_choice,
    check_device,
    check_images,
    check_integer,
    check_labels,
    check_network,
    check_number,
    check_path,
    check_tensor,
    check_type,
    describe,
)

F = TypeVar("F", bound=Callable[..., Any])
Check = Callable[[Any, str], Any]  # of a value and its name; returns the value to use, or raises


@dataclass(frozen=True)
class Bounds:
    """A finite number in low..high; `above` excludes `low` itself, `below` excludes `high`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False


def Between(low: float, high: float) -> Bounds:  # noqa: N802 - reads as a type in a signature
    """A number in low..high, both included."""
    return Bounds(low, high)


def AtLeast(low: float) -> Bounds:  # noqa: N802
    """A number of at least `low`."""
    return Bounds(low)


def Above(low: float) -> Bounds:  # noqa: N802
    """A number above `low`."""
    return Bounds(low, above=True)


@dataclass(frozen=True)
class ImageBatch:
    """Images (N, 1, 28, 28), uint8 or float in 0..255."""

    empty: bool = True
    stored: bool = False  # uint8 alone


@dataclass(frozen=True)
class ClassIndices:
    """Class indices 0..9 as an integer tensor (N,); `listed` accepts a sequence of integers as well."""

    listed: bool = False


@dataclass(frozen=True)
class TensorOf:
    """A dense tensor of a shape, with finite values in low..high. A shape of ``("...",)`` is any shape."""

    shape: tuple[int | str, ...]
    dtypes: Collection[torch.dtype] = (*FLOATS, *INTEGERS)
    low: float = -math.inf
    high: float = math.inf
    empty: bool = False
    finite: bool = True


@dataclass(frozen=True)
class IsNetwork:
    """A network whose weights are initialized; with data where it has to run, with gradients where it has to learn."""

    runs: bool = True
    gradients: bool = False


@dataclass(frozen=True)
class Per:
    """As many as another argument has: one per image, say."""

    other: str


@dataclass(frozen=True)
class Sized:
    """A sequence or mapping of low..high entries."""

    low: int = 0
    high: int | None = None


@dataclass(frozen=True)
class NotBlank:
    """A string that holds more than white space."""


@dataclass(frozen=True)
class IsPath:
    """The path of a file or folder."""


@dataclass(frozen=True)
class IsDevice:
    """A device of torch that is present."""


Seed = Annotated[int, Between(0, SEED_MAX)]
Count = Annotated[int, AtLeast(1)]
Share = Annotated[float, Between(0, 1)]
Confidence = Annotated[float, Bounds(0, 1, above=True, below=True)]
Network = Annotated[nn.Module, IsNetwork()]
Differentiable = Annotated[nn.Module, IsNetwork(gradients=True)]
Architecture = Annotated[nn.Module, IsNetwork(runs=False)]
Images = Annotated[Tensor, ImageBatch()]
SomeImages = Annotated[Tensor, ImageBatch(empty=False)]
StoredImages = Annotated[Tensor, ImageBatch(stored=True)]
Labels = Annotated[Tensor, ClassIndices()]
Targets = Annotated[Tensor | Sequence[int], ClassIndices(listed=True)]
FilePath = Annotated[str | os.PathLike[str], IsPath()]
Device = Annotated[torch.device | str, IsDevice()]
Values = Annotated[Tensor, TensorOf(("...",))]


def checked(function: F) -> F:
    """Check the arguments of a function against its annotations before it runs; of a dataclass, its fields.

    Numbers of numpy become Python's. Defaults are not checked.

    >>> @checked
    ... def half(length: Annotated[int, Between(2, 28)]) -> int:
    ...     return length // 2
    >>> half(length=np.int64(9))
    4
    >>> half(1)
    Traceback (most recent call last):
    ...
    ValueError: length: expected an integer in 2..28, got 1
    """
    if isinstance(function, type):
        function.__init__ = checked(function.__init__)  # type: ignore[misc]
        return function
    signature = inspect.signature(function)

    @functools.cache  # at the first call, when every name in an annotation is known
    def contract() -> tuple[dict[str, Check], list[tuple[str, str]]]:
        hints = typing.get_type_hints(function, include_extras=True)
        checks = {name: checker_of(hints[name]) for name in signature.parameters if name in hints}
        pairs = [(name, per.other) for name in checks for per in _extras(hints[name]) if isinstance(per, Per)]
        return checks, pairs

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        checks, pairs = contract()
        given = bound.arguments
        for name in given:
            if name in checks:
                given[name] = checks[name](given[name], name)
        for name, other in pairs:
            one, many = given.get(name), given.get(other)
            if isinstance(one, Tensor) and one.ndim and many is not None and len(one) != len(many):
                raise ValueError(f"{name}: expected {len(many)}, one for each of {other}, got {len(one)}")
        return function(*bound.args, **bound.kwargs)

    wrapper.contract = contract  # type: ignore[attr-defined]
    return typing.cast("F", wrapper)


def checker_of(annotation: Any) -> Check:
    """The check that an annotation stands for.

    Raises
    ------
    TypeError
        If the annotation is of a kind that is not known here.
    """
    base, extras = _split(annotation)
    origin, arguments = get_origin(base), get_args(base)
    constraint = next((extra for extra in extras if not isinstance(extra, Per)), None)
    match constraint:
        case ImageBatch(empty=empty, stored=stored):
            return functools.partial(check_images, empty=empty, stored=stored)
        case ClassIndices(listed=listed):
            return functools.partial(check_labels, listed=listed)
        case TensorOf():
            return lambda value, name: check_tensor(
                value,
                name,
                *constraint.shape,
                dtypes=constraint.dtypes,
                low=constraint.low,
                high=constraint.high,
                empty=constraint.empty,
                finite=constraint.finite,
            )
        case IsNetwork(runs=runs, gradients=gradients):
            return functools.partial(check_network, runs=runs, gradients=gradients)
        case IsPath():
            return check_path
        case IsDevice():
            return check_device
    if origin in (Union, types.UnionType):
        return _union([checker_of(argument) for argument in arguments if argument is not types.NoneType], arguments)
    if base is int or base is float:
        return _number(base, constraint or Bounds())
    if base is bool:
        return lambda value, name: check_type(value, name, bool, "True or False")
    if base is str:
        return _not_blank if constraint else lambda value, name: check_type(value, name, str, "a string")
    if origin is Literal:
        return functools.partial(check_choice, choices=arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is Sequence or origin is list:
        return _sequence(checker_of(arguments[0]), constraint or Sized())
    if origin in (Mapping, dict):
        return _mapping(checker_of(arguments[1]), constraint or Sized(1))
    if origin is Callable:
        return _function
    if base in (Any, object):
        return lambda value, _: value
    if isinstance(base, type):
        article = "an" if base.__name__[0] in "AEIOU" else "a"
        return lambda value, name: check_type(value, name, base, f"{article} {base.__name__}")
    if typing.get_origin(annotation) is None and isinstance(base, TypeVar):
        return lambda value, _: value
    raise TypeError(f"no check is known for the annotation {annotation!r}")


def _split(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """The bare type of an annotation, and what ``Annotated`` says beside it."""
    if get_origin(annotation) is Annotated:
        return annotation.__origin__, annotation.__metadata__
    return annotation, ()


def _extras(annotation: Any) -> tuple[Any, ...]:
    """What ``Annotated`` says, also within an optional type."""
    base, extras = _split(annotation)
    if get_origin(base) in (Union, types.UnionType):
        return (*extras, *(extra for argument in get_args(base) for extra in _extras(argument)))
    return extras


def _number(kind: type, bounds: Bounds) -> Check:
    if kind is float:
        return lambda value, name: check_number(value, name, low=bounds.low, high=bounds.high, above=bounds.above, below=bounds.below)
    low, high = (None if math.isinf(bound) else int(bound) for bound in (bounds.low, bounds.high))
    return lambda value, name: check_integer(value, name, low=low, high=high)


def _not_blank(value: object, name: str) -> str:
    if not check_type(value, name, str, "a string").strip():
        raise ValueError(f"{name}: expected some text, got {describe(value)}")
    return typing.cast("str", value)


def _union(checks: list[Check], arguments: tuple[Any, ...]) -> Check:
    """None where that is allowed; else the first member that accepts the value. A wrong value outranks a wrong type."""
    optional = types.NoneType in arguments

    def check(value: Any, name: str) -> Any:
        if value is None and optional:
            return None
        errors: list[TypeError | ValueError] = []
        for member in checks:
            try:
                return member(value, name)
            except (TypeError, ValueError) as error:
                errors.append(error)
        wrong_value = next((error for error in errors if isinstance(error, ValueError)), None)
        if wrong_value is not None:
            raise wrong_value
        expected = [str(error).removeprefix(f"{name}: expected ").rsplit(", got ", 1)[0] for error in errors]
        raise TypeError(f"{name}: expected {' or '.join([*expected, *(['None'] if optional else [])])}, "
                        f"got {describe(value)}")

    return check


def _tuple(arguments: tuple[Any, ...]) -> Check:
    if len(arguments) == 2 and arguments[1] is ...:
        member = checker_of(arguments[0])

        def check_each(value: Any, name: str) -> Any:
            check_type(value, name, tuple, "a tuple")
            return tuple(member(item, f"{name}[{place}]") for place, item in enumerate(value))

        return check_each
    members = [checker_of(argument) for argument in arguments]

    def check(value: Any, name: str) -> Any:
        if not isinstance(value, tuple | list) or len(value) != len(members):
            raise TypeError(f"{name}: expected {len(members)} values, got {describe(value)}")
        return tuple(member(item, f"{name}[{place}]") for place, (member, item) in enumerate(zip(members, value)))

    return check


def _sequence(member: Check, size: Sized) -> Check:
    def check(value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            value = check_tensor(value, name, "N", finite=False, empty=True).tolist()
        array = isinstance(value, np.ndarray) and value.ndim == 1
        if isinstance(value, str | bytes) or not (isinstance(value, Sequence) or array):
            raise TypeError(f"{name}: expected a sequence, got {describe(value)}")
        if len(value) < size.low or (size.high is not None and len(value) > size.high):
            raise ValueError(f"{name}: expected {_amount(size)}, got {len(value)}")
        return [member(item, f"{name}[{place}]") for place, item in enumerate(value)]

    return check


def _mapping(member: Check, size: Sized) -> Check:
    def check(value: Any, name: str) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name}: expected a dictionary by name, got {describe(value)}")
        if len(value) < size.low or (size.high is not None and len(value) > size.high):
            raise ValueError(f"{name}: expected {_amount(size)}, got {len(value)}")
        for key in value:
            check_type(key, f"{name}, key", str, "a string")
        return {key: member(item, f"{name}[{key!r}]") for key, item in value.items()}

    return check


def _amount(size: Sized) -> str:
    if size.high is None:
        return f"at least {size.low} {'entry' if size.low == 1 else 'entries'}"
    return f"{size.low} to {size.high} entries"


def _function(value: Any, name: str) -> Any:
    if not callable(value):
        raise TypeError(f"{name}: expected a function, got {describe(value)}")
    return value


__all__ = [
    "CLASSES",
    "PIXEL_MAX",
    "SEED_MAX",
    "Above",
    "Architecture",
    "AtLeast",
    "Between",
    "Bounds",
    "ClassIndices",
    "Confidence",
    "FLOATS",
    "INTEGERS",
    "Count",
    "Device",
    "Differentiable",
    "FilePath",
    "ImageBatch",
    "Images",
    "IsNetwork",
    "Labels",
    "Network",
    "NotBlank",
    "Path",
    "Per",
    "Seed",
    "Share",
    "Sized",
    "SomeImages",
    "StoredImages",
    "Targets",
    "TensorOf",
    "Values",
    "checked",
    "checker_of",
    "describe",
]
