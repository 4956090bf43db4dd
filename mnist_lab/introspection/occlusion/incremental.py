"""Incremental inference: evaluate a network only where a patch on its input can change something.

A patch on an image changes few pixels. A 5x5 patch changes at most 7x7 outputs of the first convolution and 4x4 after
its pooling; everything else is as for the image without the patch. So that is computed once, and for each patch only
the difference.

A convolution is linear: its output for the changed image is its output for the image plus its output for the change. So
a change is convolved by itself. Pooling and pointwise layers are not linear: they get the convolution's output in a
window around the change, with the change added. The layers are taken in stages, each from a convolution up to the next.

The idea is known from Nakandala, Kumar and Papakonstantinou, *Incremental and approximate inference for faster
occlusion-based deep CNN explanations* (Krypton), SIGMOD 2019.
"""

from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_lab.introspection.occlusion.windows import BLOCK, Pair, plan_of
from mnist_lab.introspection.receptive_field import Window, is_pointwise, window_along
from mnist_lab.model import Standardize

LOCAL = (nn.AvgPool2d, nn.Conv2d, nn.MaxPool2d)  # layers with windows that are known here


def supported(model: nn.Module) -> TypeGuard[nn.Sequential]:
    """Whether a network is a plain chain of layers whose windows are known here.

    >>> supported(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 10)))
    True
    >>> supported(nn.Sequential(nn.Conv2d(1, 4, 3, padding_mode="circular"), nn.Flatten(), nn.Linear(3136, 10)))
    False
    """
    if not isinstance(model, nn.Sequential) or type(model).forward is not nn.Sequential.forward:
        return False
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        return False  # hooks may read or change whole outputs
    layers = list(model)
    flatten = next((place for place, layer in enumerate(layers) if type(layer) is nn.Flatten), len(layers))
    if [type(layer) for layer in layers[flatten : flatten + 2]] != [nn.Flatten, nn.Linear]:
        return False
    # Standardize takes whole images alone, so it has to come before the first window is cut out.
    first = next((place for place, layer in enumerate(layers) if type(layer) in LOCAL), flatten)
    return all(
        _is_local(layer) or (is_pointwise(layer) and (place < first or type(layer) is not Standardize))
        for place, layer in enumerate(layers[:flatten])
    )


def _is_local(layer: nn.Module) -> bool:
    if type(layer) is nn.Conv2d:
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if type(layer) is nn.MaxPool2d:
        plain = layer.dilation in (1, (1, 1)) and not layer.return_indices
    else:
        plain = type(layer) is nn.AvgPool2d
    return plain and layer.padding in (0, (0, 0)) and not layer.ceil_mode


class Incremental:
    """A network, and the plan for evaluating it behind square patches.

    Parameters
    ----------
    model
        A network that is :func:`supported`, in evaluation mode.
    rows, columns
        Where the patches start: one patch for each pair of a row and a column.
    size
        Their side in pixels.
    shape
        Rows and columns of the image.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 10))
    >>> image, patched, white = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    >>> patched[:, :, :2, :2] = 1
    >>> with torch.no_grad():
    ...     torch.allclose(
    ...         Incremental(network, (0,), (0,), 2, (8, 8)).logits(image, white), network(patched), atol=1e-6
    ...     )
    True
    """

    def __init__(
        self, model: nn.Sequential, rows: tuple[int, ...], columns: tuple[int, ...], size: int, shape: Pair
    ) -> None:
        layers = list(model)
        flatten = next(place for place, layer in enumerate(layers) if type(layer) is nn.Flatten)
        first = next((place for place, layer in enumerate(layers) if type(layer) in LOCAL), flatten)
        self._before = nn.Sequential(*layers[:first])  # pointwise, so it is applied to whole images
        self._stages = _stages(layers[first:flatten])
        dense, self._rest = layers[flatten + 1], nn.Sequential(*layers[flatten + 2 :])
        assert isinstance(dense, nn.Linear)  # since the network is supported
        self._dense = dense
        windows = tuple(stage.windows for stage in self._stages)
        self._plan = plan_of(windows, rows, columns, size, shape, dense.weight.device)
        weight = dense.weight.unflatten(1, (-1, *self._plan.shape))  # (out, C, H, W)
        self._weights = weight.permute(0, 2, 3, 1).contiguous().flatten(2).unbind(1)  # for each row (out, W * C)

    def logits(self, image: Tensor, paint: Tensor) -> Tensor:
        """The network's outputs for one image behind each of the patches, equal to a full evaluation but for rounding.

        Parameters
        ----------
        image
            The image, (1, C, H, W).
        paint
            The image that the patches show, each its own part of it, (1, C, H, W).

        Returns
        -------
        Tensor
            (patches, outputs), row by row.
        """
        image, paint = self._before(image), self._before(paint)
        unchanged = []  # the outputs of each stage's convolution and of the stage, for the image without a patch
        outputs = image
        for stage in self._stages:
            convolved = stage.convolved(outputs)
            outputs = stage.rest(convolved.clone())  # for layers that work in place
            unchanged.append((_table(convolved), _table(outputs)))
        changes = _table(paint - image)[self._plan.pixels] * self._plan.covered[..., None]  # (P, h, w, C)
        blocks = [self._changed(number, unchanged, block) for number, block in enumerate(changes.split(BLOCK))]
        return self._classified(outputs, torch.cat(blocks))

    def _changed(self, number: int, unchanged: list[tuple[Tensor, Tensor]], changes: Tensor) -> Tensor:
        """How the last stage's outputs change with the first one's inputs (P, h, w, C), for a block of patches."""
        for stage, (convolved, outputs), tables in zip(self._stages, unchanged, self._plan.indices, strict=True):
            before, change, after = (table[number] for table in tables)
            spread = _with_none(_table(stage.spread(changes.permute(0, 3, 1, 2))))
            windows = _rows(convolved, before).add_(_rows(spread, change))
            changes = stage.rest(windows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) - _rows(outputs, after)
        return changes

    def _classified(self, image: Tensor, changes: Tensor) -> Tensor:
        """The outputs of the fully connected layers. Of the first one, only the part of the changes is computed.

        It is computed row by row of the map, in one product for all patches that change a row.
        """
        sums = self._dense(image.flatten(1)).repeat(len(changes), 1)
        table = _with_none(changes.reshape(-1, changes.shape[3]))
        for weight, patches, indices in zip(
            self._weights, self._plan.patches_of_row, self._plan.changes_of_row, strict=True
        ):
            sums[patches].addmm_(_rows(table, indices).flatten(1), weight.T)
        logits: Tensor = self._rest(sums)
        return logits


@dataclass(frozen=True)
class _Stage:
    """Layers from a convolution up to the next; the first stage may begin without one.

    Parameters
    ----------
    convolution
        The convolution, or None.
    rest
        The pooling and pointwise layers after it.
    """

    convolution: nn.Conv2d | None
    rest: nn.Sequential

    @property
    def windows(self) -> tuple[tuple[Window, Window], tuple[Window, Window]]:
        """The windows of the convolution and of the layers after it, along rows and along columns."""
        convolution: list[nn.Module] = [] if self.convolution is None else [self.convolution]
        down, across = ((_window(convolution, axis), _window(list(self.rest), axis)) for axis in (0, 1))
        return down, across

    def convolved(self, maps: Tensor) -> Tensor:
        """The convolution's outputs for whole maps."""
        return maps if self.convolution is None else self.convolution(maps)

    def spread(self, changes: Tensor) -> Tensor:
        """How the convolution's outputs change with a change (P, C, h, w) of its inputs, computed with stride 1."""
        layer = self.convolution
        if layer is None:
            return changes
        around = [window.extent - 1 for window, _ in self.windows]
        return functional.conv2d(changes, layer.weight, None, 1, around, layer.dilation, layer.groups)


def _stages(layers: list[nn.Module]) -> list[_Stage]:
    """A chain of layers in stages."""
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


def _rows(table: Tensor, indices: Tensor) -> Tensor:
    """Rows of a table at indices of any shape, (..., C)."""
    return table.index_select(0, indices.flatten()).view(*indices.shape, table.shape[1])


def _with_none(table: Tensor) -> Tensor:
    """A table after a row of zeros, which stands for no change."""
    return torch.cat([table.new_zeros(1, table.shape[1]), table])


def _window(layers: list[nn.Module], axis: int) -> Window:
    """The window of a chain of layers, of which only the first pads."""
    return reduce(Window.then, (window_along(layer, axis) for layer in layers if type(layer) in LOCAL), Window())
