"""The window of inputs on which an output depends: one arithmetic for receptive fields and incremental occlusion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import (
    _AdaptiveAvgPoolNd,
    _AdaptiveMaxPoolNd,
    _AvgPoolNd,
    _LPPoolNd,
    _MaxPoolNd,
)

from mnist_lab.model import Standardize

# Layers that read one position to write one position.
POINTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Identity),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout, Standardize),
)


@dataclass(frozen=True)
class Window:
    """The inputs on which an output depends, along one axis.

    Parameters
    ----------
    extent
        Number of inputs from the first to the last, both included.
    stride
        Distance between the windows of neighbouring outputs.
    padding
        Number of padded positions before the first input.
    """

    extent: int = 1
    stride: int = 1
    padding: int = 0

    def then(self, after: "Window") -> "Window":
        """The window of a layer that follows this one, in inputs of this one.

        >>> Window(3, 1, 1).then(Window(2, 2)).then(Window(3, 1, 1))  # conv1, pool1, conv2
        Window(extent=8, stride=2, padding=3)
        """
        return Window(
            self.extent + (after.extent - 1) * self.stride,
            self.stride * after.stride,
            self.padding + after.padding * self.stride,
        )

    def count(self, inputs: int) -> int:
        """The number of outputs."""
        return (inputs + 2 * self.padding - self.extent) // self.stride + 1


def windows_of(layer: nn.Module, inputs: Sequence[int], outputs: Sequence[int], axes: int) -> list[Window] | None:
    """The window of a layer along each spatial axis; None where it is not known.

    A fully connected layer after :class:`torch.nn.Flatten` has a window over everything; :func:`receptive_field` knows
    how much that is.

    Parameters
    ----------
    layer
        The layer.
    inputs, outputs
        The shapes that it takes and gives, batch included.
    axes
        Number of spatial axes of the image.

    Examples
    --------
    >>> windows_of(nn.Conv2d(1, 32, 3, padding=1), (1, 1, 28, 28), (1, 32, 28, 28), 2)
    [Window(extent=3, stride=1, padding=1), Window(extent=3, stride=1, padding=1)]
    """
    spatial = len(inputs) == 2 + axes
    if is_pointwise(layer) or (isinstance(layer, nn.Flatten) and len(outputs) == 2):
        return [Window()] * axes
    if spatial and isinstance(layer, _AdaptiveAvgPoolNd | _AdaptiveMaxPoolNd):
        sizes = list(zip(inputs[2:], outputs[2:], strict=True))
        # Where the sizes do not divide, the windows differ from one another.
        divides = all(before % after == 0 for before, after in sizes)
        return [Window(before // after, before // after) for before, after in sizes] if divides else None
    if spatial and isinstance(layer, _ConvNd | _MaxPoolNd | _AvgPoolNd | _LPPoolNd):
        transposed = getattr(layer, "transposed", False)
        circular = getattr(layer, "padding_mode", "zeros") == "circular"
        return None if transposed or circular else [window_along(layer, axis) for axis in range(axes)]
    return None


def is_pointwise(layer: nn.Module) -> bool:
    """Whether a layer, in evaluation mode, reads one position of its input for one of its output.

    >>> is_pointwise(nn.ReLU()), is_pointwise(nn.BatchNorm2d(1, track_running_stats=False))
    (True, False)
    """
    if isinstance(layer, _BatchNorm):
        return layer.running_mean is not None  # otherwise it normalizes with statistics of the batch
    # A subclass with a forward pass of its own may do anything.
    return any(isinstance(layer, kind) and type(layer).forward is kind.forward for kind in POINTWISE)


def window_along(layer: Any, axis: int) -> Window:
    """The window of a convolution or a pooling layer along one axis."""
    kernel, stride, dilation = (
        value if isinstance(value, int) else value[axis]
        for value in (layer.kernel_size, layer.stride or layer.kernel_size, getattr(layer, "dilation", 1))
    )
    extent = dilation * (kernel - 1) + 1
    padding = getattr(layer, "padding", 0)
    if isinstance(padding, str):
        padding = (extent - 1) // 2 if padding == "same" else 0
    return Window(extent, stride, padding if isinstance(padding, int) else padding[axis])


@dataclass(frozen=True)
class ReceptiveField:
    """The part of an image on which one output depends, followed from layer to layer.

    Parameters
    ----------
    pixels
        The size of the image along each spatial axis.
    windows
        The window of one output along each axis, in pixels.
    grid
        The number of outputs along each axis.
    """

    pixels: tuple[int, ...]
    windows: tuple[Window, ...]
    grid: tuple[int, ...]

    @classmethod
    def of_pixels(cls, pixels: Sequence[int]) -> "ReceptiveField":
        """The image itself: every pixel depends on itself."""
        return cls(tuple(pixels), (Window(),) * len(pixels), tuple(pixels))

    @property
    def size(self) -> tuple[int, ...]:
        """Its extent along each axis, in pixels. Padding adds none, so it is at most the image."""
        return tuple(min(window.extent, size) for window, size in zip(self.windows, self.pixels, strict=True))

    def through(self, layer: nn.Module, inputs: Sequence[int], outputs: Sequence[int]) -> "ReceptiveField | None":
        """The receptive field after one more layer; None where the layer's window is not known.

        >>> field = ReceptiveField.of_pixels((28, 28))
        >>> field = field.through(nn.Conv2d(1, 32, 3, padding=1), (1, 1, 28, 28), (1, 32, 28, 28))
        >>> field.through(nn.MaxPool2d(2), (1, 32, 28, 28), (1, 32, 14, 14)).size
        (4, 4)
        """
        if isinstance(layer, nn.Linear) and len(inputs) == 2:
            windows: list[Window] | None = [Window(size) for size in self.grid]
            grid: tuple[int, ...] = (1,) * len(self.grid)
        else:
            windows = windows_of(layer, inputs, outputs, len(self.grid))
            grid = tuple(outputs[2:]) if len(outputs) == 2 + len(self.grid) else self.grid
        if windows is None:
            return None
        return ReceptiveField(
            self.pixels, tuple(one.then(other) for one, other in zip(self.windows, windows, strict=True)), grid
        )
