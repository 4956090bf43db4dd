"""Any network that gives logits can be trained; one that cannot be is rejected before any work."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from torch import nn

import mnist_lab as lab
from tests.conftest import bars, no_trace, same

RECIPE = lab.Recipe(epochs=1, batch_size=64)


def small_network(norm: nn.Module | None = None) -> nn.Sequential:
    layers = [nn.Flatten(), nn.Linear(784, 16), norm or nn.ReLU(), nn.Linear(16, 10)]
    return nn.Sequential(lab.DigitCNN().standardize, *layers)


def dataset_of(count: int) -> lab.Dataset:
    return lab.Dataset("bars", train=bars(count, 0), validation=bars(20, 1), test=bars(10, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_network_without_a_cast_is_trained_in_its_own_type(bar_dataset: lab.Dataset, dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).to(dtype)
    history = lab.fit(model, bar_dataset, lab.Recipe(epochs=5, batch_size=64), progress=False)
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert history.validation_accuracy[-1] > 0.9


@pytest.mark.parametrize("augment", [False, True])
def test_a_float64_network_is_trained_in_float64(bar_dataset: lab.Dataset, augment: bool) -> None:
    model = lab.DigitCNN(batch_norm=True).double()
    recipe = lab.Recipe(epochs=1, batch_size=64, augment=augment)
    history = lab.fit(model, bar_dataset, recipe, progress=False)
    assert model.fc2.weight.dtype == torch.float64
    assert history.train_loss[-1] < history.batch_loss[0]


def test_a_network_that_gives_probabilities_is_rejected(bar_dataset: lab.Dataset) -> None:
    model = nn.Sequential(lab.DigitCNN(batch_norm=True), nn.Softmax(dim=1))
    with no_trace(model), pytest.raises(ValueError, match="model: expected .* logits, got probabilities"):
        lab.fit(model, bar_dataset, RECIPE, progress=False)


def test_a_frozen_network_is_rejected_before_any_work(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
    model = lab.DigitCNN(batch_norm=True).requires_grad_(False)
    with no_trace(model), pytest.raises(ValueError, match="model: expected parameters that require a gradient, got"):
        lab.fit(model, bar_dataset, RECIPE, resume=tmp_path / "run", progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [torch.no_grad(), torch.inference_mode()])
def test_a_network_is_trained_where_gradients_are_switched_off(
    bar_dataset: lab.Dataset, mode: AbstractContextManager[None]
) -> None:
    one, other = lab.DigitCNN(batch_norm=True), lab.DigitCNN(batch_norm=True)
    lab.fit(one, bar_dataset, RECIPE, progress=False)
    with mode:
        lab.fit(other, bar_dataset, RECIPE, progress=False)
        assert not torch.is_grad_enabled()
    assert same(one.state_dict(), other.state_dict())
    assert not any(parameter.is_inference() for parameter in other.parameters())


def test_a_last_batch_of_one_image_joins_the_batch_before() -> None:
    """Batch norm after a fully connected layer has no variance of a single image."""
    model = small_network(nn.BatchNorm1d(16))
    history = lab.fit(model, dataset_of(65), RECIPE, progress=False)
    assert len(history.batch_loss) == 1
    assert len(lab.fit(small_network(), dataset_of(129), RECIPE, progress=False).batch_loss) == 2


@pytest.mark.parametrize(("argument", "count", "batch_size"), [("recipe", 8, 1), ("dataset", 1, 64)])
def test_batches_of_one_image_are_rejected_for_batch_norm_before_any_work(
    argument: str, count: int, batch_size: int, tmp_path: Path
) -> None:
    model, recipe = small_network(nn.BatchNorm1d(16)), lab.Recipe(epochs=1, batch_size=batch_size)
    message = f"{argument}: expected batches of at least 2 images for batch norm '3', got 1"
    with no_trace(model), pytest.raises(ValueError, match=message):
        lab.fit(model, dataset_of(count), recipe, resume=tmp_path / "run", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_batches_of_one_image_train_two_dimensional_batch_norm() -> None:
    model = lab.DigitCNN(batch_norm=True)
    history = lab.fit(model, dataset_of(8), lab.Recipe(epochs=1, batch_size=1), progress=False)
    assert len(history.batch_loss) == 8
    assert bool(model.bn1.running_mean.any())  # type: ignore[union-attr]  # it tracks its statistics
