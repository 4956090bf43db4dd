"""The check that an annotation of a signature stands for."""

import functools
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, TypeVar, Union, get_args, get_origin

import numpy as np
from torch import Tensor

from mnist_lab._utils.checks import (
    check_choice,
    check_integer,
    check_number,
    check_tensor,
    check_type,
    choice_text,
    describe,
    integer_text,
    is_dense,
    number_text,
)
from mnist_lab._utils.constraints import Bounds, Per, Sized

ANYTHING = "anything"  # what a function that checks an argument in its body expects of it


class Check(Protocol):
    """Called with a value and its name, it returns the value to use, or raises. Its text is what is expected."""

    def __call__(self, value: Any, name: str, /) -> Any:
        """Check a value."""


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


def constraints_of(annotation: Any) -> tuple[Any, ...]:
    """The constraints of an annotation and of the members of a union."""
    base, constraints = _split(annotation)
    if get_origin(base) in (Union, types.UnionType):
        return (*constraints, *(constraint for member in get_args(base) for constraint in constraints_of(member)))
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
