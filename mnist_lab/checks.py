"""Checks of what a caller passes in: each error names the argument, what was given and what is expected.

They run before any work is done, so a mistake costs a message and not a strange result ten minutes later.
"""

import math
import numbers
import operator
from collections.abc import Collection
from typing import SupportsIndex

import torch
from torch import Tensor, nn

CLASSES = 10
PIXEL_MAX = 255


def describe(value: object) -> str:
    """What was given, in a few words: type, and for a tensor its dtype and shape.

    >>> describe(torch.zeros(3, 28))
    'a float32 tensor of shape (3, 28)'
    >>> describe("seven")
    "str 'seven'"
    """
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"a {type(value).__name__} of {value.dtype} and shape {tuple(value.shape)}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def check_images(images: object, name: str = "images", *, empty: bool = True) -> Tensor:
    """Refuse what is not a batch of digit images: a tensor (N, 1, 28, 28), uint8 or finite floats in 0..255.

    Parameters
    ----------
    images
        What the caller gave.
    name
        The argument's name, for the message.
    empty
        Whether a batch of no image is allowed.

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
    if not isinstance(images, Tensor):
        raise TypeError(f"{name}: expected a tensor of shape (N, 1, 28, 28), got {describe(images)}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(f"{name}: expected uint8 or floating-point pixels in 0..255, got {describe(images)}")
    if images.ndim != 4 or tuple(images.shape[1:]) != (1, 28, 28):
        raise ValueError(f"{name}: expected shape (N, 1, 28, 28), got {describe(images)}")
    if len(images) == 0:
        if not empty:
            raise ValueError(f"{name}: expected at least one image, got none")
    elif images.dtype != torch.uint8:
        low, high = (float(bound) for bound in images.detach().aminmax())
        # NaN compares false with everything, so the comparison is written to fail on it.
        if not (low >= 0 and high <= PIXEL_MAX):
            found = "NaN" if math.isnan(low) else f"values from {low:g} to {high:g}"
            raise ValueError(f"{name}: expected pixel intensities in 0..255, got {found}")
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
    if not isinstance(labels, Tensor):
        raise TypeError(f"{name}: expected an integer tensor of shape (N,), got {describe(labels)}")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
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
    return model


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
    number = operator.index(value)
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
    expected = f"a finite number {'above' if above else 'of at least'} {low:g}"
    if high < math.inf:
        expected += f" and at most {high:g}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected {expected}, got {describe(value)}")
    number = float(value)
    # Written to fail on NaN, which compares false with everything.
    if not (low <= number <= high and math.isfinite(number)) or (above and number == low):
        raise ValueError(f"{name}: expected {expected}, got {number:g}")
    return number


def check_choice(value: str, name: str, choices: Collection[str]) -> str:
    """Refuse what is not one of a few known values."""
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, choices))}, got {describe(value)}")
    return value
