"""What units and layers represent: linear probes, class selectivity, top-activating patches."""

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
    Between,
    ClassIndices,
    Count,
    ImageBatch,
    Per,
    Seed,
    Sized,
    SomeImages,
    TensorOf,
    checked,
)

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)

Features = Annotated[Tensor, TensorOf(("N", "features", "..."), dtypes=FLOATS)]
Strength = Annotated[float, Above(0)]


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A linear classifier of features.

    Parameters
    ----------
    weight
        (features, 10).
    bias
        (10,).
    strength
        The strength of the regularization, which validation selected.
    validation_accuracy
        The fraction of validation images classified correctly, 0..1.
    """

    weight: Tensor
    bias: Tensor
    strength: float
    validation_accuracy: float

    @checked
    def predict(self, features: Features) -> Tensor:
        """The class with the highest score, int64 (N,), for features (N, ...)."""
        return (_rows(features, "features", len(self.weight)) @ self.weight + self.bias).argmax(dim=1)

    def __repr__(self) -> str:
        return (
            f"LinearProbe({len(self.weight):,} features, strength {self.strength:g}, "
            f"validation accuracy {self.validation_accuracy:.2%})"
        )


@checked
def linear_probe(
    features: Features,
    labels: Annotated[Tensor, ClassIndices(), Per("features")],
    validation_features: Features,
    validation_labels: Annotated[Tensor, ClassIndices(), Per("validation_features")],
    *,
    strengths: Annotated[Sequence[Strength], Sized(1)] = STRENGTHS,
) -> LinearProbe:
    """Fit a linear probe by ridge regression on one-hot labels.

    The solution is exact. It needs no learning rate, no seed and no stopping rule. Validation selects the strength of
    the regularization.

    Parameters
    ----------
    features, labels
        Training features (N, ...) and class indices (N,).
    validation_features, validation_labels
        Validation features (M, ...) and class indices (M,).
    strengths
        Candidate strengths above 0, in units of the mean squared norm of the centred training features.

    Returns
    -------
    LinearProbe
        The probe with the highest validation accuracy, on the CPU. Ties go to the strongest regularization.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or two arguments differ in their number of images or of features.

    References
    ----------
    Alain and Bengio, *Understanding intermediate layers using linear classifier probes*, 2016.

    Notes
    -----
    The dual problem is solved. Its cost is quadratic in the number of training images, and linear in the number of
    features.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> labels = torch.randint(10, (200,), generator=generator)
    >>> features = torch.nn.functional.one_hot(labels, 10) + torch.randn(200, 10, generator=generator) / 10
    >>> linear_probe(features[:100], labels[:100], features[100:], labels[100:]).validation_accuracy
    1.0
    """
    known = _rows(features, "features")
    held_out = _rows(validation_features, "validation_features", known.shape[1])
    mean = known.mean(dim=0)
    known = known - mean
    targets = functional.one_hot(labels.cpu(), CLASSES).float()
    average = targets.mean(dim=0)
    gram = known @ known.T  # (N, N)
    scale = gram.diagonal().mean()
    # Features that are the same for all images have no scale. Any ridge then gives a weight of zero.
    ridge = torch.where(scale > 0, scale, 1.0) * torch.eye(len(gram))
    order = sorted(strengths, reverse=True)
    duals = [
        torch.cholesky_solve(targets - average, torch.linalg.cholesky(gram + strength * ridge)) for strength in order
    ]
    # The features are many times as large as all else, so they are read once for all strengths.
    weights = known.T @ torch.cat(duals, dim=1)  # (features, 10 for each strength)
    scores = held_out @ weights
    probes = []
    for strength, weight, score in zip(order, weights.split(CLASSES, 1), scores.split(CLASSES, 1), strict=True):
        bias = average - mean @ weight
        right = (score + bias).argmax(dim=1) == validation_labels.cpu()
        probes.append(LinearProbe(weight.clone(), bias, strength, int(right.sum()) / len(right)))
    return max(probes, key=lambda probe: probe.validation_accuracy)  # the first of equals


@checked
def class_selectivity(
    activations: Annotated[Tensor, TensorOf(("N", "..."), dtypes=FLOATS, low=0)],
    labels: Annotated[Tensor, ClassIndices(), Per("activations")],
) -> Tensor:
    """The class selectivity index of each unit.

    The index is (a - b) / (a + b). Here a is the unit's largest mean class activation, and b is the average of its mean
    activations for the other classes.

    Parameters
    ----------
    activations
        Activations (N, ...) of at least 0. Each entry of an image is one unit.
    labels
        Class indices (N,) of at least two classes.

    Returns
    -------
    Tensor
        The index of each unit, 0..1, of shape (...). It is 0 if the unit responds to all classes alike, 1 if it
        responds to one class only, and NaN if it responds to none.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or the numbers of activations and labels differ.

    References
    ----------
    Morcos, Barrett, Rabinowitz and Botvinick, *On the importance of single directions for generalization*, 2018.

    Examples
    --------
    >>> activations = torch.tensor([[1.0, 3.0, 0.0], [1.0, 0.0, 0.0]])  # two images, three units
    >>> class_selectivity(activations, torch.tensor([4, 7]))
    tensor([0., 1., nan])
    """
    return _selectivity(activations, labels)[0]


@checked
def selectivity_above_chance(
    activations: Annotated[Tensor, TensorOf(("N", "..."), dtypes=FLOATS, low=0)],
    labels: Annotated[Tensor, ClassIndices(), Per("activations")],
    seed: Seed = 0,
) -> Tensor:
    """The class selectivity index of each unit, less the index that it has for labels in random order.

    Even a unit that knows nothing of the classes has a largest mean class activation, so its index is above 0. It is
    the higher, the fewer the images and the rarer the unit is active. With labels in random order, nothing but chance
    is left.

    Parameters
    ----------
    activations, labels
        As for :func:`class_selectivity`.
    seed
        Seed of the random order.

    Returns
    -------
    Tensor
        The difference of each unit, -1..1, of shape (...); NaN if the unit is never active.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or the numbers of activations and labels differ.

    Examples
    --------
    >>> labels = torch.arange(1000) % 10
    >>> knows = (labels == 3).float()  # active for one class only
    >>> guesses = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    >>> class_selectivity(torch.stack([knows, guesses], dim=1), labels).numpy().round(2)
    array([1.  , 0.03], dtype=float32)
    >>> selectivity_above_chance(torch.stack([knows, guesses], dim=1), labels).numpy().round(2)
    array([ 0.85, -0.  ], dtype=float32)
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).to(labels.device)
    index, by_chance = _selectivity(activations, labels, labels[order]).unbind()
    return index - by_chance


def _selectivity(activations: Tensor, *labelings: Tensor) -> Tensor:
    """The class selectivity index of each unit by each of several labelings, (labelings, ...)."""
    classes = labelings[0].unique().to(activations.device)
    if len(classes) < 2:
        raise ValueError(f"labels: expected at least two different classes, got {len(classes)}")
    values = activations.detach().reshape(len(activations), activations[0].numel())
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()  # a sum over many images overflows half precision
    # (labelings * classes, N): a matrix product sums the images of every class in one pass over the activations.
    members = torch.cat([labels.to(classes.device) == classes[:, None] for labels in labelings]).to(values)
    means = (members @ values / members.sum(dim=1, keepdim=True)).unflatten(0, (len(labelings), len(classes)))
    largest = means.amax(dim=1)
    others = (means.sum(dim=1) - largest) / (len(classes) - 1)
    index: Tensor = (largest - others) / (largest + others)
    return index.to(activations.dtype).reshape(-1, *activations.shape[1:])


@checked
def image_similarity(
    activations: Annotated[Tensor, TensorOf(("N", "maps", "height", "width"), dtypes=FLOATS)],
    images: Annotated[Tensor, ImageBatch(empty=False), Per("activations")],
    size: Annotated[int, Between(2, 28)] = 14,
) -> Tensor:
    """How much each activation map looks like its image: the absolute correlation of their pixels.

    Maps and images are averaged to `size` x `size` pixels first, so that maps of layers of different resolution can be
    compared.

    Parameters
    ----------
    activations
        Activation maps (N, maps, height, width).
    images
        The images that they belong to, (N, 1, 28, 28), uint8 or float in 0..255.
    size
        Height and width at which they are compared, at most those of the maps.

    Returns
    -------
    Tensor
        Correlations 0..1, (N, maps), on the CPU: 1 for the image itself or its negative, NaN for a map of one value.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> images = torch.randint(256, (3, 1, 28, 28), generator=torch.Generator().manual_seed(0)).float()
    >>> image_similarity(1 - images / 255, images).flatten()  # the negative of each image
    tensor([1., 1., 1.])
    """
    if size > min(activations.shape[2:]):
        raise ValueError(f"size: expected at most that of the maps, {min(activations.shape[2:])}, got {size}")
    maps, pixels = (
        functional.adaptive_avg_pool2d(each.detach().cpu().double(), size).flatten(2) for each in (activations, images)
    )
    maps, pixels = (each - each.mean(dim=2, keepdim=True) for each in (maps, pixels))
    norms = maps.norm(dim=2) * pixels.norm(dim=2)
    correlations: Tensor = (maps * pixels).sum(dim=2) / norms
    return correlations.abs().float()


@dataclass(frozen=True, eq=False)
class TopPatches:
    """The top-activating patches of each map of a layer, in order of decreasing activation.

    Parameters
    ----------
    pixels
        What the unit sees of the image, (maps, count, size, size), in pixel intensities. Outside the image it is 0.
    activations
        The activation of the unit, (maps, count).
    images
        The index of the image, int64 (maps, count). The patches of a map come from different images.
    positions
        Row and column of the unit in the map, int64 (maps, count, 2).
    """

    pixels: Tensor
    activations: Tensor
    images: Tensor
    positions: Tensor

    def __repr__(self) -> str:
        maps, count, size, _ = self.pixels.shape
        return f"TopPatches({count} of {size}x{size} pixels for each of {maps} maps)"


@checked
def top_activating_patches(
    images: SomeImages,
    activations: Annotated[Tensor, TensorOf(("N", "maps", "height", "width"), dtypes=FLOATS), Per("images")],
    *,
    size: Count,
    stride: Count = 1,
    start: int = 0,
    count: Count = 9,
) -> TopPatches:
    """The image patches that activate each map of a layer most, at most one patch per image.

    Parameters
    ----------
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.
    activations
        The layer's activations for these images, (N, maps, height, width).
    size
        Side of a unit's receptive field in pixels: 3 for :class:`mnist_lab.DigitCNN`'s conv1, 8 for its conv2.
    stride
        Distance in pixels between the receptive fields of neighbouring units: 1 for conv1, 2 for conv2.
    start
        First row and column that the unit in row and column 0 sees: -1 for conv1, -3 for conv2.
    count
        Number of patches per map, at most N.

    Returns
    -------
    TopPatches
        The patches, their activations and where they come from, on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    References
    ----------
    Zeiler and Fergus, *Visualizing and understanding convolutional networks*, 2014.

    Examples
    --------
    >>> images = torch.zeros(4, 1, 28, 28)
    >>> images[2, 0, 10, 20] = 255
    >>> top = top_activating_patches(images, images, size=3, start=-1, count=1)  # a map that copies the image
    >>> top.images, top.positions, top.pixels[0, 0, 1]
    (tensor([[2]]), tensor([[[10, 20]]]), tensor([  0., 255.,   0.]))
    """
    if count > len(images):
        raise ValueError(f"count: expected an integer in 1..{len(images)}, got {count}")
    height, width = activations.shape[2:]
    peaks, places = activations.detach().cpu().flatten(2).max(dim=2)  # (N, maps)
    values, chosen = (top.T for top in peaks.topk(count, dim=0))  # (maps, count)
    positions = places.T.gather(1, chosen)
    rows, columns = positions // width, positions % width
    # A receptive field may reach beyond the image on each side.
    before, after = max(0, -start), max(0, (max(height, width) - 1) * stride + start + size - 28)
    padded = functional.pad(images[:, 0].detach().cpu().float(), (before, after, before, after))
    offsets = start + before + torch.arange(size)
    top, left = (stride * place[..., None, None] for place in (rows, columns))
    pixels = padded[chosen[..., None, None], top + offsets[:, None], left + offsets]
    return TopPatches(pixels, values, chosen, torch.stack([rows, columns], dim=-1))


@checked
def agreement(patches: TopPatches) -> tuple[Tensor, Tensor]:
    """How similar the patches of a map are to each other, and to the patches of the other maps.

    The similarity of two patches is the correlation of their pixels. It ignores brightness and contrast. A patch of one
    intensity has a correlation of 0 with every patch.

    Parameters
    ----------
    patches
        At least two patches for each of at least two maps.

    Returns
    -------
    within, between
        For each map the mean correlation of two of its patches, and of one of its patches with a patch of another map,
        -1..1, (maps,) each.

    Raises
    ------
    TypeError, ValueError
        If `patches` is not as described.

    Examples
    --------
    >>> images = torch.zeros(4, 1, 28, 28)
    >>> images[:2, 0, 10, 20] = 255  # a dot
    >>> images[2:, 0, 10] = 255  # a line
    >>> dots, lines = images.clone(), images.clone()
    >>> dots[2:] = lines[:2] = 0
    >>> maps = torch.cat([dots, lines], dim=1)
    >>> within, between = agreement(top_activating_patches(images, maps, size=3, start=-1, count=2))
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


def _rows(features: Tensor, name: str, width: int | None = None) -> Tensor:
    """Features (N, ...) as a matrix (N, width)."""
    rows = features.detach().cpu().flatten(1).float()
    if width is not None and rows.shape[1] != width:
        raise ValueError(f"{name}: expected {width} features per image, got {rows.shape[1]}")
    return rows
