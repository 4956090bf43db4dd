"""Class selectivity: its ends, its invariances, and its definition written out."""

import pytest
import torch

from mnist_lab.introspection.selectivity import class_selectivity

LABELS = torch.arange(40) % 10


def test_the_two_ends() -> None:
    alike = torch.ones(40, 3)
    alone = (LABELS == 6).float()[:, None] * torch.tensor([1.0, 2.0, 30.0])
    assert class_selectivity(alike, LABELS).tolist() == [0, 0, 0]
    assert class_selectivity(alone, LABELS).tolist() == [1, 1, 1]
    assert class_selectivity(torch.zeros(40, 1), LABELS).isnan().all()


def test_the_definition() -> None:
    activations = torch.rand(40, 2, 3, generator=torch.Generator().manual_seed(0))
    selectivity = class_selectivity(activations, LABELS)
    assert selectivity.shape == (2, 3)
    means = sorted(float(activations[label == LABELS, 1, 2].mean()) for label in range(10))
    others = sum(means[:-1]) / 9
    assert float(selectivity[1, 2]) == pytest.approx((means[-1] - others) / (means[-1] + others), abs=1e-6)
    torch.testing.assert_close(class_selectivity(7 * activations, LABELS), selectivity)


def test_only_the_classes_that_are_there_count() -> None:
    activations = torch.tensor([[3.0], [1.0]])
    assert float(class_selectivity(activations, torch.tensor([2, 9]))) == pytest.approx(0.5)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="^labels: expected 3 of them"):
        class_selectivity(torch.ones(3, 1), LABELS)
    with pytest.raises(ValueError, match="^activations: expected floating-point values of at least 0"):
        class_selectivity(-torch.ones(40, 1), LABELS)
    with pytest.raises(ValueError, match="^labels: expected images of at least two classes, got 1"):
        class_selectivity(torch.ones(2, 1), torch.tensor([4, 4]))
