"""What pattern a 3x3 filter holds: an edge, a line, a spot, or nothing but an average."""

import torch
from torch import Tensor

from mnist_lab._utils.checks import describe

ROOT = 2**0.5
# Frei and Chen's nine masks, orthogonal to one another, by kind.
MASKS: dict[str, list[list[list[float]]]] = {
    "average": [[[1, 1, 1], [1, 1, 1], [1, 1, 1]]],
    "edge": [[[-1, 0, 1], [-ROOT, 0, ROOT], [-1, 0, 1]], [[-1, -ROOT, -1], [0, 0, 0], [1, ROOT, 1]]],
    "ripple": [[[0, -1, ROOT], [1, 0, -1], [-ROOT, 1, 0]], [[ROOT, -1, 0], [-1, 0, 1], [0, 1, -ROOT]]],
    "line": [[[0, 1, 0], [-1, 0, -1], [0, 1, 0]], [[-1, 0, 1], [0, 0, 0], [1, 0, -1]]],
    "spot": [[[1, -2, 1], [-2, 4, -2], [1, -2, 1]], [[-2, 1, -2], [1, 4, 1], [-2, 1, -2]]],
}
# What a filter of independent random weights, as likely negative as positive, holds of each kind on average.
EXPECTED = {kind: len(masks) / 9 for kind, masks in MASKS.items()}


def pattern_shares(filters: Tensor) -> dict[str, Tensor]:
    """How much of each filter is an average, an edge, a ripple, a line or a spot.

    A filter is a sum of nine orthogonal masks, and its sum of squares the sum of the squares of their weights. So each
    kind of mask has a share in it, and the shares add up to one.

    Parameters
    ----------
    filters
        Filters (..., 3, 3), none of them zero everywhere.

    Returns
    -------
    dict of Tensor
        By kind (``"average"``, ``"edge"``, ``"ripple"``, ``"line"``, ``"spot"``) its share 0..1 in each filter, (...).
        Random filters have a ninth of "average" and two ninths of each other kind (``EXPECTED``).

    Raises
    ------
    TypeError, ValueError
        If `filters` are not floating-point (..., 3, 3).

    References
    ----------
    Frei and Chen, *Fast boundary detection: a generalization and a new algorithm*, 1977.

    Examples
    --------
    >>> sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    >>> {kind: round(float(share), 2) for kind, share in pattern_shares(sobel).items()}
    {'average': 0.0, 'edge': 0.97, 'ripple': 0.03, 'line': 0.0, 'spot': 0.0}
    """
    _check_filters(filters)
    energy = filters.square().sum((-2, -1))
    return {kind: _weights(filters, kind).square().sum(-1) / energy for kind in MASKS}


def edge_direction(filters: Tensor) -> Tensor:
    """The direction in which a filter's edge rises from dark to bright.

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
    _check_filters(filters)
    right, down = _weights(filters, "edge").unbind(-1)
    return torch.atan2(down, right).rad2deg()


def smoothness(filters: Tensor) -> Tensor:
    """How alike neighbouring weights of a filter are: the mean product of neighbours over the mean square.

    Parameters
    ----------
    filters
        Filters (..., height, width), none of them zero everywhere.

    Returns
    -------
    Tensor
        About -1..1, (...): 1 if all weights are the same, 0 on average for independent random ones, negative if they
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


def similarity(filters: Tensor) -> Tensor:
    """How alike each filter is to every other: the absolute cosine of the angle between them.

    Parameters
    ----------
    filters
        At least two filters (N, ...), none of them zero everywhere.

    Returns
    -------
    Tensor
        One value a pair, (N * (N - 1) / 2,): 1 if one filter is a multiple of the other, 0 if they have nothing in
        common.

    Examples
    --------
    >>> similarity(torch.tensor([[1.0, 0], [-2, 0], [0, 5]]))
    tensor([1., 0., 0.])
    """
    directions = torch.nn.functional.normalize(filters.flatten(1), dim=1)
    first, second = torch.triu_indices(len(filters), len(filters), offset=1)
    return (directions @ directions.T)[first, second].abs()


def describe_filters(filters: Tensor) -> dict[str, float]:
    """A layer's filters in a few numbers, each the mean over its filters or kernels.

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


def _check_filters(filters: object) -> None:
    if not isinstance(filters, Tensor) or not filters.is_floating_point():
        raise TypeError(f"filters: expected a floating-point tensor (..., 3, 3), got {describe(filters)}")
    if filters.shape[-2:] != (3, 3):
        raise ValueError(f"filters: expected shape (..., 3, 3), got {describe(filters)}")
