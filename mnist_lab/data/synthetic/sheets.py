"""Sheets of paper with synthetic digits, as a scanner or a camera would show them."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from mnist_lab._utils.contracts import Above, AtLeast, Between, Labels, checked
from mnist_lab.data.synthetic.rendering import BOX, RandomNumbers, distances, pen_paths

HEIGHT = 60  # pixels of a digit's longer side, on average
CELL = 96  # pixels of the square in which a digit is written
JITTER = 9  # pixels by which a digit is off the middle of its square, at most
PAPER, INK, LINE = 0.92, 0.8, 0.35  # the light that paper reflects, and the share of it that ink and ruled lines absorb
COLUMNS = 10
SQUARE = CELL / 4
# Of each paper the axis along which its lines follow each other, and their distance in pixels.
LINES: dict[str, list[tuple[int, float]]] = {"plain": [], "ruled": [(1, CELL)], "squared": [(0, SQUARE), (1, SQUARE)]}


@dataclass(frozen=True, eq=False)
class Sheet:
    """A picture of digits, and what it shows.

    Parameters
    ----------
    picture
        Intensities uint8 (H, W).
    labels
        Class indices in reading order, (N,).
    centres
        Where the digits are in the picture, x and y of the middle of each, in pixels, (N, 2).
    """

    picture: Tensor
    labels: Tensor
    centres: Tensor


@checked
def render_sheet(
    labels: Labels,
    generator: torch.Generator,
    *,
    light: Literal["even", "falling", "shadow"] = "even",
    noise: Annotated[float, AtLeast(0)] = 0.0,
    blur: Annotated[float, AtLeast(0)] = 0.0,
    rotation: Annotated[float, Between(-45, 45)] = 0.0,
    paper: Literal["plain", "ruled", "squared"] = "plain",
    pen: Annotated[float, Above(0)] = 1.0,
    inverted: bool = False,
) -> Sheet:
    """Render a sheet of digits, dark on light, ten in a row.

    Parameters
    ----------
    labels
        Class indices 0..9 in reading order, integers (N,).
    generator
        Source of the random numbers; a generator on the CPU. The digits are those that
        :func:`mnist_lab.data.synthetic.rendering.draw` renders from it.
    light
        ``"even"`` as in a scanner, ``"falling"`` to a half from the left edge to the right one, or ``"shadow"``: a soft
        shadow that takes 40 % of the light lies over the lower right.
    noise
        Standard deviation of the noise of each pixel, in intensities.
    blur
        Standard deviation of the blur, in pixels. A digit is about 60 pixels high.
    rotation
        By how many degrees the sheet is turned, clockwise.
    paper
        Its printed lines.
    pen
        Width of the pen's line, relative to that in MNIST.
    inverted
        Whether it is a negative: light on dark.

    Returns
    -------
    Sheet
        The picture and what it shows.

    Examples
    --------
    >>> sheet = render_sheet(torch.arange(10), torch.Generator().manual_seed(0), noise=5.0)
    >>> sheet.picture.shape, sheet.centres.shape
    (torch.Size([192, 1056]), torch.Size([10, 2]))
    """
    labels = labels.cpu()
    across, down = min(len(labels), COLUMNS), math.ceil(len(labels) / COLUMNS)
    width, height = (CELL * (count + 1) for count in (across, down))
    random = RandomNumbers(len(labels), generator)
    x, y, half = pen_paths(labels, random)
    scale = random.uniform(0.85, 1.15) * (HEIGHT / BOX)
    place = torch.arange(len(labels))
    cells = torch.stack([place % COLUMNS, place // COLUMNS], dim=1)
    centres = (cells + 1) * CELL + random.uniform(-JITTER, JITTER, 2)
    turned = math.radians(rotation)
    middle = torch.tensor([width / 2, height / 2])
    turn = torch.tensor([[math.cos(turned), -math.sin(turned)], [math.sin(turned), math.cos(turned)]])
    size = (turn.abs() @ torch.tensor([float(width), float(height)])).ceil()
    centres = (centres - middle) @ turn.T + size / 2
    strokes = torch.stack([x - BOX / 2, y - BOX / 2], dim=-1) * scale[:, None, None, None] @ turn.T
    corners = (centres - CELL / 2).floor()
    strokes = strokes + (centres - corners)[:, None, None]
    edge = distances(strokes[..., 0], strokes[..., 1], half * scale[:, None] * pen, CELL)
    absorbed = _lines(size, turn, middle, paper)
    for block, (left, top) in zip((0.5 - edge).clamp(0, 1) * INK, corners.long().tolist(), strict=True):
        window = absorbed[top : top + CELL, left : left + CELL]
        window.copy_(torch.maximum(window, block))
    picture = _blurred((1 - absorbed) * PAPER * _light(size, light), blur) * 255
    picture += torch.randn(picture.shape, generator=generator) * noise
    picture = (picture.clamp(0, 255) + 0.5).to(torch.uint8)
    return Sheet(255 - picture if inverted else picture, labels, centres)


def _lines(size: Tensor, turn: Tensor, middle: Tensor, paper: str) -> Tensor:
    """The light that the printed lines absorb, (H, W)."""
    width, height = size.long().tolist()
    points = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy"), dim=-1) + 0.5
    points = (points - size / 2) @ turn + middle  # on the paper
    absorbed = torch.zeros(height, width)
    for axis, distance in LINES[paper]:
        away = ((points[..., axis] + distance / 2 + 0.3 * CELL) % distance - distance / 2).abs()
        absorbed = torch.maximum(absorbed, (1.5 - away).clamp(0, 1) * LINE)
    return absorbed


def _light(size: Tensor, light: str) -> Tensor:
    """The light that falls on each pixel, as a share of the brightest, (H, W) or (1, W)."""
    across, down = (torch.linspace(0, 1, int(side)) for side in size)
    if light == "even":
        return torch.ones(1, len(across))
    if light == "falling":
        return (1 - across / 2)[None]
    return 1 - 0.4 * torch.sigmoid(((across + down[:, None]) - 1.1) * 60)


def _blurred(picture: Tensor, std: float) -> Tensor:
    if not std:
        return picture
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - scipy is slow to import

    return torch.from_numpy(gaussian_filter(picture.numpy(), std, mode="nearest"))
