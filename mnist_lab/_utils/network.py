"""How any network is run: a private copy in evaluation mode, fed in its own type, its output checked.

Every function that looks at a network goes through :func:`running`. So all of them accept the same networks, reject the
others with the same words, leave no trace in the caller's network and may be called from several threads at once.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import CellType, FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mnist_lab._utils.checks import CLASSES, describe, is_dense
from mnist_lab._utils.random_state import preserved

BATCH = 64  # images per forward pass: with more of them a layer's values leave the processor's cache


class Runner:
    """A private copy of a network, in evaluation mode.

    Attributes
    ----------
    model
        The copy. Hooks, modes and gradients of it concern nobody else.
    device, dtype
        Where the network's weights are, and the floating-point type in which it computes.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = private_copy(unwrapped(model)).eval()
        self.device, self.dtype = device_of(self.model), dtype_of(self.model)

    def outputs(self, images: Tensor) -> Any:
        """What the network returns for images, which are copied, moved and cast to what it computes in."""
        # A copy, since a forward pass may write into its input. It is no leaf, so that gradients pass through that.
        return self.model(images.to(self.device, self.dtype, copy=True))

    def logits(self, images: Tensor, classes: int | None = CLASSES) -> Tensor:
        """The network's logits (N, classes) for images (N, 1, 28, 28).

        Raises
        ------
        ValueError
            If the network returns anything but one logit for each class; None allows any number of classes.
        """
        return check_logits(self.outputs(images), len(images), classes)


@contextmanager
def running(model: nn.Module, *, gradients: bool = False) -> Iterator[Runner]:
    """Run a network without leaving a trace in it, in the caller's tensors or in the global random state.

    Parameters
    ----------
    model
        Any network. A compiled or data-parallel one is run as the network that it wraps.
    gradients
        Whether gradients are recorded, also where the caller has switched them off. By default none are. With
        gradients, batch normalization is folded into the convolutions: the same function, in a third less time.

    Examples
    --------
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Dropout()).train()
    >>> with running(network) as runner:
    ...     runner.logits(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
    torch.Size([2, 10])
    >>> network.training
    True
    """
    with torch.inference_mode(False), torch.set_grad_enabled(gradients):
        runner = Runner(model)
        if gradients:
            fold_batch_norm(runner.model)
        with preserved(runner.device):
            yield runner


def fold_batch_norm(model: nn.Module) -> None:
    """Fold batch normalization into the convolution right before it, in a network that is in evaluation mode.

    Only neighbours in an ``nn.Sequential`` are folded, and only where nobody can look at what passes between them: in a
    network made of torch's layers and this library's alone, without hooks, that uses both layers once.

    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()).eval()
    >>> fold_batch_norm(network)
    >>> [type(layer).__name__ for layer in network]
    ['Conv2d', 'Identity', 'ReLU']
    """
    modules = list(model.modules())
    for module in modules:
        known = type(module).__module__.startswith(("torch.nn.modules.", "mnist_lab."))
        if not known or any(
            value for name, value in vars(module).items() if name.endswith("_hooks") or name == "forward"
        ):
            return
    users = Counter(id(layer) for module in modules for layer in module._modules.values())
    for module in modules:
        if not isinstance(module, nn.Sequential):
            continue
        for (name, layer), (following, norm) in pairwise(list(module._modules.items())):
            if type(layer) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d or norm.running_mean is None:
                continue
            precise = layer.weight.dtype in (torch.float32, torch.float64)
            if precise and users[id(layer)] == users[id(norm)] == 1:
                setattr(module, name, fuse_conv_bn_eval(layer, norm))
                setattr(module, following, nn.Identity())


@torch.no_grad()
def private_copy(model: nn.Module) -> nn.Module:
    """A deep copy of a network's modules, parameters and buffers, with the very hooks of the original.

    Attributes that cannot be copied, a lock say, are shared with the original.

    >>> layer = nn.Linear(2, 2)
    >>> twin = private_copy(layer)
    >>> torch.equal(twin.weight, layer.weight), twin.weight is layer.weight
    (True, False)
    """
    memo: dict[int, Any] = {}
    scripted = [module for module in model.modules() if isinstance(module, torch.jit.ScriptModule)]
    inner = {id(part) for module in scripted for part in module.modules() if part is not module}
    for script in scripted:
        if id(script) not in inner:
            memo[id(script)] = copy.deepcopy(script)
    modules = [module for module in model.modules() if not isinstance(module, torch.jit.ScriptModule)]
    for module in modules:
        memo[id(module)] = object.__new__(type(module))
        for value in vars(module).values():
            if isinstance(value, Tensor) and not value.is_leaf:  # deepcopy() takes no tensor that has a history
                memo[id(value)] = value.detach().clone()
    for module in modules:
        twin = vars(memo[id(module)])
        for name, value in vars(module).items():
            if name == "_compiled_call_impl":  # what module.compile() leaves; it would run the original
                continue
            try:
                if isinstance(value, FunctionType) and value.__closure__:
                    twin[name] = _rebound(value, memo)
                else:
                    twin[name] = copy.copy(value) if name.endswith("_hooks") else copy.deepcopy(value, memo)
            except Exception:  # an attribute's own code may raise anything
                twin[name] = value
    result: nn.Module = memo[id(model)]
    for parameter in result.parameters():
        parameter.requires_grad_(False)  # gradients are taken with respect to images alone
    return result


def _rebound(function: FunctionType, memo: dict[int, Any]) -> FunctionType:
    """A function whose closure holds the copies of modules, not the originals."""
    cells = tuple(
        CellType(copy.deepcopy(cell.cell_contents, memo)) if isinstance(cell.cell_contents, nn.Module) else cell
        for cell in function.__closure__ or ()
    )
    code, namespace = function.__code__, function.__globals__
    rebound = FunctionType(code, namespace, function.__name__, function.__defaults__, cells)
    rebound.__kwdefaults__ = function.__kwdefaults__
    return rebound


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside torch's wrappers: compiled, data-parallel.

    >>> type(unwrapped(nn.DataParallel(nn.Linear(2, 2)))).__name__
    'Linear'
    """
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):  # what torch.compile returns
            model = model._orig_mod  # type: ignore[assignment]
        else:
            return model


def check_logits(logits: object, count: int, classes: int | None = CLASSES) -> Tensor:
    """Raise unless a network returned a logit for each class for each of `count` images.

    >>> check_logits(torch.zeros(4, 5), 4)
    Traceback (most recent call last):
    ...
    ValueError: model: expected a network that gives logits (N, 10), got a float32 tensor of shape (4, 5) for 4 images
    >>> check_logits(torch.full((1, 10), 0.1), 1)
    Traceback (most recent call last):
    ...
    ValueError: model: expected a network that gives logits, got probabilities: every row sums to one; ...
    """
    if not is_dense(logits) or logits.ndim != 2 or len(logits) != count or classes not in (None, logits.shape[1]):
        raise ValueError(
            f"model: expected a network that gives logits (N, {classes or 'classes'}), got {describe(logits)} for "
            f"{count} images"
        )
    values = logits.detach()
    # Half-precision probabilities sum to one within a hundredth.
    close = 1e-4 if values.dtype in (torch.float32, torch.float64) else 2e-2
    if values.numel() and values.amin() >= 0 and bool(((values.sum(dim=1) - 1).abs() < close).all()):
        raise ValueError(
            "model: expected a network that gives logits, got probabilities: every row sums to one; remove the softmax"
        )
    return logits


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Assert that the block changes no weight and no buffer of a network, bit for bit.

    Raises
    ------
    AssertionError
        If one of them changed; the message names it.

    Examples
    --------
    >>> network = nn.Linear(1, 1)
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
    return {
        name: tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        for name, tensor in model.state_dict().items()
    }


def device_of(model: nn.Module) -> torch.device:
    """The device of the network's weights; the CPU for a network without any.

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
