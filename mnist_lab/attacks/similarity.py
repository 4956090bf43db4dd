"""How similar images are to digits: distance to the nearest known image, total variation, low-frequency share.

No single measure identifies a digit. A faint image is close to a thin 1, and a uniform grey one is smooth. So compare
all of them with the same measures of real digits.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from mnist_lab._utils.contracts import (
    CLASSES,
    FLOATS,
    AtLeast,
    ClassIndices,
    Count,
    Images,
    Per,
    SomeImages,
    TensorOf,
    checked,
    describe,
)

# An image may leave 0..255 while it is optimized.
AnyImages = Annotated[Tensor, TensorOf(("N", 1, "H", "W"), dtypes=(torch.uint8, *FLOATS), empty=True)]


@dataclass(frozen=True, eq=False)
class NearestImages:
    """For each image the nearest reference image of every class, by L2 distance.

    Parameters
    ----------
    distances
        Distance to the nearest reference of each class, in intensities, float64 (N, 10). Infinite for a class that has
        no reference.
    indices
        Index of that reference, int64 (N, 10). -1 for a class that has no reference.
    """

    distances: Tensor
    indices: Tensor

    @property
    def distance(self) -> Tensor:
        """Distance to the nearest reference of any class, (N,)."""
        return self.distances.amin(dim=1)

    @property
    def label(self) -> Tensor:
        """Class of the nearest reference, int64 (N,): the prediction of a nearest-neighbour classifier."""
        return self.distances.argmin(dim=1)

    @property
    def index(self) -> Tensor:
        """Index of the nearest reference, int64 (N,)."""
        return self.indices.gather(1, self.label[:, None]).squeeze(1)

    def __repr__(self) -> str:
        median = f", median distance {float(self.distance.median()):.0f}" if len(self.distances) else ""
        return f"NearestImages({len(self.distances)} images{median})"


@checked
def nearest_images(
    images: Images,
    references: SomeImages,
    labels: Annotated[Tensor, ClassIndices(), Per("references")],
    *,
    batch_size: Count = 2048,
) -> NearestImages:
    """Find the nearest reference image of each class, by L2 distance.

    Parameters
    ----------
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.
    references
        At least one image (M, 1, 28, 28) to compare with, such as the training images.
    labels
        Classes of the references, (M,).
    batch_size
        Images, and references, per matrix product. It bounds the memory.

    Returns
    -------
    NearestImages
        Distances and indices by class, on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Notes
    -----
    The distances follow from ``|a - b|² = |a|² + |b|² - 2 a·b``, which needs matrix products only. In double precision
    they are exact for uint8 images.

    Examples
    --------
    >>> references = torch.stack([torch.full((1, 28, 28), level) for level in (0.0, 100.0, 255.0)])
    >>> nearest = nearest_images(torch.full((1, 1, 28, 28), 90.0), references, torch.tensor([1, 7, 7]))
    >>> nearest.distance, nearest.label, nearest.index
    (tensor([280.], dtype=torch.float64), tensor([7]), tensor([1]))
    """
    distances = torch.full((len(images), CLASSES), torch.inf, dtype=torch.float64)
    indices = torch.full((len(images), CLASSES), -1)
    known, asked = (pixels.detach().cpu().flatten(1) for pixels in (references, images))
    labels = labels.cpu()
    for label in labels.unique().tolist():
        for positions in (labels == label).nonzero().flatten().split(batch_size):
            chunk = known[positions].double()
            norms = chunk.square().sum(dim=1)
            for first in range(0, len(asked), batch_size):
                rows = slice(first, first + batch_size)
                part = asked[rows].double()
                square, place = torch.addmm(norms, part, chunk.T, alpha=-2).min(dim=1)
                # Rounding may make the square of a zero distance negative.
                distance = (square + part.square().sum(dim=1)).clamp_min(0).sqrt()
                closer = distance < distances[rows, label]
                distances[rows, label] = torch.where(closer, distance, distances[rows, label])
                indices[rows, label] = torch.where(closer, positions[place], indices[rows, label])
    return NearestImages(distances, indices)


@checked
def total_variation(images: AnyImages) -> Tensor:
    """The mean absolute difference between neighbouring pixels, a measure of roughness.

    Horizontal and vertical neighbours count equally. Gradients pass through, so it can serve as a penalty.

    Parameters
    ----------
    images
        Images (N, 1, H, W) of at least two rows and two columns, uint8 or float, of any range.

    Returns
    -------
    Tensor
        Intensities per pair of neighbours, (N,): 0 for a uniform image, 255 for a checkerboard of black and white.

    Raises
    ------
    TypeError, ValueError
        If `images` are not as described.

    References
    ----------
    Rudin, Osher and Fatemi, *Nonlinear total variation based noise removal algorithms*, 1992.

    Examples
    --------
    >>> ramp = torch.arange(28.0).expand(1, 1, 28, 28)
    >>> total_variation(ramp)
    tensor([0.5000])
    """
    pixels = _pixels(images)
    height, width = pixels.shape[2:]
    pairs = height * (width - 1) + (height - 1) * width
    across, down = (pixels.diff(dim=dim).abs().sum(dim=(1, 2, 3)) for dim in (-1, -2))
    return (across + down) / pairs


@checked
def low_frequency_share(images: AnyImages, cutoff: Annotated[float, AtLeast(0)] = 4.0) -> Tensor:
    """The fraction of an image's spectral energy at low frequencies.

    The mean intensity is not counted. By Parseval's theorem the energies of all other frequencies add up to the
    variance of the pixels.

    Parameters
    ----------
    images
        Images (N, 1, H, W) of at least two rows and two columns, uint8 or float, of any range.
    cutoff
        The highest frequency that counts as low, in cycles per side of the image, at least 0.

    Returns
    -------
    Tensor
        Fractions 0..1, float64 (N,). A uniform image has no variance and counts as 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> wave = torch.cos(2 * torch.pi * 3 * torch.arange(28) / 28).expand(1, 1, 28, 28)
    >>> [round(float(low_frequency_share(wave, cutoff)), 6) for cutoff in (2, 3)]
    [0.0, 1.0]
    """
    pixels = _pixels(images).double()
    if len(pixels) == 0:
        return pixels.sum(dim=(1, 2, 3))  # some versions of torch reject an empty batch in the Fourier transform
    height, width = pixels.shape[2:]
    energy = torch.fft.fft2(pixels).abs().square()[:, 0]
    mean = energy[:, 0, 0].clone()
    energy[:, 0, 0] = 0
    rows, columns = (torch.fft.fftfreq(size, 1 / size, device=pixels.device) for size in (height, width))
    low = rows[:, None].square() + columns.square() <= cutoff**2
    total = energy.sum(dim=(1, 2))
    uniform = total <= 1e-20 * mean  # rounding leaves a little energy
    return torch.where(uniform, 1.0, (energy * low).sum(dim=(1, 2)) / total.where(~uniform, 1))


def _pixels(images: Tensor) -> Tensor:
    """Images in at least single precision: a sum over the pixels overflows half precision."""
    if min(images.shape[2:]) < 2:
        raise ValueError(f"images: expected at least 2 rows and 2 columns, got {describe(images)}")
    return images if images.dtype in (torch.float32, torch.float64) else images.float()
