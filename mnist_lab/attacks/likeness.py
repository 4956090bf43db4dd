"""How digit-like images are, by four measures that see no network and no brightness.

Every image is reduced to its pattern: the mean intensity is subtracted and the rest is scaled to unit length. So a grey
background counts no more than a black one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from mnist_lab._utils.contracts import CLASSES, ClassIndices, Labels, Per, SomeImages, checked

COMPONENTS = 50  # of the references' patterns
RIDGE = 1e-4  # per reference, for the linear reader
INK = 128  # intensity of a pixel with ink
SUPPORT = 0.05  # fraction of a class's references with ink there, for a pixel to be part of its strokes


@dataclass(frozen=True, eq=False)
class Likeness:
    """Four measures of how digit-like each image of a group is; all are higher for digits.

    Parameters
    ----------
    explained
        Share of the pattern's squared length along the 50 leading principal components of the references' patterns,
        0..1, (N,). Noise has about 50 / 784.
    on_strokes
        Share of the image's deviation from its median intensity that lies on pixels where at least 5 % of the
        references of its label have ink, 0..1, (N,).
    linear
        Whether a linear least-squares classifier of patterns, fitted to the references, reads the label, (N,).
    nearest
        Whether the reference with the most correlated pattern has the label, (N,).
    """

    explained: Tensor
    on_strokes: Tensor
    linear: Tensor
    nearest: Tensor

    def __repr__(self) -> str:
        means = [f"{name} {float(values.float().mean()):.2f}" for name, values in vars(self).items()]
        return f"Likeness({len(self.linear)} images: {', '.join(means)})"


@checked
def digit_likeness(
    groups: Mapping[str, SomeImages],
    labels: Labels,
    references: SomeImages,
    reference_labels: Annotated[Tensor, ClassIndices(), Per("references")],
) -> dict[str, Likeness]:
    """Measure how digit-like groups of images are that are to show the same classes.

    Parameters
    ----------
    groups
        Images (N, 1, 28, 28) of each group by its name, uint8 or float in 0..255.
    labels
        The class that each image of a group is to show, (N,).
    references, reference_labels
        Real digits, such as the training images, and their classes.

    Returns
    -------
    dict
        A :class:`Likeness` by the name of each group, on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or a group has not one image per label.

    Examples
    --------
    >>> digits, noise = torch.zeros(2, 1, 28, 28), torch.rand(2, 1, 28, 28) * 255
    >>> digits[0, :, 4:24, 14], digits[1, :, 14, 4:24] = 255, 255
    >>> labels = torch.tensor([1, 7])
    >>> likeness = digit_likeness({"digits": digits, "noise": noise}, labels, digits, labels)
    >>> likeness["digits"]
    Likeness(2 images: explained 1.00, on_strokes 1.00, linear 1.00, nearest 1.00)
    """
    for name, images in groups.items():
        if len(images) != len(labels):
            raise ValueError(f"groups[{name!r}]: expected {len(labels)} images, one per label, got {len(images)}")
    labels, known = labels.detach().cpu(), reference_labels.detach().cpu()
    digits = _patterns(references)
    moments = digits.T @ digits
    components = torch.linalg.eigh(moments).eigenvectors[:, -COMPONENTS:]
    ridge = RIDGE * len(digits) * torch.eye(len(moments))
    weights = torch.linalg.solve(moments + ridge, digits.T @ functional.one_hot(known, CLASSES).float())
    strokes = _strokes(references.detach().cpu(), known)[labels]

    def measure(images: Tensor) -> Likeness:
        patterns, pixels = _patterns(images), _pixels(images)
        deviation = (pixels - pixels.median(dim=1, keepdim=True).values).abs()
        return Likeness(
            explained=(patterns @ components).square().sum(dim=1),
            on_strokes=(deviation * strokes).sum(dim=1) / deviation.sum(dim=1).clamp_min(1e-12),
            linear=(patterns @ weights).argmax(dim=1) == labels,
            nearest=known[_most_correlated(patterns, digits)] == labels,
        )

    return {name: measure(images) for name, images in groups.items()}


def _pixels(images: Tensor) -> Tensor:
    """Images as float32 (N, 784), in one layout, so that sums do not depend on the caller's."""
    return images.detach().cpu().flatten(1).float().contiguous()


def _patterns(images: Tensor) -> Tensor:
    """The patterns of images, float32 (N, 784); zeros for a uniform image."""
    pixels = _pixels(images)
    return functional.normalize(pixels - pixels.mean(dim=1, keepdim=True), dim=1)


def _strokes(references: Tensor, labels: Tensor) -> Tensor:
    """For each class, 1 where at least 5 % of its references have ink, (10, 784); zeros without references."""
    shares = [(references[labels == label].flatten(1) >= INK).float().mean(dim=0) for label in range(CLASSES)]
    return (torch.stack(shares) >= SUPPORT).float()  # a mean over nothing is NaN, which is not above


def _most_correlated(patterns: Tensor, digits: Tensor) -> Tensor:
    """Index of the reference with the most correlated pattern, (N,)."""
    return torch.cat([(part @ digits.T).argmax(dim=1) for part in patterns.split(250)])
