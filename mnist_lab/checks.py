"""Checks of what a caller passes in: each error names the argument, what was given and what is expected.

They run before any work is done, so a mistake costs a message and not a strange result ten minutes later.
"""

import math
import numbers
import operator
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import SupportsIndex, TypeGuard, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

CLASSES = 10
PIXEL_MAX = 255
SEED_MAX = 2**63 - 1
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)

T = TypeVar("T")
Check = Callable[[object, str], object]  # of a value and its name


def describe(value: object) -> str:
    """What was given, in a few words: type, and for a tensor its dtype and shape, and what else is unusual about it.

    >>> describe(torch.zeros(3, 28))
    'a float32 tensor of shape (3, 28)'
    >>> describe(torch.zeros(3, 28, device="meta"))
    'a float32 tensor of shape (3, 28) on meta'
    >>> describe("seven")
    "str 'seven'"
    """
    if isinstance(value, Tensor):
        dtype, layout = (str(kind).removeprefix("torch.") for kind in (value.dtype, value.layout))
        if value.is_nested:
            return f"a nested {dtype} tensor"
        where = "" if value.device.type == "cpu" else f" on {value.device}"
        return f"a {'' if layout == 'strided' else f'{layout} '}{dtype} tensor of shape {tuple(value.shape)}{where}"
    if isinstance(value, np.ndarray):
        return f"a {type(value).__name__} of {value.dtype} and shape {value.shape}"
    text = " ".join(repr(value).split())
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def check_type(value: object, name: str, kind: type[T], expected: str) -> T:
    """Refuse what is not of a type.

    >>> check_type(None, "title", str, "a string")
    Traceback (most recent call last):
    ...
    TypeError: title: expected a string, got NoneType None
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}")
    return value


def check_text(value: object, name: str) -> str:
    """Refuse what is no string."""
    return check_type(value, name, str, "a string")


def check_value(value: object, name: str) -> float:
    """Refuse what is no real number; infinities and NaN are.

    >>> check_value("2", "limits")
    Traceback (most recent call last):
    ...
    TypeError: limits: expected a number, got str '2'
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected a number, got {describe(value)}")
    return float(value)


def check_flag(value: object, name: str) -> bool:
    """Refuse what is neither True nor False: a string such as "no" would count as true."""
    return check_type(value, name, bool, "True or False")


def check_function(value: object, name: str, of: str) -> None:
    """Refuse what can neither be called nor is None."""
    if value is not None and not callable(value):
        raise TypeError(f"{name}: expected a function of {of} or None, got {describe(value)}")


def check_sequence(value: object, name: str, check: Check, *, count: int | None = None) -> int:
    """Refuse what is no sequence, or holds what `check` refuses; how long it is.

    A string is a sequence of its letters.

    >>> check_sequence(["a", 2], "captions", check_text)
    Traceback (most recent call last):
    ...
    TypeError: captions[1]: expected a string, got int 2
    """
    if not isinstance(value, Sequence) and not (isinstance(value, np.ndarray) and value.ndim == 1):
        raise TypeError(f"{name}: expected a sequence, got {describe(value)}")
    if count is not None and len(value) != count:
        raise ValueError(f"{name}: expected {count} of them, got {len(value)}")
    for position, item in enumerate(value):
        check(item, f"{name}[{position}]")
    return len(value)


def check_named(value: object, name: str, check: Check, *, most: int | None = None) -> None:
    """Refuse what is no dictionary from names to what `check` lets pass, or is empty, or has more than `most` entries.

    >>> check_named({}, "groups", check_text)
    Traceback (most recent call last):
    ...
    ValueError: groups: expected at least one entry, got none
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: expected a dictionary by name, got {describe(value)}")
    if not value:
        raise ValueError(f"{name}: expected at least one entry, got none")
    if most is not None and len(value) > most:
        raise ValueError(f"{name}: expected at most {most} entries, which stay apart in a figure, got {len(value)}")
    for key, item in value.items():
        check_text(key, f"{name}, key")
        check(item, f"{name}[{key!r}]")


def check_tensor(
    value: object,
    name: str,
    *shape: int | str,
    dtypes: Collection[torch.dtype] = (*FLOATS, *INTEGERS),
    low: float = -math.inf,
    high: float = math.inf,
    empty: bool = False,
    finite: bool = True,
) -> Tensor:
    """Refuse what is not a dense tensor of finite real numbers in low..high, of a given shape.

    Parameters
    ----------
    value
        What the caller gave.
    name
        The argument's name, for the message.
    shape
        The size of each axis: a number, or a name that stands for any size; ``"..."`` alone for any shape.
    dtypes
        The types that it may have.
    low, high
        Where its values have to lie.
    empty
        Whether it may hold no value at all.
    finite
        False lets pass whatever the values are.

    Examples
    --------
    >>> check_tensor(torch.zeros(3, 2), "values", "N")
    Traceback (most recent call last):
    ...
    ValueError: values: expected shape (N,), got a float32 tensor of shape (3, 2)
    """
    wanted = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})" if shape != ("...",) else "(...)"
    kinds = {"floating-point": FLOATS, "integer": INTEGERS, "uint8 or floating-point": (torch.uint8, *FLOATS)}
    kind = next((kind for kind, members in kinds.items() if set(dtypes) <= set(members)), "real")
    if not is_dense(value) or value.dtype not in dtypes:
        raise TypeError(f"{name}: expected a dense {kind} tensor of shape {wanted}, got {describe(value)}")
    fits = len(value.shape) == len(shape) and all(
        isinstance(size, str) or size == given for size, given in zip(shape, value.shape, strict=True)
    )
    if not fits and shape != ("...",):
        raise ValueError(f"{name}: expected shape {wanted}, got {describe(value)}")
    if value.numel() == 0 and not empty:
        raise ValueError(f"{name}: expected at least one value, got {describe(value)}")
    if finite:
        bounds = f" in {low:g}..{high:g}" if high < math.inf else f" of at least {low:g}" if low > -math.inf else ""
        _check_range(value, name, low, high, f"finite values{bounds}")
    return value


def is_dense(value: object) -> TypeGuard[Tensor]:
    """Whether it is a tensor whose numbers can be read one by one: not sparse, nested, quantized, nor without data."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not value.is_nested
        and not value.is_quantized
        and value.device.type != "meta"
    )


def _check_range(values: Tensor, name: str, low: float, high: float, expected: str) -> None:
    if values.numel() == 0 or values.dtype == torch.uint8:
        return
    least, most = (float(bound) for bound in values.detach().aminmax())
    # NaN compares false with everything, so the comparison is written to fail on it.
    if not (low <= least and most <= high and math.isfinite(least) and math.isfinite(most)):
        found = "NaN" if math.isnan(least) else f"values from {least:g} to {most:g}"
        raise ValueError(f"{name}: expected {expected}, got {found}")


def check_images(images: object, name: str = "images", *, empty: bool = True, count: int | None = None) -> Tensor:
    """Refuse what is not a batch of digit images: a tensor (N, 1, 28, 28), uint8 or finite floats in 0..255.

    Parameters
    ----------
    images
        What the caller gave.
    name
        The argument's name, for the message.
    empty
        Whether a batch of no image is allowed.
    count
        How many there have to be; None for any number.

    Returns
    -------
    Tensor
        `images`, unchanged.

    Raises
    ------
    TypeError
        If `images` is not a tensor, or neither uint8 nor floating point.
    ValueError
        If the shape, the range or a value is wrong.

    Examples
    --------
    >>> check_images(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 1, 28, 28])
    >>> check_images(torch.zeros(28, 28))
    Traceback (most recent call last):
    ...
    ValueError: images: expected shape (N, 1, 28, 28), got a float32 tensor of shape (28, 28)
    """
    if not is_dense(images):
        raise TypeError(f"{name}: expected a dense tensor of shape (N, 1, 28, 28), got {describe(images)}")
    if images.dtype not in (torch.uint8, *FLOATS):
        raise TypeError(f"{name}: expected uint8 or floating-point pixels in 0..255, got {describe(images)}")
    if images.ndim != 4 or tuple(images.shape[1:]) != (1, 28, 28):
        raise ValueError(f"{name}: expected shape (N, 1, 28, 28), got {describe(images)}")
    if len(images) == 0 and not empty:
        raise ValueError(f"{name}: expected at least one image, got none")
    if count is not None and len(images) != count:
        raise ValueError(f"{name}: expected {count} images, got {len(images)}")
    _check_range(images, name, 0, PIXEL_MAX, "pixel intensities in 0..255")
    return images


def check_labels(labels: object, name: str = "labels", *, count: int | None = None) -> Tensor:
    """Refuse what is not a vector of class indices: an integer tensor (N,) with values 0..9.

    Parameters
    ----------
    labels
        What the caller gave.
    name
        The argument's name, for the message.
    count
        How many there have to be; None for any number.

    Returns
    -------
    Tensor
        The labels as int64.

    Raises
    ------
    TypeError
        If `labels` is not a tensor of integers.
    ValueError
        If the shape, the number or a value is wrong.

    Examples
    --------
    >>> check_labels(torch.tensor([3, 10]))
    Traceback (most recent call last):
    ...
    ValueError: labels: expected class indices in 0..9, got 10 at position 1
    """
    if not is_dense(labels) or labels.dtype not in INTEGERS:
        raise TypeError(f"{name}: expected an integer tensor of shape (N,), got {describe(labels)}")
    if labels.ndim != 1:
        raise ValueError(f"{name}: expected shape (N,), got {describe(labels)}")
    if count is not None and len(labels) != count:
        raise ValueError(f"{name}: expected {count} of them, one an image, got {len(labels)}")
    outside = ((labels < 0) | (labels >= CLASSES)).nonzero()
    if len(outside):
        position = int(outside[0])
        raise ValueError(f"{name}: expected class indices in 0..9, got {int(labels[position])} at position {position}")
    return labels.long()


def check_model(model: object, name: str = "model") -> nn.Module:
    """Refuse what is not a network.

    >>> check_model("plain")
    Traceback (most recent call last):
    ...
    TypeError: model: expected a torch.nn.Module, got str 'plain'
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"{name}: expected a torch.nn.Module, got {describe(model)}")
    for key, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise ValueError(
                f"{name}: expected initialized layers, got {key} without a shape yet; run the network once"
            )
    return model


def check_network(model: object, name: str = "model", *, gradients: bool = False) -> nn.Module:
    """Refuse what is not a network that can run: its weights have data, and let gradients pass where those are asked.

    >>> check_network(nn.Linear(1, 1, device="meta"))
    Traceback (most recent call last):
    ...
    ValueError: model: expected weights with data, got weight, a float32 tensor of shape (1, 1) on meta
    """
    model = check_model(model, name)
    for key, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta:
            raise ValueError(f"{name}: expected weights with data, got {key}, {describe(tensor)}")
        if gradients and tensor.is_inference():
            raise ValueError(
                f"{name}: expected weights through which gradients pass, got {key}, which was made in inference mode"
            )
    return model


def check_logits(logits: object, count: int, classes: int | None = CLASSES) -> Tensor:
    """Refuse a network by what it gave for `count` images: not a logit for each class, ten of them or any number.

    >>> check_logits(torch.zeros(4, 5), 4)
    Traceback (most recent call last):
    ...
    ValueError: model: expected a network that gives logits (N, 10), got a float32 tensor of shape (4, 5) for 4 images
    """
    if not is_dense(logits) or logits.ndim != 2 or len(logits) != count or classes not in (None, logits.shape[1]):
        raise ValueError(
            f"model: expected a network that gives logits (N, {classes or 'classes'}), got {describe(logits)} for "
            f"{count} images"
        )
    return logits


def check_integer(value: object, name: str, *, low: int, high: int | None = None) -> int:
    """Refuse what is not a whole number in low..high.

    >>> check_integer(0, "epochs", low=1)
    Traceback (most recent call last):
    ...
    ValueError: epochs: expected an integer of at least 1, got 0
    """
    expected = f"an integer of at least {low}" if high is None else f"an integer in {low}..{high}"
    if isinstance(value, bool | Tensor) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}")
    try:
        number = operator.index(value)
    except TypeError as error:  # an array has the method too
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}") from error
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name}: expected {expected}, got {number}")
    return number


def check_number(value: object, name: str, *, low: float, high: float = math.inf, above: bool = False) -> float:
    """Refuse what is not a finite real number in low..high, `low` itself excluded where `above` is set.

    >>> check_number(float("nan"), "learning_rate", low=0, above=True)
    Traceback (most recent call last):
    ...
    ValueError: learning_rate: expected a finite number above 0, got nan
    """
    expected = "a finite number"
    if low > -math.inf:
        expected += f" {'above' if above else 'of at least'} {low:g}"
    if high < math.inf:
        expected += f"{' and' if low > -math.inf else ' of'} at most {high:g}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}")
    number = float(value)
    # Written to fail on NaN, which compares false with everything.
    if not (low <= number <= high and math.isfinite(number)) or (above and number == low):
        raise ValueError(f"{name}: expected {expected}, got {number:g}")
    return number


def check_choice(value: object, name: str, choices: Collection[str]) -> str:
    """Refuse what is not one of a few known strings.

    >>> check_choice("greyish", "start", ("noise", "image"))
    Traceback (most recent call last):
    ...
    ValueError: start: expected one of 'noise', 'image', got str 'greyish'
    """
    if not isinstance(value, str) or value not in choices:
        error = ValueError if isinstance(value, str) else TypeError
        raise error(f"{name}: expected one of {', '.join(map(repr, choices))}, got {describe(value)}")
    return value


def check_path(value: object, name: str) -> Path:
    """Refuse what names no file or folder."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name}: expected a path, got {describe(value)}")
    if not os.fspath(value):
        raise ValueError(f"{name}: expected a path, got an empty one")
    return Path(value)


def check_device(value: object, name: str) -> torch.device:
    """Refuse what is no device that can hold a network here.

    >>> check_device("abacus", "device")
    Traceback (most recent call last):
    ...
    ValueError: device: expected a device of torch that is present, such as 'cpu', got str 'abacus'
    """
    expected = "a device of torch that is present, such as 'cpu'"
    if not isinstance(value, str | torch.device):
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}")
    try:
        device = torch.device(value)
        if device.type != "meta":
            torch.empty(0, device=device)
            return device
    except (RuntimeError, AssertionError, NotImplementedError):  # torch built without it asserts
        pass
    raise ValueError(f"{name}: expected {expected}, got {describe(value)}")
