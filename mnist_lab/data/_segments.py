"""Which pixels of ink belong to one digit, and in which order digits are read."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

MOST = 2000  # digits
PALE = 0.75  # of the darkness of ink; what is paler and at the edge of the picture is the end of a shadow
DASH = 6  # what is wider than this many times its height is no digit
SMALLEST = 10  # pixels of the longer side of a digit

Boxes = NDArray[np.int64]  # left, top, right, bottom, (N, 4)


def digits_in(
    mask: NDArray[np.bool_], darkness: NDArray[np.float32], edge: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], int]:
    """Number the digits in a mask of ink in reading order.

    Parameters
    ----------
    mask
        The pixels of ink, (H, W).
    darkness
        How dark each pixel is, 1 for ink, (H, W).
    edge
        The pixels at the edge of the picture, (H, W).

    Returns
    -------
    tuple
        At each pixel the number of its digit, from 1, or 0, (H, W); and how many digits there are.

    Raises
    ------
    ValueError
        If there are more than 2,000 strokes.
    """
    pieces, count = ndimage.label(mask, np.ones((3, 3)))
    boxes, every = _boxes(pieces), np.arange(1, count + 1)
    at_edge = np.asarray(ndimage.maximum(edge, pieces, every), bool)
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    pale = np.asarray(ndimage.maximum(darkness, pieces, every)) < PALE
    kept = np.flatnonzero(_are_strokes(boxes, areas, at_edge, max(mask.shape)) & ~(at_edge & pale))
    if len(kept) > MOST:
        raise ValueError(f"picture: expected at most {MOST} digits, got {len(kept)} strokes; a page of text?")
    owner = np.zeros(len(boxes) + 1, np.int32)  # of each piece its digit, 0 for specks
    if len(kept):
        owner[kept + 1] = 1 + _one_digit(boxes[kept])
        digits = _boxes(owner[pieces])
        width, height = _sides(digits)
        order = np.flatnonzero(width < DASH * height)
        order = order[reading_order(digits[order])]
        rank = np.zeros(len(digits) + 1, np.int32)
        rank[1 + order] = np.arange(1, len(order) + 1)
        owner = rank[owner]
    return owner[pieces], int(owner.max(initial=0))


def windows(numbers: NDArray[np.int32]) -> Iterator[tuple[tuple[slice, slice], NDArray[np.bool_]]]:
    """For each digit the window that holds it, and which pixels of the window are its own."""
    for number, window in enumerate(ndimage.find_objects(numbers), start=1):
        yield window, numbers[window] == number


def boxes_in(
    shape: tuple[int, ...], size: tuple[int, int], numbers: NDArray[np.int32], angle: float
) -> NDArray[np.int64]:
    """The boxes of digits, left, top, right, bottom, in a picture of another size that was turned by an angle."""
    turn, boxes = np.deg2rad(angle), []
    for (down, across), mine in windows(numbers):
        rows, columns = np.nonzero(mine)
        y = rows + down.start + 0.5 - numbers.shape[0] / 2
        x = columns + across.start + 0.5 - numbers.shape[1] / 2
        x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
        x, y = x + shape[1] / 2, y + shape[0] / 2
        boxes.append((x.min() - 0.5, y.min() - 0.5, x.max() + 0.5, y.max() + 0.5))
    scale = np.tile(np.array(size) / shape[::-1], 2)
    return np.clip(np.rint(np.array(boxes) * scale), 0, np.tile(size, 2)).astype(np.int64)


def _boxes(pieces: NDArray[np.int32]) -> Boxes:
    found = [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(pieces)]
    return np.array(found, np.int64).reshape(-1, 4)


def _sides(boxes: Boxes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]


def _are_strokes(boxes: Boxes, areas: NDArray[np.int64], at_edge: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """Neither specks nor the edge of the paper on what lies below it."""
    size = np.maximum(*_sides(boxes))
    large: NDArray[np.bool_] = size >= SMALLEST
    thin = areas < 0.02 * size * (boxes[:, 2:] - boxes[:, :2]).sum(axis=1)
    framing = (size > 0.4 * longest) & (at_edge | thin)
    if (large & ~framing).sum() >= 3:
        large &= ~framing
    if not large.any():
        return large
    order = np.flatnonzero(large)[np.argsort(size[large])]
    ink = np.cumsum(areas[order])
    typical = size[order][np.searchsorted(ink, ink[-1] / 2)]  # half of the ink is in smaller strokes
    large &= size > np.where(at_edge, 0.5, 0.25) * typical
    return large


def _one_digit(boxes: Boxes) -> NDArray[np.int32]:
    """For each stroke the number of the digit that it is a part of.

    Strokes are one digit if one lies mostly within the box of the other. A low stroke, such as the bar of a 5, belongs
    to the nearest one above or below it.
    """
    left, top, right, bottom = (side[:, None] for side in boxes.T)
    width, height = (side[:, None] for side in _sides(boxes))
    across = np.minimum(right, right.T) - np.maximum(left, left.T)  # the overlap; negative for a gap
    down = np.minimum(bottom, bottom.T) - np.maximum(top, top.T)
    area = np.minimum(width * height, (width * height).T)
    within = np.maximum(across, 0) * np.maximum(down, 0) > 0.5 * area
    typical = np.median(np.maximum(width, height))
    joined = np.maximum(bottom, bottom.T) - np.minimum(top, top.T)
    close = (across > 0.3 * np.minimum(width, width.T)) & (joined < 1.5 * np.maximum(height, height.T))
    gap = np.where(close & ~np.eye(len(boxes), dtype=bool), -down, np.inf)
    nearest = gap == gap.min(axis=1, keepdims=True)
    bar = (height < 0.5 * typical) & nearest & (gap < 0.3 * typical)
    digit: NDArray[np.int32] = connected_components(coo_array(within | bar), directed=False)[1]
    return digit


def reading_order(boxes: Boxes) -> NDArray[np.int64]:
    """The order of boxes in rows, from the top, and in a row from the left.

    A box continues the row whose last box it overlaps most in height, as far as it lies to its right.
    """
    rows: list[list[int]] = []
    middle = (boxes[:, 1] + boxes[:, 3]) / 2
    for index in np.argsort(boxes[:, 0]):
        heights = [min(boxes[row[-1], 3], boxes[index, 3]) - max(boxes[row[-1], 1], boxes[index, 1]) for row in rows]
        best = int(np.argmax(heights)) if rows else 0
        if rows and heights[best] > 0.3 * min(_sides(boxes)[1][[rows[best][-1], index]]):
            rows[best].append(int(index))
        else:
            rows.append([int(index)])
    rows.sort(key=lambda row: np.mean(middle[row]))
    return np.array([index for row in rows for index in row], np.int64)
