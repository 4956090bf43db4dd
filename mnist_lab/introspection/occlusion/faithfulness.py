"""Whether a network relies on the digit or on the background: occlusion maps against the ink that is hidden."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from mnist_lab._utils.checks import check_images, check_integer, check_labels, check_model, describe
from mnist_lab._utils.network import device_of, observed
from mnist_lab.introspection.occlusion.maps import occluded_probabilities, patch_masks


@dataclass(frozen=True, eq=False)
class Reliance:
    """What patches on many images did to a network, and how much ink they hid.

    Parameters
    ----------
    drops
        By how much the probability of the true class falls, (N, 28, 28), by the place of the patch's centre.
    predictions
        The class that is predicted there, int64 (N, 28, 28).
    ink
        How much ink the patch hides there, 0..1, (N, 28, 28).
    """

    drops: Tensor
    predictions: Tensor
    ink: Tensor

    @property
    def correlations(self) -> Tensor:
        """The rank correlation of drop and ink over all places, for each image, (N,)."""
        return rank_correlations(self.drops, self.ink)

    def by_ink(self, edges: Sequence[float]) -> Tensor:
        """The mean drop of each image where the hidden ink lies in a range.

        Parameters
        ----------
        edges
            The upper ends of the ranges, rising; each range begins above the end of the one before.

        Returns
        -------
        Tensor
            (N, ranges); NaN where an image has no such place.
        """
        ranges = torch.bucketize(self.ink, torch.tensor(list(edges)))
        return torch.stack(
            [
                (self.drops * (ranges == index)).sum((1, 2)) / (ranges == index).sum((1, 2))
                for index in range(len(edges))
            ],
            dim=1,
        )

    def __repr__(self) -> str:
        return f"Reliance({len(self.drops)} images, mean rank correlation {float(self.correlations.nanmean()):.3f})"


def measure_reliance(
    model: nn.Module, images: Tensor, labels: Tensor, patch: int = 5, fill: float = 128, *, progress: bool = True
) -> Reliance:
    """Slide a patch over many images and measure what the network loses where ink is hidden.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits.
    images, labels
        Images (N, 1, 28, 28) and their true classes (N,).
    patch, fill, progress
        As for :func:`mnist_lab.occlusion_map`.

    Returns
    -------
    Reliance
        The drops of the true class's probability, the predictions and the ink, place by place; on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> digits = torch.randint(256, (2, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    >>> measure_reliance(DigitCNN(), digits, torch.tensor([3, 8])).drops.shape
    torch.Size([2, 28, 28])
    """
    check_images(images)
    labels = check_labels(labels, count=len(images)).cpu()
    occluded = occluded_probabilities(model, images, patch, fill, progress=progress)
    with observed(model), torch.no_grad():
        clean = torch.cat([model(batch).softmax(dim=1) for batch in images.to(device_of(model)).split(250)]).cpu()
    each = torch.arange(len(images))
    drops = clean[each, labels][:, None, None] - occluded[each, :, :, labels]
    return Reliance(drops, occluded.argmax(dim=3), ink_under_patch(images, patch).cpu())


def ink_under_patch(images: Tensor, patch: int) -> Tensor:
    """How much ink a patch hides, for each place of its centre.

    Parameters
    ----------
    images
        Images (N, 1, 28, 28) in 0..255.
    patch
        The side of the square in pixels, as for :func:`mnist_lab.occlusion_map`.

    Returns
    -------
    Tensor
        The mean of the hidden pixels as a share of full ink, 0..1, (N, 28, 28).

    Examples
    --------
    >>> image = torch.zeros(1, 1, 28, 28)
    >>> image[..., 10, 10] = 255
    >>> ink = ink_under_patch(image, 2)
    >>> ink[0, 9:13, 10]
    tensor([0.0000, 0.2500, 0.2500, 0.0000])
    """
    check_images(images)
    masks = patch_masks(patch).flatten(1).to(images.device).float()
    hidden: Tensor = images.flatten(1).float() @ masks.T / (255 * masks.sum(dim=1))
    return hidden.reshape(-1, 28, 28)


def rank_correlations(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's rank correlation of two maps, for each image.

    Parameters
    ----------
    first, second
        Maps (N, ...), one each an image.

    Returns
    -------
    Tensor
        Correlations -1..1, float64 (N,); NaN where a map is the same everywhere.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Spearman, *The proof and measurement of association between two things*, 1904.

    Examples
    --------
    >>> rank_correlations(torch.tensor([[1.0, 2, 3]]), torch.tensor([[1.0, 10, 100]]))
    tensor([1.], dtype=torch.float64)
    """
    if first.shape != second.shape or first.ndim < 2:
        raise ValueError(f"first, second: expected like shapes (N, ...), got {describe(first)} and {describe(second)}")
    ranks = [stats.rankdata(maps.flatten(1).cpu().numpy(), axis=1) for maps in (first, second)]
    left, right = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    with np.errstate(invalid="ignore"):
        return torch.from_numpy((left * right).sum(1) / np.sqrt((left**2).sum(1) * (right**2).sum(1)))


def shuffled_weights(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy of a network that has learned nothing: the entries of each of its weights in a random order.

    Every layer keeps its weights' values, and so their distribution; what goes is how they are arranged.

    Parameters
    ----------
    model
        Any network; it is left as it is.
    seed
        Seed of the order.

    Returns
    -------
    Module
        The copy, in evaluation mode.

    References
    ----------
    Adebayo et al., *Sanity checks for saliency maps*, 2018.

    Examples
    --------
    >>> layer = nn.Linear(2, 3)
    >>> torch.equal(shuffled_weights(layer).weight.flatten().sort().values, layer.weight.flatten().sort().values)
    True
    """
    check_model(model)
    generator = torch.Generator().manual_seed(check_integer(seed, "seed", low=0, high=2**63 - 1))
    shuffled = copy.deepcopy(model).eval()
    with torch.no_grad():
        for parameter in shuffled.parameters():
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
    return shuffled
