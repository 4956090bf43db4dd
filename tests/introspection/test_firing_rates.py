"""How often neurons fire, against the network written out by hand."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import mnist_lab as lab


@pytest.fixture
def images() -> Tensor:
    return torch.randint(256, (7, 1, 28, 28), generator=torch.Generator().manual_seed(1)).byte()


@pytest.mark.parametrize("batch_norm", [False, True])
def test_rates_are_those_of_the_rectified_outputs(images: Tensor, batch_norm: bool) -> None:
    model = lab.DigitCNN(batch_norm=batch_norm, seed=3).eval()
    state = model.state_dict()

    def normalized(features: Tensor, name: str) -> Tensor:
        if not batch_norm:
            return features
        keys = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(features, *(state[f"{name}.{key}"] for key in keys))

    if batch_norm:  # statistics and scales that matter
        for name, tensor in state.items():
            if name.startswith("bn") and tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=torch.Generator().manual_seed(len(name))) + 0.5)
        state["bn1.bias"].sub_(1)
    values = (images.float() - 0.1307 * 255) / (0.3081 * 255)
    conv1 = normalized(functional.conv2d(values, state["conv1.weight"], state["conv1.bias"], padding=1), "bn1").relu()
    pooled = functional.max_pool2d(conv1, 2)
    conv2 = normalized(functional.conv2d(pooled, state["conv2.weight"], state["conv2.bias"], padding=1), "bn2").relu()
    flat = functional.max_pool2d(conv2, 2).flatten(1)
    fc1 = functional.linear(flat, state["fc1.weight"], state["fc1.bias"]).relu()

    rates = lab.firing_rates(model, images)
    assert list(rates) == ["conv1", "conv2", "fc1"]
    for name, values in (("conv1", conv1), ("conv2", conv2), ("fc1", fc1)):
        # A value within rounding of 0 may fall on either side of it.
        different = rates[name] != (values > 0).float().mean(dim=0)
        assert different.float().mean() < 1e-3
        assert (values[:, different].abs() < 1e-4).any(dim=0).all()


def test_the_size_of_the_batches_changes_nothing(images: Tensor) -> None:
    model = lab.DigitCNN(seed=5)
    whole, parts = lab.firing_rates(model, images), lab.firing_rates(model, images, batch_size=3)
    for name, rate in whole.items():
        assert torch.isclose(rate, parts[name]).float().mean() > 0.999


def test_a_silenced_filter_never_fires_and_a_loud_one_always(images: Tensor) -> None:
    model = lab.DigitCNN()
    state = model.state_dict()
    state["conv1.bias"][:2] = torch.tensor([-1e6, 1e6])
    rates = lab.firing_rates(model, images)["conv1"]
    assert (rates[0] == 0).all()
    assert (rates[1] == 1).all()


def test_only_what_a_relu_follows_is_counted() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Conv2d(2, 2, 3), nn.AvgPool2d(2), nn.ReLU())
    assert lab.firing_rates(model, torch.zeros(1, 1, 28, 28)) == {}


def test_counting_leaves_no_trace_also_after_an_error(images: Tensor) -> None:
    model = lab.DigitCNN(batch_norm=True).train()
    model.get_submodule("pool1").eval()

    def traces() -> list[object]:
        tensors = [(name, tensor.tolist()) for name, tensor in model.state_dict().items()]
        hooks = [(dict(module._forward_hooks), module.training) for module in model.modules()]
        return [tensors, hooks, torch.get_rng_state().tolist()]

    before = traces()
    lab.firing_rates(model, images)
    assert traces() == before

    def fail(_module: object, _args: object, logits: Tensor) -> None:
        if len(logits) == len(images):  # while the images pass, not while the layers are looked up
            raise ArithmeticError

    handle = model.get_submodule("fc2").register_forward_hook(fail)
    before = traces()
    with pytest.raises(ArithmeticError):
        lab.firing_rates(model, images)
    assert traces() == before
    handle.remove()


def test_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^images: expected at least one image, got none"):
        lab.firing_rates(lab.DigitCNN(), torch.zeros(0, 1, 28, 28))
    with pytest.raises(ValueError, match=r"^batch_size: expected an integer of at least 1, got 0"):
        lab.firing_rates(lab.DigitCNN(), torch.zeros(1, 1, 28, 28), batch_size=0)
