"""Shapes, parameters and neurons: against torchinfo, fvcore and closed forms, for networks of many kinds."""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchinfo
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import mnist_lab as lab

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # fvcore scripts functions when it is imported, which torch deprecates
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis, parameter_count


class Shared(nn.Module):
    """One convolution used twice, under two names, and two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.again = self.first
        self.up = nn.Linear(4, 9, bias=False)
        self.down = nn.Linear(9, 4, bias=True)
        self.tied = nn.Linear(4, 9, bias=True)
        self.tied.weight = self.up.weight

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.again(self.first(image).relu()).mean(dim=(2, 3))
        outputs: Tensor = self.tied(self.down(self.up(features)))
        return outputs


class Branches(nn.Module):
    """Two branches that meet: no chain."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        stem = self.stem(image)
        outputs: Tensor = self.head(torch.cat([self.left(stem), self.right(stem)], dim=1))
        return outputs


class Attention(nn.Module):
    """A parameter that belongs to no layer, and an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 6))
        self.words = nn.Embedding(5, 6)
        self.norm = nn.LayerNorm(6)


def lenet5() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()),
        *(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def windows() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 12, (5, 3), stride=(2, 1), padding=(2, 0), bias=False),
        nn.ReLU(inplace=True),
        nn.Conv2d(12, 24, 3, dilation=(2, 3), groups=3),
        nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
        nn.Conv2d(24, 24, 3, padding=1, groups=24),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 7),
    )


def separable() -> nn.Module:
    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU6(),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.GroupNorm(2, outputs),
            nn.Dropout(0.5),
        )

    return nn.Sequential(block(3, 8, 2), block(8, 16, 1), nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(64, 3))


def autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1, groups=2),
        nn.InstanceNorm2d(4, affine=True),
        nn.Conv2d(4, 1, 1),
    )


def sound() -> nn.Module:
    return nn.Sequential(nn.Conv1d(2, 6, 7, stride=3), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.LazyLinear(4))


def initialized(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    network(torch.zeros(1, *shape))
    return network


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "plain": (lab.DigitCNN, (1, 28, 28)),
    "batch_norm": (lambda: lab.DigitCNN(batch_norm=True), (1, 28, 28)),
    "lenet5": (lenet5, (1, 32, 32)),
    "windows": (windows, (3, 41, 38)),
    "separable": (separable, (3, 32, 32)),
    "shared": (Shared, (4, 10, 10)),
    "branches": (Branches, (1, 12, 12)),
    "autoencoder": (autoencoder, (1, 20, 24)),
    "sound": (lambda: initialized(sound(), (2, 100)), (2, 100)),
    "perceptron": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 2)), (1, 5, 6)),
    "resnet18": (lambda: torchvision.models.resnet18(weights=None), (3, 96, 64)),
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> tuple[nn.Module, tuple[int, ...]]:
    make, shape = NETWORKS[request.param]
    return make(), shape


# The assignment's network ------------------------------------------------------------------------------------------


def test_the_networks_numbers() -> None:
    model = lab.DigitCNN()
    parameters, neurons, shapes = lab.parameter_counts(model), lab.neuron_counts(model), lab.layer_shapes(model)
    assert (parameters.total, parameters.convolutional, parameters.fully_connected) == (799_078, 9_568, 789_510)
    assert parameters.by_layer == {"conv1": 320, "conv2": 9_248, "fc1": 784_500, "fc2": 5_010}
    assert (parameters.normalization, parameters.other) == (0, 0)
    assert (neurons.total, neurons.convolutional, neurons.fully_connected) == (31_870, 31_360, 510)
    assert neurons.by_layer == {"conv1": 25_088, "conv2": 6_272, "fc1": 500, "fc2": 10}
    assert neurons.pooling == {"pool1": 6_272, "pool2": 1_568}
    assert neurons.with_pooling == 39_710
    assert shapes.multiply_adds == 2_821_128
    rows = {row.name: (row.input_shape, row.output_shape, row.receptive_field, row.multiply_adds) for row in shapes}
    assert rows["conv1"] == ((1, 28, 28), (32, 28, 28), (3, 3), 225_792)
    assert rows["pool1"] == ((32, 28, 28), (32, 14, 14), (4, 4), None)
    assert rows["conv2"] == ((32, 14, 14), (32, 14, 14), (8, 8), 1_806_336)
    assert rows["pool2"] == ((32, 14, 14), (32, 7, 7), (10, 10), None)
    assert rows["flatten"] == ((32, 7, 7), (1568,), (10, 10), None)
    assert rows["fc1"] == ((1568,), (500,), (28, 28), 784_000)
    assert rows["fc2"] == ((500,), (10,), (28, 28), 5_000)


def test_batch_normalization_adds_128_parameters_and_no_neuron() -> None:
    plain, normalized = lab.DigitCNN(), lab.DigitCNN(batch_norm=True)
    counts = lab.parameter_counts(normalized)
    assert counts.normalization == 128
    assert counts.total == lab.parameter_counts(plain).total + 128
    assert lab.neuron_counts(normalized).total == lab.neuron_counts(plain).total
    assert sum(buffer.numel() for name, buffer in normalized.named_buffers() if name.startswith("bn")) == 128 + 2


# Independent references --------------------------------------------------------------------------------------------


def test_parameters_equal_those_of_torchinfo_and_fvcore(network: tuple[nn.Module, tuple[int, ...]]) -> None:
    model, shape = network
    counts = lab.parameter_counts(model)
    assert counts.total == sum(counts.by_layer.values()) == parameter_count(model)[""]
    assert counts.total == counts.convolutional + counts.fully_connected + counts.normalization + counts.other
    summary = torchinfo.summary(model, (1, *shape), mode="eval", verbose=0)
    tied = model.up.weight.numel() if isinstance(model, Shared) else 0
    # torchinfo counts a module once, but a tensor in two modules twice.
    assert counts.total + tied == summary.total_params
    if not tied:  # layer by layer, too
        of_torchinfo = {
            id(layer.module): layer.num_params
            for layer in summary.summary_list
            if layer.is_leaf_layer and layer.num_params
        }
        modules = dict(model.named_modules())
        assert {id(modules[name]): count for name, count in counts.by_layer.items()} == of_torchinfo


def test_shapes_equal_those_of_torchinfo(network: tuple[nn.Module, tuple[int, ...]]) -> None:
    model, shape = network
    shapes = lab.layer_shapes(model, shape)
    summary = torchinfo.summary(model, (1, *shape), mode="eval", verbose=0)
    leaves = [layer for layer in summary.summary_list if layer.is_leaf_layer]
    assert [row.kind for row in shapes] == [layer.class_name for layer in leaves]
    assert [[1, *row.input_shape] for row in shapes] == [layer.input_size for layer in leaves]
    assert [[1, *row.output_shape] for row in shapes] == [layer.output_size for layer in leaves]


# fvcore traces the network: tracing warns of python values, and is itself announced to go away.
@pytest.mark.filterwarnings("ignore")
def test_neurons_and_multiply_adds_equal_those_of_fvcore(network: tuple[nn.Module, tuple[int, ...]]) -> None:
    model, shape = network
    image = torch.zeros(1, *shape)
    neurons = ActivationCountAnalysis(model.eval(), image).unsupported_ops_warnings(False)
    counts = lab.neuron_counts(model, shape)
    assert counts.total == neurons.total()
    assert counts.convolutional == sum(n for operator, n in neurons.by_operator().items() if operator == "conv")
    work = FlopCountAnalysis(model, image).unsupported_ops_warnings(False).by_operator()
    assert lab.layer_shapes(model, shape).multiply_adds == work["conv"] + work["linear"]


# Laws --------------------------------------------------------------------------------------------------------------


@st.composite
def chains(draw: st.DrawFn) -> nn.Sequential:
    """Convolutions and pools of any window, stride and dilation, with what stands between them."""
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 4))):
        kernel, stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
        pad = draw(st.integers(0, 1))
        layers.append(
            draw(
                st.sampled_from(
                    [
                        nn.Conv2d(1, 1, kernel, stride, pad, dilation, bias=False),
                        nn.Conv2d(1, 1, 3, padding="same", dilation=dilation, bias=False),
                        nn.MaxPool2d(kernel, stride, min(pad, kernel // 2), dilation),
                        nn.AvgPool2d(kernel, stride, min(pad, kernel // 2)),
                        nn.MaxPool2d(kernel),
                        nn.ReLU(inplace=True),
                        nn.BatchNorm2d(1),
                        nn.Dropout(),
                    ]
                )
            )
        )
    return nn.Sequential(*layers)


@given(chains(), st.integers(100, 110))
@settings(max_examples=60, deadline=None)
def test_receptive_field_is_what_an_output_responds_to(chain: nn.Sequential, size: int) -> None:
    for parameter in chain.parameters():
        nn.init.ones_(parameter)
    # One image a column, with only that column lit: with positive weights nothing cancels out.
    images = torch.eye(size).reshape(size, 1, 1, size).expand(-1, -1, size, -1).clone()
    with torch.no_grad():
        outputs = chain.eval()(images)
        responding = (
            outputs[:, 0, outputs.shape[2] // 2, outputs.shape[3] // 2] > chain(torch.zeros(1, 1, size, size)).max()
        )
    columns = responding.nonzero()
    field = lab.layer_shapes(chain, (1, size, size))[-1].receptive_field
    # A window wider than its neighbour's distance may leave gaps, so the ends count.
    assert field == (int(columns.max() - columns.min()) + 1,) * 2


@given(
    size=st.integers(12, 40),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2, 4]),
)
@settings(max_examples=50, deadline=None)
def test_a_convolution_obeys_its_closed_forms(
    size: int, kernel: int, stride: int, padding: int, dilation: int, groups: int
) -> None:
    layer = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups)
    side = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    row = lab.layer_shapes(layer, (4, size, size))[0]
    assert row.output_shape == (8, side, side)
    assert row.multiply_adds == side * side * 8 * (4 // groups) * kernel * kernel
    assert lab.parameter_counts(layer).total == 8 * (4 // groups) * kernel * kernel + 8
    assert lab.neuron_counts(layer, (4, size, size)).total == 8 * side * side


def test_a_layer_that_runs_twice_has_its_parameters_once_and_its_neurons_twice() -> None:
    model = Shared()
    assert lab.parameter_counts(model).by_layer == {"first": 148, "up": 36, "down": 40, "tied": 9}
    assert [row.name for row in lab.layer_shapes(model, (4, 10, 10))] == ["first", "first", "up", "down", "tied"]
    assert lab.neuron_counts(model, (4, 10, 10)).by_layer["first"] == 2 * 4 * 10 * 10


def test_a_parametrized_layer_is_still_that_layer() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 2, 3))
    model = nn.Sequential(layer, nn.ReLU())
    counts = lab.parameter_counts(model)
    assert counts.convolutional == counts.total == sum(p.numel() for p in model.parameters())
    assert [row.group for row in lab.layer_shapes(model, (1, 5, 5))] == ["convolutional", "other"]


def test_parameters_that_belong_to_no_known_layer_are_counted_as_other() -> None:
    counts = lab.parameter_counts(Attention())
    assert (counts.total, counts.other, counts.normalization) == (6 + 30 + 12, 36, 12)
    assert counts.by_layer == {"Attention": 6, "words": 30, "norm": 12}


# What is no chain --------------------------------------------------------------------------------------------------


def test_where_branches_meet_no_receptive_field_is_given() -> None:
    fields = {row.name: row.receptive_field for row in lab.layer_shapes(Branches(), (1, 12, 12))}
    assert fields == {"stem": (3, 3), "left": (3, 3), "right": None, "head": None}


def test_an_addition_in_place_ends_the_chain() -> None:
    # torchvision writes `out += identity`: the tensor is the one that the normalization gave, with other values.
    fields = [row.receptive_field for row in lab.layer_shapes(torchvision.models.resnet18(weights=None), (3, 224, 224))]
    assert fields[:9] == [(7, 7)] * 3 + [(11, 11)] + [(19, 19)] * 3 + [(27, 27)] * 2
    assert set(fields[9:]) == {None}


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"),
        nn.ConvTranspose2d(1, 1, 2),
        nn.AdaptiveAvgPool2d(5),
        nn.Upsample(scale_factor=2),
        nn.BatchNorm2d(1, track_running_stats=False),
        nn.InstanceNorm2d(1),
        nn.Softmax(dim=-1),
        nn.Linear(28, 3),
    ],
    ids=repr,
)
def test_a_layer_whose_reach_is_not_known_ends_the_chain(layer: nn.Module) -> None:
    fields = [row.receptive_field for row in lab.layer_shapes(nn.Sequential(nn.ReLU(), layer, nn.ReLU()))]
    assert fields == [(1, 1), None, None]


def test_global_pooling_and_full_connection_see_what_their_inputs_see_together() -> None:
    # Strides of 2 without padding leave out the last row and column of an image with an even side.
    model = nn.Sequential(nn.Conv2d(1, 1, 3, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    fields = [row.receptive_field for row in lab.layer_shapes(model)]
    assert fields == [(3, 3), (27, 27), (27, 27), (27, 27)]


# No trace ----------------------------------------------------------------------------------------------------------


class Meddler(nn.Module):
    """A layer that does as it runs what others do in training: counts, clips its weight, draws, and may fail."""

    runs: Tensor

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3))
        self.register_buffer("runs", torch.zeros(1))
        self.fails = fails

    def forward(self, image: Tensor) -> Tensor:
        self.runs += 1
        self.weight.data = self.weight.data.clamp(max=0.1)
        self.weight.data.mul_(2)
        noise = torch.rand(1)
        if self.fails:
            raise ArithmeticError("no")
        return image + noise


HOOKS = [
    name
    for name in vars(nn.Module())
    if name.endswith(("_hooks", "_hooks_with_kwargs", "_hooks_always_called")) and name.startswith("_")
]


def traces(model: nn.Module) -> list[Any]:
    """All of a network that looking at it might change, bit for bit."""

    def bits(tensor: Tensor | None) -> Any:
        return (
            None if tensor is None else (id(tensor), tensor.dtype, tensor.stride(), tensor.detach().numpy().tobytes())
        )

    tensors = [(name, bits(t), t.requires_grad, bits(t.grad)) for name, t in model.named_parameters()]
    buffers = [(name, bits(t)) for name, t in model.named_buffers()]
    modules = [
        (name, module.training, [dict(getattr(module, hooks)) for hooks in HOOKS])
        for name, module in model.named_modules()
    ]
    return [tensors, buffers, modules, torch.get_rng_state().tolist(), torch.is_grad_enabled()]


@given(
    call=st.sampled_from([lab.layer_shapes, lab.neuron_counts, lab.parameter_counts]),
    shape=st.sampled_from([(1, 28, 28), (2, 28, 28), (1, 9, 9), (1, 1, 1), (784,)]),
    fails=st.booleans(),
    hooked=st.booleans(),
    frozen=st.booleans(),
    modes=st.lists(st.booleans(), min_size=9, max_size=9),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=100, deadline=None)
def test_looking_leaves_no_trace(
    call: Callable[..., object],
    shape: tuple[int, ...],
    fails: bool,
    hooked: bool,
    frozen: bool,
    modes: list[bool],
    seed: int,
) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.BatchNorm2d(2),
        nn.Dropout(),
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(2, 2, 3)),
        Meddler(fails),
        nn.Flatten(),
    )
    if not fails:
        model(torch.rand(2, 1, 28, 28)).sum().backward()
    for module, mode in zip(model.modules(), modes, strict=False):
        module.training = mode
    if hooked:
        model[0].register_forward_hook(lambda *_: None)
        model.register_forward_pre_hook(lambda *_: None)
        model[1].register_full_backward_hook(lambda *_: None)
    model[0].weight.requires_grad_(not frozen)
    torch.manual_seed(seed)
    before = traces(model)
    raised = False
    try:
        call(model) if call is lab.parameter_counts else call(model, shape)
    except ValueError:
        raised = True
    assert traces(model) == before
    if call is not lab.parameter_counts:
        assert raised == (fails or shape in {(2, 28, 28), (1, 1, 1), (784,)})


def test_float64_and_evaluation_of_a_network_in_training_mode() -> None:
    model = lab.DigitCNN(batch_norm=True).double().train()
    assert lab.layer_shapes(model)["fc2"].output_shape == (10,)
    assert model.training


# What is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", [lab.layer_shapes, lab.neuron_counts, lab.parameter_counts])
def test_what_is_no_network_is_refused(look: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match=r"^model: expected a torch.nn.Module, got str 'plain'"):
        look("plain")
    with pytest.raises(ValueError, match=r"^model: expected initialized layers, got 4.weight without a shape yet"):
        look(sound())


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        (28, TypeError, r"^input_shape: expected a sequence, each an integer of at least 1, got int 28"),
        ("abc", TypeError, r"^input_shape: expected a sequence, each an integer of at least 1, got str"),
        ((1, 28.0, 28), TypeError, r"^input_shape\[1\]: expected an integer of at least 1, got float 28.0"),
        ((1, 0, 28), ValueError, r"^input_shape\[1\]: expected an integer of at least 1, got 0"),
        ((3, 28, 28), ValueError, r"^input_shape: expected .* got \(3, 28, 28\), which it does not take: "),
    ],
)
def test_a_wrong_input_shape_is_refused(shape: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lab.layer_shapes(lab.DigitCNN(), shape)


@pytest.mark.parametrize("to", [torch.float64, torch.bfloat16, "meta"], ids=str)
def test_shapes_do_not_depend_on_the_kind_of_weights_nor_on_where_they_are(to: torch.dtype | str) -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 26 * 26, 10))

    assert repr(lab.layer_shapes(network().to(to))) == repr(lab.layer_shapes(network()))


def test_an_unknown_layer_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="no layer 'conv3'; there are standardize, conv1, pool1"):
        lab.layer_shapes(lab.DigitCNN())["conv3"]


# As text -----------------------------------------------------------------------------------------------------------


def test_tables_fit_a_terminal(network: tuple[nn.Module, tuple[int, ...]]) -> None:
    model, shape = network
    for result in (lab.layer_shapes(model, shape), lab.parameter_counts(model), lab.neuron_counts(model, shape)):
        assert max(map(len, repr(result).splitlines())) <= 80


def test_the_tables_of_the_normalized_network() -> None:
    model = lab.DigitCNN(batch_norm=True)
    assert f"\n{lab.layer_shapes(model)}\n" == SHAPES
    assert f"\n{lab.parameter_counts(model)}\n" == PARAMETERS
    assert f"\n{lab.neuron_counts(model)}\n" == NEURONS


def test_names_too_long_for_the_table_go_on_in_a_second_line() -> None:
    lines = repr(lab.layer_shapes(torchvision.models.resnet18(weights=None), (3, 224, 224))).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("layer2.0.downs"))
    assert lines[start : start + 4] == [
        "layer2.0.downsam  Conv2d       64x56x56    128x28x28                   6,422,528",
        "ple.0",
        "layer2.0.downsam  BatchNorm2d  128x28x28   128x28x28",
        "ple.1",
    ]


def test_parameters_of_long_names_and_of_a_tensor_that_two_layers_share() -> None:
    class LinearOfAVeryLongName(nn.Linear): ...

    first, tied = LinearOfAVeryLongName(4, 4), nn.Linear(4, 4, bias=False)
    tied.weight = first.weight
    model = nn.Sequential(OrderedDict([("first", first), ("tied" * 9, tied), ("last", nn.LSTM(4, 4, 2))]))
    assert f"\n{lab.parameter_counts(model)}\n" == TIED


SHAPES = """
layer        kind         input     output    rec. field  multiply-adds
-----------------------------------------------------------------------
standardize  Standardize  1x28x28   1x28x28   1x1
conv1        Conv2d       1x28x28   32x28x28  3x3               225,792
bn1          BatchNorm2d  32x28x28  32x28x28  3x3
pool1        MaxPool2d    32x28x28  32x14x14  4x4
relu1        ReLU         32x14x14  32x14x14  4x4
conv2        Conv2d       32x14x14  32x14x14  8x8             1,806,336
bn2          BatchNorm2d  32x14x14  32x14x14  8x8
pool2        MaxPool2d    32x14x14  32x7x7    10x10
relu2        ReLU         32x7x7    32x7x7    10x10
flatten      Flatten      32x7x7    1568      10x10
fc1          Linear       1568      500       28x28             784,000
relu3        ReLU         500       500       28x28
fc2          Linear       500       10        28x28               5,000
-----------------------------------------------------------------------
total                                                         2,821,128
"""
PARAMETERS = """
layer            kind         tensors         parameters
--------------------------------------------------------
conv1            Conv2d       32x1x3x3 + 32          320
bn1              BatchNorm2d  32 + 32                 64
conv2            Conv2d       32x32x3x3 + 32       9,248
bn2              BatchNorm2d  32 + 32                 64
fc1              Linear       500x1568 + 500     784,500
fc2              Linear       10x500 + 10          5,010
--------------------------------------------------------
convolutional                                      9,568
fully connected                                  789,510
normalization                                        128
total                                            799,206
"""
NEURONS = """
layer            kind       output    neurons  not counted
----------------------------------------------------------
conv1            Conv2d     32x28x28   25,088
pool1            MaxPool2d  32x14x14                 6,272
conv2            Conv2d     32x14x14    6,272
pool2            MaxPool2d  32x7x7                   1,568
fc1              Linear     500           500
fc2              Linear     10             10
----------------------------------------------------------
convolutional                          31,360
fully connected                           510
total                                  31,870
with pooling                           39,710
"""


def test_a_tensor_of_parameters_may_be_empty() -> None:
    assert lab.LayerParameters("fc", "Linear", "fully connected", {"weight": (0, 3), "bias": (2,)}).count == 2


TIED = """
layer            kind      tensors                                    parameters
--------------------------------------------------------------------------------
first            LinearOf  4x4 + 4                                            20
                 AVeryLon
                 gName
tiedtiedtiedtie  Linear    (counted above)                                     0
dtiedtiedtiedti
edtied
last             LSTM      16x4 + 16x4 + 16 + 16 + 16x4 + 16x4 + 16          320
                           + 16
--------------------------------------------------------------------------------
convolutional                                                                  0
fully connected                                                               20
other                                                                        320
total                                                                        340
"""
