"""Networks of other people: other non-linearities, attention, quantized, scripted, wrapped, in other precisions.

The number is right, or there is an error that names the network; it is never a smaller number.
"""

import copy
import warnings
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

import mnist_lab as lab
from tests.conftest import no_trace


def digits(count: int = 3) -> Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()


class Functional(nn.Module):
    """Layers as modules, non-linearities as functions, pooling before or after them."""

    def __init__(self, nonlinearity: Callable[[Tensor], Tensor], *, pool_first: bool, norm: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4 * 14 * 14, 10)
        self.norm = nn.BatchNorm2d(4) if norm else nn.Identity()
        self.nonlinearity, self.pool_first = nonlinearity, pool_first

    def forward(self, images: Tensor) -> Tensor:
        features = self.norm(self.conv(images.to(self.conv.weight.dtype) / 255))
        if self.pool_first:
            features = self.nonlinearity(functional.max_pool2d(features, 2))
        else:
            features = functional.max_pool2d(self.nonlinearity(features), 2)
        outputs: Tensor = self.head(features.flatten(1))
        return outputs


MONOTONE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "in place": functional.relu_,
    "tensor method": lambda x: x.relu(),
    "leaky": lambda x: functional.leaky_relu(x, 0.2),
    "elu": functional.elu,
    "tanh": torch.tanh,
    "sigmoid": lambda x: x.sigmoid(),
    "softplus": functional.softplus,
    "clamp": lambda x: x.clamp(min=0),
    "module": nn.LeakyReLU(0.3),
    "in-place module": nn.ReLU(inplace=True),
}


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("pool_first", [False, True])
@pytest.mark.parametrize("name", MONOTONE)
def test_activations_are_what_the_layers_own_nonlinearity_passes_on(name: str, pool_first: bool, norm: bool) -> None:
    model = Functional(MONOTONE[name], pool_first=pool_first, norm=norm).double().eval()
    with torch.no_grad():
        before = model.norm(model.conv(digits().double() / 255))
        torch.testing.assert_close(lab.activations(model, digits(), "conv", pre_activation=True), before)
        torch.testing.assert_close(lab.activations(model, digits(), "conv"), MONOTONE[name](before.clone()))


@pytest.mark.parametrize(
    "nonlinearity", [functional.gelu, functional.silu, nn.Hardswish()], ids=["gelu", "silu", "hardswish"]
)
def test_a_nonlinearity_that_is_not_monotone(nonlinearity: Callable[[Tensor], Tensor]) -> None:
    """Before the pool it is the layer's own. After it, there is no such value ahead of the pool."""
    model = Functional(nonlinearity, pool_first=False).double()
    with torch.no_grad():
        before = model.conv(digits().double() / 255)
    torch.testing.assert_close(lab.activations(model, digits(), "conv"), nonlinearity(before))
    pooled = Functional(nonlinearity, pool_first=True).double()
    with pytest.raises(
        ValueError, match="^layer: expected one whose non-linearity is known, got 'conv', which is pooled"
    ):
        lab.activations(pooled, digits(), "conv")
    torch.testing.assert_close(lab.activations(pooled, digits(), "conv", pre_activation=True), before)


@pytest.mark.parametrize(
    "swish", [lambda x: x * torch.sigmoid(x), lambda x: torch.sigmoid(x) * x, lambda x: functional.relu(x) + x]
)
def test_a_nonlinearity_written_out_by_hand_is_not_guessed(swish: Callable[[Tensor], Tensor]) -> None:
    model = Functional(swish, pool_first=False)
    with no_trace(model), pytest.raises(ValueError, match="whose output is used more than once"):
        lab.activations(model, digits(), "conv")


@pytest.mark.parametrize("end", [nn.LogSoftmax(dim=1), nn.Identity()])
def test_the_last_layer_is_not_rectified(end: nn.Module) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), end)
    expected = model[1](digits().flatten(1).float()).detach()
    assert expected.min() < 0
    torch.testing.assert_close(lab.activations(model, digits(), "1"), expected)


def test_rates_are_those_of_relus_of_any_form() -> None:
    model = Functional(functional.relu, pool_first=True)
    with torch.no_grad():
        expected = (model.conv(digits().float() / 255) > 0).float().mean(dim=0)
    rates = lab.firing_rates(model, digits())
    assert list(rates) == ["conv"]
    assert torch.equal(rates["conv"], expected)


# Attention, and what else hides its arithmetic ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "shape"),
    [(torchvision.models.vit_b_16, (3, 224, 224)), (torchvision.models.swin_t, (3, 224, 224))],
    ids=["vit_b_16", "swin_t"],
)
def test_attention_is_counted(model: Callable[..., nn.Module], shape: tuple[int, ...]) -> None:
    published = torchvision.models.get_model_weights(model).DEFAULT.meta["_ops"]  # 1e9 multiply-adds
    network = model(weights=None)
    shapes = lab.layer_shapes(network, shape)
    assert shapes.multiply_adds == pytest.approx(published * 1e9, rel=1e-3)
    assert sum(row.multiply_adds or 0 for row in shapes) + shapes.outside == shapes.multiply_adds


def test_attentions_parts_are_no_layers_of_their_own() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    counts = lab.parameter_counts(layer)
    assert counts.by_layer["self_attn"] == 16 * 48 + 48 + 16 * 16 + 16
    assert counts.total == sum(parameter.numel() for parameter in layer.parameters())
    assert counts.fully_connected == 16 * 32 + 32 + 32 * 16 + 16
    shapes = lab.layer_shapes(layer, (5, 16))
    attention = 5 * 16 * 48 + 5 * 16 * 16 + 2 * 5 * 5 * 16
    assert shapes["self_attn"].multiply_adds == attention
    assert shapes.multiply_adds == attention + 2 * 5 * 16 * 32
    with pytest.raises(ValueError, match="^model: expected layers whose neurons can be counted, got 'self_attn'"):
        lab.neuron_counts(layer, (5, 16))


class ByHand(nn.Module):
    """A product by a function call, outside of any layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.head = nn.Parameter(torch.rand(784, 30)), nn.Linear(30, 10)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.head(torch.relu(images.flatten(1) @ self.weight))
        return outputs


def test_products_outside_of_layers_are_counted() -> None:
    shapes = lab.layer_shapes(ByHand())
    assert (shapes.outside, shapes.multiply_adds) == (784 * 30, 784 * 30 + 300)
    assert "functions" in repr(shapes)


def test_arithmetic_that_cannot_be_counted_is_not_known() -> None:
    model = nn.Sequential(nn.Flatten(2), nn.LSTM(784, 5))
    shapes = lab.layer_shapes(model)
    assert shapes.multiply_adds is None
    assert shapes.unknown == ("1",)
    assert repr(shapes).count("not known") == 2


def quantized() -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch moves quantization to a package of its own
        result: nn.Module = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, torch.qint8)
    return result


@pytest.mark.filterwarnings("ignore")
def test_quantized_layers_are_not_counted_as_fewer_parameters() -> None:
    model = quantized()
    for count in (lab.parameter_counts, lab.neuron_counts):
        with pytest.raises(ValueError, match="^model: expected layers with parameters, got '1' .* quantized"):
            count(model)
    assert lab.layer_shapes(model).multiply_adds is None
    assert lab.evaluate(model, lab.Split(digits(), torch.tensor([1, 2, 3]))).probabilities.shape == (3, 10)


@pytest.mark.filterwarnings("ignore")  # torch deprecates scripting
def test_scripted_and_traced_networks_are_run_but_not_looked_into() -> None:
    plain = lab.DigitCNN(seed=2)
    inner = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    scripted = torch.jit.script(inner)
    traced = torch.jit.trace(inner, torch.zeros(2, 1, 28, 28))
    split = lab.Split(digits(), torch.tensor([1, 2, 3]))
    for model in (scripted, traced):
        for look in (
            lab.layer_shapes,
            lab.parameter_counts,
            lab.neuron_counts,
            lambda m: lab.activations(m, digits(), "1"),
        ):
            with pytest.raises(ValueError, match="^model: expected a network of Python modules, got one of the class"):
                look(model)
        assert lab.evaluate(model, split).loss == pytest.approx(lab.evaluate(inner, split).loss)
        assert lab.targeted_attack(model, digits(), [1, 2, 3], steps=3).images.shape == (3, 1, 28, 28)
    assert lab.parameter_counts(plain).total == 799_078


def test_compiled_and_data_parallel_networks_are_those_that_they_wrap() -> None:
    plain = lab.DigitCNN(seed=2)
    for wrapped in (torch.compile(plain), nn.DataParallel(plain)):
        assert isinstance(wrapped, nn.Module)
        assert repr(lab.layer_shapes(wrapped)) == repr(lab.layer_shapes(plain))
        assert repr(lab.parameter_counts(wrapped)) == repr(lab.parameter_counts(plain))
        assert repr(lab.neuron_counts(wrapped)) == repr(lab.neuron_counts(plain))
        assert torch.equal(lab.activations(wrapped, digits(), "conv2"), lab.activations(plain, digits(), "conv2"))
        assert torch.equal(lab.filters(wrapped, "conv1"), lab.filters(plain, "conv1"))
        assert torch.equal(lab.occlusion_map(wrapped, digits(1), 3), lab.occlusion_map(plain, digits(1), 3))


def test_a_network_of_integers_has_shapes() -> None:
    model = nn.Sequential(nn.Embedding(50, 8), nn.Flatten(), nn.Linear(8 * 7, 3))
    shapes = lab.layer_shapes(model, (7,))
    assert [row.output_shape for row in shapes] == [(7, 8), (56,), (3,)]
    assert lab.neuron_counts(model, (7,)).total == 3


# The same networks for every function ---------------------------------------------------------------------------------


def own(dtype: torch.dtype) -> nn.Module:
    """A network of somebody else, which casts nothing."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 10)).to(dtype)


class WritesToItsInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4 * 26 * 26, 10)

    def forward(self, images: Tensor) -> Tensor:
        images.div_(255)
        outputs: Tensor = self.head(self.conv(images).relu_().flatten(1))
        return outputs


def everything(model: nn.Module, images: Tensor, layer: str) -> None:
    split = lab.Split(images.byte(), torch.arange(len(images)))
    lab.evaluate(model, split)
    assert lab.activations(model, images, layer).shape[0] == len(images)
    lab.firing_rates(model, images)
    assert lab.occlusion_map(model, images[:1], 3, 5).isfinite().all()
    assert lab.maximize_logit(model, [1, 2], steps=2).images.isfinite().all()
    assert lab.targeted_attack(model, images, [3, 4, 5], steps=2).images.isfinite().all()
    lab.layer_shapes(model)
    lab.fit(copy.deepcopy(model), lab.Dataset("few", split, split, split), lab.Recipe(epochs=1), progress=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("given", [torch.uint8, torch.float32, torch.float64], ids=str)
def test_every_function_accepts_the_same_networks_and_images(dtype: torch.dtype, given: torch.dtype) -> None:
    model, images = own(dtype).train(), digits().to(given)
    before = images.clone()
    with no_trace(model):
        everything(model, images, "0")
    assert torch.equal(images, before)


def test_a_network_that_writes_to_its_input_writes_to_a_copy() -> None:
    model, images = WritesToItsInput(), digits().float()
    before = images.clone()
    with no_trace(model):
        everything(model, images, "conv")
    assert torch.equal(images, before)


@pytest.mark.parametrize("end", [nn.Softmax(dim=1), nn.Softmax(dim=-1)])
def test_probabilities_in_place_of_logits_are_refused_by_every_function(end: nn.Module) -> None:
    model = nn.Sequential(own(torch.float32), end)
    flat = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 26 * 26, 10), end)  # incremental occlusion
    split = lab.Split(digits(), torch.tensor([1, 2, 3]))
    few = lab.Dataset("few", split, split, split)
    for call in (
        lambda: lab.evaluate(model, split),
        lambda: lab.occlusion_map(model, digits(1), 3),
        lambda: lab.occlusion_map(flat, digits(1), 3),
        lambda: lab.maximize_logit(model, [1]),
        lambda: lab.targeted_attack(model, digits(), [3, 4, 5]),
        lambda: lab.fit(model, few, lab.Recipe(epochs=1), progress=False),
    ):
        with pytest.raises(ValueError, match="^model: expected a network that gives logits, got probabilities"):
            call()
