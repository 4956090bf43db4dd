"""Evaluating a network only where a small change of its input can reach.

A patch on an image changes a few pixels. Each convolution and each pooling carries the change a little further, and
what it has reached is its footprint: for a patch of 5x5 pixels 7x7 outputs of the first convolution, then 4x4 after
its pooling. Everywhere else the network computes what it computes for the image without a patch. So that is computed
once, and for each patch only a window that holds its footprint.
"""

from dataclasses import dataclass
from typing import Any, Self, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_lab.model import Standardize

POINTWISE = (nn.BatchNorm2d, nn.Dropout, nn.Identity, nn.ReLU, Standardize)  # each output depends on one pixel
LOCAL = (nn.AvgPool2d, nn.Conv2d, nn.MaxPool2d)  # each output depends on a square of pixels

BLOCK = 112  # windows at once: few enough for what a layer makes of them to stay in a core's cache


@dataclass(frozen=True)
class Windows:
    """Windows of one size, one a patch, on a map of features.

    Parameters
    ----------
    starts
        First row and first column of each, int64 (P, 2).
    size
        Rows and columns of all of them.
    """

    starts: Tensor
    size: tuple[int, int]


def supported(model: nn.Module) -> TypeGuard[nn.Sequential]:
    """Whether a network is a plain chain of layers whose footprints are known here.

    >>> supported(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 10)))
    True
    >>> supported(nn.Sequential(nn.Conv2d(1, 4, 3, padding_mode="circular"), nn.Flatten(), nn.Linear(3136, 10)))
    False
    """
    if not isinstance(model, nn.Sequential) or type(model).forward is not nn.Sequential.forward:
        return False
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        return False  # they want to see, or to change, whole outputs
    layers = list(model)
    flatten = next((place for place, layer in enumerate(layers) if type(layer) is nn.Flatten), len(layers))
    if [type(layer) for layer in layers[flatten : flatten + 2]] != [nn.Flatten, nn.Linear]:
        return False
    # Standardize takes whole images alone, so it has to come before the first window is cut out.
    first = next((place for place, layer in enumerate(layers) if type(layer) in LOCAL), flatten)
    return all(
        _is_local(layer) or (_is_pointwise(layer) and (place < first or type(layer) is not Standardize))
        for place, layer in enumerate(layers[:flatten])
    )


def _is_pointwise(layer: nn.Module) -> bool:
    # Batch normalization without running statistics takes those of the batch, so that every output depends on all.
    return type(layer) in POINTWISE and getattr(layer, "track_running_stats", True)


def _is_local(layer: nn.Module) -> bool:
    if type(layer) is nn.Conv2d:
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if type(layer) is nn.MaxPool2d:
        plain = layer.dilation in (1, (1, 1)) and not layer.return_indices
    else:
        plain = type(layer) is nn.AvgPool2d
    return plain and layer.padding in (0, (0, 0)) and not layer.ceil_mode


class Footprints:
    """A network, and where a change within some windows of its input reaches.

    Parameters
    ----------
    model
        A network that is :func:`supported`, in evaluation mode for as long as this is in use.
    changed
        Where the input may change, one window a patch.
    shape
        Rows and columns of the input.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 10))
    >>> corner = Windows(torch.tensor([[0, 0]]), (2, 2))
    >>> image, changed = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    >>> changed[:, :, :2, :2] = 1
    >>> with torch.no_grad():
    ...     torch.allclose(Footprints(network, corner, (8, 8)).logits(image, changed), network(changed), atol=1e-6)
    True
    """

    def __init__(self, model: nn.Sequential, changed: Windows, shape: tuple[int, int]) -> None:
        layers = list(model)
        flatten = next(place for place, layer in enumerate(layers) if type(layer) is nn.Flatten)
        self._layers = layers[:flatten]
        held = Windows(torch.zeros_like(changed.starts), shape)  # to begin with, a window is the whole image
        self._rows: list[tuple[Tensor, ...] | None] = []  # for each layer, by block
        for layer in self._layers:
            if type(layer) in POINTWISE:
                self._rows.append(None)
                continue
            vertical, horizontal = _Span.of(layer, 0), _Span.of(layer, 1)
            outputs = vertical.count(shape[0]), horizontal.count(shape[1])
            rows, height = vertical.reached(changed.starts[:, 0], changed.size[0], outputs[0])
            columns, width = horizontal.reached(changed.starts[:, 1], changed.size[1], outputs[1])
            needed = vertical.needed(rows, height), horizontal.needed(columns, width)
            self._rows.append(_rows(*needed, held, shape).split(BLOCK))
            held = changed = Windows(torch.stack([rows, columns], dim=1), (height, width))
            shape = outputs
        first, self._rest = layers[flatten + 1], nn.Sequential(*layers[flatten + 2 :])
        assert isinstance(first, nn.Linear)  # since the network is supported
        self._first = first
        self._weight = first.weight.unflatten(1, (-1, *shape)).permute(0, 2, 3, 1).contiguous()  # (out, H, W, C)
        # Windows that start at the same place meet the same weights: one product serves all of them.
        self._groups = []
        for start in held.starts.unique(dim=0):
            row, column = int(start[0]), int(start[1])
            part = (slice(None), slice(row, row + held.size[0]), slice(column, column + held.size[1]))
            members = (held.starts == start).all(dim=1).nonzero()[:, 0]
            self._groups.append((members, part))

    def logits(self, image: Tensor, changed: Tensor) -> Tensor:
        """The network's outputs for many changes of one image.

        Parameters
        ----------
        image
            The image, (1, C, H, W).
        changed
            The image changed within each of the windows, (P, C, H, W).

        Returns
        -------
        Tensor
            What ``model(changed)`` is, but for rounding.
        """
        maps = [image]
        for layer in self._layers:
            maps.append(layer(maps[-1]))
        blocks = [self._convolved(number, maps, windows) for number, windows in enumerate(changed.split(BLOCK))]
        return self._classified(maps[-1], torch.cat(blocks))

    def _convolved(self, block: int, maps: list[Tensor], windows: Tensor) -> Tensor:
        """What the layers before the fully connected ones make of a block of windows."""
        for layer, unchanged, rows in zip(self._layers, maps, self._rows, strict=False):
            windows = layer(windows) if rows is None else _local(layer, unchanged, windows, rows[block])
        return windows

    def _classified(self, image: Tensor, windows: Tensor) -> Tensor:
        """What the fully connected layers make of them; of the first, only what the change adds is computed."""
        outputs = self._first(image.flatten(1)).repeat(len(windows), 1)
        image, windows = image.permute(0, 2, 3, 1), windows.permute(0, 2, 3, 1)
        for members, part in self._groups:
            change = windows[members] - image[part]
            outputs[members] += functional.linear(change.flatten(1), self._weight[part].flatten(1))
        logits: Tensor = self._rest(outputs)
        return logits


@dataclass(frozen=True)
class _Span:
    """What a layer's output depends on, along one axis: `reach` inputs, `stride` further for the next output."""

    reach: int
    stride: int
    padding: int

    @classmethod
    def of(cls, layer: Any, axis: int) -> Self:  # torch types a convolution's settings differently from a pooling's
        kernel, stride, padding, dilation = (
            value if isinstance(value, int) else value[axis]
            for value in (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
        )
        return cls(dilation * (kernel - 1) + 1, stride, padding)

    def count(self, inputs: int) -> int:
        """How many outputs there are."""
        return (inputs + 2 * self.padding - self.reach) // self.stride + 1

    def reached(self, starts: Tensor, size: int, limit: int) -> tuple[Tensor, int]:
        """The outputs that `size` inputs from `starts` on can change: where they start, and how many they are."""
        first = -(-(starts + self.padding - self.reach + 1) // self.stride)
        last = (starts + size - 1 + self.padding) // self.stride
        count = min(max(int((last - first).max()) + 1, 1), limit)
        return first.clamp(0, limit - count), count

    def needed(self, starts: Tensor, size: int) -> Tensor:
        """The inputs on which `size` outputs from `starts` on depend, (P, n); those outside of the map are padding."""
        extent = (size - 1) * self.stride + self.reach
        return starts[:, None] * self.stride - self.padding + torch.arange(extent, device=starts.device)


def _rows(rows: Tensor, columns: Tensor, held: Windows, shape: tuple[int, int]) -> Tensor:
    """Where each needed input stands in a table that has a row of channels for every place: numbers (P, n, m).

    Row 0 of the table is padding, then come the places of the unchanged map, then those of each window of a block in
    turn. A place that its window holds is taken from there, every other one from the unchanged map.
    """
    rows, columns = rows[:, :, None], columns[:, None, :]
    own_rows, own_columns = rows - held.starts[:, 0, None, None], columns - held.starts[:, 1, None, None]
    window = torch.arange(len(rows), device=rows.device)[:, None, None] % BLOCK
    unchanged = 1 + rows * shape[1] + columns
    changed = 1 + shape[0] * shape[1] + (window * held.size[0] + own_rows) * held.size[1] + own_columns
    place = torch.where(_within(own_rows, own_columns, held.size), changed, unchanged)
    return torch.where(_within(rows, columns, shape), place, 0)


def _within(rows: Tensor, columns: Tensor, shape: tuple[int, int]) -> Tensor:
    return (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])


def _local(layer: nn.Module, unchanged: Tensor, windows: Tensor, rows: Tensor) -> Tensor:
    """A convolution or a pooling, of windows as large as its outputs need, so that it has none to pad."""
    channels = unchanged.shape[1]
    table = torch.cat([unchanged.new_zeros(1, channels), _table(unchanged), _table(windows)])
    windows = table.index_select(0, rows.flatten()).view(*rows.shape, channels).permute(0, 3, 1, 2)
    if isinstance(layer, nn.Conv2d):
        return functional.conv2d(windows, layer.weight, layer.bias, layer.stride, 0, layer.dilation, layer.groups)
    outputs: Tensor = layer(windows)
    return outputs


def _table(maps: Tensor) -> Tensor:
    """Maps (N, C, H, W) as rows of channels, (N * H * W, C); no copy where they are channels-last."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
