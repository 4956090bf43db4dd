"""What an argument may be is said once, in the signature, and checked before any work.

A public function is decorated with :func:`checked`. Each of its annotations is a type that :func:`checker_of` knows, or
``Annotated[type, constraint]`` with one of the constraints of ``constraints.py``. Each error names the argument, what
is expected and what was given. The API pages show the same contracts (``docs/_ext/contracts.py``). pydantic and
beartype were weighed: neither knows a tensor's shape, values and layout, names what is expected of a network, or
converts numpy's numbers without converting text and booleans too.
"""

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

from mnist_lab._utils.checkers import ANYTHING, Check, checker_of, constraints_of
from mnist_lab._utils.checks import (
    CLASSES,
    FLOATS,
    INTEGERS,
    PIXEL_MAX,
    SEED_MAX,
    describe,
)
from mnist_lab._utils.constraints import (
    Above,
    Architecture,
    AtLeast,
    Between,
    Bounds,
    ClassIndices,
    Confidence,
    Count,
    Device,
    Differentiable,
    FilePath,
    ImageBatch,
    Images,
    IsDevice,
    IsNetwork,
    IsPath,
    Labels,
    Network,
    NotBlank,
    Per,
    Seed,
    Share,
    Sized,
    SomeImages,
    StoredImages,
    Targets,
    TensorOf,
    Values,
)

F = TypeVar("F", bound=Callable[..., Any])
Contract = dict[str, tuple[Check, str]]  # by argument its check, and the argument that it has one entry for, or ""


def checked(function: F) -> F:
    """Check the arguments of a function against its annotations before it runs; of a dataclass, its fields.

    Numbers of numpy become Python's. Defaults are not checked. An annotation that :func:`checker_of` does not know
    raises a TypeError at the first call.

    >>> import numpy as np
    >>> from typing import Annotated
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

    >>> from typing import Annotated
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
            other = next((per.other for per in constraints_of(hints[name]) if isinstance(per, Per)), "")
            contract[name] = checker_of(hints[name]), other
        elif name not in ("self", "cls"):
            raise TypeError(f"{function.__qualname__}: expected an annotation for {name!r}, got none")
    return contract


def _require_one_each(name: str, value: object, other: str, many: object) -> None:
    counts = [len(each) for each in (value, many) if isinstance(each, list) or (isinstance(each, Tensor) and each.ndim)]
    if len(counts) == 2 and counts[0] != counts[1]:  # a number serves for all
        raise ValueError(f"{name}: expected {counts[1]}, one for each of {other}, got {counts[0]}")


__all__ = [
    "ANYTHING",
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
    "IsDevice",
    "IsNetwork",
    "IsPath",
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
