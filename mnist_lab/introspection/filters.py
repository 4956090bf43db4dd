"""The filters of a convolution, and the pattern that a 3x3 filter holds: an edge, a line, a spot, an average."""

from typing import Annotated

import torch
from torch import Tensor, nn

from mnist_lab._utils.contracts import FLOATS, Network, TensorOf, checked
from mnist_lab.introspection.activations import layer_of

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
Kernels = Annotated[Tensor, TensorOf(("...", 3, 3), dtypes=FLOATS)]
LayerKernels = Annotated[Tensor, TensorOf(("filters", "channels", 3, 3), dtypes=FLOATS)]

ROOT = 2**0.5
# Frei and Chen's nine orthogonal masks, by kind.
MASKS: dict[str, list[list[list[float]]]] = {
    "average": [[[1, 1, 1], [1, 1, 1], [1, 1, 1]]],
    "edge": [[[-1, 0, 1], [-ROOT, 0, ROOT], [-1, 0, 1]], [[-1, -ROOT, -1], [0, 0, 0], [1, ROOT, 1]]],
    "ripple": [[[0, -1, ROOT], [1, 0, -1], [-ROOT, 1, 0]], [[ROOT, -1, 0], [-1, 0, 1], [0, 1, -ROOT]]],
    "line": [[[0, 1, 0], [-1, 0, -1], [0, 1, 0]], [[-1, 0, 1], [0, 0, 0], [1, 0, -1]]],
    "spot": [[[1, -2, 1], [-2, 4, -2], [1, -2, 1]], [[-2, 1, -2], [1, 4, 1], [-2, 1, -2]]],
}
# The mean share of each kind in filters of independent random weights with zero mean.
EXPECTED = {kind: len(masks) / 9 for kind, masks in MASKS.items()}


@checked
def filters(model: Network, layer: str) -> Tensor:
    """The filters of a convolution.

    Parameters
    ----------
    model
        Any network with convolutions.
    layer
        The layer's name, as :meth:`torch.nn.Module.named_modules` gives it: ``"conv1"``, or ``"features.0"`` for a
        layer inside another module.

    Returns
    -------
    Tensor
        A copy of the weights on the CPU, (filters, input channels, height, width).

    Raises
    ------
    TypeError
        If `model` is no network or `layer` no string.
    ValueError
        If the network has no convolution of that name; the message lists those that it has.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> filters(DigitCNN(), "conv1").shape
    torch.Size([32, 1, 3, 3])
    >>> filters(DigitCNN(), "conv3")
    Traceback (most recent call last):
    ...
    ValueError: layer: expected one of 'conv1', 'conv2', got str 'conv3'
    """
    weight = layer_of(model, layer, CONVOLUTIONS).weight
    assert isinstance(weight, Tensor)
    return weight.detach().cpu().clone(memory_format=torch.contiguous_format)


@checked
@torch.no_grad()
def pattern_shares(filters: Kernels) -> dict[str, Tensor]:
    """The shares of average, edge, ripple, line and spot in each filter.

    A filter is a weighted sum of nine orthogonal masks, so its sum of squares is the sum of their squared weights. The
    share of a kind of mask is its part of that sum; the shares add up to one.

    Parameters
    ----------
    filters
        Filters (..., 3, 3), none of them zero everywhere.

    Returns
    -------
    dict of Tensor
        By kind (``"average"``, ``"edge"``, ``"ripple"``, ``"line"``, ``"spot"``) its share 0..1 in each filter, (...).
        Random filters have a share of 1/9 of "average" and 2/9 of each other kind (``EXPECTED``).

    Raises
    ------
    TypeError, ValueError
        If `filters` are not finite floating-point (..., 3, 3).

    References
    ----------
    Frei and Chen, *Fast boundary detection: a generalization and a new algorithm*, 1977.

    Examples
    --------
    >>> sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    >>> {kind: round(float(share), 2) for kind, share in pattern_shares(sobel).items()}
    {'average': 0.0, 'edge': 0.97, 'ripple': 0.03, 'line': 0.0, 'spot': 0.0}
    """
    energy = filters.square().sum((-2, -1))
    return {kind: _weights(filters, kind).square().sum(-1) / energy for kind in MASKS}


@checked
@torch.no_grad()
def edge_direction(filters: Kernels) -> Tensor:
    """The direction from dark to bright of the edge in each filter.

    Parameters
    ----------
    filters
        Filters (..., 3, 3).

    Returns
    -------
    Tensor
        Degrees, (...), above -180 and up to 180: 0 is to the right, 90 downwards.

    Examples
    --------
    >>> brighter_below = torch.tensor([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]])
    >>> edge_direction(brighter_below)
    tensor(90.)
    """
    right, down = _weights(filters, "edge").unbind(-1)
    return torch.atan2(down, right).rad2deg()


@checked
@torch.no_grad()
def center_of_mass(maps: Annotated[Tensor, TensorOf(("...", "height", "width"), low=0)]) -> Tensor:
    """The mean position of what a map holds, weighted by its values.

    Parameters
    ----------
    maps
        Images or activations (..., height, width) of at least 0.

    Returns
    -------
    Tensor
        Column and row in pixels from the top left pixel, (..., 2); NaN for a map that is zero everywhere.

    Examples
    --------
    >>> image = torch.zeros(28, 28)
    >>> image[10, 20] = image[10, 24] = 255
    >>> center_of_mass(image)
    tensor([22., 10.])
    """
    height, width = maps.shape[-2:]
    values = maps.to(torch.promote_types(maps.dtype, torch.float32))
    rows, columns = (torch.arange(size, dtype=values.dtype, device=maps.device) for size in (height, width))
    total = values.sum((-2, -1))
    return torch.stack([(values.sum(-2) * columns).sum(-1), (values.sum(-1) * rows).sum(-1)], dim=-1) / total[..., None]


@checked
@torch.no_grad()
def smoothness(filters: Annotated[Tensor, TensorOf(("...", "height", "width"), dtypes=FLOATS)]) -> Tensor:
    """The similarity of neighbouring weights: their mean product over the mean square of all weights.

    Parameters
    ----------
    filters
        Filters (..., height, width), none of them zero everywhere.

    Returns
    -------
    Tensor
        About -1..1, (...): 1 if all weights are equal, 0 on average for independent random ones, negative if they
        alternate.

    Examples
    --------
    >>> smoothness(torch.ones(3, 3)), smoothness(torch.tensor([[1.0, -1], [-1, 1]]))
    (tensor(1.), tensor(-1.))
    """
    across = filters[..., :, 1:] * filters[..., :, :-1]
    down = filters[..., 1:, :] * filters[..., :-1, :]
    products = torch.cat([across.flatten(-2), down.flatten(-2)], dim=-1)
    return products.mean(-1) / filters.square().mean((-2, -1))


@checked
@torch.no_grad()
def similarity(filters: Annotated[Tensor, TensorOf(("N", "M", "..."), dtypes=FLOATS)]) -> Tensor:
    """The similarity of every pair of filters: the absolute cosine of the angle between them.

    Parameters
    ----------
    filters
        At least two filters (N, ...), none of them zero everywhere.

    Returns
    -------
    Tensor
        One value per pair, (N * (N - 1) / 2,): 1 if one filter is a multiple of the other, 0 if they are orthogonal.

    Examples
    --------
    >>> similarity(torch.tensor([[1.0, 0], [-2, 0], [0, 5]]))
    tensor([1., 0., 0.])
    """
    directions = torch.nn.functional.normalize(filters.flatten(1), dim=1)
    first, second = torch.triu_indices(len(filters), len(filters), offset=1)
    return (directions @ directions.T)[first, second].abs()


@checked
@torch.no_grad()
def describe_filters(filters: LayerKernels) -> dict[str, float]:
    """A layer's filters in a few numbers, each a mean over its filters or kernels.

    Parameters
    ----------
    filters
        All filters of a layer, (filters, input channels, 3, 3).

    Returns
    -------
    dict of float
        The smoothness of the kernels, their shares of edge and of average, the similarity of two filters and the
        length (norm) of a filter.

    Examples
    --------
    >>> describe_filters(torch.ones(2, 4, 3, 3))["norm"]
    6.0
    """
    shares = pattern_shares(filters)
    return {
        "smoothness": float(smoothness(filters).mean()),
        "edge share": float(shares["edge"].mean()),
        "average share": float(shares["average"].mean()),
        "similarity": float(similarity(filters).mean()),
        "norm": float(filters.flatten(1).norm(dim=1).mean()),
    }


def _weights(filters: Tensor, kind: str) -> Tensor:
    """The weight of each mask of a kind in each filter, (..., masks)."""
    masks = torch.tensor(MASKS[kind], dtype=filters.dtype, device=filters.device)
    masks = masks / masks.square().sum((-2, -1), keepdim=True).sqrt()
    return torch.einsum("...hw,mhw->...m", filters, masks)
