"""Where a small change of an image leads as it goes through a network: which outputs it can change, layer by layer.

It depends on nothing but sizes: of the image, the patches, the layers. So it is worked out once, as tables of places
from which ``mnist_lab/introspection/occlusion/incremental.py`` gathers what it computes with, and kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import torch
from torch import Tensor

BLOCK = 196  # patches at once: few enough for what a stage makes of them to stay in the processor's cache

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


@dataclass(frozen=True)
class Span:
    """What an output depends on, along one axis: `reach` inputs, `stride` further for the next output."""

    reach: int = 1
    stride: int = 1
    padding: int = 0

    def count(self, inputs: int) -> int:
        """How many outputs there are."""
        return (inputs + 2 * self.padding - self.reach) // self.stride + 1

    def reached(self, given: "Reached") -> "Reached":
        """The outputs that changes of the inputs can change."""
        limit = self.count(given.limit)
        firsts = (-(-(first + self.padding - self.reach + 1) // self.stride) for first in given.firsts)
        lasts = ((last + self.padding) // self.stride for last in given.lasts)
        return Reached(tuple(max(first, 0) for first in firsts), tuple(min(last, limit - 1) for last in lasts), limit)

    def needed(self, starts: Tensor, size: int) -> Tensor:
        """The inputs on which `size` outputs from `starts` (P,) on depend, (P, n), where nothing is padded."""
        return starts[:, None] * self.stride + torch.arange((size - 1) * self.stride + self.reach)


@dataclass(frozen=True, eq=False)
class Course:
    """Where the changes that patches make lie, from the input up to the first fully connected layer.

    Parameters
    ----------
    pixels
        The input's places in each window, as rows of its table, (P, size, size).
    covered
        Which of these the patch covers: all, but where it is cut off at the border, (P, size, size).
    places
        For each stage three tables of rows, each split into blocks of patches. First, which of the convolution's
        outputs each window needs, (P, n, m). Second, which change is added to each of them, (P, n, m): row 0 is no
        change, then come those of each patch of the block in turn. Third, which of the stage's outputs the window
        leads to, (P, h, w).
    touching
        For each row of the last map, the patches that can change it, and perhaps some between them.
    touched
        For each row of the last map, which change stands at each of its places: (patches, columns), as the second
        of a stage's tables.
    shape
        Rows and columns of the last map.
    """

    pixels: Tensor
    covered: Tensor
    places: list[tuple[tuple[Tensor, ...], ...]]
    touching: tuple[slice, ...]
    touched: tuple[Tensor, ...]
    shape: Pair


@lru_cache(maxsize=8)
def course_of(
    stages: tuple[tuple[tuple[Span, Span], ...], ...], patches: Patches, shape: Pair, device: torch.device
) -> Course:
    """Where the changes lie that patches on an input of this shape make.

    Parameters
    ----------
    stages
        For each stage, down and across: the spans of its convolution and of what comes behind that.
    patches
        Where the input changes.
    shape
        Rows and columns of the input.
    device
        Where the tables are kept.
    """
    axes = [
        Reached.by(starts, patches.size, limit)
        for starts, limit in ((patches.rows, shape[0]), (patches.columns, shape[1]))
    ]
    down, across = axes
    pixels = _crossed(torch.add, down.places * shape[1], across.places)
    covered = _crossed(torch.logical_and, down.changing, across.changing)

    tables = []
    for spans in stages:
        steps = [_step(*span, axis) for span, axis in zip(spans, axes, strict=True)]
        vertical, horizontal = steps
        axes = [step.result for step in steps]
        down, across = axes
        before = _crossed(torch.add, vertical.needed * horizontal.convolved, horizontal.needed)
        change = _places(vertical.change, horizontal.change, vertical.spread, horizontal.spread, BLOCK)
        after = _crossed(torch.add, down.places * across.limit, across.places)
        tables.append(tuple(table.to(device).split(BLOCK) for table in (before, change, after)))

    down, across = axes
    windows = torch.arange(down.limit) - down.starts[:, None], torch.arange(across.limit) - across.starts[:, None]
    change = _places(*windows, down.size, across.size)  # (P, rows, columns)
    touching, touched = [], []
    for row in range(down.limit):
        rows = [
            place
            for place, (first, last) in enumerate(zip(down.firsts, down.lasts, strict=True))
            if first <= row <= last
        ]
        touching.append(slice(rows[0] * len(across.firsts), (rows[-1] + 1) * len(across.firsts)) if rows else slice(0))
        touched.append(change[touching[-1], row].contiguous().to(device))
    return Course(
        pixels.to(device), covered.to(device), tables, tuple(touching), tuple(touched), (down.limit, across.limit)
    )


@dataclass(frozen=True)
class Reached:
    """Where changes lie on a map, along one axis.

    Parameters
    ----------
    firsts, lasts
        The first and the last place that each change reaches.
    limit
        How many places there are.
    """

    firsts: tuple[int, ...]
    lasts: tuple[int, ...]
    limit: int

    @classmethod
    def by(cls, starts: tuple[int, ...], size: int, limit: int) -> Self:
        """Where patches change the input."""
        lasts = (start + size - 1 for start in starts)
        return cls(tuple(max(start, 0) for start in starts), tuple(min(last, limit - 1) for last in lasts), limit)

    @property
    def size(self) -> int:
        """How many places a window has, the same for every change."""
        return max(1, *(last - first + 1 for first, last in zip(self.firsts, self.lasts, strict=True)))

    @property
    def starts(self) -> Tensor:
        """Where the windows start, (P,): at the first place that is reached, or earlier to stay on the map."""
        return torch.tensor(self.firsts).clamp(max=self.limit - self.size)

    @property
    def places(self) -> Tensor:
        """The places in each window, (P, size)."""
        return self.starts[:, None] + torch.arange(self.size)

    @property
    def changing(self) -> Tensor:
        """Which of these the change reaches, (P, size)."""
        first, last = torch.tensor(self.firsts), torch.tensor(self.lasts)
        return (self.places >= first[:, None]) & (self.places <= last[:, None])


@dataclass(frozen=True, eq=False)
class _Step:
    """What a stage makes of changes, along one axis.

    Parameters
    ----------
    needed
        The convolution's outputs on which each window depends, (P, n).
    convolved
        How many outputs the convolution has.
    change
        Which place of a convolved change stands at each of these, if any does, (P, n).
    spread
        How many places a convolved change has.
    result
        Where changes lie on the stage's map.
    """

    needed: Tensor
    convolved: int
    change: Tensor
    spread: int
    result: Reached


def _step(convolution: Span, rest: Span, given: Reached) -> _Step:
    result = rest.reached(convolution.reached(given))
    needed = rest.needed(result.starts, result.size)
    # A change is convolved in steps of one and reaches outputs beyond the map, from this one on.
    first = given.starts[:, None] + convolution.padding - convolution.reach + 1
    return _Step(
        needed=needed,
        convolved=convolution.count(given.limit),
        change=needed * convolution.stride - first,
        spread=given.size + convolution.reach - 1,
        result=result,
    )


def _places(rows: Tensor, columns: Tensor, height: int, width: int, block: int | None = None) -> Tensor:
    """Which row of a table of changes stands at given rows (R, n) and columns (K, m) of each: (R * K, n, m).

    Of a change of `height` by `width` places, that is; row 0 of the table is no change, then they come one after the
    other, from anew for each block of them.
    """
    inside = _crossed(torch.logical_and, (rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    number = torch.arange(len(inside)) % (block or len(inside))
    place = 1 + number[:, None, None] * height * width + _crossed(torch.add, rows * width, columns)
    return torch.where(inside, place, 0)


def _crossed(combine: Callable[[Tensor, Tensor], Tensor], rows: Tensor, columns: Tensor) -> Tensor:
    """Each row's numbers (R, n) with each column's (K, m), as (R * K, n, m)."""
    return combine(rows[:, None, :, None], columns[None, :, None, :]).flatten(0, 1)
