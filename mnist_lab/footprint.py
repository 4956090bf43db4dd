"""Evaluating a network only where a small change of its input can reach.

A patch on an image changes a few pixels. Each convolution and each pooling carries the change a little further, and
what it has reached is its footprint: for a patch of 5x5 pixels 7x7 outputs of the first convolution, then 4x4 after
its pooling. Everywhere else the network computes what it computes for the image without a patch. So that is computed
once, and for each patch only a window that holds its footprint.

The layers are taken in stages, each from a convolution up to the next. A stage gathers, for each patch, all that its
window depends on: what the stage before made of the patch, amid what it made of the image around it. Which places
these are depends on nothing but sizes, so it is worked out once for a size of the patch and kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Self, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_lab.model import Standardize

POINTWISE = (nn.BatchNorm2d, nn.Dropout, nn.Identity, nn.ReLU, Standardize)  # each output depends on one pixel
LOCAL = (nn.AvgPool2d, nn.Conv2d, nn.MaxPool2d)  # each output depends on a square of pixels

BLOCK = 112  # windows at once: few enough for what a stage makes of them to stay in a core's cache

Pair = tuple[int, int]


@dataclass(frozen=True)
class Patches:
    """Square patches of one size, one for each pair of a row and a column.

    Parameters
    ----------
    rows, columns
        Where they start. What lies outside of the image is cut off.
    size
        Their side, in pixels; at most the image's.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    size: int


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
    """A network, and where patches on its input reach.

    Parameters
    ----------
    model
        A network that is :func:`supported`, in evaluation mode for as long as this is in use.
    patches
        Where the input may change.
    shape
        Rows and columns of the input.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 10))
    >>> corner = Patches(rows=(0,), columns=(0,), size=2)
    >>> image, patched, white = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    >>> patched[:, :, :2, :2] = 1
    >>> with torch.no_grad():
    ...     torch.allclose(Footprints(network, corner, (8, 8)).logits(image, white), network(patched), atol=1e-6)
    True
    """

    def __init__(self, model: nn.Sequential, patches: Patches, shape: Pair) -> None:
        layers = list(model)
        flatten = next(place for place, layer in enumerate(layers) if type(layer) is nn.Flatten)
        first = next((place for place, layer in enumerate(layers) if type(layer) in LOCAL), flatten)
        self._before = nn.Sequential(*layers[:first])  # depends on single pixels, so it may have whole images
        self._stages = _stages(layers[first:flatten])
        dense, self._rest = layers[flatten + 1], nn.Sequential(*layers[flatten + 2 :])
        assert isinstance(dense, nn.Linear)  # since the network is supported
        self._dense = dense
        spans = tuple((_Span.of(stage, 0), _Span.of(stage, 1)) for stage in self._stages)
        self._course = _course(spans, patches, shape, dense.weight.device)
        weight = dense.weight.unflatten(1, (-1, *self._course.shape))  # (out, C, H, W)
        self._weight = weight.permute(2, 3, 1, 0).contiguous()

    def logits(self, image: Tensor, paint: Tensor) -> Tensor:
        """The network's outputs for one image behind each of the patches.

        Parameters
        ----------
        image
            The image, (1, C, H, W).
        paint
            The image of which each patch shows its part, (1, C, H, W).

        Returns
        -------
        Tensor
            What the network makes of each patched image, but for rounding, (patches, outputs), row by row.
        """
        image, paint = self._before(image), self._before(paint)
        maps = [image]
        for stage in self._stages:
            maps.append(stage(maps[-1]))
        seen, hidden = (_table(pixels)[self._course.pixels] for pixels in (image, paint))
        patches = torch.where(self._course.covered[..., None], hidden, seen)
        blocks = [self._convolved(number, maps, block) for number, block in enumerate(patches.split(BLOCK))]
        return self._classified(maps[-1], torch.cat(blocks))

    def _convolved(self, number: int, maps: list[Tensor], windows: Tensor) -> Tensor:
        """What the stages make of a block of windows (P, h, w, C)."""
        for stage, unchanged, places in zip(self._stages, maps, self._course.places, strict=False):
            windows = _staged(stage, unchanged, windows, places[number])
        return windows

    def _classified(self, image: Tensor, windows: Tensor) -> Tensor:
        """What the fully connected layers make of them; of the first, only what the change adds is computed."""
        unpatched, image = self._dense(image.flatten(1)), image[0].permute(1, 2, 0)
        rows, columns = self._course.rows, self._course.columns
        _, height, width, _ = windows.shape
        windows = windows.unflatten(0, (len(rows), len(columns)))
        outputs = windows.new_empty(len(rows), len(columns), self._dense.out_features)
        # Windows that start at the same place meet the same weights: one product serves all of them, row by row of
        # the windows, since the weights of a row lie together in memory and those of a window do not.
        for top, down in _alike(rows):
            for left, across in _alike(columns):
                part = slice(top, top + height), slice(left, left + width)
                change = (windows[down, across] - image[part]).flatten(3).flatten(0, 1)  # (P, h, w * C)
                sums = unpatched
                for row, weight in enumerate(self._weight[part].flatten(1, 2)):
                    sums = torch.addmm(sums, change[:, row], weight)
                outputs[down, across] = sums.view_as(outputs[down, across])
        logits: Tensor = self._rest(outputs.flatten(0, 1))
        return logits


def _stages(layers: list[nn.Module]) -> list[nn.Sequential]:
    """Chains of layers, each from a convolution up to the next; the first one from wherever it starts."""
    stages: list[list[nn.Module]] = []
    for layer in layers:
        if not stages or type(layer) is nn.Conv2d:
            stages.append([])
        stages[-1].append(layer)
    return [nn.Sequential(*stage) for stage in stages]


def _staged(stage: nn.Sequential, unchanged: Tensor, windows: Tensor, places: Tensor) -> Tensor:
    """A stage of all that its windows depend on, (P, h, w, C); what would be padded is there already."""
    channels = unchanged.shape[1]
    table = torch.cat([unchanged.new_zeros(1, channels), _table(unchanged), windows.reshape(-1, channels)])
    outputs = table.index_select(0, places.flatten()).view(*places.shape, channels).permute(0, 3, 1, 2)
    for layer in stage:
        if isinstance(layer, nn.Conv2d):
            weight, bias, groups = layer.weight, layer.bias, layer.groups
            outputs = functional.conv2d(outputs, weight, bias, layer.stride, 0, layer.dilation, groups)
        else:
            outputs = layer(outputs)
    return outputs.permute(0, 2, 3, 1)


def _table(maps: Tensor) -> Tensor:
    """Maps (N, C, H, W) as rows of channels, (N * H * W, C); no copy where they are channels-last."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _alike(starts: tuple[int, ...]) -> Iterator[tuple[int, slice]]:
    """Runs of one number, and where they stand.

    >>> list(_alike((0, 0, 3)))
    [(0, slice(0, 2, None)), (3, slice(2, 3, None))]
    """
    first = 0
    for start, run in groupby(starts):
        count = len(list(run))
        yield start, slice(first, first + count)
        first += count


@dataclass(frozen=True)
class _Span:
    """What an output depends on, along one axis: `reach` inputs, `stride` further for the next output."""

    reach: int = 1
    stride: int = 1
    padding: int = 0

    @classmethod
    def of(cls, stage: nn.Sequential, axis: int) -> Self:
        """The span of all the layers of a stage, of which none but the first pads."""
        span = cls()
        for layer in stage:
            if type(layer) in LOCAL:
                reach, stride, padding = _settings(layer, axis)
                span = cls(span.reach + (reach - 1) * span.stride, span.stride * stride, span.padding + padding)
        return span

    def count(self, inputs: int) -> int:
        """How many outputs there are."""
        return (inputs + 2 * self.padding - self.reach) // self.stride + 1

    def reached(self, starts: tuple[int, ...], size: int, limit: int) -> tuple[tuple[int, ...], int]:
        """The outputs that `size` inputs from `starts` on can change: where they start, and how many they are."""
        first = [-(-(start + self.padding - self.reach + 1) // self.stride) for start in starts]
        last = [(start + size - 1 + self.padding) // self.stride for start in starts]
        most = max(end - begin + 1 for begin, end in zip(first, last, strict=True))
        count = min(max(most, 1), limit)
        return tuple(min(max(begin, 0), limit - count) for begin in first), count

    def needed(self, starts: tuple[int, ...], size: int) -> Tensor:
        """The inputs on which `size` outputs from `starts` on depend, (P, n); those outside of the map are padding."""
        extent = (size - 1) * self.stride + self.reach
        return torch.tensor(starts)[:, None] * self.stride - self.padding + torch.arange(extent)


def _settings(layer: Any, axis: int) -> tuple[int, int, int]:
    """Reach, stride and padding; torch types a convolution's settings differently from a pooling's."""
    kernel, stride, padding, dilation = (
        value if isinstance(value, int) else value[axis]
        for value in (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
    )
    return dilation * (kernel - 1) + 1, stride, padding


@dataclass(frozen=True, eq=False)
class _Course:
    """Where the windows of patches lie, from the input up to the first fully connected layer.

    Parameters
    ----------
    pixels
        The input's places in each window, as rows of its table, (P, size, size).
    covered
        Which of these the patch covers: all, but where it is cut off at the border, (P, size, size).
    places
        For each stage, by block: what each window's outputs depend on, as rows of a table, (P, n, m). Row 0 of it is
        padding, then come the places of the unchanged map, then those of each window of the block in turn.
    rows, columns
        Where the windows on the last map start.
    shape
        Rows and columns of that map.
    """

    pixels: Tensor
    covered: Tensor
    places: list[tuple[Tensor, ...]]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    shape: Pair


@lru_cache(maxsize=8)
def _course(spans: tuple[tuple[_Span, _Span], ...], patches: Patches, shape: Pair, device: torch.device) -> _Course:
    size = patches.size
    rows, columns = (
        tuple(min(max(start, 0), extent - size) for start in starts)
        for starts, extent in ((patches.rows, shape[0]), (patches.columns, shape[1]))
    )
    whole = _Span()  # as if of a layer that changes nothing
    down, across = whole.needed(rows, size), whole.needed(columns, size)
    pixels = _crossed(torch.add, down * shape[1], across)
    covered = _crossed(torch.logical_and, _within(down, patches.rows, size), _within(across, patches.columns, size))

    places = []
    height = width = size
    for vertical, horizontal in spans:
        held, extent, step = (rows, columns), (height, width), shape
        shape = vertical.count(shape[0]), horizontal.count(shape[1])
        rows, height = vertical.reached(rows, height, shape[0])
        columns, width = horizontal.reached(columns, width, shape[1])
        needed = vertical.needed(rows, height), horizontal.needed(columns, width)
        places.append(_places(needed, held, extent, step).to(device).split(BLOCK))
    return _Course(pixels.to(device), covered.to(device), places, rows, columns, shape)


def _places(
    needed: tuple[Tensor, Tensor], held: tuple[tuple[int, ...], tuple[int, ...]], size: Pair, shape: Pair
) -> Tensor:
    """Where each needed input stands in a stage's table: in its window if that holds it, else in the unchanged map."""
    (rows, columns), (height, width) = needed, size
    unchanged = 1 + _crossed(torch.add, rows * shape[1], columns)
    own_rows, own_columns = rows - torch.tensor(held[0])[:, None], columns - torch.tensor(held[1])[:, None]
    window = torch.arange(len(rows) * len(columns))[:, None, None] % BLOCK
    changed = 1 + shape[0] * shape[1] + window * height * width + _crossed(torch.add, own_rows * width, own_columns)
    in_window = _crossed(torch.logical_and, _within(rows, held[0], height), _within(columns, held[1], width))
    on_map = _crossed(torch.logical_and, (rows >= 0) & (rows < shape[0]), (columns >= 0) & (columns < shape[1]))
    return torch.where(in_window, changed, torch.where(on_map, unchanged, 0))


def _within(places: Tensor, starts: tuple[int, ...], size: int) -> Tensor:
    """Which places (P, n) are among the `size` from a start on, each row of them from its own."""
    start = torch.tensor(starts)[:, None]
    return (places >= start) & (places < start + size)


def _crossed(combine: Callable[[Tensor, Tensor], Tensor], rows: Tensor, columns: Tensor) -> Tensor:
    """Each row's numbers (R, n) with each column's (K, m), as (R * K, n, m)."""
    return combine(rows[:, None, :, None], columns[None, :, None, :]).flatten(0, 1)
