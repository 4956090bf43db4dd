"""Which outputs of each layer a patch on the image can change, as tables of indices for incremental inference.

They depend on sizes alone: of the image, the patch, the layers. So they are computed once per patch size, and cached.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import torch
from torch import Tensor

from mnist_lab.introspection.receptive_field import Window

BLOCK = 196  # patches per block: few enough for their activations to stay in the processor's cache

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Plan:
    """The indices of what patches change, from the image up to the first fully connected layer.

    Parameters
    ----------
    pixels
        Indices of the pixels in each patch's window, (P, size, size).
    covered
        Which of these the patch covers, (P, size, size). At the border a part of it is cut off.
    indices
        For each stage three index tables, each split into blocks of patches: the convolution's outputs that a window
        needs, (P, n, m); the change that is added to each of them, (P, n, m), where 0 is no change and the changes of
        the block's patches follow in order; and the outputs of the stage that the window leads to, (P, h, w).
    patches_of_row
        For each row of the last map, a slice of patches that holds all that can change it.
    changes_of_row
        For each row of the last map, the change at each of its columns, (patches, columns), as in a stage's second
        table.
    shape
        Rows and columns of the last map.
    """

    pixels: Tensor
    covered: Tensor
    indices: list[tuple[tuple[Tensor, ...], ...]]
    patches_of_row: tuple[slice, ...]
    changes_of_row: tuple[Tensor, ...]
    shape: Pair


@lru_cache(maxsize=8)
def plan_of(
    stages: tuple[tuple[tuple[Window, Window], ...], ...],
    rows: tuple[int, ...],
    columns: tuple[int, ...],
    size: int,
    shape: Pair,
    device: torch.device,
) -> Plan:
    """The plan for square patches on an image, one for each pair of a row and a column.

    Parameters
    ----------
    stages
        For each stage, along rows and along columns: the windows of its convolution and of the layers after it.
    rows, columns
        Where the patches start. What lies outside of the image is cut off.
    size
        Their side in pixels, at most the image's.
    shape
        Rows and columns of the image.
    device
        Where the tables are kept.
    """
    axes = [Interval.of_patches(starts, size, limit) for starts, limit in ((rows, shape[0]), (columns, shape[1]))]
    down, across = axes
    pixels = _crossed(torch.add, down.places * shape[1], across.places)
    covered = _crossed(torch.logical_and, down.changing, across.changing)

    tables = []
    for windows in stages:
        steps = [_step(*pair, axis) for pair, axis in zip(windows, axes, strict=True)]
        vertical, horizontal = steps
        axes = [step.result for step in steps]
        down, across = axes
        before = _crossed(torch.add, vertical.needed * horizontal.convolved, horizontal.needed)
        change = _changes(vertical.change, horizontal.change, vertical.spread, horizontal.spread, BLOCK)
        after = _crossed(torch.add, down.places * across.limit, across.places)
        tables.append(tuple(table.to(device).split(BLOCK) for table in (before, change, after)))

    down, across = axes
    inside = torch.arange(down.limit) - down.starts[:, None], torch.arange(across.limit) - across.starts[:, None]
    change = _changes(*inside, down.size, across.size)  # (P, rows, columns)
    patches_of_row, changes_of_row = [], []
    for row in range(down.limit):
        near = [
            place
            for place, (first, last) in enumerate(zip(down.firsts, down.lasts, strict=True))
            if first <= row <= last
        ]
        many = len(across.firsts)
        patches_of_row.append(slice(near[0] * many, (near[-1] + 1) * many) if near else slice(0))
        changes_of_row.append(change[patches_of_row[-1], row].contiguous().to(device))
    last = down.limit, across.limit
    return Plan(pixels.to(device), covered.to(device), tables, tuple(patches_of_row), tuple(changes_of_row), last)


@dataclass(frozen=True)
class Interval:
    """The interval of a map that each patch changes, along one axis.

    Parameters
    ----------
    firsts, lasts
        The first and the last position that each patch changes.
    limit
        Number of positions of the map.
    """

    firsts: tuple[int, ...]
    lasts: tuple[int, ...]
    limit: int

    @classmethod
    def of_patches(cls, starts: tuple[int, ...], size: int, limit: int) -> Self:
        """The intervals that the patches cover on the image."""
        lasts = (start + size - 1 for start in starts)
        return cls(tuple(max(start, 0) for start in starts), tuple(min(last, limit - 1) for last in lasts), limit)

    @property
    def size(self) -> int:
        """The length of a window that holds each interval: that of the longest."""
        return max(1, *(last - first + 1 for first, last in zip(self.firsts, self.lasts, strict=True)))

    @property
    def starts(self) -> Tensor:
        """Where the windows start, (P,): at the interval, or earlier to stay on the map."""
        return torch.tensor(self.firsts).clamp(max=self.limit - self.size)

    @property
    def places(self) -> Tensor:
        """The positions in each window, (P, size)."""
        return self.starts[:, None] + torch.arange(self.size)

    @property
    def changing(self) -> Tensor:
        """Which of these lie in the interval, (P, size)."""
        first, last = torch.tensor(self.firsts), torch.tensor(self.lasts)
        return (self.places >= first[:, None]) & (self.places <= last[:, None])


@dataclass(frozen=True, eq=False)
class _Step:
    """One stage, along one axis.

    Parameters
    ----------
    needed
        Positions of the convolution's outputs on which each window depends, (P, n).
    convolved
        Number of outputs of the convolution.
    change
        The position within the convolved change at each of these, or one outside of it, (P, n).
    spread
        Length of a convolved change.
    result
        The intervals of the stage's outputs that change.
    """

    needed: Tensor
    convolved: int
    change: Tensor
    spread: int
    result: Interval


def _step(convolution: Window, rest: Window, given: Interval) -> _Step:
    result = _changed(rest, _changed(convolution, given))
    # The inputs of the layers after the convolution: nothing is padded there.
    needed = result.starts[:, None] * rest.stride + torch.arange((result.size - 1) * rest.stride + rest.extent)
    # A change is convolved with stride 1 and its result may begin before the map.
    first = given.starts[:, None] + convolution.padding - convolution.extent + 1
    return _Step(
        needed=needed,
        convolved=convolution.count(given.limit),
        change=needed * convolution.stride - first,
        spread=given.size + convolution.extent - 1,
        result=result,
    )


def _changed(window: Window, given: Interval) -> Interval:
    """The interval of outputs that depend on an interval of inputs."""
    limit = window.count(given.limit)
    firsts = (-(-(first + window.padding - window.extent + 1) // window.stride) for first in given.firsts)
    lasts = ((last + window.padding) // window.stride for last in given.lasts)
    return Interval(tuple(max(first, 0) for first in firsts), tuple(min(last, limit - 1) for last in lasts), limit)


def _changes(rows: Tensor, columns: Tensor, height: int, width: int, block: int | None = None) -> Tensor:
    """Indices into a table of changes of `height` by `width` entries, for rows (R, n) and columns (K, m) of each.

    The result is (R * K, n, m). Index 0 is no change; the changes of a block of patches follow in order.
    """
    inside = _crossed(torch.logical_and, (rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    number = torch.arange(len(inside)) % (block or len(inside))
    place = 1 + number[:, None, None] * height * width + _crossed(torch.add, rows * width, columns)
    return torch.where(inside, place, 0)


def _crossed(combine: Callable[[Tensor, Tensor], Tensor], rows: Tensor, columns: Tensor) -> Tensor:
    """Combine the values of each row (R, n) with those of each column (K, m), as (R * K, n, m)."""
    return combine(rows[:, None, :, None], columns[None, :, None, :]).flatten(0, 1)
