"""What a layer is, of which kind, and what it does while an image passes through the network."""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _LPPoolNd, _MaxPoolNd

from mnist_lab._utils.checks import check_choice, check_integer, check_sequence, check_text, check_type, describe
from mnist_lab._utils.network import observed
from mnist_lab.introspection.receptive_field import ReceptiveField
from mnist_lab._utils.tables import Cell, table, times

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


@dataclass(frozen=True)
class LayerShape:
    """One layer at work.

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
        How many pixels of the input, along each axis, one output depends on at most. None where the layers up to here
        are no plain chain, each taking what the one before it gave, or where one of them is of a kind whose reach is
        not known.
    multiply_adds
        Multiplications, each with its addition, for one image; the bias's additions are not counted. None where the
        layer is neither a convolution nor fully connected.
    """

    name: str
    kind: str
    group: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    receptive_field: tuple[int, ...] | None
    multiply_adds: int | None

    def __post_init__(self) -> None:
        check_text(self.name, "name")
        check_text(self.kind, "kind")
        check_choice(self.group, "group", (*GROUPS, OTHER))
        for name in ("input_shape", "output_shape"):
            check_sequence(getattr(self, name), name, _size)
        if self.receptive_field is not None:
            check_sequence(self.receptive_field, "receptive_field", _size)
        if self.multiply_adds is not None:
            _size(self.multiply_adds, "multiply_adds")


@dataclass(frozen=True, repr=False)
class LayerShapes:
    """What every layer takes and gives, in the order in which the layers ran; a layer that runs twice has two rows.

    A sequence of :class:`LayerShape`, which also finds a layer by its name; printed, it is a table.

    Parameters
    ----------
    rows
        One for every time that a layer ran.
    """

    rows: tuple[LayerShape, ...]

    def __post_init__(self) -> None:
        check_rows(self.rows, LayerShape)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all convolutions and fully connected layers, for one image."""
        return sum(row.multiply_adds or 0 for row in self.rows)

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
                row.multiply_adds,
            ]
            for row in self.rows
        ]
        return table(header, rows, [["total", None, None, None, None, self.multiply_adds]])


def check_rows(rows: object, kind: type) -> None:
    """Refuse what is no tuple of rows of one kind.

    >>> check_rows([], LayerShape)
    Traceback (most recent call last):
    ...
    TypeError: rows: expected a tuple of LayerShape, got list []
    """
    expected = f"a tuple of {kind.__name__}"
    for row in check_type(rows, "rows", tuple, expected):
        if not isinstance(row, kind):
            raise TypeError(f"rows: expected {expected}, got {describe(row)} among them")


def _size(value: object, name: str) -> int:
    return check_integer(value, name, low=0)


def named_layers(
    module: nn.Module, name: str = "", seen: set[nn.Module] | None = None
) -> Iterator[tuple[str, nn.Module]]:
    """The modules of a network and their names, each once; what a layer of a known kind holds is left to it.

    >>> [name for name, _ in named_layers(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))]
    ['Sequential', '0', '1']
    """
    seen = set() if seen is None else seen
    if module in seen:
        return
    seen.add(module)
    yield name or type(module).__name__, module
    if group_of(module) == OTHER:
        for child_name, child in module.named_children():
            yield from named_layers(child, f"{name}.{child_name}" if name else child_name, seen)


def group_of(layer: nn.Module) -> str:
    """What a layer is counted as.

    >>> group_of(nn.ConvTranspose2d(1, 1, 3)), group_of(nn.ReLU())
    ('convolutional', 'other')
    """
    return next((group for group, kinds in GROUPS.items() if isinstance(layer, kinds)), OTHER)


def watch(model: nn.Module, image: Tensor) -> LayerShapes:
    """Run the network once, in evaluation mode, and note what every layer takes and gives.

    The pass works on copies of the parameters and buffers: some networks write to their own as they run.

    Parameters
    ----------
    model
        Any network that takes one tensor.
    image
        What it takes, in a batch of one.
    """
    layers = {
        layer: name for name, layer in named_layers(model) if group_of(layer) != OTHER or not any(layer.children())
    }
    copies = {name: tensor.detach().clone() for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    recorder = _Recorder(image, layers)
    with ExitStack() as hooks, observed(model), torch.no_grad():
        for layer in layers:
            # A handle is a context manager that removes its hook.
            hooks.enter_context(layer.register_forward_pre_hook(recorder.before, with_kwargs=True))
            hooks.enter_context(layer.register_forward_hook(recorder.after, with_kwargs=True))
        torch.func.functional_call(model, copies, (image,))
    return LayerShapes(tuple(recorder.rows))


class _Recorder:
    """Notes what every layer takes and gives as it runs, and follows the receptive field along the chain."""

    def __init__(self, image: Tensor, names: dict[nn.Module, str]) -> None:
        self.names = names
        self.rows: list[LayerShape] = []
        self.field = ReceptiveField.start(image.shape[2:]) if image.ndim > 2 else None
        self.pixels = tuple(image.shape[2:])
        self.shape: Sequence[int] = ()
        # What the last layer gave. A tensor written to since then, as `out += shortcut` does, has a newer version.
        self.latest: tuple[Tensor | None, int] = (image, image._version)

    def before(self, _layer: nn.Module, args: object, kwargs: object) -> None:
        """Hook that sees a layer's input before an in-place layer overwrites it."""
        given = _first_tensor((args, kwargs))
        latest, version = self.latest
        if given is None or given is not latest or given._version != version:
            self.field = None
        self.shape = () if given is None else given.shape

    def after(self, layer: nn.Module, _args: object, _kwargs: object, output: object) -> None:
        """Hook that sees a layer's output."""
        result = _first_tensor(output)
        shape: Sequence[int] = () if result is None else result.shape
        if self.field is not None:
            self.field = self.field.through(layer, self.shape, shape)
        self.latest = (result, -1 if result is None else result._version)
        # Padding is no pixel, so a field that reaches beyond the input sees no more than the input.
        seen = None if self.field is None else tuple(map(min, self.field.size, self.pixels))
        self.rows.append(
            LayerShape(
                name=self.names[layer],
                kind=type(layer).__name__,
                group=group_of(layer),
                input_shape=_one_image(self.shape),
                output_shape=_one_image(shape),
                receptive_field=seen,
                multiply_adds=_multiply_adds(layer, math.prod(self.shape), math.prod(shape)),
            )
        )


def _multiply_adds(layer: nn.Module, inputs: int, outputs: int) -> int | None:
    """Each output of a convolution sums over a window; of a transposed one, each input is spread over a window."""
    match layer:
        case _ConvTransposeNd():
            return inputs * layer.out_channels // layer.groups * math.prod(layer.kernel_size)
        case _ConvNd():
            return outputs * layer.in_channels // layer.groups * math.prod(layer.kernel_size)
        case nn.Linear():
            return outputs * layer.in_features
    return None


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
