"""Filters and activations: of this network and of others, by the layer's name, and without a trace."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import mnist_lab as lab
from tests.conftest import no_trace


def digits(count: int = 3) -> Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()


def lively(batch_norm: bool) -> lab.DigitCNN:
    """A network whose batch normalization has running statistics worth the name, negative scales among them."""
    model = lab.DigitCNN(batch_norm=batch_norm, seed=3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for values in (module.running_mean, module.weight, module.bias):
                    assert values is not None
                    values.copy_(torch.randn(32, generator=generator))
    return model


def by_hand(model: lab.DigitCNN, images: Tensor) -> dict[str, Tensor]:
    """The assignment's order, written out: convolution, normalization, ReLU, then pooling."""
    state, answers = model.state_dict(), {}
    features = (images.double() - state["standardize.mean"]) / state["standardize.std"]
    for name, norm in (("conv1", "bn1"), ("conv2", "bn2")):
        features = functional.conv2d(features, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)
        if model.batch_norm:
            statistics = (state[f"{norm}.running_mean"], state[f"{norm}.running_var"])
            features = functional.batch_norm(features, *statistics, state[f"{norm}.weight"], state[f"{norm}.bias"])
        answers[name] = features.relu()
        features = functional.max_pool2d(answers[name], 2)
    answers["fc1"] = functional.linear(features.flatten(1), state["fc1.weight"], state["fc1.bias"]).relu()
    answers["fc2"] = functional.linear(answers["fc1"], state["fc2.weight"], state["fc2.bias"])
    return answers


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1", "fc2"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_activations_as_written_out_by_hand(batch_norm: bool, layer: str) -> None:
    model = lively(batch_norm).double()
    torch.testing.assert_close(lab.activations(model, digits(), layer), by_hand(model, digits())[layer])


def test_batches_make_no_difference() -> None:
    model = lively(True).double()
    whole = lab.activations(model, digits(5), "conv2")
    torch.testing.assert_close(lab.activations(model, digits(5), "conv2", batch_size=2), whole)
    assert lab.activations(model, digits(0), "conv2").shape == (0, 32, 14, 14)


def test_filters_are_a_copy() -> None:
    model = lab.DigitCNN()
    kernels = lab.filters(model, "conv2")
    assert torch.equal(kernels, model.state_dict()["conv2.weight"])
    assert kernels.is_contiguous()
    assert not kernels.requires_grad
    with no_trace(model):
        kernels.zero_()


class Other(nn.Module):
    """Convolutions within a module, functional and in-place ReLUs, and a normalization where one is not meant."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(inplace=True), nn.BatchNorm2d(4))
        self.get_buffer("features.2.running_mean").fill_(0.1)
        self.unused = nn.Conv2d(1, 1, 1)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 10)

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images / 255)
        features = functional.relu(self.shared(features))
        features = functional.relu_(self.shared(features))
        outputs: Tensor = self.head(features.amax((2, 3)))
        return outputs


def test_another_network() -> None:
    model, images = Other().eval(), digits()
    assert lab.filters(model, "features.0").shape == (4, 1, 5, 5)
    with torch.no_grad():
        # The normalization comes after the ReLU here, so it is no part of the layer's activation.
        expected = model.features[0](images / 255).relu()
        torch.testing.assert_close(lab.activations(model, images, "features.0"), expected)
        torch.testing.assert_close(lab.activations(model, images, "head"), model(images.float()))


def test_a_layer_alone_is_a_network() -> None:
    model = nn.Conv2d(1, 2, 3)
    assert torch.equal(lab.filters(model, ""), model.weight.detach())


@pytest.mark.parametrize(("layer", "times"), [("unused", "not at all"), ("shared", "2 times")])
def test_a_layer_that_does_not_run_once(layer: str, times: str) -> None:
    model = Other()
    with no_trace(model), pytest.raises(RuntimeError, match=f"'{layer}' ran {times}"):
        lab.activations(model, digits(), layer)


@pytest.mark.parametrize("wrong", ["conv3", "pool1", "relu1", "", "bn1"])
def test_a_wrong_name_lists_the_right_ones(wrong: str) -> None:
    model = lab.DigitCNN(batch_norm=True)
    with pytest.raises(ValueError, match="^layer: expected one of 'conv1', 'conv2', got str"):
        lab.filters(model, wrong)
    with (
        no_trace(model),
        pytest.raises(ValueError, match="^layer: expected one of 'conv1', 'conv2', 'fc1', 'fc2', got"),
    ):
        lab.activations(model, digits(), wrong)


def test_filters_of_a_layer_without_any() -> None:
    with pytest.raises(ValueError, match="'conv1', 'conv2'"):
        lab.filters(lab.DigitCNN(), "fc1")
    with pytest.raises(ValueError, match="this one has none"):
        lab.filters(nn.Linear(2, 2), "conv1")


def test_bad_arguments_are_refused() -> None:
    model = lab.DigitCNN()
    with pytest.raises(TypeError, match="^layer: expected a string, got int 1"):
        lab.filters(model, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="^model: "):
        lab.activations("plain", digits(), "conv1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^images: "):
        lab.activations(model, torch.zeros(28, 28), "conv1")
    with pytest.raises(ValueError, match="^batch_size: "):
        lab.activations(model, digits(), "conv1", batch_size=0)


@pytest.mark.parametrize("layer", ["conv1", "fc2"])
def test_no_trace(layer: str) -> None:
    model = lab.DigitCNN(batch_norm=True).train()
    with no_trace(model):
        lab.activations(model, digits(), layer)


def test_no_trace_after_an_error() -> None:
    model = lab.DigitCNN(batch_norm=True).train()
    model.fc2 = nn.Linear(7, 7)
    with no_trace(model), pytest.raises(RuntimeError):
        lab.activations(model, digits(), "conv1")
