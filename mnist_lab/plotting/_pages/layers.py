"""The figure of question 1.3: what each layer passes on, drawn to scale."""

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mnist_lab.plotting.style import BLUE, ORANGE, WIDTH

SHEETS = 4  # channels are drawn as a stack of at most so many sheets
OFFSET = 2.5  # pixels between two sheets of a stack


def layer_outputs(outputs: Sequence[tuple[str, tuple[int, ...]]]) -> Figure:
    """Draw one shape per (name, shape): images (C, H, W) as stacks of sheets to scale, vectors (N,) as bars."""
    figure, axes = plt.subplots(figsize=(WIDTH, 2.0), layout="constrained")
    tallest = max(shape[1] for _, shape in outputs if len(shape) == 3)
    floor = tallest + OFFSET * (SHEETS - 1)  # the lower edge of every shape; y points down
    x = 0.0
    for name, shape in outputs:
        if len(shape) == 3:
            (channels, height, width), colour = shape, BLUE
            size = f"{channels}×\n{height}×{width}"
        else:
            channels, height, width, colour = 1, tallest, 3, ORANGE
            size = f"{shape[0]:,}"
        sheets = min(SHEETS, channels)
        room = max(width + OFFSET * (sheets - 1), 20)  # for the caption
        left = x + (room - width - OFFSET * (sheets - 1)) / 2
        for sheet in reversed(range(sheets)):
            corner = (left + OFFSET * sheet, floor - height - OFFSET * sheet)
            axes.add_patch(Rectangle(corner, width, height, facecolor=colour, alpha=0.35, linewidth=0))
            axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=colour))
        axes.text(x + room / 2, floor + 2, f"{name}\n{size}", ha="center", va="top", fontsize=9)
        x += room + 4
    axes.set(xlim=(-2, x - 2), ylim=(floor + 17, -1), aspect="equal", title="Outputs of the layers, images to scale")
    axes.axis("off")
    return figure
