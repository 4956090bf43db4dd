"""Data augmentation: training images are shifted, rotated, scaled, sheared and elastically distorted at random.

A digit keeps its class when the paper is turned a little or the hand trembles. Training on such images teaches the
network that (Simard, Steinkraus and Platt, *Best practices for convolutional neural networks applied to visual
document analysis*, 2003).
"""

import math
from functools import cache
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from mnist_lab._utils.contracts import AtLeast, Images, checked

KNOTS = 5  # points along each side of the image at which the elastic displacement is drawn


@checked
def distort(
    images: Images,
    generator: torch.Generator,
    *,
    shift: Annotated[float, AtLeast(0)] = 1.0,
    rotation: Annotated[float, AtLeast(0)] = 8.0,
    scale: Annotated[float, AtLeast(0)] = 0.1,
    shear: Annotated[float, AtLeast(0)] = 0.1,
    elastic: Annotated[float, AtLeast(0)] = 0.7,
) -> Tensor:
    """Distort each image of a batch at random: an affine map and a smooth displacement, in one resampling.

    Parameters
    ----------
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.
    generator
        Source of the random numbers; a generator on the CPU.
    shift
        Largest shift along either axis, in pixels.
    rotation
        Largest rotation, in degrees.
    scale
        Largest relative change of width and of height.
    shear
        Largest shear, as a slope.
    elastic
        Standard deviation of the smooth displacement at its knots, in pixels.

    Returns
    -------
    Tensor
        Float images of the same shape, in 0..255, on the same device. What lies outside of an image is black.

    Examples
    --------
    >>> images = torch.full((2, 1, 28, 28), 200, dtype=torch.uint8)
    >>> still = dict(shift=0, rotation=0, scale=0, shear=0, elastic=0)
    >>> torch.allclose(distort(images, torch.Generator().manual_seed(0), **still), images.float(), atol=1e-3)
    True
    """
    count, _, height, width = images.shape

    def uniform(largest: float) -> Tensor:
        return (2 * torch.rand(count, generator=generator, dtype=torch.float32) - 1) * largest

    angle, slant = uniform(math.radians(rotation)), uniform(shear)
    stretch_x, stretch_y = 1 + uniform(scale), 1 + uniform(scale)
    cosine, sine = angle.cos(), angle.sin()
    # Grid coordinates run from -1 to 1 across the image: one pixel is 2 / width.
    affine = torch.stack(
        [
            torch.stack([cosine * stretch_x, (slant * cosine - sine) * stretch_y, uniform(shift) * 2 / width], dim=1),
            torch.stack([sine * stretch_x, (slant * sine + cosine) * stretch_y, uniform(shift) * 2 / height], dim=1),
        ],
        dim=1,
    )  # (N, 2, 3)
    knots = torch.randn(count, 2, KNOTS**2, generator=generator, dtype=torch.float32) * (elastic * 2 / width)
    # Where a pixel is taken from is a weighted sum of these numbers. The weights are the same for every image.
    grid = (torch.cat([affine, knots], dim=2) @ _weights(height, width)).unflatten(2, (height, width))
    grid = grid.permute(0, 2, 3, 1)  # (N, height, width, 2)
    return functional.grid_sample(images.float(), grid.to(images.device), align_corners=False)


@cache
def _weights(height: int, width: int) -> Tensor:
    """The weight of x, y, 1 and each knot in every pixel's grid coordinates, (3 + knots, height * width)."""
    identity = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], dtype=torch.float32)
    x, y = functional.affine_grid(identity, [1, 1, height, width], align_corners=False)[0].unbind(dim=2)
    bumps = torch.eye(KNOTS**2, dtype=torch.float32).view(-1, 1, KNOTS, KNOTS)
    displacement = functional.interpolate(bumps, (height, width), mode="bicubic", align_corners=True)
    return torch.cat([torch.stack([x, y, torch.ones(height, width, dtype=torch.float32)]), displacement[:, 0]]).flatten(
        1
    )
