"""What all figures share: colours, line styles, images on a fixed scale, and tensors as drawable arrays.

The colours are those of Okabe and Ito, which colour-blind readers can tell apart on a light or a dark page.
"""

import numpy as np
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from mnist_lab._utils.contracts import PIXEL_MAX, describe

WIDTH = 6.0  # inches; wider figures would be unreadable on a phone
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#7F7F7F"
# Each series differs in colour, line and marker.
SERIES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (RED, ":", "D"))
Limits = tuple[float | None, float | None]


def numbers(values: Tensor) -> NDArray[np.float64]:
    """The values of a tensor as an array; NumPy has no bfloat16, and Matplotlib draws no gradients.

    >>> import torch
    >>> numbers(torch.tensor([0.5], dtype=torch.bfloat16))
    array([0.5])
    """
    return values.detach().cpu().double().numpy()


def color_map(cmap: str) -> Colormap:
    """A colour map by its name, with white for missing values."""
    if cmap not in colormaps:
        raise ValueError(f"cmap: expected the name of a Matplotlib colour map, got {describe(cmap)}")
    return colormaps[cmap].with_extremes(bad="white")


def check_order(limits: Limits) -> None:
    """Raise unless the lower limit comes first; an open limit is None."""
    low, high = limits
    if low is not None and high is not None and low > high:
        raise ValueError(f"limits: expected the lower value first, got {low:g} and {high:g}")


def draw_image(axes: Axes, image: Tensor) -> None:
    """Draw an image (1, 28, 28) on the scale of all images, 0..255."""
    axes.imshow(numbers(image.squeeze(0)), cmap="gray", vmin=0, vmax=PIXEL_MAX)
    axes.set(xticks=[], yticks=[])


def image_grid(images: Tensor, columns: int, aspect: float) -> tuple[Figure, list[Axes]]:
    """A figure with one panel per image, `columns` per row; `aspect` is a panel's height divided by its width."""
    rows = max(1, -(-len(images) // columns))
    figure = plt.figure(figsize=(WIDTH, 0.5 + rows * aspect * WIDTH / columns), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[len(images) :]:
        axes.remove()
    for axes, image in zip(panels, images, strict=False):
        draw_image(axes, image)
    return figure, panels[: len(images)]


def log_scale(axes: Axes) -> None:
    """Make the vertical axis logarithmic, unless no line has a positive value: Matplotlib would warn of that."""
    if any((np.asarray(line.get_ydata()) > 0).any() for line in axes.lines):
        axes.set_yscale("log")


def percent(probability: float) -> str:
    """A probability that is never rounded to certainty.

    >>> percent(0.99999), percent(0.5)
    ('>99.9%', '50.0%')
    """
    return ">99.9%" if probability > 0.999 else f"{probability:.1%}"
