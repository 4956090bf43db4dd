"""What a network is made of: the shapes of its layers, its parameters, its neurons.

All three work for any network whose layers are modules, and leave no trace in it. A layer is a module that holds no
other modules, or a convolution, a fully connected layer or a normalization. What a network computes without a module
of its own, by a function call such as ``functional.relu``, is no layer here. Shapes are those of one image: the batch
is left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from mnist_lab._utils.checks import check_choice, check_integer, check_model, check_text, check_type, describe
from mnist_lab.introspection.layers import (
    CONVOLUTIONAL,
    FULLY_CONNECTED,
    GROUPS,
    NORMALIZATION,
    OTHER,
    POOLING,
    LayerShape,
    LayerShapes,
    check_rows,
    group_of,
    named_layers,
    watch,
)
from mnist_lab._utils.network import device_of
from mnist_lab._utils.tables import Cell, table, times


@dataclass(frozen=True)
class LayerParameters:
    """The parameters of one layer.

    Parameters
    ----------
    name, kind, group
        As in :class:`LayerShape`.
    shapes
        The shape of each tensor of parameters, by its name within the layer, without those that a layer further up
        has already.
    """

    name: str
    kind: str
    group: str
    shapes: dict[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        check_text(self.name, "name")
        check_text(self.kind, "kind")
        check_choice(self.group, "group", (*GROUPS, OTHER))
        for key, shape in check_type(self.shapes, "shapes", dict, "a dictionary of shapes by name").items():
            check_text(key, "shapes, key")
            _checked_shape(shape, f"shapes[{key!r}]", low=0)

    @property
    def count(self) -> int:
        """How many numbers the tensors hold."""
        return sum(math.prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True, repr=False)
class ParameterCounts:
    """How many parameters a network has, and where; printed, it is a table.

    Parameters
    ----------
    rows
        The layers that have parameters, in the order of ``model.named_modules()``.
    """

    rows: tuple[LayerParameters, ...]

    def __post_init__(self) -> None:
        check_rows(self.rows, LayerParameters)

    @property
    def by_layer(self) -> dict[str, int]:
        """Parameters by the name of the layer."""
        return {row.name: row.count for row in self.rows}

    @property
    def total(self) -> int:
        """All parameters, frozen ones too. Buffers, such as running means, are none."""
        return sum(row.count for row in self.rows)

    @property
    def convolutional(self) -> int:
        """Those of convolutions, transposed ones too."""
        return self._of(CONVOLUTIONAL)

    @property
    def fully_connected(self) -> int:
        """Those of :class:`torch.nn.Linear`."""
        return self._of(FULLY_CONNECTED)

    @property
    def normalization(self) -> int:
        """The scales and shifts of batch, instance, group, layer and RMS normalization."""
        return self._of(NORMALIZATION)

    @property
    def other(self) -> int:
        """All the rest: embeddings, recurrent layers, parameters that a module of one's own holds."""
        return self._of(OTHER)

    def _of(self, group: str) -> int:
        return sum(row.count for row in self.rows if row.group == group)

    def __repr__(self) -> str:
        rows: list[list[Cell]] = [
            [row.name, row.kind, " + ".join(map(times, row.shapes.values())) or "(counted above)", row.count]
            for row in self.rows
        ]
        sums = {CONVOLUTIONAL: self.convolutional, FULLY_CONNECTED: self.fully_connected}
        sums |= {name: count for name, count in ((NORMALIZATION, self.normalization), (OTHER, self.other)) if count}
        totals: list[list[Cell]] = [[name, None, None, count] for name, count in (sums | {"total": self.total}).items()]
        return table(["layer", "kind", "tensors", "parameters"], rows, totals, wrap=(0, 1, 2))


@dataclass(frozen=True, repr=False)
class NeuronCounts:
    """How many neurons a network has, and where; printed, it is a table.

    A neuron is one output of a convolution or of a fully connected layer, for one image. A pooling layer computes no
    weighted sum, so its outputs are shown and not counted; :attr:`with_pooling` counts them.

    Parameters
    ----------
    rows
        The convolutions, fully connected and pooling layers in the order in which they ran. A layer that runs twice
        has two rows, and twice the neurons: its outputs are others each time.
    """

    rows: tuple[LayerShape, ...]

    def __post_init__(self) -> None:
        check_rows(self.rows, LayerShape)

    @property
    def by_layer(self) -> dict[str, int]:
        """Neurons by the name of the layer, pooling layers left out."""
        return self._by_layer(CONVOLUTIONAL, FULLY_CONNECTED)

    @property
    def pooling(self) -> dict[str, int]:
        """Outputs of the pooling layers by name, which are not counted as neurons."""
        return self._by_layer(POOLING)

    @property
    def total(self) -> int:
        """All neurons."""
        return self.convolutional + self.fully_connected

    @property
    def convolutional(self) -> int:
        """Outputs of convolutions, transposed ones too."""
        return sum(self._by_layer(CONVOLUTIONAL).values())

    @property
    def fully_connected(self) -> int:
        """Outputs of :class:`torch.nn.Linear`."""
        return sum(self._by_layer(FULLY_CONNECTED).values())

    @property
    def with_pooling(self) -> int:
        """The other convention: pooling outputs counted as neurons."""
        return self.total + sum(self.pooling.values())

    def _by_layer(self, *groups: str) -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in self.rows:
            if row.group in groups:
                counts[row.name] = counts.get(row.name, 0) + math.prod(row.output_shape)
        return counts

    def __repr__(self) -> str:
        rows: list[list[Cell]] = []
        for row in self.rows:
            count = math.prod(row.output_shape)
            pooled = row.group == POOLING
            rows.append([row.name, row.kind, times(row.output_shape), *((None, count) if pooled else (count, None))])
        totals: list[list[Cell]] = [
            [CONVOLUTIONAL, None, None, self.convolutional, None],
            [FULLY_CONNECTED, None, None, self.fully_connected, None],
            ["total", None, None, self.total, None],
            ["with pooling", None, None, self.with_pooling, None],
        ]
        return table(["layer", "kind", "output", "neurons", "not counted"], rows, totals)


def layer_shapes(model: nn.Module, input_shape: Sequence[int] = (1, 28, 28)) -> LayerShapes:
    """Input and output of every layer, with its receptive field and its multiply-adds.

    They are read off a forward pass of one blank image in evaluation mode. The pass works on copies of the parameters
    and buffers, so a network that writes to its own as it runs is left as it was, too.

    Parameters
    ----------
    model
        Any network that takes one tensor. Layers that the pass does not call have no row.
    input_shape
        The shape of one input, without the batch; MNIST's by default.

    Returns
    -------
    LayerShapes
        A row for every time that a layer ran. Where a layer takes or gives several tensors, the first one is meant.

    Raises
    ------
    TypeError
        If `model` is no network, or `input_shape` no sequence of integers.
    ValueError
        If the network does not take such an input, or if its lazy layers have not been initialized yet.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> shapes = layer_shapes(DigitCNN())
    >>> shapes["conv2"].input_shape, shapes["conv2"].output_shape
    ((32, 14, 14), (32, 14, 14))
    >>> layer_shapes(nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU()), (3, 64, 64))
    layer  kind    input    output   rec. field  multiply-adds
    ----------------------------------------------------------
    0      Conv2d  3×64×64  8×30×30  5×5               540,000
    1      ReLU    8×30×30  8×30×30  5×5
    ----------------------------------------------------------
    total                                              540,000
    """
    check_model(model)
    shape = _checked_shape(input_shape)
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.get_default_dtype())
    image = torch.zeros(1, *shape, dtype=dtype, device=device_of(model))
    try:
        return watch(model, image)
    except Exception as error:
        raise ValueError(
            "input_shape: expected the shape of one input of the network, without the batch, "
            f"got {shape}, which it does not take: {error}"
        ) from error


def parameter_counts(model: nn.Module) -> ParameterCounts:
    """How many parameters the network has, by layer and by kind of layer.

    Parameters
    ----------
    model
        Any network. A parameter that several layers share is counted once, for the first of them.

    Returns
    -------
    ParameterCounts
        `.total` is the sum of `.convolutional`, `.fully_connected`, `.normalization` and `.other`.

    Raises
    ------
    TypeError
        If `model` is no network.
    ValueError
        If its lazy layers have not been initialized yet.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> parameter_counts(DigitCNN())
    layer            kind    tensors         parameters
    ---------------------------------------------------
    conv1            Conv2d  32×1×3×3 + 32          320
    conv2            Conv2d  32×32×3×3 + 32       9,248
    fc1              Linear  500×1568 + 500     784,500
    fc2              Linear  10×500 + 10          5,010
    ---------------------------------------------------
    convolutional                                 9,568
    fully connected                             789,510
    total                                       799,078
    """
    check_model(model)
    rows: list[LayerParameters] = []
    seen: set[int] = set()
    for name, layer in named_layers(model):
        group = group_of(layer)
        # What a known layer holds, a parametrization of its weight say, is its own.
        own = dict(layer.named_parameters(recurse=group != OTHER))
        shapes = {key: tuple(tensor.shape) for key, tensor in own.items() if id(tensor) not in seen}
        seen.update(map(id, own.values()))
        if own:
            rows.append(LayerParameters(name, type(layer).__name__, group, shapes))
    return ParameterCounts(tuple(rows))


def neuron_counts(model: nn.Module, input_shape: Sequence[int] = (1, 28, 28)) -> NeuronCounts:
    """How many neurons the network has: outputs of convolutions and of fully connected layers, for one image.

    Parameters
    ----------
    model, input_shape
        As in :func:`layer_shapes`.

    Returns
    -------
    NeuronCounts
        Pooling outputs are shown, not counted.

    Raises
    ------
    TypeError, ValueError
        As in :func:`layer_shapes`.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> counts = neuron_counts(DigitCNN())
    >>> counts.total, counts.with_pooling
    (31870, 39710)
    """
    counted = (CONVOLUTIONAL, FULLY_CONNECTED, POOLING)
    return NeuronCounts(tuple(row for row in layer_shapes(model, input_shape) if row.group in counted))


def _checked_shape(shape: object, name: str = "input_shape", *, low: int = 1) -> tuple[int, ...]:
    if not isinstance(shape, Sequence) or isinstance(shape, str):
        raise TypeError(f"{name}: expected a sequence of sizes such as (1, 28, 28), got {describe(shape)}")
    return tuple(check_integer(size, f"{name}[{axis}]", low=low) for axis, size in enumerate(shape))
