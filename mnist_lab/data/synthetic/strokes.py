"""How people write the ten digits: the strokes of the pen, as points joined by a smooth line.

The drawings are this library's own. They are stored in ``strokes.json``, which describes its format. All drawings of
a family have the same strokes and the same number of points, so any mixture of two of them is such a digit too.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from itertools import pairwise

import torch
from torch import Tensor

SOURCE = (resources.files(__package__) / "strokes.json").read_bytes()
SEGMENTS = 44  # straight segments per digit; each is about 1.5 pixels long

Stroke = tuple[tuple[int, ...], ...]  # the positions of its points, from corner to corner


@dataclass(frozen=True, eq=False)
class Family:
    """Drawings of one kind.

    Parameters
    ----------
    share
        Percentage of the digit's images that are drawn from this family.
    strokes
        Positions of the points, stroke by stroke; a stroke is divided at its corners.
    points
        Coordinates of every drawing's points, float32 (drawings, points, 2) in 0..1.
    """

    share: int
    strokes: tuple[Stroke, ...]
    points: Tensor

    @cached_property
    def segments(self) -> Tensor:
        """Weights of the points at both ends of every segment, float32 (2, SEGMENTS, points).

        The line is a Catmull-Rom spline. It passes through its points; its direction at each of them is that from the
        previous point to the next. Segments are distributed over the strokes in proportion to their length.
        """
        middle = self.points.mean(dim=0).tolist()
        spans = [(piece, index) for stroke in self.strokes for piece in stroke for index in range(len(piece) - 1)]
        lengths = [math.dist(middle[piece[index]], middle[piece[index + 1]]) for piece, index in spans]
        ends: list[list[list[float]]] = [[], []]
        for (piece, index), count in zip(spans, _in_proportion(lengths, SEGMENTS), strict=True):
            rows = [_spline(piece, index, step / count, len(middle)) for step in range(count + 1)]
            for start, end in pairwise(rows):
                ends[0].append(start)
                ends[1].append(end)
        return torch.tensor(ends)


def _parse(share: int, drawings: Sequence[str]) -> Family:
    """A family from its entry in ``strokes.json``."""
    strokes = [_structure(drawing) for drawing in drawings]
    if len(set(strokes)) > 1:
        raise ValueError(f"drawings: expected the same strokes in every drawing of a family, got {drawings}")
    points = [
        [
            [float(number) / 100 for number in point.rstrip("|").split(",")]
            for point in drawing.replace("/", " ").split()
        ]
        for drawing in drawings
    ]
    return Family(share, strokes[0], torch.tensor(points))


def _structure(drawing: str) -> tuple[Stroke, ...]:
    """Positions of the points by stroke, and within a stroke by piece between corners."""
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


def _in_proportion(lengths: list[float], total: int) -> list[int]:
    """Integers that sum to `total`, at least one per length, as nearly proportional to the lengths as possible."""
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
        elif place < 0:  # the line is extended straight beyond its ends
            weights[piece[0]] += 2 * weight
            weights[piece[1]] -= weight
        else:
            weights[piece[-1]] += 2 * weight
            weights[piece[-2]] -= weight
    return weights


# FAMILIES[digit] are the families of a digit.
FAMILIES = tuple(
    tuple(_parse(family["share"], family["drawings"]) for family in families)
    for families in json.loads(SOURCE)["digits"].values()
)
