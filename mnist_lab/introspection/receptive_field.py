"""How much of the input one output of a layer can depend on, followed from layer to layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd

from mnist_lab.model import Standardize

# What reads one position to write one position.
POINTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Identity, _DropoutNd, Standardize),
)


@dataclass(frozen=True)
class ReceptiveField:
    """The part of the input that one output can depend on.

    Parameters
    ----------
    size
        Its extent along each spatial axis, in pixels of the input.
    jump
        How many pixels of the input lie between neighbouring outputs.
    grid
        How many outputs there are along each axis.
    """

    size: tuple[int, ...]
    jump: tuple[int, ...]
    grid: tuple[int, ...]

    @classmethod
    def start(cls, grid: Sequence[int]) -> Self:
        """The input itself: every pixel depends on itself."""
        ones = (1,) * len(grid)
        return cls(ones, ones, tuple(grid))

    def through(self, layer: nn.Module, inputs: Sequence[int], outputs: Sequence[int]) -> "ReceptiveField | None":
        """The receptive field behind one more layer; None where the layer is not one whose reach is known.

        A layer with windows of `kernel` positions, `dilation` apart, widens the field by (kernel - 1) * dilation *
        jump and multiplies the jump by its stride. A fully connected layer behind :class:`torch.nn.Flatten` is a
        window over everything there is.

        Parameters
        ----------
        layer
            The layer.
        inputs, outputs
            The shapes of what it takes and gives, batch included.

        Examples
        --------
        >>> field = ReceptiveField.start((28, 28))
        >>> field = field.through(nn.Conv2d(1, 32, 3, padding=1), (1, 1, 28, 28), (1, 32, 28, 28))
        >>> field.through(nn.MaxPool2d(2), (1, 32, 28, 28), (1, 32, 14, 14))
        ReceptiveField(size=(4, 4), jump=(2, 2), grid=(14, 14))
        """
        reach = self._reach(layer, inputs, outputs)
        if reach is None:
            return None
        kernel, stride = reach
        grid = outputs[2:] if len(outputs) == 2 + len(self.grid) else self.grid
        return replace(
            self,
            size=tuple(size + (k - 1) * jump for size, k, jump in zip(self.size, kernel, self.jump, strict=True)),
            jump=tuple(jump * s for jump, s in zip(self.jump, stride, strict=True)),
            grid=(1,) * len(self.grid) if isinstance(layer, nn.Linear) else tuple(grid),
        )

    def _reach(
        self, layer: nn.Module, inputs: Sequence[int], outputs: Sequence[int]
    ) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """How many positions a layer's window spans along each axis, and by how many it moves."""
        ones = (1,) * len(self.grid)
        spatial = len(inputs) == 2 + len(self.grid)
        reach = (ones, ones) if isinstance(layer, POINTWISE) else None
        match layer:
            case nn.Conv1d() | nn.Conv2d() | nn.Conv3d() if spatial and layer.padding_mode != "circular":
                reach = _span(layer.kernel_size, layer.dilation), layer.stride
            case nn.MaxPool1d() | nn.MaxPool2d() | nn.MaxPool3d() if spatial:
                reach = _span(self._axes(layer.kernel_size), self._axes(layer.dilation)), self._axes(layer.stride)
            case nn.AvgPool1d() | nn.AvgPool2d() | nn.AvgPool3d() | nn.LPPool1d() | nn.LPPool2d() if spatial:
                reach = self._axes(layer.kernel_size), self._axes(layer.stride or layer.kernel_size)
            case _AdaptiveAvgPoolNd() | _AdaptiveMaxPoolNd() if spatial:
                sizes = list(zip(inputs[2:], outputs[2:], strict=True))
                windows = tuple(before // after for before, after in sizes)
                # Where the sizes do not divide, the windows differ from one another.
                reach = (windows, windows) if all(before % after == 0 for before, after in sizes) else None
            case nn.Linear() if len(inputs) == 2:
                reach = self.grid, ones
            case nn.Flatten() if len(outputs) == 2:
                reach = ones, ones
            case _BatchNorm() if layer.running_mean is not None:
                reach = ones, ones
        return reach

    def _axes(self, value: int | Sequence[int]) -> tuple[int, ...]:
        return (value,) * len(self.grid) if isinstance(value, int) else tuple(value)


def _span(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """How many positions lie between the ends of a window, ends included."""
    return tuple(1 + (size - 1) * step for size, step in zip(kernel, dilation, strict=True))
