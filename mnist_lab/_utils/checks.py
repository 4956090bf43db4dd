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
DEVICE = "a device of torch that is present, such as 'cpu'"

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
        kind = dtype if layout == "strided" else f"{layout} {dtype}"
        return f"{'an' if kind.startswith('int') else 'a'} {kind} tensor of shape {tuple(value.shape)}{where}"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} and shape {value.shape}"
    if value is None:
        return "None"
    text = " ".join(repr(value).split())
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def check_type(value: object, name: str, kind: type[T], expected: str) -> T:
    """Raise TypeError unless a value is of a type.

    >>> check_type(None, "title", str, "a string")
    Traceback (most recent call last):
    ...
    TypeError: title: expected a string, got None
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}")
    return value


def tensor_text(shape: Sequence[int | str], dtypes: Collection[torch.dtype], low: float, high: float) -> str:
    """What :func:`check_tensor` expects, in words.

    >>> tensor_text(("N", 2), FLOATS, 0, 1), tensor_text(("...",), INTEGERS, -math.inf, math.inf)
    ('a dense floating-point tensor of shape (N, 2) in 0..1', 'a dense integer tensor of any shape')
    """
    kinds = {"floating-point": FLOATS, "integer": INTEGERS, "uint8 or floating-point": (torch.uint8, *FLOATS)}
    kind = next((kind for kind, members in kinds.items() if set(dtypes) <= set(members)), "real")
    shaped = "any shape" if shape == ("...",) else f"shape {_shape_text(shape)}"
    return f"a dense {kind} tensor of {shaped}{_bounds_text(low, high)}"


def _shape_text(shape: Sequence[int | str]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _bounds_text(low: float, high: float) -> str:
    if low > -math.inf and high < math.inf:
        return f" in {low:g}..{high:g}"
    return f" of at least {low:g}" if low > -math.inf else f" of at most {high:g}" if high < math.inf else ""


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
        The size of each axis: a number, or a name for any size. ``"..."`` stands for any number of axes.
    dtypes
        The types that it may have.
    low, high
        Bounds of its values.
    empty
        Whether it may hold no value at all.
    finite
        Whether its values are checked: that they are finite, and in low..high.

    Examples
    --------
    >>> check_tensor(torch.zeros(3, 2), "values", "N")
    Traceback (most recent call last):
    ...
    ValueError: values: expected shape (N,), got a float32 tensor of shape (3, 2)
    """
    if not is_dense(value) or value.dtype not in dtypes:
        raise TypeError(f"{name}: expected {tensor_text(shape, dtypes, low, high)}, got {describe(value)}")
    if not _fits(value.shape, shape):
        raise ValueError(f"{name}: expected shape {_shape_text(shape)}, got {describe(value)}")
    if value.numel() == 0 and not empty:
        raise ValueError(f"{name}: expected at least one value, got {describe(value)}")
    if finite:
        _check_range(value, name, low, high, f"finite values{_bounds_text(low, high)}")
    return value


def _fits(given: Sequence[int], wanted: Sequence[int | str]) -> bool:
    if "..." in wanted:
        place = wanted.index("...")
        after = len(wanted) - place - 1
        return (
            len(given) >= place + after
            and _fits(given[:place], wanted[:place])
            and _fits(given[len(given) - after :], wanted[place + 1 :])
        )
    pairs = zip(given, wanted, strict=False)
    return len(given) == len(wanted) and all(isinstance(size, str) or size == length for length, size in pairs)


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
    images: object, name: str = "images", *, empty: bool = True, stored: bool = False, single: bool = False
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
        kinds = "uint8 pixels, as MNIST stores them" if stored else f"uint8 or floating-point pixels in 0..{PIXEL_MAX}"
        raise TypeError(f"{name}: expected {kinds}, got {describe(images)}")
    if single and tuple(images.shape) in ((28, 28), (1, 28, 28)):
        images = images.reshape(1, 1, 28, 28)
    if images.ndim != 4 or tuple(images.shape[1:]) != (1, 28, 28):
        one = "(28, 28), (1, 28, 28) or " if single else ""
        raise ValueError(f"{name}: expected shape {one}(N, 1, 28, 28), got {describe(images)}")
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


def check_labels(labels: object, name: str = "labels", *, listed: bool = False, single: bool = False) -> Tensor:
    """Raise unless a value is a vector of class indices: an integer tensor (N,) with values 0..9; return it as int64.

    Where `listed` is set a sequence of integers is accepted as well, and where `single` is, an index of shape ().

    >>> check_labels(torch.tensor([3, 10]))
    Traceback (most recent call last):
    ...
    ValueError: labels: expected class indices in 0..9, got 10 at position 1
    """
    if listed and isinstance(labels, np.ndarray) and labels.ndim == 1:
        labels = list(labels)
    if listed and isinstance(labels, Sequence) and not isinstance(labels, str | bytes):
        labels = torch.tensor([check_integer(label, name, low=0, high=CLASSES - 1) for label in labels]).long()
    shape = "() or (N,)" if single else "(N,)"
    if not is_dense(labels) or labels.dtype not in INTEGERS:
        raise TypeError(f"{name}: expected an integer tensor of shape {shape}, got {describe(labels)}")
    if labels.ndim != 1 and not (single and labels.ndim == 0):
        raise ValueError(f"{name}: expected shape {shape}, got {describe(labels)}")
    outside = ((labels < 0) | (labels >= CLASSES)).reshape(-1).nonzero()
    if len(outside):
        position = int(outside[0])
        found = int(labels.reshape(-1)[position])
        raise ValueError(f"{name}: expected class indices in 0..9, got {found} at position {position}")
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


def integer_text(low: int | None, high: int | None) -> str:
    """What :func:`check_integer` expects, in words.

    >>> integer_text(1, 28), integer_text(0, None), integer_text(0, SEED_MAX)
    ('an integer in 1..28', 'an integer of at least 0', 'an integer in 0..2**63 - 1')
    """
    if low is None:
        return "an integer" if high is None else f"an integer of at most {high}"
    if high is None:
        return f"an integer of at least {low}"
    return f"an integer in {low}..{'2**63 - 1' if high == SEED_MAX else high}"


def check_integer(value: object, name: str, *, low: int | None = None, high: int | None = None) -> int:
    """Raise unless a value is an integer in low..high; return Python's.

    >>> check_integer(0, "epochs", low=1)
    Traceback (most recent call last):
    ...
    ValueError: epochs: expected an integer of at least 1, got 0
    """
    expected = integer_text(low, high)
    # A class of integers, an array and a tensor have the method of an index too.
    if isinstance(value, bool | np.bool_ | np.ndarray | Tensor | type) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}")
    number = operator.index(value)
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{name}: expected {expected}, got {number}")
    return number


def number_text(low: float, high: float, above: bool, below: bool) -> str:
    """What :func:`check_number` expects, in words.

    >>> number_text(0, math.inf, above=True, below=False), number_text(0, 1, above=False, below=False)
    ('a finite number above 0', 'a finite number of at least 0 and at most 1')
    """
    bounds = []
    if low > -math.inf:
        bounds.append(f"{'above' if above else 'of at least'} {low:g}")
    if high < math.inf:
        bounds.append(f"{'below' if below else 'at most' if bounds else 'of at most'} {high:g}")
    return " ".join(["a finite number", " and ".join(bounds)]).strip()


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
    expected = number_text(low, high, above, below)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}")
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 308 digits
        number = -math.inf if value < 0 else math.inf
    # Written to fail on NaN, which compares false with everything.
    inside = low <= number <= high and math.isfinite(number)
    if not inside or (above and number == low) or (below and number == high):
        raise ValueError(f"{name}: expected {expected}, got {number:g}")
    return number


def choice_text(choices: Collection[str]) -> str:
    """What :func:`check_choice` expects, in words.

    >>> choice_text(("noise", "image"))
    "one of 'noise', 'image'"
    """
    return f"one of {', '.join(map(repr, choices))}"


def check_choice(value: object, name: str, choices: Collection[str]) -> str:
    """Raise unless a value is one of a few known strings.

    >>> check_choice("greyish", "start", ("noise", "image"))
    Traceback (most recent call last):
    ...
    ValueError: start: expected one of 'noise', 'image', got str 'greyish'
    """
    if not isinstance(value, str) or value not in choices:
        error = ValueError if isinstance(value, str) else TypeError
        raise error(f"{name}: expected {choice_text(choices)}, got {describe(value)}")
    return value


def check_path(value: object, name: str) -> Path:
    """Raise unless a value is the path of a file or folder."""
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
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
    if not isinstance(value, str | torch.device):
        raise TypeError(f"{name}: expected {DEVICE}, got {describe(value)}")
    try:
        device = torch.device(value)
        if device.type != "meta":
            torch.empty(0, device=device)
            return device
    except (RuntimeError, AssertionError, NotImplementedError):  # torch built without it asserts
        pass
    raise ValueError(f"{name}: expected {DEVICE}, got {describe(value)}")
