"""How people write the ten digits: the strokes of the pen, as points that a smooth line runs through.

The drawings are this library's own. A family holds drawings of one kind, with like points in like order, so that
whatever lies between two of them is such a digit too.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from mnist_lab.data.synthetic.drawings import DRAWINGS

SEGMENTS = 44  # straight pieces of a digit's line: each is about a pixel and a half long


@dataclass(frozen=True, eq=False)
class Family:
    """Drawings of one kind.

    Parameters
    ----------
    share
        Of its class, in percent.
    strokes
        What the pen does: the positions of its points, stroke by stroke and in each from corner to corner.
    points
        The drawings' points, float32 (drawings, points, 2) in 0..1.
    """

    share: int
    strokes: tuple[tuple[tuple[int, ...], ...], ...]
    points: Tensor

    @cached_property
    def segments(self) -> Tensor:
        """Weights of the points in both ends of every segment, float32 (2, SEGMENTS, points).

        The line is a Catmull-Rom spline: it runs through its points, each in the direction from the point before to
        the point behind. Segments are spread over the strokes as evenly as they go.
        """
        middle = self.points.mean(dim=0).tolist()
        spans = [(piece, index) for stroke in self.strokes for piece in stroke for index in range(len(piece) - 1)]
        lengths = [math.dist(middle[piece[index]], middle[piece[index + 1]]) for piece, index in spans]
        ends: list[list[list[float]]] = [[], []]
        for (piece, index), count in zip(spans, _shares(lengths, SEGMENTS), strict=True):
            rows = [_spline(piece, index, step / count, len(middle)) for step in range(count + 1)]
            for start, end in pairwise(rows):
                ends[0].append(start)
                ends[1].append(end)
        return torch.tensor(ends)


def _parse(share: int, drawings: tuple[str, ...]) -> Family:
    """A family from the text above."""
    points, strokes = [], []
    for drawing in drawings:
        points.append(
            [
                [float(number) / 100 for number in point.rstrip("|").split(",")]
                for point in drawing.replace("/", " ").split()
            ]
        )
        strokes.append(_structure(drawing))
    if len(set(strokes)) > 1:
        raise ValueError(f"drawings of one family: expected like strokes in each, got {drawings}")
    return Family(share, strokes[0], torch.tensor(points))


def _structure(drawing: str) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Positions of the points by stroke and by piece between corners."""
    position, strokes = 0, []
    for stroke in drawing.split("/"):
        pieces: list[list[int]] = [[]]
        for point in stroke.split():
            pieces[-1].append(position)
            if point.endswith("|"):
                pieces.append([position])
            position += 1
        strokes.append(tuple(map(tuple, pieces)))
    return tuple(strokes)


def _shares(lengths: list[float], total: int) -> list[int]:
    """Whole numbers, at least one for each length and `total` together, in proportion as nearly as may be."""
    counts = [1] * len(lengths)
    for _ in range(total - len(lengths)):
        longest = max(range(len(lengths)), key=lambda index: lengths[index] / counts[index])
        counts[longest] += 1
    return counts


def _spline(piece: tuple[int, ...], index: int, t: float, count: int) -> list[float]:
    """Weights of all `count` points at `t`, 0..1, between the point at `index` of the piece and the next."""
    weights = [0.0] * count
    basis = (
        (-t + 2 * t * t - t * t * t) / 2,
        (2 - 5 * t * t + 3 * t * t * t) / 2,
        (t + 4 * t * t - 3 * t * t * t) / 2,
        (t * t * t - t * t) / 2,
    )
    for offset, weight in zip((-1, 0, 1, 2), basis, strict=True):
        place = index + offset
        if 0 <= place < len(piece):
            weights[piece[place]] += weight
        elif place < 0:  # before the first point the line goes straight on
            weights[piece[0]] += 2 * weight
            weights[piece[1]] -= weight
        else:
            weights[piece[-1]] += 2 * weight
            weights[piece[-2]] -= weight
    return weights


FAMILIES = tuple(tuple(_parse(share, drawings) for share, drawings in digit) for digit in DRAWINGS)
