"""How often each neuron fires: with a ReLU behind it, a neuron speaks or is silent."""

from itertools import takewhile

import torch
from torch import Tensor, nn

from mnist_lab._utils.checks import check_images, check_integer, check_network
from mnist_lab.introspection.summary import layer_shapes
from mnist_lab.introspection.layers import CONVOLUTIONAL, FULLY_CONNECTED, NORMALIZATION, LayerShapes
from mnist_lab._utils.network import device_of, observed


def firing_rates(model: nn.Module, images: Tensor, *, batch_size: int = 250) -> dict[str, Tensor]:
    """The share of images in which each neuron fires, that is, passes its ReLU with a value above 0.

    A neuron is one output of a convolution or of a fully connected layer, after the normalization where one follows.
    Layers without a ReLU, such as the one that gives the logits, are left out: firing means nothing there. Where a
    max-pool stands before the ReLU it changes nothing about which of the layer's values are above 0.

    The images pass in batches and are counted as they pass, so any number of them needs the memory of one batch.

    Parameters
    ----------
    model
        A network of layers that run one after another.
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255, on any device.
    batch_size
        Images at once.

    Returns
    -------
    dict
        For each layer by name the shares 0..1, in the shape of the layer's output, on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be, or if there is no image.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> images = torch.randint(256, (20, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    >>> rates = firing_rates(DigitCNN(), images)
    >>> {layer: tuple(rate.shape) for layer, rate in rates.items()}
    {'conv1': (32, 28, 28), 'conv2': (32, 14, 14), 'fc1': (500,)}
    """
    check_network(model)
    check_images(images, empty=False)
    batch_size = check_integer(batch_size, "batch_size", low=1)
    fired: dict[str, Tensor] = {}
    with observed(model), torch.no_grad():
        sources = _rectified(layer_shapes(model))
        handles = []
        try:
            for name, source in sources.items():

                def count(_module: nn.Module, _args: object, output: Tensor, name: str = name) -> None:
                    firing = (output > 0).sum(dim=0)
                    fired[name] = fired[name] + firing if name in fired else firing

                handles.append(model.get_submodule(source).register_forward_hook(count))
            for batch in images.split(batch_size):
                model(batch.to(device_of(model)))
        finally:
            for handle in handles:
                handle.remove()
    return {name: count.cpu() / len(images) for name, count in fired.items()}


def _rectified(shapes: LayerShapes) -> dict[str, str]:
    """The layers that a ReLU follows, and for each the layer whose output that ReLU rectifies."""
    sources = {}
    for position, row in enumerate(shapes.rows):
        if row.group in (CONVOLUTIONAL, FULLY_CONNECTED):
            rest = shapes.rows[position + 1 :]
            between = list(takewhile(lambda row: row.group == NORMALIZATION or row.kind.startswith("MaxPool"), rest))
            if len(between) < len(rest) and rest[len(between)].kind == "ReLU":
                normalized = [after.name for after in between if after.group == NORMALIZATION]
                sources[row.name] = normalized[-1] if normalized else row.name
    return sources
