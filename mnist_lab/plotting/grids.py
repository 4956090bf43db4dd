"""Many small images in one figure, all on one fixed scale."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from mnist_lab._utils.contracts import PIXEL_MAX, AtLeast, Count, Per, SomeImages, TensorOf, checked
from mnist_lab.plotting.style import WIDTH, check_order, color_map, numbers


@checked
def montage(
    images: Annotated[Tensor, TensorOf(("N", "H", "W"))],
    *,
    title: str,
    unit: str,
    limits: tuple[float, float],
    cmap: str = "gray",
    columns: Count = 8,
    captions: Sequence[str] = (),
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    gap: Annotated[int, AtLeast(0)] = 1,
) -> Figure:
    """Draw many small images in rows, on one scale, with a colour bar.

    Parameters
    ----------
    images
        Images (N, height, width), row by row.
    title
        Title of the figure.
    unit
        Label of the colour bar.
    limits
        Values at the two ends of the colour scale.
    cmap
        Name of a Matplotlib colour map.
    columns
        Images per row.
    captions
        Texts above the images, in their order; at most N.
    row_labels, column_labels
        Texts beside the rows and above the columns.
    gap
        Pixels between two images.

    Returns
    -------
    Figure
        All images in one axes, above their colour bar.

    Raises
    ------
    ValueError
        If `cmap` is unknown, the higher limit comes first, or there are more captions than images.

    Examples
    --------
    >>> import torch
    >>> figure = montage(torch.rand(12, 3, 3), title="Random", unit="weight", limits=(0, 1), columns=6)
    >>> plt.close(figure)
    """
    check_order(limits)
    shades = color_map(cmap)
    if len(captions) > len(images):
        raise ValueError(f"captions: expected at most {len(images)}, one per image, got {len(captions)}")
    height, width = images.shape[1:]
    rows = -(-len(images) // columns)
    above = gap + (0 if not captions else max(1, round(0.34 * width * columns / 8)))
    shape = (rows * (height + above) - above) / (columns * (width + gap) - gap)
    wide = WIDTH * (0.88 if row_labels else 0.98)
    figure = plt.figure(figsize=(WIDTH, 1.05 + (0.2 if captions else 0) + wide * shape), layout="constrained")
    axes = figure.add_subplot()
    picture = _draw_tiles(axes, images, columns, limits, shades, gap, above)
    for index, caption in enumerate(captions):
        row, column = divmod(index, columns)
        place = column * (width + gap) + (width - 1) / 2, row * (height + above) - 0.5
        axes.annotate(caption, place, xytext=(0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=8)
    _label_tiles(axes, row_labels, column_labels, (height, width), gap, above)
    axes.set_title(title, pad=18 if captions else 6)
    _draw_color_bar(figure, picture, [axes], unit)
    return figure


@checked
def beside_digits(
    digits: SomeImages,
    maps: Annotated[Tensor, TensorOf(("N", "columns", "H", "W")), Per("digits")],
    *,
    title: str,
    unit: str,
    limits: tuple[float, float] = (0, 1),
    cmap: str = "viridis",
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> Figure:
    """Draw each digit beside a row of its maps, all maps on one scale.

    Parameters
    ----------
    digits
        Images (N, 1, 28, 28) in 0..255.
    maps
        Maps (N, columns, height, width), such as activations or occlusion maps.
    title
        Title of the figure.
    unit
        Label of the colour bar of the maps.
    limits
        Values at the two ends of the colour scale of the maps.
    cmap
        Name of a Matplotlib colour map for the maps.
    row_labels, column_labels
        Texts beside the rows and above the columns of maps.

    Returns
    -------
    Figure
        The digits on the left, the maps on the right.

    Raises
    ------
    ValueError
        If `cmap` is unknown, or the higher limit comes first.

    Examples
    --------
    >>> import torch
    >>> figure = beside_digits(torch.zeros(2, 1, 28, 28), torch.rand(2, 3, 14, 14), title="Maps", unit="activation")
    >>> plt.close(figure)
    """
    check_order(limits)
    shades = color_map(cmap)
    rows, columns, height, width = maps.shape
    gap = 1 + width // 14
    digit_gap = round(gap * 28 / width)  # aligns the rows of the two pictures
    ratios = [1, columns * (1 + gap / width) - gap / width]
    shape = rows * (1 + gap / width) / (sum(ratios) + 0.4)
    figure = plt.figure(figsize=(WIDTH, 1.25 + WIDTH * shape * (0.9 if row_labels else 1)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=ratios)
    _draw_tiles(left, digits[:, 0], 1, (0, PIXEL_MAX), color_map("gray"), digit_gap, digit_gap)
    _label_tiles(left, row_labels, ["digit"], (28, 28), digit_gap, digit_gap)
    picture = _draw_tiles(right, maps.flatten(0, 1), columns, limits, shades, gap, gap)
    _label_tiles(right, (), column_labels, (height, width), gap, gap)
    figure.suptitle(title)
    _draw_color_bar(figure, picture, [left, right], unit)
    return figure


@checked
def image_table(
    images: Annotated[Tensor, TensorOf(("R", "C", 1, 28, 28), low=0, high=PIXEL_MAX)],
    *,
    title: str,
    row_labels: Sequence[object],
    column_labels: Sequence[object],
    xlabel: str,
    ylabel: str,
) -> Figure:
    """Draw a table of images on the scale 0..255, with labelled rows and columns.

    Parameters
    ----------
    images
        Images (R, C, 1, 28, 28) in 0..255.
    title
        Title of the figure.
    row_labels, column_labels
        Labels of the R rows and of the C columns: numbers or texts.
    xlabel, ylabel
        What the column labels and the row labels are.

    Returns
    -------
    Figure
        All images in one axes.

    Raises
    ------
    ValueError
        If there is not one label per row and per column.

    Examples
    --------
    >>> import torch
    >>> images = torch.zeros(2, 3, 1, 28, 28)
    >>> figure = image_table(
    ...     images, title="Black", row_labels=[0, 1], column_labels=range(3), xlabel="target", ylabel="seed"
    ... )
    >>> plt.close(figure)
    """
    rows, columns = images.shape[:2]
    for name, labels, count in (("row_labels", row_labels, rows), ("column_labels", column_labels, columns)):
        if len(labels) != count:
            raise ValueError(f"{name}: expected {count}, got {len(labels)}")
    figure, axes = plt.subplots(figsize=(WIDTH, 0.9 + 0.9 * WIDTH * rows / columns), layout="constrained")
    _draw_tiles(axes, images[:, :, 0].flatten(0, 1), columns, (0, PIXEL_MAX), color_map("gray"), 1, 1)
    _label_tiles(axes, list(map(str, row_labels)), list(map(str, column_labels)), (28, 28), 1, 1)
    axes.tick_params(labeltop=False, labelbottom=True)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    return figure


def _draw_tiles(
    axes: Axes, images: Tensor, columns: int, limits: tuple[float, float], cmap: Colormap, gap: int, above: int
) -> AxesImage:
    """The images as one picture, `gap` pixels apart in a row and `above` pixels between rows."""
    count, height, width = images.shape
    rows = -(-count // columns)
    canvas = np.full((rows * (height + above) - above, columns * (width + gap) - gap), np.nan)
    for index, image in enumerate(numbers(images)):
        row, column = divmod(index, columns)
        top, left = row * (height + above), column * (width + gap)
        canvas[top : top + height, left : left + width] = image
    picture = axes.imshow(canvas, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return picture


def _label_tiles(
    axes: Axes, rows: Sequence[str], columns: Sequence[str], size: tuple[int, int], gap: int, above: int
) -> None:
    height, width = size
    axes.tick_params(length=0, labelsize=9, labeltop=True, labelbottom=False)
    axes.set_xticks([column * (width + gap) + (width - 1) / 2 for column in range(len(columns))], columns)
    axes.set_yticks([row * (height + above) + (height - 1) / 2 for row in range(len(rows))], rows)


def _draw_color_bar(figure: Figure, picture: AxesImage, axes: Sequence[Axes], unit: str) -> None:
    bar = figure.colorbar(picture, ax=axes, label=unit, location="bottom", shrink=0.7, aspect=40, pad=0.02)
    # A map of few colours stands for classes, each of which needs a tick; elsewhere more than five may overlap.
    bar.ax.xaxis.set_major_locator(MaxNLocator(10 if picture.get_cmap().N <= 20 else 5))
