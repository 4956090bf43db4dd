"""Saliency: closed forms, finite differences, and no trace in the network."""

import pytest
import torch
from torch import Tensor, nn

import mnist_lab as lab
from mnist_lab.introspection.saliency import randomize_parameters, saliency_map
from tests.conftest import no_trace


def digits(count: int, seed: int = 0) -> Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(seed)).byte()


def test_the_saliency_of_a_linear_network_is_the_absolute_weight() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    labels = torch.tensor([3, 8, 3])
    found = saliency_map(model, digits(3), labels)
    assert torch.equal(found, model.get_parameter("1.weight")[labels].detach().abs().reshape(3, 28, 28))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_saliency_equals_finite_differences(batch_norm: bool) -> None:
    model = lab.DigitCNN(batch_norm, seed=3).double().eval()
    images, labels, step = digits(2).double().clamp(1, 254), torch.tensor([4, 7]), 1e-4
    found = saliency_map(model, images, labels)
    for row, column in ((0, 0), (5, 20), (13, 14), (27, 27)):
        change = torch.zeros(1, 1, 28, 28, dtype=torch.float64)
        change[..., row, column] = step
        with torch.no_grad():
            slope = (model(images + change) - model(images - change)) / (2 * step)
        expected = slope.gather(1, labels[:, None]).squeeze(1).abs()
        torch.testing.assert_close(found[:, row, column], expected, rtol=1e-6, atol=1e-9)


def test_saliency_does_not_depend_on_the_batch() -> None:
    model = lab.DigitCNN(batch_norm=True, seed=1).double()
    images, labels = digits(7), torch.arange(7)
    whole = saliency_map(model, images, labels)
    for batch_size in (1, 3):
        torch.testing.assert_close(saliency_map(model, images, labels, batch_size=batch_size), whole)
    torch.testing.assert_close(saliency_map(model, images.flip(0), labels.flip(0)), whole.flip(0))
    assert saliency_map(model, images[:0], labels[:0]).shape == (0, 28, 28)


def test_saliency_leaves_no_trace() -> None:
    class Random(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return nn.functional.dropout(images, training=True)

    model = nn.Sequential(Random(), lab.DigitCNN(batch_norm=True)).train()
    images = digits(3).float().requires_grad_()
    before = images.detach().clone()
    with no_trace(model), torch.no_grad():
        found = saliency_map(model, images, torch.tensor([1, 2, 3]))
    assert not found.requires_grad
    assert images.grad is None
    assert torch.equal(images, before)


def test_saliency_is_computed_in_inference_mode_too() -> None:
    model, labels = lab.DigitCNN(), torch.tensor([1, 2])
    expected = saliency_map(model, digits(2), labels)
    with torch.inference_mode():
        made_there = labels.clone()
        assert torch.equal(saliency_map(model, digits(2), made_there), expected)
    assert torch.equal(saliency_map(model, digits(2), made_there), expected)


def test_an_inplace_layer_changes_nothing() -> None:
    plain = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(784, 10))
    in_place = nn.Sequential(nn.ReLU(inplace=True), *plain[1:])
    images = digits(2).float()
    before, labels = images.clone(), torch.tensor([1, 2])
    assert torch.equal(saliency_map(in_place, images, labels), saliency_map(plain, images, labels))
    assert torch.equal(images, before)


class Detached(nn.Module):
    """A network whose logits do not depend on the image as far as gradients show."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(10))

    def forward(self, images: Tensor) -> Tensor:
        return images.detach().mean(dim=(1, 2, 3))[:, None] * self.weight


def test_bad_arguments_are_named() -> None:
    model = lab.DigitCNN()
    with pytest.raises(ValueError, match="^labels: expected 3, one for each of images, got 2"):
        saliency_map(model, digits(3), torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="^model: expected a network through which gradients pass"):
        saliency_map(Detached(), digits(2), torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="^model: expected a network that gives logits, got probabilities"):
        saliency_map(nn.Sequential(model, nn.Softmax(dim=1)), digits(2), torch.tensor([1, 2]))


def test_randomizing_keeps_every_value_and_the_network_itself() -> None:
    model = lab.DigitCNN(batch_norm=True, seed=1).train()
    with no_trace(model):
        randomized, again, other = (randomize_parameters(model, seed) for seed in (0, 0, 1))
    assert not any(module.training for module in randomized.modules())
    for name, weight in model.named_parameters():
        mixed = randomized.get_parameter(name)
        assert torch.equal(mixed.flatten().sort().values, weight.flatten().sort().values)
        assert torch.equal(mixed, again.get_parameter(name))
    for name, buffer in model.named_buffers():
        assert torch.equal(randomized.get_buffer(name), buffer)
    weight = model.get_parameter("conv1.weight")
    assert not torch.equal(randomized.get_parameter("conv1.weight"), weight)
    assert not torch.equal(randomized.get_parameter("conv1.weight"), other.get_parameter("conv1.weight"))


def test_randomizing_keeps_tied_weights_tied() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    randomized = randomize_parameters(model)
    assert randomized.get_parameter("0.weight") is randomized.get_parameter("2.weight")
    assert randomized.get_parameter("0.weight") is not model[0].weight


def test_randomized_weights_do_not_depend_on_the_memory_layout() -> None:
    model = lab.DigitCNN(seed=1)
    contiguous = lab.DigitCNN(seed=1).to(memory_format=torch.contiguous_format)
    left, right = randomize_parameters(model), randomize_parameters(contiguous)
    assert all(torch.equal(left.get_parameter(name), right.get_parameter(name)) for name, _ in model.named_parameters())
