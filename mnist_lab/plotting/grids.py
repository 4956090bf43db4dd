"""Many small images in one picture, all on one fixed scale."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from mnist_lab._utils.checks import check_images, check_integer, check_sequence, check_tensor, check_text
from mnist_lab.plotting.charts import check_limits

WIDTH = 6.0  # inches, as wide as a phone can show


def montage(
    images: Tensor,
    *,
    title: str,
    unit: str,
    limits: tuple[float, float],
    colours: str = "gray",
    columns: int = 8,
    captions: Sequence[str] = (),
    rows_named: Sequence[str] = (),
    columns_named: Sequence[str] = (),
    gap: int = 1,
) -> Figure:
    """Draw many small images in rows, on one scale, with a colour bar.

    Parameters
    ----------
    images
        Images (N, height, width), row by row.
    title
        Of the figure.
    unit
        What the colours stand for: the label of the colour bar.
    limits
        The values at the two ends of the colours.
    colours
        The name of a colour map.
    columns
        Images a row.
    captions
        A text above each image.
    rows_named, columns_named
        A text before each row, and above each column.
    gap
        Pixels between two images.

    Returns
    -------
    Figure
        One picture.

    Examples
    --------
    >>> import torch
    >>> figure = montage(torch.rand(12, 3, 3), title="Random", unit="weight", limits=(0, 1), columns=6)
    >>> plt.close(figure)
    """
    height, width = check_tensor(images, "images", "N", "H", "W").shape[1:]
    _check_looks(title, unit, limits, colours, rows_named, columns_named)
    check_integer(columns, "columns", low=1)
    check_integer(gap, "gap", low=0)
    if check_sequence(captions, "captions", check_text) > len(images):
        raise ValueError(f"captions: expected at most {len(images)} of them, one an image, got {len(captions)}")
    rows = -(-len(images) // columns)
    above = gap + (0 if not captions else max(1, round(0.34 * width * columns / 8)))
    shape = (rows * (height + above) - above) / (columns * (width + gap) - gap)
    wide = WIDTH * (0.88 if rows_named else 0.98)
    figure = plt.figure(figsize=(WIDTH, 1.05 + (0.2 if captions else 0) + wide * shape), layout="constrained")
    axes = figure.add_subplot()
    picture = _tiles(axes, images, columns, limits, colours, gap, above)
    for index, caption in enumerate(captions):
        row, column = divmod(index, columns)
        place = column * (width + gap) + (width - 1) / 2, row * (height + above) - 0.5
        axes.annotate(caption, place, xytext=(0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=8)
    _name(axes, rows_named, columns_named, (height, width), gap, above)
    axes.set_title(title, pad=18 if captions else 6)
    figure.colorbar(picture, ax=axes, label=unit, location="bottom", shrink=0.7, aspect=40, pad=0.02)
    return figure


def beside_digits(
    digits: Tensor,
    maps: Tensor,
    *,
    title: str,
    unit: str,
    limits: tuple[float, float] = (0, 1),
    colours: str = "viridis",
    rows_named: Sequence[str] = (),
    columns_named: Sequence[str] = (),
) -> Figure:
    """Draw digits in a column, and beside each a row of maps that belong to it, all maps on one scale.

    Parameters
    ----------
    digits
        Images (rows, 1, 28, 28) in 0..255.
    maps
        Maps (rows, columns, height, width).
    title
        Of the figure.
    unit
        What the colours of the maps stand for.
    limits
        The values at the two ends of the colours.
    colours
        The name of a colour map.
    rows_named, columns_named
        A text before each row, and above each column of maps.

    Returns
    -------
    Figure
        The digits left, the maps right.

    Examples
    --------
    >>> import torch
    >>> figure = beside_digits(torch.zeros(2, 1, 28, 28), torch.rand(2, 3, 14, 14), title="Maps", unit="activation")
    >>> plt.close(figure)
    """
    check_images(digits, "digits", empty=False)
    rows, columns, height, width = check_tensor(maps, "maps", len(digits), "columns", "H", "W").shape
    _check_looks(title, unit, limits, colours, rows_named, columns_named)
    gap = 1 + width // 14
    digit_gap = round(gap * 28 / width)  # so that the rows of the two pictures lie side by side
    ratios = [1, columns * (1 + gap / width) - gap / width]
    shape = rows * (1 + gap / width) / (sum(ratios) + 0.4)
    figure = plt.figure(figsize=(WIDTH, 1.25 + WIDTH * shape * (0.9 if rows_named else 1)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=ratios)
    _tiles(left, digits[:, 0], 1, (0, 255), "gray", digit_gap, digit_gap)
    _name(left, rows_named, ["digit"], (28, 28), digit_gap, digit_gap)
    picture = _tiles(right, maps.flatten(0, 1), columns, limits, colours, gap, gap)
    _name(right, (), columns_named, (height, width), gap, gap)
    figure.suptitle(title)
    figure.colorbar(picture, ax=[left, right], label=unit, location="bottom", shrink=0.7, aspect=40, pad=0.02)
    return figure


def _check_looks(
    title: object, unit: object, limits: object, colours: object, rows_named: object, columns_named: object
) -> None:
    check_text(title, "title")
    check_text(unit, "unit")
    check_limits(limits)
    check_text(colours, "colours")
    if colours not in colormaps:
        raise ValueError(f"colours: expected the name of a colour map of matplotlib's, got {colours!r}")
    check_sequence(rows_named, "rows_named", check_text)
    check_sequence(columns_named, "columns_named", check_text)


def _tiles(
    axes: Axes, images: Tensor, columns: int, limits: tuple[float, float], colours: str, gap: int, above: int
) -> AxesImage:
    """The images as one picture, `gap` pixels apart in a row and `above` pixels between rows."""
    count, height, width = images.shape
    rows = -(-count // columns)
    canvas = np.full((rows * (height + above) - above, columns * (width + gap) - gap), np.nan)
    for index, image in enumerate(images.detach().cpu().numpy()):
        row, column = divmod(index, columns)
        top, left = row * (height + above), column * (width + gap)
        canvas[top : top + height, left : left + width] = image
    colour_map = plt.get_cmap(colours).with_extremes(bad="white")  # between the images
    picture = axes.imshow(canvas, cmap=colour_map, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return picture


def _name(axes: Axes, rows: Sequence[str], columns: Sequence[str], size: tuple[int, int], gap: int, above: int) -> None:
    height, width = size
    axes.tick_params(length=0, labelsize=9, labeltop=True, labelbottom=False)
    axes.set_xticks([column * (width + gap) + (width - 1) / 2 for column in range(len(columns))], columns)
    axes.set_yticks([row * (height + above) + (height - 1) / 2 for row in range(len(rows))], rows)
