"""Faithfulness: whether occlusion costs the network most where it hides the ink of this very digit."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from mnist_lab._utils.contracts import (
    CLASSES,
    FLOATS,
    PIXEL_MAX,
    ClassIndices,
    ImageBatch,
    Images,
    Labels,
    Network,
    Per,
    Seed,
    TensorOf,
    checked,
    describe,
)
from mnist_lab._utils.network import BATCH, running
from mnist_lab.introspection.occlusion.maps import Fill, Side, occluded_probabilities, patch_masks

Maps = Annotated[Tensor, TensorOf(("N", "positions", "..."), empty=True)]
Positions = Annotated[Tensor, TensorOf(("N", 28, 28), dtypes=(torch.bool,), empty=True)]


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """The effect of a patch on a network, and the ink below it, by the position of the patch's centre.

    Parameters
    ----------
    drops
        The decrease in the log-odds of the true class, in nats, float64 (N, 28, 28).
    predictions
        The predicted class of the occluded image, int64 (N, 28, 28).
    ink
        The ink of the image below the patch, 0..1, (N, 28, 28).
    control_ink
        The ink of another digit, of another class, below the patch, 0..1, (N, 28, 28).
    """

    drops: Tensor
    predictions: Tensor
    ink: Tensor
    control_ink: Tensor

    @property
    def own(self) -> Tensor:
        """The rank correlation of the drop with the digit's own ink, for each image, float64 (N,).

        Only positions with ink of the digit below the patch count. At the others a black patch changes nothing, so
        that they would raise the correlation for any network.
        """
        return rank_correlations(self.drops, self.ink, self.ink > 0)

    @property
    def control(self) -> Tensor:
        """The rank correlation of the drop with the other digit's ink, at the same positions, float64 (N,)."""
        return rank_correlations(self.drops, self.control_ink, self.ink > 0)

    @property
    def central(self) -> Tensor:
        """The rank correlation of the drop with closeness to the image's centre, same positions, float64 (N,)."""
        offsets = torch.arange(28.0) - 13.5
        closeness = -(offsets[:, None] ** 2 + offsets**2)
        return rank_correlations(self.drops, closeness.expand_as(self.drops), self.ink > 0)

    @checked
    def mean_drop(self, positions: Positions) -> Tensor:
        """The mean drop of each image over some positions, in nats, float64 (N,).

        Parameters
        ----------
        positions
            Whether each position counts, (N, 28, 28). An image without any gives NaN.
        """
        if positions.shape != self.drops.shape:
            raise ValueError(f"positions: expected shape {tuple(self.drops.shape)}, got {describe(positions)}")
        return (self.drops * positions).sum((1, 2)) / positions.sum((1, 2))

    def __repr__(self) -> str:
        means = f"own ink {float(self.own.nanmean()):+.3f}, another digit's ink {float(self.control.nanmean()):+.3f}"
        return f"Faithfulness({len(self.drops)} images, mean rank correlation of the drop with {means})"


@checked
def measure_faithfulness(
    model: Network,
    images: Images,
    labels: Annotated[Tensor, ClassIndices(), Per("images")],
    controls: Annotated[Tensor, ImageBatch(), Per("images")],
    patch: Side = 5,
    fill: Fill = 0,
    *,
    progress: bool = True,
) -> Faithfulness:
    """Occlude images at every position, and record the drop in log-odds and the ink below the patch.

    Digits lie near the centre of the image, and a patch there matters more. So the drop correlates with the ink of any
    digit. A network that relies on the strokes shows a higher correlation with the digit's own ink than with that of
    another digit, of another class, at the same positions.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10).
    images, labels
        Images (N, 1, 28, 28), uint8 or float in 0..255, and their true classes (N,).
    controls
        For each image another one, of another class, (N, 1, 28, 28); :func:`other_class_partners` chooses them.
    patch, fill, progress
        As for :func:`mnist_lab.occlusion_map`. A black patch, 0, hides ink and does nothing else. A brighter one adds
        ink to the background.

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
    >>> measure_faithfulness(DigitCNN(), digits, torch.tensor([3, 8]), digits.flip(0)).drops.shape
    torch.Size([2, 28, 28])
    """
    with running(model) as runner:
        clean = torch.cat([runner.logits(batch).softmax(dim=1).cpu() for batch in images.split(BATCH)])
    occluded = occluded_probabilities(model, images, patch, fill, progress=progress)
    drops = log_odds(clean, labels)[:, None, None] - log_odds(occluded, labels)
    ink, control_ink = (ink_under_patch(digits, patch).cpu() for digits in (images, controls))
    return Faithfulness(drops, occluded.argmax(dim=3), ink, control_ink)


@checked
def log_odds(
    probabilities: Annotated[Tensor, TensorOf(("N", "...", CLASSES), dtypes=FLOATS, low=0, high=1, empty=True)],
    labels: Annotated[Tensor, ClassIndices(), Per("probabilities")],
) -> Tensor:
    """The log-odds of a class, ``log(p / (1 - p))``, from the probabilities of all classes.

    ``1 - p`` is the sum of the other classes' probabilities, since ``1 - p`` itself is 0 where `p` is rounded to 1.

    Parameters
    ----------
    probabilities
        Probabilities (N, ..., 10), such as those of :func:`mnist_lab.occluded_probabilities`.
    labels
        The class of interest of each of the N, (N,).

    Returns
    -------
    Tensor
        Log-odds in nats, float64 (N, ...), on the CPU; finite, since a probability of 0 counts as the smallest positive
        number of its type. 0 is even odds; 4.6 nats are a probability of 99%, and 9.2 nats are 99.99%.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> log_odds(torch.tensor([[0.9, 0.1] + [0.0] * 8]), torch.tensor([0])).exp()
    tensor([9.0000], dtype=torch.float64)
    """
    tiny = torch.finfo(probabilities.dtype).tiny
    values = probabilities.detach().cpu().double().movedim(-1, 0)  # (10, N, ...)
    classes = labels.cpu().reshape(1, -1, *[1] * (values.ndim - 2)).expand(1, *values.shape[1:])
    others = values.scatter(0, classes, 0.0).sum(dim=0)
    return values.gather(0, classes).squeeze(0).clamp(min=tiny).log() - others.clamp(min=tiny).log()


@checked
def other_class_partners(labels: Labels, pool: Labels, seed: Seed = 0) -> Tensor:
    """Draw for each label an entry of a pool that has another class, each entry at most once.

    Parameters
    ----------
    labels
        Class indices (N,).
    pool
        Class indices (M,) of the candidates. They should be other images than those of `labels`.
    seed
        Seed of the random order in which the pool is drawn.

    Returns
    -------
    Tensor
        Indices into the pool, int64 (N,), on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or the pool runs out of other classes.

    Examples
    --------
    >>> other_class_partners(torch.tensor([3, 8]), torch.tensor([8, 3]))
    tensor([0, 1])
    """
    classes = pool.tolist()
    remaining = torch.randperm(len(classes), generator=torch.Generator().manual_seed(seed)).tolist()
    partners: list[int] = []
    for label in labels.tolist():
        place = next((place for place, index in enumerate(remaining) if classes[index] != label), None)
        if place is None:
            raise ValueError(
                f"pool: expected an entry of another class for each of {len(labels)} labels, "
                f"got enough for {len(partners)}"
            )
        partners.append(remaining.pop(place))
    return torch.tensor(partners, dtype=torch.int64)


@checked
def ink_under_patch(images: Images, patch: Side) -> Tensor:
    """The ink below a patch, by the position of the patch's centre.

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
def rank_correlations(
    first: Maps,
    second: Maps,
    where: Annotated[Tensor, TensorOf(("N", "positions", "..."), dtypes=(torch.bool,), empty=True)] | None = None,
) -> Tensor:
    """Spearman's rank correlation of two maps, for each image.

    Parameters
    ----------
    first, second
        Maps (N, ...) of the same shape.
    where
        Which positions count, booleans of the same shape; all by default.

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
    for name, maps in (("second", second), ("where", where)):
        if maps is not None and maps.shape != first.shape:
            raise ValueError(f"{name}: expected the shape of first, {tuple(first.shape)}, got {describe(maps)}")
    counted = torch.ones(first.shape, dtype=torch.bool) if where is None else where.cpu()
    left, right = (_centred_ranks(maps, counted.flatten(1)) for maps in (first, second))
    with np.errstate(invalid="ignore"):
        return torch.from_numpy((left * right).sum(1) / np.sqrt((left**2).sum(1) * (right**2).sum(1)))


def _centred_ranks(maps: Tensor, counted: Tensor) -> np.ndarray:
    """The ranks (N, positions) among the positions that count, less their mean; 0 at the others."""
    values = maps.detach().cpu().double().flatten(1).masked_fill(~counted, torch.inf).numpy()
    # Positions that do not count come last, so that they do not change the ranks of the others.
    ranks = stats.rankdata(values, axis=1) if len(values) else values
    mean = (counted.numpy().sum(axis=1, keepdims=True) + 1) / 2
    return np.where(counted.numpy(), ranks - mean, 0.0)
