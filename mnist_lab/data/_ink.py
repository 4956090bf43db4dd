"""Where ink is in a grey picture: paper, light, printed lines and noise are taken away, and the sheet is levelled.

Nothing here knows a digit.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

FAINT = 0.06  # contrast below which nothing is ink
LINE = 0.15  # where a printed line ends: at this share of the contrast of ink
EDGE = 0.35  # where a stroke ends: at this share of the contrast of ink
QUIET = 5.0  # standard deviations of the noise below which nothing is ink
COARSE = 256  # pixels of the longer side of the picture in which the paper is looked for
LARGEST_TURN, LEVEL = 12.0, 0.5  # degrees that a sheet may be turned by, and that do not matter
SHARPER = 1.05  # how much better rows have to be seen at another angle
DARK = 0.75  # at this share of the contrast of ink there is no printed line
FEW = 6  # strokes that show whether a sheet is turned


def contrast_of(grey: NDArray[np.uint8]) -> Floats:
    """The contrast of every pixel to the paper around it: 0 for paper, 1 for black ink on white or white on black."""
    light = grey.astype(np.float32) + 1
    coarse = _reduced(light, -(-max(light.shape) // COARSE))
    if _is_negative(coarse):
        light, coarse = 257 - light, 257 - coarse
    window = max(coarse.shape) // 3
    for _ in range(2):
        paper = _closed(coarse, window)
        window = max(3, min(window, round(4 * _stroke_width(1 - coarse / paper))))
    paper = _enlarged(_closed(coarse, window), light.shape)
    contrast: Floats = 1 - light / paper
    contrast -= np.median(contrast[contrast < contrast.max() / 2 + FAINT])
    return contrast


def _is_negative(light: Floats) -> bool:
    """Whether ink is lighter than paper: the few pixels that differ most from their surroundings are."""
    away = light - ndimage.gaussian_filter(light, max(light.shape) / 12, mode="nearest")
    return bool((away**3).mean() > 0)


def _closed(light: Floats, window: int) -> Floats:
    """What is darker than its surroundings and narrower than a window is filled."""
    wide = ndimage.maximum_filter(light, window, mode="nearest")
    closed: Floats = ndimage.minimum_filter(wide, window, mode="nearest")
    return closed


def _stroke_width(contrast: Floats) -> float:
    """The typical width of a stroke, in pixels."""
    mask = contrast > max(FAINT, 0.5 * contrast.max())
    labels, count = ndimage.label(np.pad(mask, 1), np.ones((3, 3)))
    inside = ndimage.distance_transform_edt(labels > 0)
    return float(2 * np.median(ndimage.maximum(inside, labels, range(1, count + 1)))) if count else 1.0


def _reduced(light: Floats, factor: int) -> Floats:
    height, width = (side // factor * factor for side in light.shape)
    blocks = light[:height, :width].reshape(height // factor, factor, width // factor, factor)
    means: Floats = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def _enlarged(coarse: Floats, shape: tuple[int, ...]) -> Floats:
    factors = [side / small for side, small in zip(shape, coarse.shape, strict=True)]
    enlarged: Floats = ndimage.zoom(coarse, factors, order=1, mode="nearest", grid_mode=True)
    return enlarged


def smoothed(contrast: Floats) -> tuple[Floats, float]:
    """The contrast, blurred as far as its noise demands, and the contrast of its ink; 0 where there is no ink."""
    for blur in (0.0, 0.7, 1.2, 2.0):
        smooth = ndimage.gaussian_filter(contrast, blur) if blur else contrast
        # The standard deviation of normal noise, from the quarter of the pixels that differ least from a neighbour:
        # lines and strokes differ more.
        noise = 2.22 * float(np.percentile(np.abs(smooth[:, 8:] - smooth[:, :-8]), 25))
        least = max(FAINT, QUIET * noise)
        above = smooth[smooth > least]
        ink = float(np.median(above[above >= _otsu(above)])) if len(above) else 0.0
        if least < EDGE * ink:
            return smooth, ink
    return smooth, 0.0


def _otsu(values: Floats) -> float:
    """The threshold that divides values into two groups as unlike as possible (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=256)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = len(values) - below
    sums = np.cumsum(counts * middles)
    apart = below * above * (sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)) ** 2
    return float(edges[1 + np.argmax(apart)])


def turned_upright(contrast: Floats, ink: float) -> tuple[Floats, Flags, float]:
    """The picture with its rows of digits or lines level, its edge, and by how many degrees it was turned for that.

    A picture of a few strokes stays as it is: they have no rows.
    """
    mask, inside = contrast > EDGE * ink, np.ones(contrast.shape, np.float32)
    strokes = ndimage.label(contrast > DARK * ink)[1]  # without the printed lines, which would join them
    angle = _angle(mask) if strokes >= FEW else 0.0
    if abs(angle) < LEVEL:
        angle = 0.0
    else:
        contrast, inside = (ndimage.rotate(values, angle, order=1) for values in (contrast, inside))
    return contrast, ~ndimage.binary_erosion(inside > 0.99, iterations=2), angle


def _angle(mask: Flags) -> float:
    """The angle, in degrees, at which rows of ink and the space between them differ most."""
    rows, columns = np.nonzero(mask)
    every = -(-len(rows) // 50_000)
    rows, columns = rows[::every], columns[::every]

    def sharpness(angle: float) -> float:
        turn = np.deg2rad(angle)
        place = rows * np.cos(turn) - columns * np.sin(turn)
        return float((np.bincount((place - place.min()).astype(int)).astype(float) ** 2).sum())

    best = 0.0
    for span, step in ((LARGEST_TURN, 1.0), (1.0, 0.25), (0.25, 0.05)):
        angles = best + np.arange(-span, span + step / 2, step)
        best = float(max(angles, key=sharpness))
    return best if sharpness(best) > SHARPER * sharpness(0.0) else 0.0


def without_lines(contrast: Floats, ink: float) -> Flags:
    """The pixels of ink, without those of ruled or squared paper: long, straight, thin, across or down."""
    mask, faint = contrast > EDGE * ink, contrast > LINE * ink
    for inked, view, values in ((mask, faint, contrast), (mask.T, faint.T, contrast.T)):
        length, thin = view.shape[1] // 4, max(3, view.shape[1] // 100)
        dense = ndimage.uniform_filter1d(view.astype(np.float32), length, axis=1, mode="nearest") > 0.75
        if dense.any():
            dense = ndimage.maximum_filter1d(dense, length, axis=1)  # up to the ends of the line
            line = dense & view & ~ndimage.binary_opening(view, np.ones((thin + 1, 1)))
            if line.any():
                line_ink = float(np.median(values[line]))
                if line_ink < DARK * ink:  # a stroke along the line is darker
                    line &= values < (line_ink + ink) / 2
                inked[line] = False
                crossed = ndimage.binary_closing(inked, np.ones((2 * thin + 1, 1)))  # strokes that cross the line
                inked[line & crossed] = True
    return mask
