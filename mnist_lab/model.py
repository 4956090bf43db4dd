"""The assignment's network: two convolutions, two fully connected layers, batch normalization on request."""

import math
from collections import OrderedDict
from typing import TypeVar

import torch
from torch import Tensor, nn

from mnist_lab._utils.checks import check_network
from mnist_lab._utils.contracts import CLASSES, Images, Seed, checked, describe
from mnist_lab._utils.network import BATCH, running

# MNIST's training mean and standard deviation, 0.1307 and 0.3081 of the 0..1 range, in pixel intensities.
MEAN = 0.1307 * 255
STD = 0.3081 * 255

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class Standardize(nn.Module):
    """The network's first step: from pixel intensities 0..255 to zero mean and unit standard deviation.

    It is part of the network, so everything outside the network works in pixel intensities. The two constants are
    buffers: they are saved, moved and cast with the weights, but never trained.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN))
        self.register_buffer("std", torch.tensor(STD))

    def forward(self, images: Tensor) -> Tensor:
        """Standardize images (N, 1, 28, 28), uint8 or float in 0..255, and cast them to the type of the weights."""
        if not isinstance(images, Tensor):
            raise TypeError(f"images: expected a tensor of shape (N, 1, 28, 28), got {describe(images)}")
        if images.ndim != 4 or images.shape[1:] != (1, 28, 28):
            raise ValueError(f"images: expected shape (N, 1, 28, 28), got {describe(images)}")
        return (images.to(self.mean.dtype) - self.mean) / self.std


class DigitCNN(nn.Sequential):
    """The assignment's convolutional network, from pixel intensities to ten logits.

    Two 3x3 convolutions of 32 filters, each followed by 2x2 max-pooling, then fully connected layers of 500 and 10.
    ReLU is applied after pooling. The two commute, and pooling first leaves a quarter of the values to rectify.

    Parameters
    ----------
    batch_norm
        Whether each convolution is followed by batch normalization (modules ``bn1`` and ``bn2``).
    seed
        Seed of the initial weights. The global random state is neither used nor changed.

    Raises
    ------
    TypeError, ValueError
        If `batch_norm` is neither True nor False, or `seed` is not an integer of at least 0.

    Notes
    -----
    Weights are stored channels-last, the layout in which convolutions are fastest on a CPU. No result depends on it.

    Examples
    --------
    >>> model = DigitCNN(seed=0)
    >>> images = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
    >>> model(images).shape
    torch.Size([4, 10])
    >>> model.conv2
    Conv2d(32, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """

    standardize: Standardize
    conv1: nn.Conv2d
    bn1: nn.BatchNorm2d  # bn1 and bn2 with batch normalization only
    conv2: nn.Conv2d
    bn2: nn.BatchNorm2d
    fc1: nn.Linear
    fc2: nn.Linear

    @checked
    def __init__(self, batch_norm: bool = False, seed: Seed = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        layers: dict[str, nn.Module | None] = {
            "standardize": Standardize(),
            "conv1": _initialized(nn.Conv2d(1, 32, 3, padding=1, device="meta"), generator),
            "bn1": nn.BatchNorm2d(32) if batch_norm else None,
            "pool1": nn.MaxPool2d(2),
            "relu1": nn.ReLU(),
            "conv2": _initialized(nn.Conv2d(32, 32, 3, padding=1, device="meta"), generator),
            "bn2": nn.BatchNorm2d(32) if batch_norm else None,
            "pool2": nn.MaxPool2d(2),
            "relu2": nn.ReLU(),
            "flatten": nn.Flatten(),
            "fc1": _initialized(nn.Linear(32 * 7 * 7, 500, device="meta"), generator),
            "relu3": nn.ReLU(),
            "fc2": _initialized(nn.Linear(500, CLASSES, device="meta"), generator),
        }
        super().__init__(OrderedDict((name, layer) for name, layer in layers.items() if layer is not None))
        self.batch_norm = batch_norm
        self.to(memory_format=torch.channels_last)

    def __getitem__(self, index: slice | int) -> nn.Module:  # type: ignore[override]  # of a slice, not this class
        """Return the layer at a position; for a slice, an ``nn.Sequential`` of those layers."""
        if isinstance(index, bool) or not isinstance(index, slice | int):
            raise TypeError(f"index: expected a position or a slice, got {describe(index)}")
        layers = list(self.named_children())
        return nn.Sequential(OrderedDict(layers[index])) if isinstance(index, slice) else layers[index][1]

    @checked
    def probabilities(self, images: Images) -> Tensor:
        """The softmax of the logits in evaluation mode; the network is left unchanged.

        Parameters
        ----------
        images
            Images (N, 1, 28, 28), uint8 or float in 0..255, on any device.

        Returns
        -------
        Tensor
            Probabilities (N, 10); each row sums to one.

        Raises
        ------
        TypeError, ValueError
            If `images` are not as described.

        Examples
        --------
        >>> DigitCNN().probabilities(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
        """
        check_network(self)
        with running(self) as runner:
            parts = [runner.logits(part) for part in images.split(BATCH)]
        return torch.cat(parts).softmax(dim=1)


def _initialized(layer: Layer, generator: torch.Generator) -> Layer:
    """Draw a layer's weights and biases as torch does by default, but from `generator`.

    The layer is made without values, which torch would draw from its global generator. (torch's own way to fill such a
    layer, ``to_empty``, imports a library for symbolic mathematics first.)
    """
    layer.weight = nn.Parameter(torch.empty(layer.weight.shape))
    if layer.bias is not None:
        layer.bias = nn.Parameter(torch.empty(layer.bias.shape))
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    bound = 1 / math.sqrt(layer.weight[0].numel())  # one over the square root of the number of inputs
    if layer.bias is not None:
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer
