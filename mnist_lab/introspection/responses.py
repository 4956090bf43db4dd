"""What a unit responds to: the patches of many images that excite it most."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mnist_lab._utils.checks import check_images, check_integer, describe


@dataclass(frozen=True, eq=False)
class Patches:
    """For each map of a layer the patches that excite it most, the strongest first.

    Parameters
    ----------
    pixels
        What the map's neuron sees there, (maps, count, size, size), in pixel intensities; black outside of the image.
    activations
        How strongly it responds, (maps, count).
    images
        Which image each patch is from, int64 (maps, count); a map's patches are all from different images.
    places
        Row and column of the neuron in the map, int64 (maps, count, 2).
    """

    pixels: Tensor
    activations: Tensor
    images: Tensor
    places: Tensor

    def __repr__(self) -> str:
        maps, count, size, _ = self.pixels.shape
        return f"Patches({count} of {size}x{size} pixels for each of {maps} maps)"


def strongest_patches(
    images: Tensor, activations: Tensor, *, size: int, stride: int = 1, start: int = 0, count: int = 9
) -> Patches:
    """Find the patches of images that excite each map of a layer most, at most one an image.

    Parameters
    ----------
    images
        Images (N, 1, 28, 28).
    activations
        The layer's activations for them, (N, maps, height, width).
    size
        Side of what a neuron sees of the image, in pixels: 3 for this network's conv1, 8 for its conv2.
    stride
        Pixels between what neighbouring neurons see: 1 and 2.
    start
        First row and column of the image that the neuron in row and column 0 sees: -1 and -3.
    count
        Patches for each map.

    Returns
    -------
    Patches
        Their pixels, how strongly they excite, and where they are from.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit together.

    References
    ----------
    Zeiler and Fergus, *Visualizing and understanding convolutional networks*, 2014.

    Examples
    --------
    >>> images = torch.zeros(4, 1, 28, 28)
    >>> images[2, 0, 10, 20] = 255
    >>> strongest = strongest_patches(images, images, size=3, start=-1, count=1)  # a map that copies the image
    >>> strongest.images, strongest.places, strongest.pixels[0, 0, 1]
    (tensor([[2]]), tensor([[[10, 20]]]), tensor([  0., 255.,   0.]))
    """
    check_images(images)
    check_integer(count, "count", low=1, high=max(len(images), 1))
    check_integer(size, "size", low=1)
    check_integer(stride, "stride", low=1)
    if activations.ndim != 4 or len(activations) != len(images):
        raise ValueError(
            f"activations: expected shape ({len(images)}, maps, height, width), got {describe(activations)}"
        )
    width = activations.shape[-1]
    strongest, places = activations.flatten(2).max(dim=2)  # (N, maps)
    values, chosen = strongest.topk(count, dim=0)
    rows_columns = places.gather(0, chosen).T  # (maps, count)
    rows, columns = rows_columns // width, rows_columns % width
    padded = functional.pad(images[:, 0].float(), (size,) * 4)
    offsets = torch.arange(size) + start + size
    which, top, left = chosen.T[..., None, None], (rows * stride)[..., None, None], (columns * stride)[..., None, None]
    pixels = padded[which, top + offsets[:, None], left + offsets]
    return Patches(pixels, values.T, chosen.T, torch.stack([rows, columns], dim=-1))


def agreement(patches: Patches) -> tuple[Tensor, Tensor]:
    """How much the patches of one map look like each other, and like the patches of the other maps.

    Two patches are compared by the correlation of their pixels: 1 if they are the same but for brightness and
    contrast. A patch that is the same everywhere is like no other: 0.

    Parameters
    ----------
    patches
        At least two patches for each of at least two maps.

    Returns
    -------
    within, between
        For each map the mean correlation of two of its patches, and of one of its patches with one of another map's,
        each (maps,).

    Examples
    --------
    >>> images = torch.zeros(4, 1, 28, 28)
    >>> images[:2, 0, 10, 20] = 255  # a dot
    >>> images[2:, 0, 10] = 255  # a line
    >>> answers = torch.cat([images * (images.sum((2, 3), True) == 255), images * (images.sum((2, 3), True) > 255)], 1)
    >>> within, between = agreement(strongest_patches(images, answers, size=3, start=-1, count=2))
    >>> within
    tensor([1.0000, 1.0000])
    """
    pixels = patches.pixels.flatten(2)  # (maps, count, pixels)
    maps, count, _ = pixels.shape
    if maps < 2 or count < 2:
        raise ValueError(f"patches: expected at least two patches for each of at least two maps, got {patches}")
    directions = functional.normalize(pixels - pixels.mean(dim=2, keepdim=True), dim=2).flatten(0, 1)
    correlations = (directions @ directions.T).reshape(maps, count, maps, count)
    own = correlations.diagonal(dim1=0, dim2=2)  # (count, count, maps)
    with_itself = own.diagonal(dim1=0, dim2=1).sum(dim=1)
    within = (own.sum((0, 1)) - with_itself) / (count * (count - 1))
    between = (correlations.sum((1, 2, 3)) - own.sum((0, 1))) / (count**2 * (maps - 1))
    return within, between
