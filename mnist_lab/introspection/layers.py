"""What kind of layer a module is, and what the layers do while an image passes through the network."""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _LPPoolNd, _MaxPoolNd
from torch.overrides import BaseTorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from mnist_lab._utils.contracts import describe
from mnist_lab._utils.network import Runner
from mnist_lab._utils.tables import Cell, table, times
from mnist_lab.introspection.receptive_field import ReceptiveField

CONVOLUTIONAL, FULLY_CONNECTED, NORMALIZATION, POOLING, OTHER = (
    "convolutional",
    "fully connected",
    "normalization",
    "pooling",
    "other",
)
GROUPS: dict[str, tuple[type[nn.Module], ...]] = {
    CONVOLUTIONAL: (_ConvNd,),  # transposed ones too
    FULLY_CONNECTED: (nn.Linear,),
    NORMALIZATION: (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.LocalResponseNorm),
    POOLING: (
        *(_MaxPoolNd, _AvgPoolNd, _LPPoolNd, _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd),
        *(nn.FractionalMaxPool2d, nn.FractionalMaxPool3d),
    ),
}
# Layers that compute with their parts' weights without running these parts.
FUSED = (nn.MultiheadAttention,)


@dataclass(frozen=True)
class LayerShape:
    """One run of a layer.

    Parameters
    ----------
    name
        As in ``model.named_modules()``; the first one of a layer that has several.
    kind
        The class of the module, ``"Conv2d"`` say.
    group
        ``"convolutional"``, ``"fully connected"``, ``"normalization"``, ``"pooling"`` or ``"other"``.
    input_shape, output_shape
        Shapes for one image: channels first, without the batch.
    receptive_field
        The number of pixels along each axis on which one output depends at most. None where the layers up to here are
        not a plain chain, or where the window of one of them is not known.
    multiply_adds
        Multiplications, each with its addition, for one image; additions of a bias are not counted. None where the
        layer computes no products, or where their number is not known (``LayerShapes.unknown``).
    """

    name: str
    kind: str
    group: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    receptive_field: tuple[int, ...] | None
    multiply_adds: int | None


@dataclass(frozen=True, repr=False)
class LayerShapes:
    """Input and output of every layer, in the order in which they ran; a layer that runs twice has two rows.

    A sequence of :class:`LayerShape` that also finds a layer by its name. Printed, it is a table.

    Parameters
    ----------
    rows
        One for each run of a layer.
    outside
        Multiply-adds that the network computes by function calls outside of its layers.
    unknown
        The layers whose multiply-adds are not known; ``"functions"`` for calls outside of layers.
    """

    rows: tuple[LayerShape, ...]
    outside: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def multiply_adds(self) -> int | None:
        """Multiply-adds of the whole network for one image; None where those of a part are not known."""
        return None if self.unknown else self.outside + sum(row.multiply_adds or 0 for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[LayerShape]:
        return iter(self.rows)

    def __getitem__(self, key: int | str) -> LayerShape:
        """The row at a position, or the first one of a name."""
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise TypeError(f"key: expected a position or the name of a layer, got {describe(key)}")
        if isinstance(key, int):
            return self.rows[key]
        found = next((row for row in self.rows if row.name == key), None)
        if found is None:
            raise KeyError(f"no layer {key!r}; there are {', '.join(dict.fromkeys(row.name for row in self.rows))}")
        return found

    def __repr__(self) -> str:
        header = ["layer", "kind", "input", "output", "rec. field", "multiply-adds"]
        rows: list[list[Cell]] = [
            [
                row.name,
                row.kind,
                times(row.input_shape),
                times(row.output_shape),
                None if row.receptive_field is None else times(row.receptive_field),
                "not known" if row.name in self.unknown else row.multiply_adds,
            ]
            for row in self.rows
        ]
        totals: list[list[Cell]] = []
        if self.outside or "functions" in self.unknown:
            outside: Cell = "not known" if "functions" in self.unknown else self.outside
            totals.append(["functions", None, None, None, None, outside])
        total = self.multiply_adds
        totals.append(["total", None, None, None, None, "not known" if total is None else total])
        return table(header, rows, totals)


def group_of(layer: nn.Module) -> str:
    """The group in which a layer is counted.

    >>> group_of(nn.ConvTranspose2d(1, 1, 3)), group_of(nn.ReLU())
    ('convolutional', 'other')
    """
    return next((group for group, kinds in GROUPS.items() if isinstance(layer, kinds)), OTHER)


def is_whole(layer: nn.Module) -> bool:
    """Whether a module is one layer, whatever modules it holds: one of a known group, or a fused one."""
    return group_of(layer) != OTHER or isinstance(layer, FUSED)


def named_layers(
    module: nn.Module, name: str = "", seen: set[nn.Module] | None = None
) -> Iterator[tuple[str, nn.Module]]:
    """The modules of a network and their names, each once, without the parts of a layer.

    >>> [name for name, _ in named_layers(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))]
    ['Sequential', '0', '1']
    """
    seen = set() if seen is None else seen
    if module in seen:
        return
    seen.add(module)
    yield name or type(module).__name__, module
    if not is_whole(module):
        for child_name, child in module.named_children():
            yield from named_layers(child, f"{name}.{child_name}" if name else child_name, seen)


def require_layers(model: nn.Module) -> None:
    """Raise for a network whose layers cannot be seen: scripted or traced ones, and packed quantized layers."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise ValueError(
                f"model: expected a network of Python modules, got {name or 'one'} of the class "
                f"{type(module).__name__}, a scripted or traced module whose layers cannot be seen"
            )


def require_parameters(model: nn.Module) -> None:
    """Raise for a network that holds weights in another form than parameters."""
    require_layers(model)
    for name, module in model.named_modules():
        if hasattr(module, "_packed_params") or ".quantized." in f"{type(module).__module__}.":
            raise ValueError(
                f"model: expected layers with parameters, got {name!r} of the class {type(module).__name__}, "
                "a quantized layer whose packed weights are not counted"
            )


def watch(runner: Runner, image: Tensor) -> LayerShapes:
    """Run a network once and record what every layer takes, gives and computes.

    Parameters
    ----------
    runner
        The network.
    image
        Its input, in a batch of one.
    """
    layers = {layer: name for name, layer in named_layers(runner.model) if is_whole(layer) or not any(layer.children())}
    arithmetic = _Arithmetic()
    recorder = _Recorder(image, layers, arithmetic)
    with ExitStack() as stack:
        for layer in layers:
            # A handle is a context manager that removes its hook.
            stack.enter_context(layer.register_forward_pre_hook(recorder.before, with_kwargs=True))
            stack.enter_context(layer.register_forward_hook(recorder.after, with_kwargs=True))
        # Under a function mode torch takes no fused path of attention, which would hide its products.
        stack.enter_context(BaseTorchFunctionMode())
        stack.enter_context(arithmetic)
        runner.model(image)
    outside = arithmetic.count - sum(row.multiply_adds or 0 for row in recorder.rows)
    unknown = [*recorder.unknown, *(["functions"] if arithmetic.unknown > len(recorder.unknown) else [])]
    return LayerShapes(tuple(recorder.rows), outside, tuple(dict.fromkeys(unknown)))


class _Arithmetic(TorchDispatchMode):
    """Counts the multiply-adds of torch's operations, and the operations whose products cannot be counted."""

    HIDDEN = (
        "rnn",
        "lstm",
        "gru",
        "native_multi_head",
        "transformer",
        "trilinear",
        "cdist",
        "fft",
        "linalg",
        "mv",
        "dot",
    )

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = self.unknown = 0

    def __torch_dispatch__(
        self, function: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and count its products."""
        kwargs = kwargs or {}
        packet = function._overloadpacket
        if packet not in flop_registry:
            with self:
                parts = function.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = function(*args, **kwargs)
        name = packet.__name__
        if "scaled_dot_product" in name:
            query, key, value = args[:3]
            heads, length, size = math.prod(query.shape[:-2]), query.shape[-2], query.shape[-1]
            self.count += heads * length * key.shape[-2] * (size + value.shape[-1])
        elif packet in flop_registry:
            self.count += flop_registry[packet](*args, **kwargs, out_val=result) // 2
        elif function.namespace not in ("aten", "prim", "prims") or any(word in name for word in self.HIDDEN):
            self.unknown += 1
        return result


class _Recorder:
    """Records what every layer takes, gives and computes, and follows the receptive field along the chain."""

    def __init__(self, image: Tensor, names: dict[nn.Module, str], arithmetic: _Arithmetic) -> None:
        self.names, self.arithmetic = names, arithmetic
        self.rows: list[LayerShape] = []
        self.unknown: list[str] = []
        self.field = ReceptiveField.of_pixels(image.shape[2:]) if image.ndim > 2 else None
        self.shape: Sequence[int] = ()
        self.counts = (0, 0)
        # What the last layer gave. A tensor that was written to since, as by `out += shortcut`, has a newer version.
        self.latest: tuple[Tensor | None, int] = (image, image._version)

    def before(self, _layer: nn.Module, args: object, kwargs: object) -> None:
        """Hook that sees a layer's input before an in-place layer overwrites it."""
        given = _first_tensor((args, kwargs))
        latest, version = self.latest
        if given is None or given is not latest or given._version != version:
            self.field = None
        self.shape = () if given is None else given.shape
        self.counts = self.arithmetic.count, self.arithmetic.unknown

    def after(self, layer: nn.Module, _args: object, _kwargs: object, output: object) -> None:
        """Hook that sees a layer's output."""
        result = _first_tensor(output)
        shape: Sequence[int] = () if result is None else result.shape
        if self.field is not None:
            self.field = self.field.through(layer, self.shape, shape)
        self.latest = (result, -1 if result is None else result._version)
        count, unknown = self.arithmetic.count - self.counts[0], self.arithmetic.unknown - self.counts[1]
        self.unknown += [self.names[layer]] * unknown
        multiplies = group_of(layer) in (CONVOLUTIONAL, FULLY_CONNECTED)
        self.rows.append(
            LayerShape(
                name=self.names[layer],
                kind=type(layer).__name__,
                group=group_of(layer),
                input_shape=_one_image(self.shape),
                output_shape=_one_image(shape),
                receptive_field=None if self.field is None else self.field.size,
                multiply_adds=count if multiplies or count else None,
            )
        )


def _first_tensor(value: object) -> Tensor | None:
    """The first tensor in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return next((tensor for item in value if (tensor := _first_tensor(item)) is not None), None)
    return None


def _one_image(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape without its batch of one; whole where a network folds another axis into the batch."""
    return tuple(shape[1:] if shape and shape[0] == 1 else shape)
