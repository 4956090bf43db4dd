"""Pictures of handwriting, a photo or a scan, as digits that look like MNIST's."""

import os
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mnist_lab._utils.contracts import PIXEL_MAX, TensorOf, checked
from mnist_lab.data._pictures import IsPicture, opened
from mnist_lab.data.synthetic.rendering import BOX, centred

Picture = Annotated[str | os.PathLike[str] | Image.Image | NDArray[Any], IsPicture()]


@dataclass(frozen=True, eq=False, repr=False)
class Handwriting:
    """Digits that were found in a picture, in reading order.

    Parameters
    ----------
    images
        The digits as MNIST has them, uint8 (N, 1, 28, 28).
    boxes
        Where each is in the picture: left, top, right and bottom in pixels, int64 (N, 4).
    picture
        The picture in grey and upright, uint8 (H, W); a large one is reduced, a small one enlarged.
    size
        Width and height of the picture that was read, in pixels.
    """

    images: Tensor
    boxes: Tensor
    picture: Tensor
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        count = f"{len(self)} digit{'s' if len(self) != 1 else ''}"
        return f"{count} in a picture of {self.size[0]} x {self.size[1]} pixels"


@checked
def read_picture(picture: Picture) -> Handwriting:
    """Find the digits in a photo or a scan of handwriting, and normalize each as MNIST does.

    Uneven light, shadows, noise and the lines of ruled or squared paper are removed. Ink may be dark on light or light
    on dark. A sheet that is turned by up to 12 degrees is levelled. Strokes of one digit that do not touch, such as the
    bar of a 5, stay together. Digits that touch each other are not separated. Any shape counts as a digit: letters are
    found as well.

    Parameters
    ----------
    picture
        A photo or scan of one digit or of many. A float array may hold 0..255 or 0..1. What is transparent is white.

    Returns
    -------
    Handwriting
        The digits in reading order, with their boxes in the picture as it is seen: upright, where a camera's EXIF entry
        says how it was held.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError, ValueError
        If `picture` is not a picture that can be read, shows no ink, or has more than 2,000 strokes (a page of text).

    Notes
    -----
    The work is bounded. A picture of more than two million pixels is reduced first, and a JPEG is decoded no larger
    than needed. Pillow decodes up to 179 million pixels.

    Examples
    --------
    >>> from mnist_lab.data.synthetic.sheets import render_sheet
    >>> sheet = render_sheet(torch.tensor([7, 1, 5]), torch.Generator().manual_seed(0))
    >>> found = read_picture(sheet.picture.numpy())
    >>> found
    3 digits in a picture of 384 x 192 pixels
    >>> found.images.shape, found.boxes.shape
    (torch.Size([3, 1, 28, 28]), torch.Size([3, 4]))
    """
    from mnist_lab.data import _ink, _segments  # noqa: PLC0415 - scipy is slow to import

    source = opened(picture)
    contrast, ink = _ink.smoothed(_ink.contrast_of(source.grey))
    if not ink:
        raise ValueError("picture: expected ink on paper, got a picture without contrast")
    contrast, edge, angle = _ink.turned_upright(contrast, ink)
    numbers, count = _segments.digits_in(_ink.without_lines(contrast, ink), contrast / ink, edge)
    if not count:
        raise ValueError(f"picture: expected digits, got nothing larger than {_segments.SMALLEST} pixels")
    bright = torch.from_numpy(np.clip(contrast / ink, 0, 1) * PIXEL_MAX)
    images = [as_mnist(bright[where] * torch.from_numpy(mine)) for where, mine in _segments.windows(numbers)]
    boxes = _segments.boxes_in(source.grey.shape, source.size, numbers, angle)
    return Handwriting(
        torch.stack(images)[:, None], torch.from_numpy(boxes), torch.from_numpy(source.grey.copy()), source.size
    )


@checked
def as_mnist(ink: Annotated[Tensor, TensorOf(("H", "W"), low=0, high=PIXEL_MAX)]) -> Tensor:
    r"""Normalize the picture of one digit as MNIST's digits are normalized.

    The arithmetic is exact, so that other programs can repeat it (all numbers are float64):

    1. Crop the picture to the rows and columns that hold ink, a value above 0. This leaves :math:`h \times w` pixels.
    2. Resample them to :math:`h' \times w'` pixels with
       :math:`h' = \max(1, \lfloor 20 h / \max(h, w) + 1/2 \rfloor)` and :math:`w'` likewise, by area averaging: output
       pixel :math:`(i, j)` is the mean of the picture over the rectangle of rows :math:`i h / h'` to
       :math:`(i + 1) h / h'` and columns :math:`j w / w'` to :math:`(j + 1) w / w'`, where each pixel is a unit
       square of constant intensity.
    3. Scale the intensities so that the brightest is 255, and round: :math:`\lfloor 255 v / v_{\max} + 1/2 \rfloor`.
    4. Put them in the middle of a block of 20 x 20 pixels, the first row at :math:`\lfloor (20 - h') / 2 \rfloor`, the
       first column likewise. Put the block into the empty image so that the centre of mass is as near to the middle as
       whole pixels allow: its first row is :math:`\lfloor 14 - m + 1/2 \rfloor`, but at least 0 and at most 8, where
       :math:`m` is the mean of :math:`i + 1/2` over the rows :math:`i` of the block, weighted by the rounded
       intensities. Its first column likewise.

    Parameters
    ----------
    ink
        Picture of one digit, bright ink on a dark ground of 0, intensities 0..255, shape (H, W).

    Returns
    -------
    Tensor
        The digit as MNIST has it, uint8 (28, 28). Its longer side is 20 pixels.

    Raises
    ------
    TypeError, ValueError
        If `ink` is not such a picture, or is 0 everywhere.

    Examples
    --------
    >>> ink = torch.zeros(90, 120)
    >>> ink[10:70, 30:36] = 200  # a vertical stroke, 60 x 6 pixels
    >>> digit = as_mnist(ink)
    >>> digit[4:24, 13:15].unique(), int((digit > 0).sum())
    (tensor([255], dtype=torch.uint8), 40)
    """
    picture = ink.detach().double()
    rows, columns = ((picture > 0).any(dim=dim).nonzero().flatten() for dim in (1, 0))
    if not len(rows):
        raise ValueError("ink: expected a pixel above 0, got none")
    cropped = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (_fitted(side, max(cropped.shape)) for side in cropped.shape)
    small = _averages(cropped.shape[0], height) @ cropped @ _averages(cropped.shape[1], width).T
    block = torch.zeros(1, BOX, BOX, dtype=torch.uint8)
    top, left = (BOX - height) // 2, (BOX - width) // 2
    block[0, top : top + height, left : left + width] = (small * (PIXEL_MAX / small.max()) + 0.5).to(torch.uint8)
    return centred(block)[0]


def _fitted(side: int, longest: int) -> int:
    """The length of a side once the longest is BOX pixels, rounded half up, in integers."""
    return max(1, (2 * BOX * side + longest) // (2 * longest))


def _averages(size: int, target: int) -> Tensor:
    """The weight of each of `size` pixels in each of `target` averages over equal lengths, float64 (target, size)."""
    edges = torch.arange(target + 1, dtype=torch.float64) * size / target
    pixels = torch.arange(size, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return overlap.clamp_min(0) * target / size
