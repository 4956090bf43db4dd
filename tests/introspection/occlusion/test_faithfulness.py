"""Faithfulness: hidden ink, rank correlations, and networks that are known to rely on ink or not to."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import mnist_lab as lab
from mnist_lab.introspection.occlusion.faithfulness import (
    Faithfulness,
    ink_under_patch,
    measure_faithfulness,
    rank_correlations,
)
from tests.conftest import bars, no_trace


def test_ink_is_the_mean_of_the_hidden_pixels() -> None:
    images = torch.randint(256, (2, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    for patch in (1, 2, 5):
        ink = ink_under_patch(images, patch)
        for row, column in ((0, 0), (13, 9), (27, 1)):
            top, left = row - patch // 2, column - patch // 2
            hidden = images[1, 0, max(top, 0) : top + patch, max(left, 0) : left + patch].float() / 255
            assert float(ink[1, row, column]) == pytest.approx(float(hidden.mean()), abs=1e-6)


def test_rank_correlations_equal_those_of_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randint(6, (3, 5, 5), generator=generator).float() for _ in range(2))  # with ties
    for index, found in enumerate(rank_correlations(first, second)):
        expected = stats.spearmanr(first[index].flatten(), second[index].flatten()).statistic
        assert float(found) == pytest.approx(expected)
    assert np.isnan(float(rank_correlations(torch.ones(1, 4), torch.rand(1, 4))))
    with pytest.raises(ValueError, match="^second: expected the shape of first"):
        rank_correlations(first, second[:2])
    with pytest.raises(ValueError, match=r"^first: expected shape \(N, positions, \.\.\.\)"):
        rank_correlations(first[0, 0], second[0, 0])


class Inked(nn.Module):
    """Its logit of class 1 is proportional to the ink of the image, or of its upper left corner alone."""

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
    found = measure_faithfulness(Inked(sign), strokes(), torch.ones(3, dtype=torch.int64), 3, fill=0)
    torch.testing.assert_close(found.correlations, torch.full((3,), expected, dtype=torch.float64), atol=0.02, rtol=0)
    by_ink = found.by_ink((0, 0.5, 1))
    assert (by_ink[:, 0].abs() < 1e-6).all()  # a black patch does not change a black background
    assert (expected * by_ink[:, 2] > expected * by_ink[:, 1]).all()


def test_a_network_that_looks_at_a_corner_does_not_rely_on_ink() -> None:
    found = measure_faithfulness(Inked(1.0, corner=True), strokes(), torch.ones(3, dtype=torch.int64), 3)
    assert (found.drops[:, 9:].abs() < 1e-6).all()
    assert (found.drops[:, :6, :6] < 0).all()  # grey in the corner is evidence, not a loss
    assert (found.correlations < 0.2).all()


def test_ranges_of_ink_cover_every_position() -> None:
    split = bars(4, 0)
    found = measure_faithfulness(lab.DigitCNN(), split.images, split.labels, 4)
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
        found = measure_faithfulness(model, split.images, split.labels, 5, 200)
    maps = lab.occlusion_map(model, split.images, split.labels, 5, 200)
    clean = model.probabilities(split.images)[torch.arange(2), split.labels]
    torch.testing.assert_close(found.drops, clean[:, None, None] - maps)
    assert found.predictions.shape == (2, 28, 28)
    assert repr(found).startswith("Faithfulness(2 images, mean rank correlation ")


def test_ranges_of_ink_include_their_upper_end() -> None:
    ink = torch.tensor([[[0.0, 0.5], [0.75, 1.0]]])
    found = Faithfulness(torch.tensor([[[1.0, 2.0], [4.0, 8.0]]]), torch.zeros(1, 2, 2).long(), ink)
    assert found.by_ink([0, 0.5, 1]).tolist() == [[1, 2, 6]]
    assert found.by_ink([0.75]).tolist() == [[pytest.approx(7 / 3)]]
    with pytest.raises(ValueError, match=r"^edges: expected increasing numbers, got \[0.5, 0.5\]"):
        found.by_ink([0.5, 0.5])
    with pytest.raises(ValueError, match="^edges: expected at least 1 entry, got 0"):
        found.by_ink([])


def test_rounding_does_not_exceed_full_ink() -> None:
    generator = torch.Generator().manual_seed(0)
    bright = 255 - torch.rand(20, 1, 28, 28, generator=generator) * 1e-4
    assert all(float(ink_under_patch(bright, patch).max()) <= 1 for patch in (2, 3, 7, 28))


def test_a_network_in_half_precision_is_measured() -> None:
    split = bars(2, 1)
    found = measure_faithfulness(lab.DigitCNN().bfloat16(), split.images, split.labels)
    assert found.correlations.isfinite().all()


def test_bad_arguments_are_named() -> None:
    split, model = bars(2, 1), lab.DigitCNN()
    with pytest.raises(ValueError, match="^labels: expected 2, one for each of images, got 1"):
        measure_faithfulness(model, split.images, split.labels[:1])
    with pytest.raises(ValueError, match=r"^patch: expected an integer in 1\.\.28, got 29"):
        measure_faithfulness(model, split.images, split.labels, 29)
    with pytest.raises(ValueError, match="^fill: expected a finite number"):
        measure_faithfulness(model, split.images, split.labels, 3, 256)
    with pytest.raises(ValueError, match="^model: expected a network that gives logits, got probabilities"):
        measure_faithfulness(nn.Sequential(model, nn.Softmax(dim=1)), split.images, split.labels)
