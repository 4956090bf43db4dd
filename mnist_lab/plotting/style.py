"""What all figures share: colours, axes, images on a fixed scale, and how a page shows them.

Colours are those of Okabe and Ito, which stay apart for colour-blind eyes and on a light or a dark page.
"""

import os
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from mnist_lab._utils.checks import PIXEL_MAX, check_path, check_type
from mnist_lab._utils.messages import REPORT_VARIABLE

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#7F7F7F"
SERIES = (BLUE, ORANGE, GREEN, RED)


def axes_or_new(axes: Axes | None, *, size: tuple[float, float] = (6.0, 4.0)) -> Axes:
    """The axes that a caller passed, or those of a new figure."""
    if axes is None:
        return plt.figure(figsize=size, layout="constrained").add_subplot()
    return check_type(axes, "axes", Axes, "matplotlib's axes or None")


def figure_of(axes: Axes) -> Figure:
    """The figure that the axes are part of."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes that can be drawn into are part of one
    return figure


def draw_image(axes: Axes, image: Tensor) -> None:
    """Draw an image (1, 28, 28) on the scale of all images, 0..255."""
    axes.imshow(image.detach().squeeze(0).cpu().numpy(), cmap="gray", vmin=0, vmax=PIXEL_MAX)
    axes.set(xticks=[], yticks=[])


def image_grid(images: Tensor, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """The images in rows of `columns` on a figure 6 inches wide, each row as many times as high as a panel is wide."""
    rows = max(1, -(-len(images) // columns))
    figure = plt.figure(figsize=(6.0, 0.5 + rows * height * 6.0 / columns), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[len(images) :]:
        axes.remove()
    for axes, image in zip(panels, images, strict=False):
        draw_image(axes, image)
    return figure, panels[: len(images)]


def show(folder: str | os.PathLike[str] = "figures") -> None:
    """Show the open figures in windows; where there is no screen, save them and say where.

    A page calls this last, so that it serves as a script. In a notebook, and while the report is built, the figures
    are shown by those.

    Parameters
    ----------
    folder
        Where figures are saved if they cannot be shown, as PNG files named after the script.

    Examples
    --------
    >>> show()
    """
    folder = check_path(folder, "folder")
    if os.environ.get(REPORT_VARIABLE):
        return
    if mpl.get_backend().lower() != "agg":
        plt.show()
        return
    import __main__  # noqa: PLC0415 - whoever runs now, not when this module was imported

    name = Path(getattr(__main__, "__file__", "figure")).stem
    for number in plt.get_fignums():
        path = folder / f"{name}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        plt.figure(number).savefig(path, dpi=150)
        print(f"Figure saved: {path}")  # noqa: T201 - the user has to learn where it is
    plt.close("all")
