"""Faithfulness: whether occlusion costs the network most where it hides ink."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from mnist_lab._utils.contracts import (
    PIXEL_MAX,
    ClassIndices,
    Images,
    Network,
    Per,
    Sized,
    TensorOf,
    checked,
    describe,
)
from mnist_lab._utils.network import running
from mnist_lab.introspection.occlusion.maps import Fill, Side, occluded_probabilities, patch_masks

Maps = Annotated[Tensor, TensorOf(("N", "positions", "..."), empty=True)]


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """The effect of occlusion on a network, and the ink that each patch hides, by the position of the patch's centre.

    Parameters
    ----------
    drops
        The decrease in the probability of the true class, (N, 28, 28).
    predictions
        The predicted class of the occluded image, int64 (N, 28, 28).
    ink
        The ink under the patch, 0..1, (N, 28, 28).
    """

    drops: Tensor
    predictions: Tensor
    ink: Tensor

    @property
    def correlations(self) -> Tensor:
        """The rank correlation of drop and ink over all positions, for each image, float64 (N,)."""
        return rank_correlations(self.drops, self.ink)

    @checked
    def by_ink(self, edges: Annotated[Sequence[float], Sized(1)]) -> Tensor:
        """The mean drop of each image for each range of hidden ink.

        Parameters
        ----------
        edges
            Upper ends of the ranges, increasing. Each range starts above the end of the previous one.

        Returns
        -------
        Tensor
            (N, ranges); NaN where an image has no position in that range.
        """
        if any(low >= high for low, high in pairwise(edges)):
            raise ValueError(f"edges: expected increasing numbers, got {edges}")
        ranges = torch.bucketize(self.ink, torch.tensor(edges, dtype=self.ink.dtype))
        means = []
        for index in range(len(edges)):
            inside = ranges == index
            means.append((self.drops * inside).sum((1, 2)) / inside.sum((1, 2)))
        return torch.stack(means, dim=1)

    def __repr__(self) -> str:
        return f"Faithfulness({len(self.drops)} images, mean rank correlation {float(self.correlations.nanmean()):.3f})"


@checked
def measure_faithfulness(
    model: Network,
    images: Images,
    labels: Annotated[Tensor, ClassIndices(), Per("images")],
    patch: Side = 5,
    fill: Fill = 128,
    *,
    progress: bool = True,
) -> Faithfulness:
    """Occlude images at every position, and record the drop in probability and the hidden ink.

    If the network relies on the digit, the probability of the true class drops where the patch hides ink. If it relies
    on the background, it does not.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10).
    images, labels
        Images (N, 1, 28, 28), uint8 or float in 0..255, and their true classes (N,).
    patch, fill, progress
        As for :func:`mnist_lab.occlusion_map`.

    Returns
    -------
    Faithfulness
        Drops, predictions and ink by the position of the patch's centre, on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; before any work.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> digits = torch.randint(256, (2, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    >>> measure_faithfulness(DigitCNN(), digits, torch.tensor([3, 8])).drops.shape
    torch.Size([2, 28, 28])
    """
    with running(model) as runner:
        clean = torch.cat([runner.logits(batch).softmax(dim=1).cpu() for batch in images.split(250)])
    occluded = occluded_probabilities(model, images, patch, fill, progress=progress)
    each, labels = torch.arange(len(images)), labels.cpu()
    drops = clean[each, labels][:, None, None] - occluded[each, :, :, labels]
    return Faithfulness(drops, occluded.argmax(dim=3), ink_under_patch(images, patch).cpu())


@checked
def ink_under_patch(images: Images, patch: Side) -> Tensor:
    """The ink that a patch hides, by the position of the patch's centre.

    Parameters
    ----------
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.
    patch
        The side of the square in pixels, as for :func:`mnist_lab.occlusion_map`.

    Returns
    -------
    Tensor
        The mean intensity of the hidden pixels as a fraction of full ink, 0..1, (N, 28, 28).

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> image = torch.zeros(1, 1, 28, 28)
    >>> image[..., 10, 10] = 255
    >>> ink = ink_under_patch(image, 2)
    >>> ink[0, 9:13, 10]
    tensor([0.0000, 0.2500, 0.2500, 0.0000])
    """
    masks = patch_masks(patch).flatten(1).to(images.device).float()
    hidden = images.detach().flatten(1).float() @ masks.T / (PIXEL_MAX * masks.sum(dim=1))
    return hidden.clamp(max=1).reshape(-1, 28, 28)  # rounding must not exceed full ink


@checked
def rank_correlations(first: Maps, second: Maps) -> Tensor:
    """Spearman's rank correlation of two maps, for each image.

    Parameters
    ----------
    first, second
        Maps (N, ...) of the same shape.

    Returns
    -------
    Tensor
        Correlations -1..1, float64 (N,), on the CPU; NaN where a map is constant.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    References
    ----------
    Spearman, *The proof and measurement of association between two things*, 1904.

    Examples
    --------
    >>> rank_correlations(torch.tensor([[1.0, 2, 3]]), torch.tensor([[1.0, 10, 100]]))
    tensor([1.], dtype=torch.float64)
    """
    if second.shape != first.shape:
        raise ValueError(f"second: expected the shape of first, {tuple(first.shape)}, got {describe(second)}")
    left, right = (stats.rankdata(maps.detach().cpu().double().flatten(1).numpy(), axis=1) for maps in (first, second))
    left, right = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (left, right))
    with np.errstate(invalid="ignore"):
        return torch.from_numpy((left * right).sum(1) / np.sqrt((left**2).sum(1) * (right**2).sum(1)))
