"""The network is the assignment's, reproducible by its seed, and standardizes its own input."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.nn import functional

import mnist_lab as lab
from mnist_lab.model import MEAN, STD
from tests.conftest import no_trace, same


@pytest.mark.parametrize("batch_norm", [False, True])
def test_layers_are_the_assignments(batch_norm: bool) -> None:
    model = lab.DigitCNN(batch_norm=batch_norm)
    count = {name: sum(p.numel() for p in layer.parameters()) for name, layer in model.named_children()}
    assert {name: n for name, n in count.items() if n} == {
        "conv1": 320,
        "conv2": 9_248,
        "fc1": 784_500,
        "fc2": 5_010,
        **({"bn1": 64, "bn2": 64} if batch_norm else {}),
    }
    names = list(dict(model.named_children()))
    stages = ["conv1", "bn1", "pool1", "conv2", "bn2", "pool2", "fc1", "fc2"]
    assert [name for name in names if name in stages] == [s for s in stages if batch_norm or not s.startswith("bn")]


def test_the_forward_pass_is_the_assignments_written_out() -> None:
    """ReLU before or after the pool: the same function."""
    model = lab.DigitCNN(seed=3)
    images = torch.randint(256, (5, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    x = (images.float() / 255 - 0.1307) / 0.3081
    x = functional.max_pool2d(functional.relu(functional.conv2d(x, model.conv1.weight, model.conv1.bias, padding=1)), 2)
    x = functional.max_pool2d(functional.relu(functional.conv2d(x, model.conv2.weight, model.conv2.bias, padding=1)), 2)
    x = functional.relu(functional.linear(x.flatten(1), model.fc1.weight, model.fc1.bias))
    x = functional.linear(x, model.fc2.weight, model.fc2.bias)
    torch.testing.assert_close(model(images), x, rtol=1e-4, atol=1e-5)


def test_gradients_of_pool_then_relu_are_those_of_relu_then_pool() -> None:
    torch.manual_seed(0)
    before = torch.randn(4, 8, 10, 10, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(4, 8, 5, 5, dtype=torch.float64)
    one = torch.autograd.grad((functional.relu(functional.max_pool2d(before, 2)) * weights).sum(), before)
    other = torch.autograd.grad((functional.max_pool2d(functional.relu(before), 2) * weights).sum(), before)
    assert torch.equal(one[0], other[0])


def test_uint8_and_float_pixels_mean_the_same() -> None:
    model = lab.DigitCNN()
    images = torch.randint(256, (3, 1, 28, 28)).byte()
    assert torch.equal(model(images), model(images.float()))
    double = lab.DigitCNN().double()
    assert double(images).dtype == torch.float64
    torch.testing.assert_close(double(images).float(), model(images), rtol=1e-4, atol=1e-5)


def test_standardizing_subtracts_the_mean_and_divides_by_the_standard_deviation() -> None:
    model = lab.DigitCNN()
    assert model.standardize(torch.full((1, 1, 28, 28), MEAN)).abs().max() < 1e-6
    step = model.standardize(torch.full((1, 1, 28, 28), MEAN + STD))
    torch.testing.assert_close(step, torch.ones_like(step))


def test_a_slice_is_a_sequence_of_the_same_layers() -> None:
    model = lab.DigitCNN()
    images = torch.randint(256, (3, 1, 28, 28)).byte()
    assert type(model[:4]) is torch.nn.Sequential
    assert model[1] is model.conv1
    assert torch.equal(model[4:](model[:4](images)), model(images))


def test_the_seed_determines_the_weights_and_the_global_state_is_unchanged() -> None:
    state = torch.get_rng_state()
    one, again, other = lab.DigitCNN(seed=1), lab.DigitCNN(seed=1), lab.DigitCNN(seed=2)
    assert torch.equal(state, torch.get_rng_state())
    assert same(one.state_dict(), again.state_dict())
    assert not torch.equal(one.conv1.weight, other.conv1.weight)


def test_networks_that_are_created_in_eight_threads_have_the_weights_of_their_seeds() -> None:
    alone = [lab.DigitCNN(seed=seed).state_dict() for seed in range(80)]
    state = torch.get_rng_state()
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda seed: lab.DigitCNN(seed=seed).state_dict(), range(80)))
    assert same(alone, together)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (2, 3, 28, 28), (2, 1, 32, 32)])
def test_images_of_a_wrong_shape_are_rejected(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"images: expected shape \(N, 1, 28, 28\), got"):
        lab.DigitCNN()(torch.zeros(shape))


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_a_seed_is_an_integer_of_at_least_zero(seed: int) -> None:
    with pytest.raises((TypeError, ValueError), match="seed: expected an integer"):
        lab.DigitCNN(seed=seed)


def test_probabilities_leave_no_trace_even_in_training_mode() -> None:
    model = lab.DigitCNN(batch_norm=True).train()
    model.bn1.eval()  # mixed modes have to be restored as they were
    images = torch.randint(256, (16, 1, 28, 28)).byte()
    with no_trace(model):
        probabilities = model.probabilities(images)
        with pytest.raises(ValueError, match="images"):
            model.probabilities(torch.zeros(28, 28))
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(16))
    torch.testing.assert_close(probabilities, model.eval()(images).softmax(dim=1))


def test_no_trace_itself_notices_a_trace() -> None:
    """A forward pass in training mode changes the statistics of batch norm."""
    model = lab.DigitCNN(batch_norm=True).train()
    with pytest.raises(AssertionError, match="tensors"), no_trace(model):
        model(torch.rand(4, 1, 28, 28) * 255)
    with pytest.raises(AssertionError, match="random"), no_trace(model):
        torch.rand(1)


def test_probabilities_of_many_images_are_those_of_each() -> None:
    model = lab.DigitCNN(seed=0)
    images = torch.randint(256, (301, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    with torch.no_grad():
        expected = model.eval()(images).softmax(dim=1)
    assert torch.allclose(model.probabilities(images), expected, atol=1e-6)
