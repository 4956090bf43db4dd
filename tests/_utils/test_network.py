"""Any network is run without a trace, whatever it is made of, whatever went wrong, and from several threads at once."""

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import mnist_lab as lab
from mnist_lab._utils.network import (
    check_logits,
    device_of,
    dtype_of,
    private_copy,
    running,
    unchanged,
    unwrapped,
)
from tests.conftest import no_trace

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Conv2d(1, 1, 3, padding=1),
    "norm": lambda: nn.BatchNorm2d(1),
    "dropout": lambda: nn.Dropout(0.5),
    "relu": nn.ReLU,
}


def digits(count: int = 3) -> Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()


def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    with running(model) as runner:
        return runner.logits(images)


# No trace


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=6),
    st.lists(st.booleans(), min_size=7, max_size=7),
    st.booleans(),
)
def test_any_chain_in_any_mixture_of_modes_is_left_alone(names: list[str], modes: list[bool], fails: bool) -> None:
    model = nn.Sequential(*(LAYERS[name]() for name in names))
    for module, mode in zip(model.modules(), modes, strict=False):
        module.training = mode
    with no_trace(model):
        try:
            with running(model) as runner:
                assert not any(module.training for module in runner.model.modules())
                runner.outputs(torch.rand(2, 1, 4, 4))
                torch.rand(3)
                if fails:
                    raise KeyError
        except KeyError:
            assert fails


def test_dropout_that_is_always_on_does_not_move_the_callers_random_numbers() -> None:
    class AlwaysDropout(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.dropout(x, training=True)

    model = AlwaysDropout()
    with no_trace(model), running(model) as runner:
        runner.outputs(torch.ones(5))


def test_a_network_that_writes_to_its_input_writes_to_a_copy() -> None:
    images = digits().float()
    before = images.clone()
    model = nn.Sequential(nn.Threshold(100, 7, inplace=True), lab.DigitCNN())
    with running(model) as runner:
        first = runner.logits(images)
        assert torch.equal(runner.logits(images), first)
    assert torch.equal(images, before)


def test_a_block_that_changes_a_weight_is_reported() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with unchanged(model):
        model.eval()(torch.ones(1, 2))
    with (
        pytest.raises(AssertionError, match=r"changed: 1\.running_mean, 1\.running_var, 1\.num"),
        unchanged(model),
    ):
        model.train()(torch.rand(4, 2))
    with pytest.raises(AssertionError, match=r"changed: 0\.bias$"), unchanged(model), torch.no_grad():
        model.get_parameter("0.bias").neg_()


# Gradients


def test_no_gradient_is_recorded_unless_it_is_asked_for() -> None:
    model, images = lab.DigitCNN(), digits().float().requires_grad_()
    with torch.enable_grad(), running(model) as runner:
        assert not runner.logits(images).requires_grad
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_gradients_are_recorded_in_every_mode_of_the_caller(mode: Callable[[], Any]) -> None:
    model = lab.DigitCNN()
    expected = model.eval()(digits().float()).gather(1, torch.zeros(3, 1).long()).sum()
    with mode(), no_trace(model), running(model, gradients=True) as runner:
        images = digits().float().requires_grad_()
        total = runner.logits(images).gather(1, torch.zeros(3, 1).long()).sum()
        (gradient,) = torch.autograd.grad(total, images)
    assert gradient.shape == (3, 1, 28, 28)
    assert bool(gradient.any())
    torch.testing.assert_close(total.detach(), expected.detach())


# Networks of every kind


class WithLock(nn.Module):
    """A lock cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.net = threading.Lock(), lab.DigitCNN(batch_norm=True)

    def forward(self, images: Tensor) -> Tensor:
        with self.lock:
            outputs: Tensor = self.net(images)
        return outputs


class WithHistory(nn.Module):
    """An attribute that is the result of a computation: no parameter, and no leaf of the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.gain = lab.DigitCNN(batch_norm=True), nn.Parameter(torch.tensor(2.0))
        self.square = self.gain * self.gain

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.net(images) * self.square
        return outputs


class WithMethod(nn.Module):
    """An attribute that is a method of the network itself: the copy has to run its own."""

    def __init__(self) -> None:
        super().__init__()
        self.net = lab.DigitCNN(batch_norm=True)
        self.run = self.doubled

    def doubled(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.net(images) * 2
        return outputs

    def forward(self, images: Tensor) -> Tensor:
        return self.run(images)


def hooked() -> nn.Module:
    model = lab.DigitCNN(batch_norm=True)
    model.fc2.register_forward_hook(lambda _module, _inputs, outputs: outputs * 3)
    model.conv1.register_forward_pre_hook(lambda _module, inputs: (inputs[0] / 2,))
    return model


def tied() -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.ReLU(), nn.Linear(10, 10), nn.Linear(10, 10))
    model[4].weight = model[3].weight
    return model


def parametrized() -> nn.Module:
    linear = nn.Linear(784, 10)
    return nn.Sequential(nn.Flatten(), parametrizations.weight_norm(linear), nn.BatchNorm1d(10))


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates scripting
        return nn.Sequential(torch.jit.script(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784))), nn.Linear(784, 10))


class Recurrent(nn.Module):
    """A layer that keeps its weights in a list as well."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(28, 10, batch_first=True, dropout=0.5, num_layers=2)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.lstm(images[:, 0])[0][:, -1]
        return outputs


def compiled(model: nn.Module) -> nn.Module:
    return cast("nn.Module", torch.compile(model, backend="eager"))


def compiled_in_place() -> nn.Module:
    model = lab.DigitCNN(batch_norm=True)
    model.compile(backend="eager")
    return model


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "lock": WithLock,
    "tensor with a history": WithHistory,
    "method as an attribute": WithMethod,
    "hooks": hooked,
    "tied weights": tied,
    "parametrized weights": parametrized,
    "scripted submodule": scripted,
    "recurrent": Recurrent,
    "data-parallel": lambda: nn.DataParallel(lab.DigitCNN(batch_norm=True)),
    "compiled": lambda: compiled(lab.DigitCNN(batch_norm=True)),
    "compiled in place": compiled_in_place,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_any_kind_gives_its_logits_in_evaluation_mode(name: str) -> None:
    model = NETWORKS[name]()
    with torch.no_grad():
        expected = model.eval()(digits().float())
    model.train()
    with no_trace(model):
        found = logits_of(model, digits())
        assert torch.equal(logits_of(model, digits()), found)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_any_kind_passes_gradients_to_the_image_alone(name: str) -> None:
    model = NETWORKS[name]().train()
    images = digits().float().requires_grad_()
    with no_trace(model), running(model, gradients=True) as runner:
        (gradient,) = torch.autograd.grad(runner.logits(images).sum(), images)
    assert bool(gradient.any())
    assert images.grad is None


def test_a_copy_shares_no_tensor_with_the_original_and_keeps_ties() -> None:
    model = nn.ModuleDict({name: NETWORKS[name]() for name in ("tied weights", "hooks", "recurrent")})
    twin = private_copy(model)
    pointers = {tensor.data_ptr() for tensor in model.state_dict().values()}
    assert pointers.isdisjoint(tensor.data_ptr() for tensor in twin.state_dict().values())
    assert twin.get_parameter("tied weights.3.weight") is twin.get_parameter("tied weights.4.weight")
    assert all(torch.equal(tensor, twin.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in twin.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_copy_has_its_own_tensor_where_the_original_has_one_with_a_history() -> None:
    model = WithHistory()
    twin = private_copy(model)
    assert isinstance(twin, WithHistory)
    twin.square.zero_()
    assert float(model.square.detach()) == 4
    assert model.square.requires_grad


def test_hooks_that_keep_something_keep_it_where_the_caller_sees_it() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.shapes: list[tuple[int, ...]] = []

        def __call__(self, _module: nn.Module, _inputs: object, outputs: Tensor) -> None:
            self.shapes.append(tuple(outputs.shape))

    model, recorder = lab.DigitCNN(), Recorder()
    model.fc2.register_forward_hook(recorder)
    logits_of(model, digits())
    assert recorder.shapes == [(3, 10)]


def test_a_hook_on_the_copy_is_not_one_on_the_original() -> None:
    model = lab.DigitCNN()
    with no_trace(model), running(model) as runner:
        runner.model.get_submodule("conv1").register_forward_hook(lambda *_: None)


def test_wrappers_are_taken_off() -> None:
    model = lab.DigitCNN()
    assert unwrapped(model) is model
    assert unwrapped(nn.DataParallel(nn.DataParallel(model))) is model
    assert unwrapped(compiled(nn.DataParallel(model))) is model


# Several threads


def test_networks_that_are_made_in_threads_equal_their_seed_and_leave_the_random_state_alone() -> None:
    state, expected = torch.get_rng_state(), [lab.DigitCNN(seed=seed).state_dict() for seed in range(80)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda seed: lab.DigitCNN(seed=seed).state_dict(), range(80)))
    assert torch.equal(state, torch.get_rng_state())
    assert all(
        torch.equal(one[name], other[name]) for one, other in zip(found, expected, strict=True) for name in other
    )


def test_one_network_in_training_mode_is_run_from_several_threads() -> None:
    model = nn.Sequential(lab.DigitCNN(batch_norm=True), nn.Dropout(0.5)).train()
    expected = logits_of(model, digits())
    with no_trace(model), ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda _: logits_of(model, digits()), range(60)))
    assert all(torch.equal(logits, expected) for logits in found)


# Device and type


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_images_are_cast_to_the_type_of_the_weights(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).to(dtype)
    for images in (digits(), digits().float(), digits().double(), digits().half()):
        assert logits_of(model, images).dtype == dtype


def test_device_and_type_are_those_of_the_weights() -> None:
    assert device_of(nn.Linear(1, 1)) == torch.device("cpu")
    assert device_of(nn.Linear(1, 1, device="meta")) == torch.device("meta")
    assert dtype_of(nn.Sequential(nn.Flatten(), nn.Linear(1, 1).double())) == torch.float64
    counter = nn.Module()
    counter.register_buffer("count", torch.tensor(3))
    assert dtype_of(counter) == torch.float32
    assert dtype_of(nn.Sequential(counter, nn.BatchNorm1d(1).double())) == torch.float64


# Logits


@given(st.integers(0, 2**31), st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16]))
def test_probabilities_in_place_of_logits_are_rejected(seed: int, dtype: torch.dtype) -> None:
    logits = 5 * torch.randn(7, 10, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert torch.equal(check_logits(logits.to(dtype), 7), logits.to(dtype))
    check_logits(logits.log_softmax(dim=1).to(dtype), 7)
    with pytest.raises(ValueError, match="^model: expected a network that gives logits, got probabilities"):
        check_logits(logits.softmax(dim=1).to(dtype), 7)
    with pytest.raises(ValueError, match="got probabilities"):
        check_logits(torch.eye(10, dtype=dtype)[logits.argmax(dim=1)], 7)


def test_logits_may_be_positive_and_a_row_may_sum_to_one() -> None:
    logits = torch.full((2, 10), 0.1)
    logits[1, 3] = 0.2
    assert check_logits(logits, 2) is logits
    assert check_logits(logits[:0], 0).shape == (0, 10)
    signed = torch.tensor([[2.0, -1.0] + [0.0] * 8])  # sums to one, but no probability is negative
    assert check_logits(signed, 1) is signed


@pytest.mark.parametrize(
    ("outputs", "got"),
    [
        (torch.zeros(2, 5), r"a float32 tensor of shape \(2, 5\)"),
        (torch.zeros(3, 10), r"a float32 tensor of shape \(3, 10\)"),
        (torch.zeros(10), r"a float32 tensor of shape \(10,\)"),
        ((torch.zeros(2, 10),), "tuple"),
        (None, "None"),
    ],
)
def test_outputs_that_are_no_logits_are_described(outputs: object, got: str) -> None:
    with pytest.raises(ValueError, match=rf"^model: expected a network that gives logits \(N, 10\), got {got}.* for 2"):
        check_logits(outputs, 2)


def test_any_number_of_classes_can_be_allowed() -> None:
    assert check_logits(torch.zeros(2, 5), 2, classes=None).shape == (2, 5)
    with pytest.raises(ValueError, match=r"logits \(N, classes\)"):
        check_logits(torch.zeros(3, 5), 2, classes=None)


class ThroughAClosure(nn.Module):
    """Calls its layers through a function that holds the module itself."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10))

        def call(images: Tensor, scale: float = 1.0) -> Tensor:
            logits: Tensor = self.net(images) * scale
            return logits

        self.call = call

    def forward(self, images: Tensor) -> Tensor:
        return self.call(images)


def test_a_closure_over_the_network_runs_the_copy() -> None:
    model = ThroughAClosure().train()
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 255
    with no_trace(model), running(model) as runner:
        found = runner.logits(images)
    torch.testing.assert_close(found, model.eval()(images))


def normalized(*, bias: bool = True) -> nn.Sequential:
    """A network whose batch normalization has statistics and parameters of its own."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, bias=bias), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    for tensor in network[1].state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 2)
    return network.append(nn.Linear(4 * 26 * 26, 10)).eval()


@pytest.mark.parametrize("network", [normalized(), normalized(bias=False), lab.DigitCNN(batch_norm=True).eval()])
def test_a_network_with_folded_batch_norm_computes_the_same(network: nn.Sequential) -> None:
    images = torch.rand(3, 1, 28, 28, requires_grad=True)
    with running(network, gradients=True) as runner:
        assert not any(isinstance(layer, nn.BatchNorm2d) for layer in runner.model.modules())
        logits = runner.logits(images)
    wanted = network(images)
    torch.testing.assert_close(logits, wanted, atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(logits.square().sum(), images)
    (wanted_gradient,) = torch.autograd.grad(wanted.square().sum(), images)
    torch.testing.assert_close(gradient, wanted_gradient, atol=1e-4, rtol=1e-4)
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


class TakesPart(nn.Sequential):
    """A Sequential whose forward pass leaves a layer out."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logits without batch normalization."""
        for layer in (*self[:1], *self[2:]):
            images = layer(images)
        return images


def listened_to(layer: int) -> nn.Sequential:
    network = normalized()
    network[layer].register_forward_hook(lambda _module, _images, output: output + 1)
    return network


class LooksBetween(nn.Module):
    """A network that also takes what passes from the convolution to batch normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.features = normalized()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logits, with a part of the convolution's output added."""
        return cast(Tensor, self.features(images) + self.features[0](images).mean())


def replaced(layer: int) -> nn.Sequential:
    """A network one of whose layers has a forward method of its own."""
    network = normalized()
    original = network[layer].forward
    network[layer].forward = lambda images: original(images) + 1
    return network


def used_twice() -> nn.Sequential:
    same = nn.Conv2d(1, 1, 3, padding=1)
    return nn.Sequential(same, nn.BatchNorm2d(1), same, nn.Flatten(), nn.Linear(784, 10)).eval()


@pytest.mark.parametrize(
    "network",
    [
        TakesPart(*normalized()),
        LooksBetween(),
        listened_to(0),
        listened_to(1),
        replaced(0),
        replaced(1),
        used_twice(),
        nn.Sequential(
            nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten(), nn.Linear(676, 10)
        ),
        normalized().bfloat16(),
    ],
    ids=[
        *("own forward", "looks between", "hook", "hook on the norm", "replaced", "replaced norm", "used twice"),
        *("statistics of the batch", "bfloat16"),
    ],
)
def test_batch_norm_that_may_not_be_folded_stays(network: nn.Module) -> None:
    images = torch.rand(3, 1, 28, 28)
    with running(network, gradients=True) as runner:
        assert any(isinstance(layer, nn.BatchNorm2d) for layer in runner.model.modules())
        assert torch.equal(runner.logits(images), network.eval()(images.to(runner.dtype)))
