"""What a layer has learned and what it makes of an image: its filters and its activations."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mnist_lab._utils.checks import check_images, check_integer, check_network, describe
from mnist_lab._utils.network import device_of, dtype_of, observed

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMALIZATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def filters(model: nn.Module, layer: str) -> Tensor:
    """The filters of a convolution.

    Parameters
    ----------
    model
        Any network with convolutions.
    layer
        The layer's name, as :meth:`torch.nn.Module.named_modules` gives it: ``"conv1"``, or ``"features.0"`` for a
        layer within another.

    Returns
    -------
    Tensor
        A copy of the weights on the CPU, (filters, input channels, height, width).

    Raises
    ------
    TypeError
        If `model` is no network or `layer` no string.
    ValueError
        If the network has no convolution of that name; the message lists those that it has.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> filters(DigitCNN(), "conv1").shape
    torch.Size([32, 1, 3, 3])
    >>> filters(DigitCNN(), "conv2").shape
    torch.Size([32, 32, 3, 3])
    >>> filters(DigitCNN(), "conv3")
    Traceback (most recent call last):
    ...
    ValueError: layer: expected one of 'conv1', 'conv2', got str 'conv3'
    """
    weight = _layer(model, layer, CONVOLUTIONS).weight
    assert isinstance(weight, Tensor)
    return weight.detach().cpu().clone(memory_format=torch.contiguous_format)


def activations(model: nn.Module, images: Tensor, layer: str, *, batch_size: int = 250) -> Tensor:
    """The activations of a layer: what its neurons answer to images, after the ReLU and before any pooling.

    The output of a convolution or of a fully connected layer is taken, after the batch normalization that it goes
    into where there is one, and rectified. Where in the network the ReLU stands makes no difference to that:
    :class:`mnist_lab.DigitCNN` rectifies behind the pooling, which is the same function. The network's last layer is
    the one exception: what it gives are the logits, which nothing rectifies.

    Parameters
    ----------
    model
        Any network from images (N, 1, 28, 28) in 0..255.
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.
    layer
        The name of a convolution or of a fully connected layer, as :func:`mnist_lab.filters` takes it.
    batch_size
        Images at once.

    Returns
    -------
    Tensor
        Activations (N, maps, height, width) of a convolution, (N, neurons) of a fully connected layer; on the CPU,
        in the type in which the network computes.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be. If the network has no such layer, the message lists those that it
        has.
    RuntimeError
        If the network does not run that layer exactly once for a batch of images.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    >>> activations(DigitCNN(batch_norm=True), images, "conv1").shape
    torch.Size([2, 32, 28, 28])
    >>> maps = activations(DigitCNN(), images, "conv2")
    >>> maps.shape, bool(maps.min() >= 0)
    (torch.Size([2, 32, 14, 14]), True)
    >>> activations(DigitCNN(), images, "fc1").shape
    torch.Size([2, 500])
    """
    watched = _layer(model, layer, (*CONVOLUTIONS, nn.Linear))
    check_images(images)
    batch_size = check_integer(batch_size, "batch_size", low=1)
    device, dtype = device_of(model), dtype_of(model)
    answers = []
    with observed(model), torch.no_grad(), _watching(model, watched) as outputs:
        for batch in images.split(batch_size):
            logits = model(batch.to(device, dtype))
            if len(outputs) != 1:
                times = f"{len(outputs)} times" if outputs else "not at all"
                raise RuntimeError(f"layer: expected one that runs once for a batch of images, {layer!r} ran {times}")
            last, answer = outputs.pop()
            answers.append(answer.cpu() if last is logits else answer.relu().cpu())
    return torch.cat(answers)


@contextmanager
def _watching(model: nn.Module, watched: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """The outputs of a layer as it runs: each as it is passed on, and its content after batch normalization."""
    outputs: list[tuple[Tensor, Tensor]] = []

    def output(_: nn.Module, __: object, passed_on: Tensor) -> None:
        # What follows may write into the tensor that is passed on, an in-place ReLU say: hence the copy.
        outputs.append((passed_on, passed_on.clone()))

    def normalized(_: nn.Module, inputs: tuple[Tensor, ...], passed_on: Tensor) -> None:
        # Only a normalization of the layer's very output: not of another layer's, nor of the output after a ReLU.
        if outputs and inputs[0] is outputs[-1][0] and inputs[0].equal(outputs[-1][1]):
            outputs[-1] = (passed_on, passed_on.clone())

    handles = [watched.register_forward_hook(output)]
    try:
        handles += [
            module.register_forward_hook(normalized) for module in model.modules() if isinstance(module, NORMALIZATIONS)
        ]
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _layer(model: nn.Module, name: str, kinds: tuple[type[nn.Module], ...]) -> nn.Module:
    check_network(model)
    layers = {path: module for path, module in model.named_modules() if isinstance(module, kinds)}
    if not isinstance(name, str) or name not in layers:
        names = ", ".join(map(repr, layers)) or "the layers of a network that has some; this one has none"
        error = ValueError if isinstance(name, str) else TypeError
        raise error(f"layer: expected one of {names}, got {describe(name)}")
    return layers[name]
