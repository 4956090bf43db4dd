"""What units and layers tell about images: linear probes, class selectivity, top-activating patches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from mnist_lab._utils.contracts import (
    CLASSES,
    FLOATS,
    Above,
    Count,
    Images,
    Labels,
    Per,
    Sized,
    TensorOf,
    checked,
    describe,
)

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
Features = Annotated[Tensor, TensorOf(("...",), dtypes=FLOATS)]


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A linear function from features to a score a class.

    Parameters
    ----------
    weight
        (features, 10).
    bias
        (10,).
    strength
        The regularization that validation chose, as a multiple of the features' mean square.
    validation_accuracy
        Share of the validation images classified correctly, 0..1.
    """

    weight: Tensor
    bias: Tensor
    strength: float
    validation_accuracy: float

    def predict(self, features: Tensor) -> Tensor:
        """The class with the highest score, int64 (N,), for features (N, ...)."""
        return (features.flatten(1).to(self.weight.dtype) @ self.weight + self.bias).argmax(dim=1)

    def __repr__(self) -> str:
        return (
            f"LinearProbe({len(self.weight):,} features, strength {self.strength:g}, "
            f"validation accuracy {self.validation_accuracy:.2%})"
        )


def linear_probe(
    features: Tensor,
    labels: Tensor,
    validation_features: Tensor,
    validation_labels: Tensor,
    *,
    strengths: Sequence[float] = STRENGTHS,
) -> LinearProbe:
    """Fit a linear probe by ridge regression on the one-hot labels.

    The solution is exact: no learning rate, no seed, no stopping. Validation chooses how strongly it is regularized.

    Parameters
    ----------
    features, labels
        What is learned: features (N, ...) and class indices (N,).
    validation_features, validation_labels
        What chooses the regularization.
    strengths
        Regularizations to choose from, as multiples of the mean square of a centred image's features.

    Returns
    -------
    LinearProbe
        The probe with the highest validation accuracy; the most strongly regularized one where several have it.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit together.

    References
    ----------
    Alain and Bengio, *Understanding intermediate layers using linear classifier probes*, 2016.

    Notes
    -----
    It is solved in the space of the images, so that its cost grows with the square of their number and only linearly
    with the number of features.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> labels = torch.randint(10, (200,), generator=generator)
    >>> features = torch.nn.functional.one_hot(labels, 10) + torch.randn(200, 10, generator=generator) / 10
    >>> linear_probe(features[:100], labels[:100], features[100:], labels[100:]).validation_accuracy
    1.0
    """
    labels, validation_labels = check_labels(labels), check_labels(validation_labels, "validation_labels")
    for name, values, many in (
        ("features", features, len(labels)),
        ("validation_features", validation_features, len(validation_labels)),
    ):
        if values.ndim < 2 or len(values) != many or not many:
            raise ValueError(f"{name}: expected shape ({max(many, 1)}, ...), got {describe(values)}")
    known = features.flatten(1).float()
    mean = known.mean(dim=0)
    known = known - mean
    targets = torch.nn.functional.one_hot(labels, CLASSES).float()
    average = targets.mean(dim=0)
    products = known @ known.T  # (N, N)
    ridge = products.diagonal().mean() * torch.eye(len(products))
    best: LinearProbe | None = None
    for strength in sorted(strengths, reverse=True):
        factor = torch.linalg.cholesky(products + strength * ridge)
        weight = known.T @ torch.cholesky_solve(targets - average, factor)  # (features, 10)
        probe = LinearProbe(weight, average - mean @ weight, strength, 0.0)
        right = int((probe.predict(validation_features) == validation_labels).sum())
        accuracy = right / len(validation_labels)
        if best is None or accuracy > best.validation_accuracy:
            best = LinearProbe(weight, probe.bias, strength, accuracy)
    assert best is not None  # there is at least one strength
    return best


def class_selectivity(activations: Tensor, labels: Tensor) -> Tensor:
    """The selectivity of each neuron: its mean answer to its favourite class against that to all the others.

    Parameters
    ----------
    activations
        Activations (N, ...) of at least 0, one a neuron and image.
    labels
        Class indices (N,), at least one image of two classes.

    Returns
    -------
    Tensor
        (a - b) / (a + b) for each neuron, (...), with its mean answer a to the class it answers to most and the mean b
        of its mean answers to the other classes: 0 if all classes are alike to it, 1 if it answers to one alone, NaN
        if it answers to none.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit together, or an activation is negative.

    References
    ----------
    Morcos, Barrett, Rabinowitz and Botvinick, *On the importance of single directions for generalization*, 2018.

    Examples
    --------
    >>> answers = torch.tensor([[1.0, 3.0, 0.0], [1.0, 0.0, 0.0]])  # two images, three neurons
    >>> class_selectivity(answers, torch.tensor([4, 7]))
    tensor([0., 1., nan])
    """
    labels = check_labels(labels, count=len(activations))
    if not activations.is_floating_point() or (activations < 0).any():
        raise ValueError(f"activations: expected floating-point values of at least 0, got {describe(activations)}")
    present = labels.bincount(minlength=CLASSES).nonzero()[:, 0]
    if len(present) < 2:
        raise ValueError(f"labels: expected images of at least two classes, got {len(present)}")
    means = torch.stack([activations[labels == label].mean(dim=0) for label in present])  # (classes, ...)
    most = means.amax(dim=0)
    others = (means.sum(dim=0) - most) / (len(present) - 1)
    return (most - others) / (most + others)


@dataclass(frozen=True, eq=False)
class TopPatches:
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
        return f"TopPatches({count} of {size}x{size} pixels for each of {maps} maps)"


def top_activating_patches(
    images: Tensor, activations: Tensor, *, size: int, stride: int = 1, start: int = 0, count: int = 9
) -> TopPatches:
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
    TopPatches
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
    >>> strongest = top_activating_patches(images, images, size=3, start=-1, count=1)  # a map that copies the image
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
    return TopPatches(pixels, values.T, chosen.T, torch.stack([rows, columns], dim=-1))


def agreement(patches: TopPatches) -> tuple[Tensor, Tensor]:
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
    >>> within, between = agreement(top_activating_patches(images, answers, size=3, start=-1, count=2))
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
