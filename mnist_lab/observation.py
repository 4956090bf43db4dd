"""Looking at a network without leaving a trace in it.

Everything in this library that looks at a network (its shapes, its activations, its gradients) does so inside
:func:`observed`. Afterwards the network, and the random numbers that the caller will draw, are as they were before,
bit for bit, also when the looking failed.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from mnist_lab.memory import keep_freed_memory


@contextmanager
def observed(model: nn.Module) -> Iterator[None]:
    """Put `model` into evaluation mode for as long as the block runs, then give it back as it was.

    Restored are the mode of every submodule and the global random state. Batch-norm statistics do not move in
    evaluation mode. Gradients need no restoring as long as the block asks for them with
    :func:`torch.autograd.grad`, which writes to no parameter.

    Parameters
    ----------
    model
        Any network.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train()
    >>> with observed(network):
    ...     network.training, network[1].training
    (False, False)
    >>> network.training, network[1].training
    (True, True)
    """
    keep_freed_memory()
    modes = [(module, module.training) for module in model.modules()]
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)):
        try:
            for module, _ in modes:
                module.training = False
            yield
        finally:
            for module, mode in modes:
                module.training = mode


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Insist that the weights and buffers of `model` are bit for bit the same after the block as before it.

    Parameters
    ----------
    model
        Any network.

    Raises
    ------
    AssertionError
        If one of them changed in the meantime; it is named.

    Examples
    --------
    >>> network = nn.Linear(1, 1)
    >>> with unchanged(network):
    ...     _ = network(torch.ones(1))
    >>> with unchanged(network):
    ...     _ = network.bias.data.add_(1)
    Traceback (most recent call last):
    ...
    AssertionError: changed: bias
    """
    before = _bits(model)
    yield
    after = _bits(model)
    if after != before:
        raise AssertionError(f"changed: {', '.join(name for name in before if before[name] != after.get(name))}")


def _bits(model: nn.Module) -> dict[str, bytes]:
    return {name: tensor.cpu().numpy().tobytes() for name, tensor in model.state_dict().items()}


def device_of(model: nn.Module) -> torch.device:
    """The device on which the network's weights live; the CPU for a network without any.

    >>> device_of(nn.Flatten())
    device(type='cpu')
    """
    return next((tensor.device for tensor in [*model.parameters(), *model.buffers()]), torch.device("cpu"))


def dtype_of(model: nn.Module) -> torch.dtype:
    """The floating-point type in which the network computes; float32 for a network without weights.

    >>> dtype_of(nn.Linear(2, 2).double())
    torch.float64
    """
    tensors = (tensor for tensor in [*model.parameters(), *model.buffers()] if tensor.is_floating_point())
    return next((tensor.dtype for tensor in tensors), torch.float32)
