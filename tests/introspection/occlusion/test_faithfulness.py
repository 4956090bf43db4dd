"""Whether a network relies on ink: hidden ink, rank correlations, and networks whose reliance is known."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import mnist_lab as lab
from mnist_lab.introspection.occlusion.faithfulness import ink_under_patch, measure_reliance, rank_correlations, shuffled_weights
from tests.conftest import bars, no_trace


def test_ink_is_the_mean_of_what_is_hidden() -> None:
    images = torch.randint(256, (2, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    for patch in (1, 2, 5):
        ink = ink_under_patch(images, patch)
        for row, column in ((0, 0), (13, 9), (27, 1)):
            top, left = row - patch // 2, column - patch // 2
            hidden = images[1, 0, max(top, 0) : top + patch, max(left, 0) : left + patch].float() / 255
            assert float(ink[1, row, column]) == pytest.approx(float(hidden.mean()), abs=1e-6)


def test_rank_correlations_are_scipys() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randint(6, (3, 5, 5), generator=generator).float() for _ in range(2))  # with ties
    for index, found in enumerate(rank_correlations(first, second)):
        expected = stats.spearmanr(first[index].flatten(), second[index].flatten()).statistic
        assert float(found) == pytest.approx(expected)
    assert np.isnan(float(rank_correlations(torch.ones(1, 4), torch.rand(1, 4))))
    with pytest.raises(ValueError, match="^first, second: expected like shapes"):
        rank_correlations(first, second[:2])


class Inked(nn.Module):
    """Says "1" the more ink there is, or the less; or it counts only a corner."""

    def __init__(self, sign: float, corner: bool = False) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(sign / 5000))
        self.corner = corner

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = images[..., :6, :6] if self.corner else images
        evidence = seen.sum((1, 2, 3)) * self.scale
        return torch.nn.functional.one_hot(torch.ones(len(images), dtype=torch.int64), 10) * evidence[:, None]


def strokes() -> torch.Tensor:
    images = torch.zeros(3, 1, 28, 28)
    for index in range(3):
        images[index, 0, 12 + index : 15 + index, 8:20] = 255
    return images


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 1.0), (-1.0, -1.0)])
def test_a_network_that_counts_ink(sign: float, expected: float) -> None:
    found = measure_reliance(Inked(sign), strokes(), torch.ones(3, dtype=torch.int64), 3, fill=0)
    torch.testing.assert_close(found.correlations, torch.full((3,), expected, dtype=torch.float64), atol=0.02, rtol=0)
    by_ink = found.by_ink((0, 0.5, 1))
    assert (by_ink[:, 0].abs() < 1e-6).all()  # a black patch on the background is no change
    assert (expected * by_ink[:, 2] > expected * by_ink[:, 1]).all()


def test_a_network_that_looks_elsewhere() -> None:
    found = measure_reliance(Inked(1.0, corner=True), strokes(), torch.ones(3, dtype=torch.int64), 3)
    assert (found.drops[:, 9:].abs() < 1e-6).all()
    assert (found.drops[:, :6, :6] < 0).all()  # grey in the corner is evidence, not a loss
    assert (found.correlations < 0.2).all()


def test_means_by_ink_leave_no_place_out() -> None:
    split = bars(4, 0)
    found = measure_reliance(lab.DigitCNN(), split.images, split.labels, 4)
    ends = (0, 0.1, 0.4, 1)
    ranges = torch.bucketize(found.ink, torch.tensor(ends))
    counts = torch.stack([(ranges == index).sum((1, 2)) for index in range(4)], dim=1)
    assert (counts.sum(dim=1) == 784).all()
    means = found.by_ink(ends)
    assert torch.equal(means.isnan(), counts == 0)
    torch.testing.assert_close((means.nan_to_num() * counts).sum(dim=1), found.drops.sum((1, 2)))


def test_predictions_and_drops_belong_to_the_maps() -> None:
    split, model = bars(2, 1), lab.DigitCNN(seed=4)
    with no_trace(model):
        found = measure_reliance(model, split.images, split.labels, 5, 200)
    maps = lab.occlusion_map(model, split.images, split.labels, 5, 200)
    clean = model.probabilities(split.images)[torch.arange(2), split.labels]
    torch.testing.assert_close(found.drops, clean[:, None, None] - maps)
    assert found.predictions.shape == (2, 28, 28)
    assert repr(found).startswith("Reliance(2 images, mean rank correlation ")


def test_shuffling_keeps_every_value_and_the_network_itself() -> None:
    model = lab.DigitCNN(batch_norm=True, seed=1).train()
    with no_trace(model):
        shuffled, again, other = (shuffled_weights(model, seed) for seed in (0, 0, 1))
    assert not shuffled.training
    for name, weight in model.named_parameters():
        mixed = shuffled.get_parameter(name)
        assert torch.equal(mixed.flatten().sort().values, weight.flatten().sort().values)
        assert torch.equal(mixed, again.get_parameter(name))
    assert not torch.equal(shuffled.get_parameter("conv1.weight"), model.get_parameter("conv1.weight"))
    assert not torch.equal(shuffled.get_parameter("conv1.weight"), other.get_parameter("conv1.weight"))
