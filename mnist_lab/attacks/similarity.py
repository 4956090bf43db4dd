"""How much an image resembles a digit: its distance to the nearest known one, and how smooth it is.

None of these alone makes a digit. A faint image is near to a thin 1, and a grey one is smooth; so they are read
together, and against the same measurements of real digits.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mnist_lab._utils.checks import (
    CLASSES,
    FLOATS,
    INTEGERS,
    check_images,
    check_integer,
    check_labels,
    check_number,
    check_tensor,
    describe,
)


@dataclass(frozen=True, eq=False)
class NearestImages:
    """The reference image of each class that is nearest to an image, in L2 distance.

    Parameters
    ----------
    distances
        Distance to the nearest image of every class, in intensities, float64 (N, 10); infinite for a class without any.
    indices
        Which of the references that is, int64 (N, 10); -1 for a class without any.
    """

    distances: Tensor
    indices: Tensor

    def __post_init__(self) -> None:
        check_tensor(self.distances, "distances", "N", CLASSES, dtypes=FLOATS, empty=True, finite=False)
        check_tensor(self.indices, "indices", len(self.distances), CLASSES, dtypes=INTEGERS, empty=True)

    @property
    def distance(self) -> Tensor:
        """Distance to the nearest image of any class, (N,)."""
        return self.distances.amin(dim=1)

    @property
    def label(self) -> Tensor:
        """Class of the nearest image, int64 (N,): what a nearest-neighbour classifier says."""
        return self.distances.argmin(dim=1)

    @property
    def index(self) -> Tensor:
        """Position of the nearest image among the references, int64 (N,)."""
        return self.indices.gather(1, self.label[:, None]).squeeze(1)

    def __repr__(self) -> str:
        median = f", median distance {float(self.distance.median()):.0f}" if len(self.distances) else ""
        return f"NearestImages({len(self.distances)} images{median})"


def nearest_images(images: Tensor, references: Tensor, labels: Tensor, *, at_once: int = 2048) -> NearestImages:
    """Find the nearest reference images, class by class: the training images, say.

    ``(a - b)² = a² + b² - 2 a·b`` turns the search into matrix products. In double precision they are exact for images
    as they are stored. They are taken of so many images and references at once that memory stays bounded.

    Parameters
    ----------
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.
    references
        Where to search, images (M, 1, 28, 28), at least one.
    labels
        Classes of the references, integers (M,).
    at_once
        How many images, and how many references, a matrix product takes.

    Returns
    -------
    NearestImages
        Distances and positions by class, on the CPU, where they are computed.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be.

    Examples
    --------
    >>> references = torch.stack([torch.full((1, 28, 28), level) for level in (0.0, 100.0, 255.0)])
    >>> nearest = nearest_images(torch.full((1, 1, 28, 28), 90.0), references, torch.tensor([1, 7, 7]))
    >>> nearest.distance, nearest.label, nearest.index
    (tensor([280.], dtype=torch.float64), tensor([7]), tensor([1]))
    """
    check_images(images)
    check_images(references, "references", empty=False)
    labels = check_labels(labels, count=len(references)).cpu()
    at_once = check_integer(at_once, "at_once", low=1)
    distances = torch.full((len(images), CLASSES), torch.inf, dtype=torch.float64)
    indices = torch.full((len(images), CLASSES), -1)
    known, asked = _rows(references), _rows(images)
    for label in labels.unique().tolist():
        for positions in (labels == label).nonzero().flatten().split(at_once):
            chunk = known[positions].double()
            norms = chunk.square().sum(dim=1)
            for first in range(0, len(asked), at_once):
                rows = slice(first, first + at_once)
                part = asked[rows].double()
                # Rounding may make the square of no distance negative.
                squares = torch.addmm(norms, part, chunk.T, alpha=-2)
                square, place = squares.min(dim=1)
                distance = (square + part.square().sum(dim=1)).clamp_min(0).sqrt()
                closer = distance < distances[rows, label]
                distances[rows, label] = torch.where(closer, distance, distances[rows, label])
                indices[rows, label] = torch.where(closer, positions[place], indices[rows, label])
    return NearestImages(distances, indices)


def total_variation(images: Tensor) -> Tensor:
    """How rough an image is: the mean absolute difference between neighbouring pixels.

    Horizontal and vertical neighbours count alike. Gradients pass through it, so it serves as a penalty too.

    Parameters
    ----------
    images
        Images (N, 1, H, W) of at least two rows and columns, uint8 or float of any range.

    Returns
    -------
    Tensor
        Intensities per pair of neighbours, (N,): 0 for an even image, 255 for a checkerboard of black and white.

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
    height, width = pixels.shape[-2:]
    pairs = height * (width - 1) + (height - 1) * width
    across, down = (pixels.diff(dim=dim).abs().sum(dim=(1, 2, 3)) for dim in (-1, -2))
    return (across + down) / pairs


def low_frequency_share(images: Tensor, cutoff: float = 4.0) -> Tensor:
    """How much of an image's contrast lies in coarse structure.

    By Parseval's theorem the energies of the frequencies add up to the variance of the pixels.

    Parameters
    ----------
    images
        Images (N, 1, H, W), uint8 or float of any range.
    cutoff
        The highest frequency that counts as low, in cycles per side of the image.

    Returns
    -------
    Tensor
        Share of the spectral energy at frequencies of at most `cutoff`, the mean not counted, 0..1, float64 (N,). An
        even image has no contrast, and counts as 1.

    Examples
    --------
    >>> wave = torch.cos(2 * torch.pi * 3 * torch.arange(28) / 28).expand(1, 1, 28, 28)
    >>> [round(float(low_frequency_share(wave, cutoff)), 6) for cutoff in (2, 3)]
    [0.0, 1.0]
    """
    check_number(cutoff, "cutoff", low=0)
    pixels = _pixels(images).double()
    if not len(pixels):
        return pixels.sum(dim=(1, 2, 3))  # torch's Fourier transform took no empty batch once
    height, width = pixels.shape[-2:]
    energy = torch.fft.fft2(pixels).abs().square()[:, 0]
    mean = energy[:, 0, 0].clone()
    energy[:, 0, 0] = 0
    rows, columns = (torch.fft.fftfreq(size, 1 / size, device=pixels.device) for size in (height, width))
    low = rows[:, None].square() + columns.square() <= cutoff**2
    total = energy.sum(dim=(1, 2))
    # What rounding leaves of an even image is no contrast.
    even = total <= 1e-20 * mean
    return torch.where(even, 1.0, (energy * low).sum(dim=(1, 2)) / total.where(~even, 1))


def _rows(images: Tensor) -> Tensor:
    return images.detach().cpu().flatten(1)


def _pixels(images: object) -> Tensor:
    """Images of any range as floats: on its way an image may leave 0..255."""
    pixels = check_tensor(images, "images", "N", 1, "H", "W", dtypes=(torch.uint8, *FLOATS), empty=True)
    if min(pixels.shape[2:]) < 2:
        raise ValueError(f"images: expected shape (N, 1, H, W) with at least 2×2 pixels, got {describe(images)}")
    return pixels if pixels.is_floating_point() else pixels.float()
