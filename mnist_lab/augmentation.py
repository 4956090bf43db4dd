"""Training images distorted anew each time they are seen: shifted, turned, scaled, sheared and bent.

A digit stays the digit that it is when the paper is turned a little or the hand trembles. Showing the network such
images tells it so (Simard, Steinkraus and Platt, *Best practices for convolutional neural networks applied to visual
document analysis*, 2003).
"""

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from mnist_lab.checks import check_images

KNOTS = 5  # along each side of the image, where the smooth displacement is drawn


def distort(
    images: Tensor,
    generator: torch.Generator,
    *,
    shift: float = 1.0,
    rotation: float = 8.0,
    scale: float = 0.1,
    shear: float = 0.1,
    bend: float = 0.7,
) -> Tensor:
    """Distort every image of a batch in its own way.

    A random affine map and a smooth random displacement, applied in one resampling.

    Parameters
    ----------
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.
    generator
        Where the random numbers come from; a generator on the CPU.
    shift
        Largest shift along either axis, in pixels.
    rotation
        Largest rotation, in degrees.
    scale
        Largest relative change of width and of height.
    shear
        Largest shear, as a slope.
    bend
        Deviation of the smooth displacement at its knots, in pixels.

    Returns
    -------
    Tensor
        Float images of the same shape, in 0..255, on the same device; outside of an image there is background.

    Examples
    --------
    >>> images = torch.full((2, 1, 28, 28), 200, dtype=torch.uint8)
    >>> still = dict(shift=0, rotation=0, scale=0, shear=0, bend=0)
    >>> torch.allclose(distort(images, torch.Generator().manual_seed(0), **still), images.float(), atol=1e-3)
    True
    """
    check_images(images)
    count, _, height, width = images.shape

    def uniform(largest: float) -> Tensor:
        return (2 * torch.rand(count, generator=generator) - 1) * largest

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
    knots = torch.randn(count, 2, KNOTS**2, generator=generator) * (bend * 2 / width)
    # Where a pixel is taken from is a weighted sum of these numbers, with weights that are the same for every image.
    grid = (torch.cat([affine, knots], dim=2) @ _weights(height, width)).unflatten(2, (height, width))
    grid = grid.permute(0, 2, 3, 1)  # (N, height, width, 2)
    return functional.grid_sample(images.float(), grid.to(images.device), align_corners=False)


@cache
def _weights(height: int, width: int) -> Tensor:
    """What x, y and 1 and each knot contribute to every pixel's grid coordinates, (3 + knots, height * width)."""
    identity = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    x, y = functional.affine_grid(identity, [1, 1, height, width], align_corners=False)[0].unbind(dim=2)
    bumps = torch.eye(KNOTS**2).view(-1, 1, KNOTS, KNOTS)
    bending = functional.interpolate(bumps, (height, width), mode="bicubic", align_corners=True)
    return torch.cat([torch.stack([x, y, torch.ones(height, width)]), bending[:, 0]]).flatten(1)
