"""Evaluating a network only where a small change of its input can reach.

A patch on an image changes a few pixels. Each convolution and each pooling carries the change a little further, and
what it has reached is its footprint: for a patch of 5x5 pixels 7x7 outputs of the first convolution, then 4x4 after
its pooling. Everywhere else the network computes what it computes for the image without a patch. So that is computed
once, and for each patch only what differs.

A convolution is linear: of a changed image it makes what it made of the image, and what it makes of the change. So a
change of 4x4 outputs is convolved by itself, with nothing around it. Pooling and what works on single outputs are not:
they are given what the convolution made of the image, in a window around the change, with the change added.

The layers are taken in stages, each from a convolution up to the next. Which places a change reaches is told by
``mnist_lab/introspection/occlusion/windows.py``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_lab.introspection.occlusion.windows import BLOCK, Pair, Patches, Span, course_of
from mnist_lab.model import Standardize

POINTWISE = (nn.BatchNorm2d, nn.Dropout, nn.Identity, nn.ReLU, Standardize)  # each output depends on one pixel
LOCAL = (nn.AvgPool2d, nn.Conv2d, nn.MaxPool2d)  # each output depends on a square of pixels


def supported(model: nn.Module) -> TypeGuard[nn.Sequential]:
    """Whether a network is a plain chain of layers whose footprints are known here.

    >>> supported(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 10)))
    True
    >>> supported(nn.Sequential(nn.Conv2d(1, 4, 3, padding_mode="circular"), nn.Flatten(), nn.Linear(3136, 10)))
    False
    """
    if not isinstance(model, nn.Sequential) or type(model).forward is not nn.Sequential.forward:
        return False
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        return False  # they want to see, or to change, whole outputs
    layers = list(model)
    flatten = next((place for place, layer in enumerate(layers) if type(layer) is nn.Flatten), len(layers))
    if [type(layer) for layer in layers[flatten : flatten + 2]] != [nn.Flatten, nn.Linear]:
        return False
    # Standardize takes whole images alone, so it has to come before the first window is cut out.
    first = next((place for place, layer in enumerate(layers) if type(layer) in LOCAL), flatten)
    return all(
        _is_local(layer) or (_is_pointwise(layer) and (place < first or type(layer) is not Standardize))
        for place, layer in enumerate(layers[:flatten])
    )


def _is_pointwise(layer: nn.Module) -> bool:
    # Batch normalization without running statistics takes those of the batch, so that every output depends on all.
    return type(layer) in POINTWISE and getattr(layer, "track_running_stats", True)


def _is_local(layer: nn.Module) -> bool:
    if type(layer) is nn.Conv2d:
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if type(layer) is nn.MaxPool2d:
        plain = layer.dilation in (1, (1, 1)) and not layer.return_indices
    else:
        plain = type(layer) is nn.AvgPool2d
    return plain and layer.padding in (0, (0, 0)) and not layer.ceil_mode


class Footprints:
    """A network, and where patches on its input reach.

    Parameters
    ----------
    model
        A network that is :func:`supported`, in evaluation mode for as long as this is in use.
    patches
        Where the input may change.
    shape
        Rows and columns of the input.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 10))
    >>> corner = Patches(rows=(0,), columns=(0,), size=2)
    >>> image, patched, white = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    >>> patched[:, :, :2, :2] = 1
    >>> with torch.no_grad():
    ...     torch.allclose(Footprints(network, corner, (8, 8)).logits(image, white), network(patched), atol=1e-6)
    True
    """

    def __init__(self, model: nn.Sequential, patches: Patches, shape: Pair) -> None:
        layers = list(model)
        flatten = next(place for place, layer in enumerate(layers) if type(layer) is nn.Flatten)
        first = next((place for place, layer in enumerate(layers) if type(layer) in LOCAL), flatten)
        self._before = nn.Sequential(*layers[:first])  # depends on single pixels, so it may have whole images
        self._stages = _stages(layers[first:flatten])
        dense, self._rest = layers[flatten + 1], nn.Sequential(*layers[flatten + 2 :])
        assert isinstance(dense, nn.Linear)  # since the network is supported
        self._dense = dense
        self._course = course_of(tuple(stage.spans for stage in self._stages), patches, shape, dense.weight.device)
        weight = dense.weight.unflatten(1, (-1, *self._course.shape))  # (out, C, H, W)
        self._weights = weight.permute(0, 2, 3, 1).contiguous().flatten(2).unbind(1)  # for each row (out, W * C)

    def logits(self, image: Tensor, paint: Tensor) -> Tensor:
        """The network's outputs for one image behind each of the patches.

        Parameters
        ----------
        image
            The image, (1, C, H, W).
        paint
            The image of which each patch shows its part, (1, C, H, W).

        Returns
        -------
        Tensor
            What the network makes of each patched image, but for rounding, (patches, outputs), row by row.
        """
        image, paint = self._before(image), self._before(paint)
        unchanged = []  # for each stage: what its convolution makes of the image, and what the stage does
        outputs = image
        for stage in self._stages:
            convolved = stage.convolved(outputs)
            outputs = stage.rest(convolved.clone())  # for what works in place
            unchanged.append((_table(convolved), _table(outputs)))
        changes = _table(paint - image)[self._course.pixels] * self._course.covered[..., None]  # (P, h, w, C)
        blocks = [self._changed(number, unchanged, block) for number, block in enumerate(changes.split(BLOCK))]
        return self._classified(outputs, torch.cat(blocks))

    def _changed(self, number: int, unchanged: list[tuple[Tensor, Tensor]], changes: Tensor) -> Tensor:
        """How the last stage's outputs change where the first one's inputs do, for a block of patches (P, h, w, C)."""
        for stage, (convolved, outputs), places in zip(self._stages, unchanged, self._course.places, strict=True):
            before, change, after = (table[number] for table in places)
            table = _with_none(_table(stage.spread(changes.permute(0, 3, 1, 2))))
            windows = _rows(convolved, before).add_(_rows(table, change))
            changes = stage.rest(windows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) - _rows(outputs, after)
        return changes

    def _classified(self, image: Tensor, changes: Tensor) -> Tensor:
        """What the fully connected layers make of them; of the first, only what the change adds is computed.

        Row by row of the map: all patches that reach a row meet the same weights, in one product.
        """
        sums = self._dense(image.flatten(1)).repeat(len(changes), 1)
        table = _with_none(changes.reshape(-1, changes.shape[3]))
        for weight, patches, places in zip(self._weights, self._course.touching, self._course.touched, strict=True):
            sums[patches].addmm_(_rows(table, places).flatten(1), weight.T)
        logits: Tensor = self._rest(sums)
        return logits


@dataclass(frozen=True)
class _Stage:
    """Layers from a convolution up to the next; the first stage may begin without one.

    Parameters
    ----------
    convolution
        What the stage begins with.
    rest
        The pooling and pointwise layers behind it.
    """

    convolution: nn.Conv2d | None
    rest: nn.Sequential

    @property
    def spans(self) -> tuple[tuple[Span, Span], tuple[Span, Span]]:
        """What an output of the convolution depends on, and one of the rest, down and across."""
        convolution = () if self.convolution is None else (self.convolution,)
        down, across = ((_span(convolution, axis), _span(self.rest, axis)) for axis in (0, 1))
        return down, across

    def convolved(self, maps: Tensor) -> Tensor:
        """What the convolution makes of whole maps."""
        return maps if self.convolution is None else self.convolution(maps)

    def spread(self, changes: Tensor) -> Tensor:
        """How the convolution's outputs change, wherever a change (P, C, h, w) reaches; as if each place had one."""
        layer = self.convolution
        if layer is None:
            return changes
        around = [span.reach - 1 for span, _ in self.spans]
        return functional.conv2d(changes, layer.weight, None, 1, around, layer.dilation, layer.groups)


def _stages(layers: list[nn.Module]) -> list[_Stage]:
    """The stages of a chain of layers."""
    starts = [place for place, layer in enumerate(layers) if place == 0 or type(layer) is nn.Conv2d]
    stages = []
    for start, end in pairwise([*starts, len(layers)]):
        layer = layers[start]
        if isinstance(layer, nn.Conv2d):
            stages.append(_Stage(layer, nn.Sequential(*layers[start + 1 : end])))
        else:
            stages.append(_Stage(None, nn.Sequential(*layers[start:end])))
    return stages


def _table(maps: Tensor) -> Tensor:
    """Maps (N, C, H, W) as rows of channels, (N * H * W, C); no copy where they are channels-last."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _rows(table: Tensor, places: Tensor) -> Tensor:
    """Those rows of a table that stand at some places, which may have any shape: (..., C)."""
    return table.index_select(0, places.flatten()).view(*places.shape, table.shape[1])


def _with_none(table: Tensor) -> Tensor:
    """A table with a row of zeros before it, for places at which nothing changes."""
    return torch.cat([table.new_zeros(1, table.shape[1]), table])


def _span(layers: Iterable[nn.Module], axis: int) -> Span:
    """What an output of layers one behind the other depends on, of which none but the first pads."""
    span = Span()
    for layer in layers:
        if type(layer) in LOCAL:
            reach, stride, padding = _settings(layer, axis)
            span = Span(span.reach + (reach - 1) * span.stride, span.stride * stride, span.padding + padding)
    return span


def _settings(layer: Any, axis: int) -> tuple[int, int, int]:
    """Reach, stride and padding; torch types a convolution's settings differently from a pooling's."""
    kernel, stride, padding, dilation = (
        value if isinstance(value, int) else value[axis]
        for value in (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
    )
    return dilation * (kernel - 1) + 1, stride, padding
