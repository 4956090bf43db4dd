"""What an argument may be is said once, in the signature, and checked before any work.

A public function is decorated with :func:`checked`. Each of its annotations is a type that :func:`checker_of` knows, or
``Annotated[type, constraint]`` with one of the constraints below. Each error names the argument, what is expected and
what was given. The API pages show the same contracts (``docs/_ext/contracts.py``). pydantic and beartype were
weighed: neither knows a tensor's shape, values and layout, names what is expected of a network, or converts numpy's
numbers without converting text and booleans too.
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
from typing import Annotated, Any, Literal, Protocol, TypeVar, Union, get_args, get_origin

import numpy as np
import torch
from torch import Tensor, nn

from mnist_lab._utils.checks import (
    CLASSES,
    DEVICE,
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
    choice_text,
    describe,
    integer_text,
    is_dense,
    number_text,
    tensor_text,
)

ANYTHING = "anything"  # what a function that checks an argument in its body expects of it

F = TypeVar("F", bound=Callable[..., Any])


class Check(Protocol):
    """Called with a value and its name, it returns the value to use, or raises. Its text is what is expected."""

    def __call__(self, value: Any, name: str, /) -> Any:
        """Check a value."""


Contract = dict[str, tuple[Check, str]]  # by argument its check, and the argument that it has one entry for, or ""


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
    single: bool = False  # one image without its batch, (28, 28) or (1, 28, 28), is accepted as well

    def __call__(self, value: Any, name: str, /) -> Tensor:
        """Check a value; return (N, 1, 28, 28)."""
        return check_images(value, name, empty=self.empty, stored=self.stored, single=self.single)

    def __str__(self) -> str:
        shape = f"{'(28, 28), (1, 28, 28) or ' if self.single else ''}(N, 1, 28, 28)"
        kind = "uint8" if self.stored else f"uint8 or float in 0..{PIXEL_MAX}"
        return f"images {shape}{'' if self.empty else ', at least one'}, {kind}"


@dataclass(frozen=True)
class ClassIndices:
    """Class indices 0..9 as an integer tensor (N,); `listed` accepts a sequence of integers as well."""

    listed: bool = False

    def __call__(self, value: Any, name: str, /) -> Tensor:
        """Check a value; return int64."""
        return check_labels(value, name, listed=self.listed)

    def __str__(self) -> str:
        return f"class indices 0..{CLASSES - 1}, an integer tensor (N,){' or a sequence' if self.listed else ''}"


@dataclass(frozen=True)
class TensorOf:
    """A dense tensor of a shape, with finite values in low..high. A ``"..."`` in the shape is any number of axes."""

    shape: tuple[int | str, ...]
    dtypes: Collection[torch.dtype] = (*FLOATS, *INTEGERS)
    low: float = -math.inf
    high: float = math.inf
    empty: bool = False
    finite: bool = True

    def __call__(self, value: Any, name: str, /) -> Tensor:
        """Check a value."""
        return check_tensor(
            value,
            name,
            *self.shape,
            dtypes=self.dtypes,
            low=self.low,
            high=self.high,
            empty=self.empty,
            finite=self.finite,
        )

    def __str__(self) -> str:
        return tensor_text(self.shape, self.dtypes, self.low, self.high)


@dataclass(frozen=True)
class IsNetwork:
    """A network whose weights are initialized; with data where it has to run, with gradients where it has to learn."""

    runs: bool = True
    gradients: bool = False

    def __call__(self, value: Any, name: str, /) -> nn.Module:
        """Check a value."""
        return check_network(value, name, runs=self.runs, gradients=self.gradients)

    def __str__(self) -> str:
        return f"a torch.nn.Module{' through which gradients pass' if self.gradients else ''}"


@dataclass(frozen=True)
class Per:
    """As many as another argument has: one per image, say."""

    other: str


@dataclass(frozen=True)
class Sized:
    """A sequence or mapping of low..high entries."""

    low: int = 0
    high: int | None = None

    def require(self, value: Sequence[Any] | Mapping[str, Any], name: str) -> None:
        """Raise unless a value has so many entries."""
        if len(value) < self.low or (self.high is not None and len(value) > self.high):
            raise ValueError(f"{name}: expected {self}, got {len(value)}")

    def __str__(self) -> str:
        if self.high is None:
            return f"at least {self.low} {'entry' if self.low == 1 else 'entries'}"
        return f"{self.low} to {self.high} entries"


@dataclass(frozen=True)
class NotBlank:
    """A string that holds more than white space."""

    def __call__(self, value: Any, name: str, /) -> str:
        """Check a value."""
        if not check_type(value, name, str, "a string").strip():
            raise ValueError(f"{name}: expected {self}, got {describe(value)}")
        return typing.cast("str", value)

    def __str__(self) -> str:
        return "a string that is not blank"


@dataclass(frozen=True)
class IsPath:
    """The path of a file or folder."""

    def __call__(self, value: Any, name: str, /) -> Path:
        """Check a value."""
        return check_path(value, name)

    def __str__(self) -> str:
        return "a path"


@dataclass(frozen=True)
class IsDevice:
    """A device of torch that is present."""

    def __call__(self, value: Any, name: str, /) -> torch.device:
        """Check a value."""
        return check_device(value, name)

    def __str__(self) -> str:
        return DEVICE


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

    Numbers of numpy become Python's. Defaults are not checked. An annotation that :func:`checker_of` does not know
    raises a TypeError at the first call.

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
    def contract() -> Contract:
        return _contract(function)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # which raises Python's own error, with the function's name
        given = bound.arguments
        for name, (check, _) in contract().items():
            if name in given:
                given[name] = check(given[name], name)
        for name, (_, other) in contract().items():
            if name in given and other in given:
                _require_one_each(name, given[name], other, given[other])
        return function(*bound.args, **bound.kwargs)

    wrapper.__contract__ = contract  # type: ignore[attr-defined]
    return typing.cast("F", wrapper)


def contract_of(function: Callable[..., Any]) -> dict[str, str]:
    """What each argument of a checked function or class is expected to be; nothing for one that is not checked.

    >>> @checked
    ... def half(length: Annotated[int, Between(2, 28)]) -> int:
    ...     return length // 2
    >>> contract_of(half), contract_of(len)
    ({'length': 'an integer in 2..28'}, {})
    """
    called = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    contract: Callable[[], Contract] = getattr(called, "__contract__", dict)
    return {name: str(check) for name, (check, _) in contract().items()}


def _contract(function: Callable[..., Any]) -> Contract:
    hints = typing.get_type_hints(function, include_extras=True)
    contract: Contract = {}
    for name in inspect.signature(function).parameters:
        if name in hints:
            other = next((per.other for per in _constraints(hints[name]) if isinstance(per, Per)), "")
            contract[name] = checker_of(hints[name]), other
        elif name not in ("self", "cls"):
            raise TypeError(f"{function.__qualname__}: expected an annotation for {name!r}, got none")
    return contract


def _require_one_each(name: str, value: object, other: str, many: object) -> None:
    counts = [len(each) for each in (value, many) if isinstance(each, list) or (isinstance(each, Tensor) and each.ndim)]
    if len(counts) == 2 and counts[0] != counts[1]:  # a number serves for all
        raise ValueError(f"{name}: expected {counts[1]}, one for each of {other}, got {counts[0]}")


def checker_of(annotation: Any) -> Check:  # noqa: PLR0911 - one return for each kind of annotation
    """The check that an annotation stands for.

    Raises
    ------
    TypeError
        If the annotation is of a kind that is not known here.

    Examples
    --------
    >>> str(checker_of(Literal["noise", "image"] | None))
    "one of 'noise', 'image' or None"
    """
    base, constraints = _split(annotation)
    if constraints and isinstance(constraints[-1], Per):
        check = checker_of(Annotated[base, *constraints[:-1]] if constraints[:-1] else base)
        return _Rule(f"{check}, one for each of {constraints[-1].other}", check)
    origin, arguments = get_origin(base), get_args(base)
    constraint = constraints[0] if constraints else None
    if base is int or base is float:
        return _number(base, constraint or Bounds())
    if origin in (Sequence, list):
        return _sequence(checker_of(arguments[0]), constraint or Sized())
    if origin in (Mapping, dict):
        return _mapping(checker_of(arguments[1]), constraint or Sized(1))
    if callable(constraint):
        return typing.cast("Check", constraint)
    if constraint is not None:
        raise TypeError(f"no check is known for the constraint {constraint!r}")
    if origin in (Union, types.UnionType):
        members = [checker_of(argument) for argument in arguments if argument is not types.NoneType]
        return _union(members, optional=types.NoneType in arguments)
    if origin is Literal:
        return _Rule(choice_text(arguments), functools.partial(check_choice, choices=arguments))
    if origin is tuple:
        return _tuple(arguments)
    if origin is Callable:
        return _Rule("a function", _function)
    if base in (Any, object) or isinstance(base, TypeVar):
        return _Rule(ANYTHING, lambda value, _: value)
    if isinstance(base, type):
        return _instance(base)
    raise TypeError(f"no check is known for the annotation {annotation!r}")


@dataclass(frozen=True)
class _Rule:
    """A check, with the text of what it expects."""

    text: str
    run: Check

    def __call__(self, value: Any, name: str, /) -> Any:
        return self.run(value, name)

    def __str__(self) -> str:
        return self.text


def _split(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """The bare type of an annotation, and its constraints."""
    if get_origin(annotation) is Annotated:
        return annotation.__origin__, annotation.__metadata__
    return annotation, ()


def _constraints(annotation: Any) -> tuple[Any, ...]:
    """The constraints of an annotation and of the members of a union."""
    base, constraints = _split(annotation)
    if get_origin(base) in (Union, types.UnionType):
        return (*constraints, *(constraint for member in get_args(base) for constraint in _constraints(member)))
    return constraints


def _number(kind: type, bounds: Bounds) -> Check:
    if kind is float:
        limits = vars(bounds)
        return _Rule(number_text(**limits), lambda value, name: check_number(value, name, **limits))
    low, high = (None if math.isinf(bound) else int(bound) for bound in (bounds.low, bounds.high))
    return _Rule(integer_text(low, high), lambda value, name: check_integer(value, name, low=low, high=high))


def _instance(kind: type) -> Check:
    if kind is bool:
        return _Rule("True or False", _flag)
    if kind is Tensor:
        return _Rule("a dense tensor", _dense)
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    text = "a string" if kind is str else f"{article} {kind.__name__}"
    return _Rule(text, lambda value, name: check_type(value, name, kind, text))


def _union(members: list[Check], *, optional: bool) -> Check:
    """None where that is allowed; else the first member that accepts the value."""
    texts = [*map(str, members), *(["None"] if optional else [])]
    text = " or ".join(texts)

    def check(value: Any, name: str) -> Any:
        if value is None and optional:
            return None
        errors: list[TypeError | ValueError] = []
        for member in members:
            try:
                return member(value, name)
            except (TypeError, ValueError) as error:
                errors.append(error)
        # The member whose type is right says best what is wrong: with the value, or with one of its entries.
        for fault in errors:
            if isinstance(fault, ValueError) or str(fault).startswith(f"{name}["):
                raise fault
        raise TypeError(f"{name}: expected {text}, got {describe(value)}")

    return _Rule(text, check)


def _tuple(arguments: tuple[Any, ...]) -> Check:
    if arguments[1:] == (...,):
        sequence = _sequence(checker_of(arguments[0]), Sized())
        return _Rule(str(sequence), lambda value, name: tuple(sequence(value, name)))
    members = [checker_of(argument) for argument in arguments]
    text = f"({', '.join(map(str, members))})"

    def check(value: Any, name: str) -> Any:
        if not isinstance(value, tuple | list):
            raise TypeError(f"{name}: expected {text}, got {describe(value)}")
        if len(value) != len(members):
            raise ValueError(f"{name}: expected {len(members)} values, got {len(value)}")
        pairs = enumerate(zip(members, value, strict=True))
        return tuple(member(item, f"{name}[{place}]") for place, (member, item) in pairs)

    return _Rule(text, check)


def _sequence(member: Check, size: Sized) -> Check:
    each = f", each {member}" if str(member) != ANYTHING else ""
    text = f"a sequence{f' of {size}' if size != Sized() else ''}{each}"

    def check(value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            value = check_tensor(value, name, "N", finite=False, empty=True).tolist()
        array = isinstance(value, np.ndarray) and value.ndim == 1
        if isinstance(value, str | bytes) or not (isinstance(value, Sequence) or array):
            raise TypeError(f"{name}: expected {text}, got {describe(value)}")
        size.require(value, name)
        return [member(item, f"{name}[{place}]") for place, item in enumerate(value)]

    return _Rule(text, check)


def _mapping(member: Check, size: Sized) -> Check:
    text = f"a dictionary of {size} by name, each {member}"

    def check(value: Any, name: str) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name}: expected {text}, got {describe(value)}")
        size.require(value, name)
        for key in value:
            check_type(key, f"{name}, key", str, "a string")
        return {key: member(item, f"{name}[{key!r}]") for key, item in value.items()}

    return _Rule(text, check)


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected True or False, got {describe(value)}")
    return bool(value)


def _dense(value: Any, name: str) -> Tensor:
    if not is_dense(value):
        raise TypeError(f"{name}: expected a dense tensor, got {describe(value)}")
    return value


def _function(value: Any, name: str) -> Any:
    if not callable(value):
        raise TypeError(f"{name}: expected a function, got {describe(value)}")
    return value


__all__ = [
    "CLASSES",
    "FLOATS",
    "INTEGERS",
    "PIXEL_MAX",
    "SEED_MAX",
    "Above",
    "Architecture",
    "AtLeast",
    "Between",
    "Bounds",
    "ClassIndices",
    "Confidence",
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
    "contract_of",
    "describe",
]
