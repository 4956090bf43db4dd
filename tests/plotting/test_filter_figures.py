"""Figures of questions 2.1 and 2.2 show the filters and numbers that they were given."""

import numpy as np
import pytest
import torch

import mnist_lab as lab
from mnist_lab.introspection.filters import MASKS, describe_filters
from mnist_lab.introspection.probing import top_activating_patches
from mnist_lab.plotting._pages import filters as figures


def test_an_arrow_points_to_the_bright_side() -> None:
    right, down = (torch.tensor(mask) for mask in MASKS["edge"])
    directions = [right, right + down, down, down - right, -right, -right - down, -down, right - down]
    assert figures.arrows(torch.stack(directions)) == list("→↘↓↙←↖↑↗")


def test_the_nine_masks_are_drawn_with_their_kinds() -> None:
    axes = figures.pattern_masks().axes[0]
    drawn = np.asarray(axes.images[0].get_array())
    assert drawn.shape == (3, 35)
    assert np.allclose(drawn[:, :3], 1 / 3)
    assert [text.get_text() for text in axes.texts] == [kind for kind, masks in MASKS.items() for _ in masks]


def test_filters_are_sorted_by_their_edges() -> None:
    edge, average = torch.tensor(MASKS["edge"][0]), torch.ones(3, 3)
    axes = figures.filters_by_edge(torch.stack([average, edge]), title="Two").axes[0]
    drawn = np.asarray(axes.images[0].get_array())
    assert np.allclose(drawn[:, :3], edge)
    assert np.allclose(drawn[:, 4:7], 1)
    assert [text.get_text().split()[0] for text in axes.texts] == ["100%", "0%"]


def test_mean_shares_are_those_of_the_networks() -> None:
    edge, average = torch.tensor(MASKS["edge"][0]), torch.ones(3, 3)
    networks = [torch.stack([edge, average]), torch.stack([edge, edge])]
    axes = figures.mean_pattern_shares({"trained": networks}).axes[0]
    heights = np.asarray(axes.lines[0].get_ydata())
    assert heights == pytest.approx([0.25, 0.75, 0, 0, 0], abs=1e-6)


def test_kernels_are_drawn_by_filter_and_map() -> None:
    kernels = torch.arange(4.0).view(2, 2, 1, 1).expand(2, 2, 3, 3)
    axes = figures.kernel_grid(kernels).axes[0]
    assert np.asarray(axes.images[0].get_array())[::4, ::4].tolist() == [[0, 1], [2, 3]]


def test_numbers_are_means_over_networks() -> None:
    rows = [describe_filters(lab.filters(lab.DigitCNN(seed=seed), "conv1")) for seed in (0, 1)]
    axes = figures.filter_numbers({"conv1": rows}, ["smoothness", "similarity"]).axes[0]
    expected = [sum(row[name] for row in rows) / 2 for name in ("smoothness", "similarity")]
    assert np.asarray(axes.lines[0].get_ydata()) == pytest.approx(expected)
    axes = figures.specificities({"before": [[0.1, 0.3], [0.5, 0.7]]}, ["conv1", "conv2"]).axes[0]
    assert np.asarray(axes.lines[0].get_ydata()) == pytest.approx([0.2, 0.6])


def test_a_row_of_patches_is_of_one_filter() -> None:
    images = torch.zeros(3, 1, 28, 28)
    images[:, 0, 14, 14] = torch.tensor([100.0, 200.0, 50.0])
    patches = top_activating_patches(images, torch.cat([images, images], dim=1), size=3, start=-1, count=2)
    axes = figures.top_patches(patches, [1]).axes[0]
    assert np.asarray(axes.images[0].get_array())[1, [1, 5]].tolist() == [200, 100]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1"]


def test_responses_stand_beside_their_digits() -> None:
    responses = torch.rand(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    filters = torch.tensor([MASKS["edge"][0]] * 3)
    digits, maps, _ = figures.edge_responses(torch.zeros(2, 1, 28, 28), responses, filters).axes
    assert np.allclose(np.asarray(maps.images[0].get_array())[:28, :28], responses[0, 0])
    assert [label.get_text() for label in maps.get_xticklabels()] == ["→"] * 3
    assert digits.images[0].get_clim() == (0, 255)
