"""Figures of questions 2.1 and 2.2: the filters of the convolutions, and the patterns that they hold."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from mnist_lab.introspection.filters import EXPECTED, MASKS, edge_direction, pattern_shares
from mnist_lab.introspection.probing import TopPatches
from mnist_lab.plotting.charts import estimates
from mnist_lab.plotting.grids import beside_digits, montage
from mnist_lab.stats import mean_interval

ARROWS = "→↘↓↙←↖↑↗"  # by 45 degrees, clockwise from the right


def arrows(filters: Tensor) -> list[str]:
    """For each filter (N, 3, 3) the arrow from the dark to the bright side of its edge."""
    return [ARROWS[round(float(angle) / 45) % 8] for angle in edge_direction(filters)]


def pattern_masks() -> Figure:
    """Frei and Chen's nine masks, each of unit length."""
    masks = torch.tensor([mask for kind in MASKS.values() for mask in kind])
    return montage(
        masks / masks.flatten(1).norm(dim=1)[:, None, None],
        title="The nine masks",
        unit="weight",
        limits=(-0.7, 0.7),
        cmap="RdBu_r",
        columns=9,
        captions=[kind for kind, group in MASKS.items() for _ in group],
    )


def filters_by_edge(filters: Tensor, *, title: str) -> Figure:
    """Filters (N, 3, 3), sorted by the edge share that stands above each, with the arrow to the bright side."""
    shares = pattern_shares(filters)["edge"]
    order = shares.argsort(descending=True)
    end = float(filters.abs().max())
    return montage(
        filters[order],
        title=title,
        unit="weight",
        limits=(-end, end),
        cmap="RdBu_r",
        captions=[f"{share:.0%} {arrow}" for share, arrow in zip(shares[order], arrows(filters[order]), strict=True)],
    )


def mean_pattern_shares(filters: Mapping[str, Sequence[Tensor]]) -> Figure:
    """The mean share of each kind of pattern, with its interval over the networks, beside that of random weights.

    `filters` holds by name the filters (N, 3, 3) of each network.
    """
    means = {
        name: [{kind: float(share.mean()) for kind, share in pattern_shares(each).items()} for each in networks]
        for name, networks in filters.items()
    }
    return estimates(
        {name: [mean_interval([mean[kind] for mean in each]) for kind in EXPECTED] for name, each in means.items()},
        list(EXPECTED),
        title="What the filters of conv1 hold",
        unit="mean share of a filter",
        limits=(0, None),
        marked=list(EXPECTED.values()),
        marked_as="random weights",
    )


def edge_responses(digits: Tensor, responses: Tensor, filters: Tensor) -> Figure:
    """Digits (N, 1, 28, 28), each beside the responses (N, K, 28, 28) of K filters (K, 3, 3), under their arrows."""
    return beside_digits(
        digits,
        responses,
        title="Responses of the filters with the strongest edges",
        unit="activation, above that for a black image",
        limits=(0, float(responses.max())),
        column_labels=arrows(filters),
    )


def kernel_grid(kernels: Tensor) -> Figure:
    """Kernels (filters, maps, 3, 3): one row per filter, one column per map that it reads."""
    rows, columns = kernels.shape[:2]
    end = float(kernels.abs().flatten().quantile(0.99))  # a few large weights would leave all others pale
    figure = montage(
        kernels.flatten(0, 1),
        title="The kernels of conv2",
        unit="weight (clipped at the 99th percentile)",
        limits=(-end, end),
        cmap="RdBu_r",
        columns=columns,
        row_labels=[str(row) if row % 4 == 0 else "" for row in range(rows)],
        column_labels=[str(column) if column % 4 == 0 else "" for column in range(columns)],
    )
    figure.axes[0].set(xlabel="map of conv1 that the kernel reads", ylabel="filter of conv2")
    figure.axes[0].xaxis.set_label_position("top")
    return figure


def filter_numbers(described: Mapping[str, Sequence[Mapping[str, float]]], names: Sequence[str]) -> Figure:
    """The means of some numbers over networks with their intervals, one series per layer and state."""
    return estimates(
        {
            series: [mean_interval([each[name] for each in networks]) for name in names]
            for series, networks in described.items()
        },
        names,
        title="The filters of both layers in numbers",
        unit="mean of a network",
    )


def top_patches(patches: TopPatches, units: Sequence[int]) -> Figure:
    """The top-activating patches of some maps, one row per map."""
    figure = montage(
        patches.pixels[list(units)].flatten(0, 1),
        title="The patches that activate a filter of conv2 most",
        unit="pixel intensity",
        limits=(0, 255),
        columns=patches.pixels.shape[1],
        row_labels=list(map(str, units)),
    )
    figure.axes[0].set_ylabel("filter of conv2")
    return figure


def specificities(measured: Mapping[str, Sequence[Sequence[float]]], layers: Sequence[str]) -> Figure:
    """How much more alike the patches of a filter are than those of different filters, one series per state.

    `measured` holds by state, for each layer, one number per network.
    """
    return estimates(
        {state: [mean_interval(by_network) for by_network in by_layer] for state, by_layer in measured.items()},
        layers,
        title="How specific the filters are",
        unit="correlation within minus between",
        limits=(0, 1),
    )
