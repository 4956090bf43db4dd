"""Pictures of handwriting, a photo or a scan, as digits that look like MNIST's."""

from typing import Annotated

import torch
from torch import Tensor

from mnist_lab._utils.contracts import PIXEL_MAX, TensorOf, checked
from mnist_lab.data.synthetic.rendering import BOX, centred


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
