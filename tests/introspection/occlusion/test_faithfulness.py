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
    log_odds,
    measure_faithfulness,
    other_class_partners,
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


def test_only_the_positions_that_count_are_ranked() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randint(-3, 3, (4, 6, 6), generator=generator).float() for _ in range(2))
    where = torch.rand(4, 6, 6, generator=generator) < 0.5
    for index, found in enumerate(rank_correlations(first, second, where)):
        expected = stats.spearmanr(first[index][where[index]], second[index][where[index]]).statistic
        assert float(found) == pytest.approx(expected)
    everywhere = torch.ones_like(where)
    torch.testing.assert_close(rank_correlations(first, second, everywhere), rank_correlations(first, second))
    assert rank_correlations(first, second, ~everywhere).isnan().all()
    assert rank_correlations(first[:0], second[:0]).shape == (0,)
    with pytest.raises(ValueError, match="^where: expected the shape of first"):
        rank_correlations(first, second, where[:3])


def test_log_odds_follow_their_definition() -> None:
    logits = 5 * torch.randn(3, 4, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([2, 0, 9])
    found = log_odds(logits.softmax(dim=2), labels)
    for index, label in enumerate(labels.tolist()):
        own = logits[index].softmax(dim=1)[:, label]
        torch.testing.assert_close(found[index], own.logit())


def test_log_odds_tell_probabilities_apart_that_are_rounded_to_1() -> None:
    logits = torch.zeros(2, 10)
    logits[:, 3] = torch.tensor([25.0, 30.0])
    probabilities = logits.softmax(dim=1)
    assert (probabilities[:, 3] == 1).all()
    found = log_odds(probabilities, torch.tensor([3, 3]))
    torch.testing.assert_close(found, torch.tensor([25.0, 30.0], dtype=torch.float64) - np.log(9), atol=1e-5, rtol=0)
    certain = torch.eye(10)[:2]
    assert log_odds(certain, torch.tensor([0, 3])).isfinite().all()


def test_partners_are_of_another_class_and_used_once() -> None:
    generator = torch.Generator().manual_seed(0)
    labels, pool = torch.randint(10, (200,), generator=generator), torch.randint(10, (400,), generator=generator)
    partners = other_class_partners(labels, pool, seed=3)
    assert (pool[partners] != labels).all()
    assert len(partners.unique()) == 200
    assert torch.equal(partners, other_class_partners(labels, pool, seed=3))
    assert not torch.equal(partners, other_class_partners(labels, pool, seed=4))
    with pytest.raises(ValueError, match="^pool: expected an entry of another class for each of 3 labels, got enough"):
        other_class_partners(torch.tensor([1, 1, 1]), torch.tensor([2, 1, 1, 5]))


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
    """Three horizontal strokes, whose ends are weaker: a patch hides more ink or less."""
    images = torch.zeros(3, 1, 28, 28)
    for index in range(3):
        images[index, 0, 12 + index : 15 + index, 8:20] = 255
        images[index, 0, 12 + index : 15 + index, 8:12] = 90
    return images


ONES = torch.ones(3, dtype=torch.int64)


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 1.0), (-1.0, -1.0)])
def test_a_network_that_counts_ink(sign: float, expected: float) -> None:
    upright = strokes().transpose(2, 3)
    found = measure_faithfulness(Inked(sign), strokes(), ONES, upright, 3)
    torch.testing.assert_close(found.own, torch.full((3,), expected, dtype=torch.float64), atol=0.02, rtol=0)
    assert (found.control.abs() < found.own.abs() - 0.3).all()
    assert (found.drops[found.ink == 0].abs() < 1e-6).all()  # a black patch does not change a black background
    assert (expected * found.mean_drop(found.ink > 0.5) > expected * found.mean_drop(found.ink < 0.5)).all()


def test_a_drop_that_falls_with_the_distance_from_the_centre_is_central() -> None:
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    distances = torch.hypot(rows - 13.5, columns - 13.5)
    ink = (columns < 20).float()
    drops = torch.where(ink > 0, -distances, torch.rand(28, 28, generator=torch.Generator().manual_seed(0)))
    found = Faithfulness(drops[None], torch.zeros(1, 28, 28).long(), ink[None], ink[None])
    assert float(found.central) == pytest.approx(1)


def test_all_correlations_are_over_the_positions_with_ink_of_the_digit() -> None:
    drops, ink, control_ink = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    ink[:, :10] = 0
    control_ink[:, 20:] = 0
    found = Faithfulness(drops, torch.zeros(1, 28, 28).long(), ink, control_ink)
    for value, other in ((found.own, ink), (found.control, control_ink)):
        expected = stats.spearmanr(drops[ink > 0], other[ink > 0]).statistic
        assert float(value) == pytest.approx(expected)


def test_a_digit_is_its_own_control() -> None:
    found = measure_faithfulness(lab.DigitCNN(seed=1), strokes(), ONES, strokes(), 3)
    assert torch.equal(found.own, found.control)


def test_a_network_that_looks_at_a_corner_does_not_rely_on_ink() -> None:
    found = measure_faithfulness(Inked(1.0, corner=True), strokes(), ONES, strokes().flip(2), 3, fill=128)
    assert (found.drops[:, 9:].abs() < 1e-6).all()
    assert (found.drops[:, :6, :6] < 0).all()  # grey in the corner is evidence, not a loss
    assert not (found.own > 0.2).any()


def test_predictions_drops_and_ink_belong_to_the_maps() -> None:
    split, model = bars(2, 1), lab.DigitCNN(seed=4)
    with no_trace(model):
        found = measure_faithfulness(model, split.images, split.labels, split.images.flip(0), 5, 200)
    probabilities = lab.occluded_probabilities(model, split.images, 5, 200)
    clean = log_odds(model.probabilities(split.images), split.labels)
    torch.testing.assert_close(found.drops, clean[:, None, None] - log_odds(probabilities, split.labels))
    assert torch.equal(found.predictions, probabilities.argmax(dim=3))
    assert torch.equal(found.ink, ink_under_patch(split.images, 5))
    assert torch.equal(found.control_ink, found.ink.flip(0))
    assert repr(found).startswith("Faithfulness(2 images, mean rank correlation of the drop with own ink ")


def test_the_mean_drop_is_over_the_positions_that_count() -> None:
    everywhere = torch.zeros(1, 28, 28)
    found = Faithfulness(everywhere.clone(), everywhere.long(), everywhere, everywhere)
    found.drops[0, 3, 4:6] = torch.tensor([1.0, 5.0])
    positions = torch.zeros(1, 28, 28, dtype=torch.bool)
    assert found.mean_drop(positions).isnan().all()
    positions[0, 3, 4:6] = True
    assert found.mean_drop(positions).tolist() == [3]
    with pytest.raises(ValueError, match=r"^positions: expected shape \(1, 28, 28\), got"):
        found.mean_drop(positions.repeat(2, 1, 1))


def test_rounding_does_not_exceed_full_ink() -> None:
    generator = torch.Generator().manual_seed(0)
    bright = 255 - torch.rand(20, 1, 28, 28, generator=generator) * 1e-4
    assert all(float(ink_under_patch(bright, patch).max()) <= 1 for patch in (2, 3, 7, 28))


def test_a_network_in_half_precision_is_measured() -> None:
    split = bars(2, 1)
    found = measure_faithfulness(lab.DigitCNN().bfloat16(), split.images, split.labels, split.images.flip(0))
    assert found.drops.isfinite().all()


def test_bad_arguments_are_named() -> None:
    split, model = bars(2, 1), lab.DigitCNN()
    images, labels = split.images, split.labels
    with pytest.raises(ValueError, match="^labels: expected 2, one for each of images, got 1"):
        measure_faithfulness(model, images, labels[:1], images)
    with pytest.raises(ValueError, match="^controls: expected 2, one for each of images, got 1"):
        measure_faithfulness(model, images, labels, images[:1])
    with pytest.raises(ValueError, match=r"^patch: expected an integer in 1\.\.28, got 29"):
        measure_faithfulness(model, images, labels, images, 29)
    with pytest.raises(ValueError, match="^fill: expected a finite number"):
        measure_faithfulness(model, images, labels, images, 3, 256)
    with pytest.raises(ValueError, match="^model: expected a network that gives logits, got probabilities"):
        measure_faithfulness(nn.Sequential(model, nn.Softmax(dim=1)), images, labels, images)
