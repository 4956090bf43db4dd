"""The words for what an argument may be: constraints, and the types that signatures name."""

import math
import os
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from mnist_lab._utils.checks import (
    CLASSES,
    DEVICE,
    FLOATS,
    INTEGERS,
    PIXEL_MAX,
    SEED_MAX,
    check_device,
    check_images,
    check_labels,
    check_network,
    check_path,
    check_tensor,
    check_type,
    describe,
    tensor_text,
)


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
    single: bool = False  # one index without its batch, (), is accepted as well

    def __call__(self, value: Any, name: str, /) -> Tensor:
        """Check a value; return int64."""
        return check_labels(value, name, listed=self.listed, single=self.single)

    def __str__(self) -> str:
        shape = f"{'() or ' if self.single else ''}(N,){' or a sequence' if self.listed else ''}"
        return f"class indices 0..{CLASSES - 1}, an integer tensor {shape}"


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
