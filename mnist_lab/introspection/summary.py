"""What a network is made of: the shapes of its layers, its parameters, its neurons.

All three functions work for any network whose layers are modules. A layer is a module that holds no other modules, or a
convolution, a fully connected layer, a normalization or an attention layer. A function call such as
``functional.relu`` is no layer. Shapes are those of one image, without the batch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn

from mnist_lab._utils.contracts import Architecture, AtLeast, checked
from mnist_lab._utils.network import running, unwrapped
from mnist_lab._utils.tables import Cell, table, times
from mnist_lab.introspection.layers import (
    CONVOLUTIONAL,
    FULLY_CONNECTED,
    FUSED,
    NORMALIZATION,
    OTHER,
    POOLING,
    LayerShape,
    LayerShapes,
    group_of,
    is_whole,
    named_layers,
    require_layers,
    require_parameters,
    watch,
)

Shape = Sequence[Annotated[int, AtLeast(1)]]


@dataclass(frozen=True)
class LayerParameters:
    """The parameters of one layer.

    Parameters
    ----------
    name, kind, group
        As in :class:`LayerShape`.
    shapes
        The shape of each parameter, by its name within the layer. Parameters that an earlier layer shares are left out.
    """

    name: str
    kind: str
    group: str
    shapes: dict[str, tuple[int, ...]]

    @property
    def count(self) -> int:
        """The number of parameters."""
        return sum(math.prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True, repr=False)
class ParameterCounts:
    """The number of parameters of a network, by layer. Printed, it is a table.

    Parameters
    ----------
    rows
        The layers that have parameters, in the order of ``model.named_modules()``.
    """

    rows: tuple[LayerParameters, ...]

    @property
    def by_layer(self) -> dict[str, int]:
        """Parameters by the name of the layer."""
        return {row.name: row.count for row in self.rows}

    @property
    def total(self) -> int:
        """All parameters, frozen ones included. Buffers, such as running means, are no parameters."""
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
        """The rest: embeddings, attention, recurrent layers, parameters of custom modules."""
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
    """The number of neurons of a network, by layer. Printed, it is a table.

    A neuron is one output of a convolution or of a fully connected layer, for one image. A pooling layer computes no
    weighted sum, so its outputs are shown but not counted; :attr:`with_pooling` counts them.

    Parameters
    ----------
    rows
        The convolutions, fully connected and pooling layers in the order in which they ran. A layer that runs twice has
        two rows, and twice the neurons.
    """

    rows: tuple[LayerShape, ...]

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
        """The other convention, in which pooling outputs are neurons."""
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


@checked
def layer_shapes(model: Architecture, input_shape: Shape = (1, 28, 28)) -> LayerShapes:
    """Input, output, receptive field and multiply-adds of every layer.

    A private copy of the network runs once on a blank image, in evaluation mode.

    Parameters
    ----------
    model
        Any network of Python modules that takes one tensor, of floats or (an embedding, say) of integers. A compiled or
        data-parallel one counts as the network that it wraps. Layers that do not run have no row.
    input_shape
        The shape of one input, without the batch; MNIST's by default.

    Returns
    -------
    LayerShapes
        One row for each run of a layer. Of a layer that takes or gives several tensors, the first one is shown.

    Raises
    ------
    TypeError
        If `model` is no network, or `input_shape` no sequence of integers.
    ValueError
        If the network does not take such an input, its lazy layers are not initialized, or it is scripted or traced.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> shapes = layer_shapes(DigitCNN())
    >>> shapes["conv2"].input_shape, shapes["conv2"].output_shape
    ((32, 14, 14), (32, 14, 14))
    >>> layer_shapes(nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU()), (3, 64, 64))
    layer  kind    input    output   rec. field  multiply-adds
    ----------------------------------------------------------
    0      Conv2d  3x64x64  8x30x30  5x5               540,000
    1      ReLU    8x30x30  8x30x30  5x5
    ----------------------------------------------------------
    total                                              540,000
    """
    require_layers(model)
    shape = tuple(input_shape)
    with running(model) as runner:
        dtypes = [runner.dtype]
        if any(isinstance(module, nn.Embedding | nn.EmbeddingBag) for module in runner.model.modules()):
            dtypes.insert(0, torch.int64)
        for dtype in dtypes:
            try:
                return watch(runner, torch.zeros(1, *shape, dtype=dtype, device=runner.device))
            except Exception as error:
                fault = error
    raise ValueError(
        "input_shape: expected the shape of one input of the network, without the batch, "
        f"got {shape}, which it does not take: {fault}"
    ) from fault


@checked
def parameter_counts(model: Architecture) -> ParameterCounts:
    """The number of parameters, by layer and by group of layers.

    Parameters
    ----------
    model
        Any network of Python modules. A parameter that several layers share is counted once, for the first of them.

    Returns
    -------
    ParameterCounts
        `.total` is the sum of `.convolutional`, `.fully_connected`, `.normalization` and `.other`.

    Raises
    ------
    TypeError
        If `model` is no network.
    ValueError
        If its lazy layers are not initialized, it is scripted or traced, or it holds quantized layers, whose weights
        are no parameters.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> parameter_counts(DigitCNN())
    layer            kind    tensors         parameters
    ---------------------------------------------------
    conv1            Conv2d  32x1x3x3 + 32          320
    conv2            Conv2d  32x32x3x3 + 32       9,248
    fc1              Linear  500x1568 + 500     784,500
    fc2              Linear  10x500 + 10          5,010
    ---------------------------------------------------
    convolutional                                 9,568
    fully connected                             789,510
    total                                       799,078
    """
    require_parameters(model)
    rows: list[LayerParameters] = []
    seen: set[int] = set()
    for name, layer in named_layers(unwrapped(model)):
        # The parameters of a layer's parts, of a parametrization say, are its own.
        own = dict(layer.named_parameters(recurse=is_whole(layer)))
        shapes = {key: tuple(tensor.shape) for key, tensor in own.items() if id(tensor) not in seen}
        seen.update(map(id, own.values()))
        if own:
            rows.append(LayerParameters(name, type(layer).__name__, group_of(layer), shapes))
    return ParameterCounts(tuple(rows))


@checked
def neuron_counts(model: Architecture, input_shape: Shape = (1, 28, 28)) -> NeuronCounts:
    """The number of neurons: outputs of convolutions and of fully connected layers, for one image.

    Parameters
    ----------
    model, input_shape
        As in :func:`layer_shapes`.

    Returns
    -------
    NeuronCounts
        Pooling outputs are shown, but not counted.

    Raises
    ------
    TypeError, ValueError
        As in :func:`layer_shapes`; also for attention and quantized layers, whose neurons are not known.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> counts = neuron_counts(DigitCNN())
    >>> counts.total, counts.with_pooling
    (31870, 39710)
    """
    require_parameters(model)
    for name, module in model.named_modules():
        if isinstance(module, FUSED):
            raise ValueError(
                f"model: expected layers whose neurons can be counted, got {name!r} of the class "
                f"{type(module).__name__}, which computes inside one call"
            )
    counted = (CONVOLUTIONAL, FULLY_CONNECTED, POOLING)
    return NeuronCounts(tuple(row for row in layer_shapes(model, input_shape) if row.group in counted))
