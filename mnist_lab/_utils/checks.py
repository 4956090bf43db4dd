"""The checks behind the contracts: each error names the argument, what is expected and what was given."""

import math
import numbers
import operator
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import SupportsIndex, TypeGuard, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from mnist_lab._utils.messages import warn

CLASSES = 10
PIXEL_MAX = 255
SEED_MAX = 2**63 - 1
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)

T = TypeVar("T")


def describe(value: object) -> str:
    """A value in a few words, for a message: its type; of a tensor, its dtype, shape, layout and device.

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
    """Raise TypeError unless a value is of a type.

    >>> check_type(None, "title", str, "a string")
    Traceback (most recent call last):
    ...
    TypeError: title: expected a string, got NoneType None
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}")
    return value


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
    """Raise unless a value is a dense tensor of a shape, with finite real numbers in low..high.

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
    """Whether a value is a tensor whose numbers can be read: not sparse, nested, quantized or on the meta device."""
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


def check_images(
    images: object, name: str = "images", *, empty: bool = True, stored: bool = False
) -> Tensor:
    """Raise unless a value is a batch of digit images (N, 1, 28, 28), uint8 or finite floats in 0..255.

    Warn where the images are likely not meant so: floats in 0..1, or dark ink on white paper.

    >>> check_images(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 1, 28, 28])
    >>> check_images(torch.zeros(28, 28))
    Traceback (most recent call last):
    ...
    ValueError: images: expected shape (N, 1, 28, 28), got a float32 tensor of shape (28, 28)
    """
    if not is_dense(images):
        raise TypeError(f"{name}: expected a dense tensor of shape (N, 1, 28, 28), got {describe(images)}")
    if images.dtype not in ((torch.uint8,) if stored else (torch.uint8, *FLOATS)):
        kinds = "uint8 pixel intensities, as MNIST stores them" if stored else "uint8 or floating-point pixels in 0..255"
        raise TypeError(f"{name}: expected {kinds}, got {describe(images)}")
    if images.ndim != 4 or tuple(images.shape[1:]) != (1, 28, 28):
        raise ValueError(f"{name}: expected shape (N, 1, 28, 28), got {describe(images)}")
    if len(images) == 0 and not empty:
        raise ValueError(f"{name}: expected at least one image, got none")
    _check_range(images, name, 0, PIXEL_MAX, "pixel intensities in 0..255")
    _warn_of_other_units(images, name)
    return images


def _warn_of_other_units(images: Tensor, name: str) -> None:
    """Warn of images that are scaled to 0..1, or that show dark ink on white paper."""
    if images.numel() == 0:
        return
    if images.is_floating_point() and float(images.detach().amax()) <= 1:
        values = images.detach()
        if bool(((values != 0) & (values != 1)).any()):
            warn(
                f"{name}: expected pixel intensities in 0..255, got values that all lie in 0..1. "
                f"If they were scaled, multiply them by 255.",
                UserWarning,
            )
    pixels = images.detach()[:64].flatten().float()
    if float(pixels.median()) > 200 and float(pixels.amin()) < 64:
        warn(
            f"{name}: expected bright ink on black, as in MNIST, got mostly white images with dark parts. "
            f"If they show dark ink on white paper, pass 255 minus the images.",
            UserWarning,
        )


def check_labels(labels: object, name: str = "labels", *, listed: bool = False) -> Tensor:
    """Raise unless a value is a vector of class indices: an integer tensor (N,) with values 0..9; return it as int64.

    Where `listed` is set a sequence of integers is accepted as well.

    >>> check_labels(torch.tensor([3, 10]))
    Traceback (most recent call last):
    ...
    ValueError: labels: expected class indices in 0..9, got 10 at position 1
    """
    if listed and isinstance(labels, Sequence) and not isinstance(labels, str | bytes):
        labels = torch.tensor([check_integer(label, name, low=0, high=CLASSES - 1) for label in labels]).long()
    if not is_dense(labels) or labels.dtype not in INTEGERS:
        raise TypeError(f"{name}: expected an integer tensor of shape (N,), got {describe(labels)}")
    if labels.ndim != 1:
        raise ValueError(f"{name}: expected shape (N,), got {describe(labels)}")
    outside = ((labels < 0) | (labels >= CLASSES)).nonzero()
    if len(outside):
        position = int(outside[0])
        raise ValueError(f"{name}: expected class indices in 0..9, got {int(labels[position])} at position {position}")
    return labels.long()


def check_network(model: object, name: str = "model", *, runs: bool = True, gradients: bool = False) -> nn.Module:
    """Raise unless a value is a network with initialized weights.

    `runs` asks for weights with data, `gradients` for weights through which gradients pass.

    >>> check_network("plain")
    Traceback (most recent call last):
    ...
    TypeError: model: expected a torch.nn.Module, got str 'plain'
    >>> check_network(nn.Linear(1, 1, device="meta"))
    Traceback (most recent call last):
    ...
    ValueError: model: expected weights with data, got weight, a float32 tensor of shape (1, 1) on meta
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"{name}: expected a torch.nn.Module, got {describe(model)}")
    for key, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise ValueError(
                f"{name}: expected initialized layers, got {key} without a shape yet; run the network once"
            )
        if runs and tensor.is_meta:
            raise ValueError(f"{name}: expected weights with data, got {key}, {describe(tensor)}")
        if gradients and tensor.is_inference():
            raise ValueError(
                f"{name}: expected weights through which gradients pass, got {key}, which was made in inference mode"
            )
    return model


def check_integer(value: object, name: str, *, low: int | None = None, high: int | None = None) -> int:
    """Raise unless a value is an integer in low..high; return Python's.

    >>> check_integer(0, "epochs", low=1)
    Traceback (most recent call last):
    ...
    ValueError: epochs: expected an integer of at least 1, got 0
    """
    expected = "an integer"
    if low is not None:
        expected += f" of at least {low}" if high is None else f" in {low}..{high}"
    if isinstance(value, bool | Tensor) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}")
    try:
        number = operator.index(value)
    except TypeError as error:  # an array has the method too
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}") from error
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{name}: expected {expected}, got {number}")
    return number


def check_number(
    value: object,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: bool = False,
    below: bool = False,
) -> float:
    """Raise unless a value is a finite real number in low..high; `above` and `below` exclude the bounds themselves.

    >>> check_number(float("nan"), "learning_rate", low=0, above=True)
    Traceback (most recent call last):
    ...
    ValueError: learning_rate: expected a finite number above 0, got nan
    """
    bounds = []
    if low > -math.inf:
        bounds.append(f"{'above' if above else 'of at least'} {low:g}")
    if high < math.inf:
        bounds.append(f"{'below' if below else 'at most' if bounds else 'of at most'} {high:g}")
    expected = " ".join(["a finite number", " and ".join(bounds)]).strip()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}")
    number = float(value)
    # Written to fail on NaN, which compares false with everything.
    inside = low <= number <= high and math.isfinite(number)
    if not inside or (above and number == low) or (below and number == high):
        raise ValueError(f"{name}: expected {expected}, got {number:g}")
    return number


def check_choice(value: object, name: str, choices: Collection[str]) -> str:
    """Raise unless a value is one of a few known strings.

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
    """Raise unless a value is the path of a file or folder."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name}: expected a path, got {describe(value)}")
    if not os.fspath(value):
        raise ValueError(f"{name}: expected a path, got an empty one")
    return Path(value)


def check_device(value: object, name: str) -> torch.device:
    """Raise unless a value is a device that can hold a network here.

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
