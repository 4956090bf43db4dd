"""What a layer answers to images: its activations, and how often its units are active."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mnist_lab._utils.contracts import Count, Images, Network, SomeImages, checked, describe
from mnist_lab._utils.network import BATCH, Runner, running, unwrapped
from mnist_lab.introspection.layers import require_layers

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
# Functions by their names without underscores.
MONOTONE = {
    *("relu", "relu6", "leaky_relu", "rrelu", "elu", "selu", "celu", "threshold", "clamp", "clamp_min", "hardtanh"),
    *("sigmoid", "logsigmoid", "hardsigmoid", "tanh", "softplus", "softsign"),
}
NONLINEARITIES = MONOTONE | {"gelu", "silu", "mish", "hardswish", "prelu"}
RECTIFIERS = {"relu", "relu6"}
NORMALIZATIONS = {"batch_norm", "instance_norm", "group_norm", "layer_norm", "local_response_norm", "rms_norm"}
MAX_POOLS = {f"{adaptive}max_pool{axes}d" for adaptive in ("", "adaptive_") for axes in (1, 2, 3)}
PASSED_THROUGH = {
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "identity"),
    *("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "contiguous", "to"),
}
LOOKED_AT = {"get", "detach", "clone", "cpu", "numpy", "equal", "allclose", "isnan", "isfinite", "size", "dim"}


@checked
def activations(
    model: Network, images: Images, layer: str, *, pre_activation: bool = False, batch_size: Count = BATCH
) -> Tensor:
    """The activations of a layer: what it passes on after its own non-linearity and before any pooling.

    The output of a convolution or a fully connected layer is followed through the network: through a normalization, to
    the non-linearity, whichever it is, a module or a function. Where a max-pool stands in between, as in
    :class:`mnist_lab.DigitCNN`, a monotone non-linearity is applied to what was pooled, which is the same function. A
    layer without a non-linearity of its own, such as the one that gives the logits, passes on its output.

    Parameters
    ----------
    model
        Any network from images (N, 1, 28, 28) in 0..255.
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.
    layer
        The name of a convolution or a fully connected layer, as :func:`mnist_lab.filters` takes it.
    pre_activation
        Whether to return the layer's values before its non-linearity, after a normalization.
    batch_size
        Images per forward pass.

    Returns
    -------
    Tensor
        Activations (N, maps, height, width) of a convolution, (N, units) of a fully connected layer; on the CPU, in the
        type in which the network computes.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described. If the network has no such layer, the message lists those that it has. Also
        if the layer's non-linearity is not known: its output is used twice, or pooled before a function that is not
        monotone.
    RuntimeError
        If the network does not run that layer exactly once per forward pass.

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
    layer_of(model, layer, LAYERS)
    parts = []
    with running(model) as runner:
        for batch in images.split(batch_size):
            signal = _Signals.of(runner, [layer], batch)[layer]
            if signal.runs != 1:
                times = f"{signal.runs} times" if signal.runs else "not at all"
                raise RuntimeError(f"layer: expected one that runs once per forward pass, {layer!r} ran {times}")
            if signal.unclear and not pre_activation:
                raise ValueError(
                    f"layer: expected one whose non-linearity is known, got {layer!r}, {signal.unclear}; "
                    "pre_activation=True gives its values before that"
                )
            parts.append((signal.before if pre_activation else signal.after).cpu())
    return torch.cat(parts)


@checked
def firing_rates(model: Network, images: SomeImages, *, batch_size: Count = BATCH) -> dict[str, Tensor]:
    """The fraction of images in which each unit is active, that is, passes its ReLU with a value above 0.

    A unit is one output of a convolution or of a fully connected layer. Layers without a ReLU of their own, such as the
    one that gives the logits, are left out. Any number of images needs the memory of one batch.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255.
    images
        At least one image (N, 1, 28, 28), uint8 or float in 0..255, on any device.
    batch_size
        Images per forward pass.

    Returns
    -------
    dict
        For each layer by name the fractions 0..1, in the shape of the layer's output, on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> images = torch.randint(256, (20, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    >>> rates = firing_rates(DigitCNN(), images)
    >>> {layer: tuple(rate.shape) for layer, rate in rates.items()}
    {'conv1': (32, 28, 28), 'conv2': (32, 14, 14), 'fc1': (500,)}
    """
    require_layers(model)
    active: dict[str, Tensor] = {}
    with running(model) as runner:
        names = [name for name, module in runner.model.named_modules() if isinstance(module, LAYERS)]
        for batch in images.split(batch_size):
            for name, signal in _Signals.of(runner, names, batch).items():
                if signal.runs == 1 and not signal.unclear and signal.nonlinearity in RECTIFIERS:
                    count = (signal.after > 0).sum(dim=0)
                    active[name] = active[name] + count if name in active else count
    return {name: count.cpu() / len(images) for name, count in active.items()}


def layer_of(model: nn.Module, name: object, kinds: tuple[type[nn.Module], ...]) -> nn.Module:
    """The layer of a name; raise with the names of all layers of these kinds unless there is one."""
    require_layers(model)
    layers = {path: module for path, module in unwrapped(model).named_modules() if isinstance(module, kinds)}
    if not isinstance(name, str) or name not in layers:
        names = ", ".join(map(repr, layers)) or "the layers of a network that has some; this one has none"
        error = ValueError if isinstance(name, str) else TypeError
        raise error(f"layer: expected one of {names}, got {describe(name)}")
    return layers[name]


@dataclass(eq=False)
class _Signal:
    """The output of a layer, followed through normalization and pooling to its non-linearity."""

    runs: int = 0
    before: Tensor = field(default_factory=lambda: torch.zeros(0))  # ahead of the non-linearity
    after: Tensor = field(default_factory=lambda: torch.zeros(0))
    nonlinearity: str = ""
    unclear: str = ""
    pooled: bool = False
    followed: Tensor | None = None  # the tensor whose use comes next; None once it has been used
    used: list[Tensor] = field(default_factory=list)  # tensors whose use has been seen

    def start(self, output: Tensor) -> None:
        """The layer has run."""
        self.runs += 1
        # Copies, since what follows may write into the tensor: an in-place ReLU, say.
        self.before = self.after = output.clone()
        self.followed = output

    def use(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> None:
        """A function has been applied to the signal."""
        name = function.__name__.strip("_")
        if self.followed is None:
            self.unclear = "whose output is used more than once"
            return
        seen, self.followed = self.followed, None
        if name in NORMALIZATIONS and not self.pooled:
            self.followed, self.before = result, result.clone()
            self.after = self.before
        elif name in PASSED_THROUGH:
            self.followed = result
        elif name in MAX_POOLS:
            self.followed, self.pooled = (result[0] if isinstance(result, tuple) else result), True
        elif name in NONLINEARITIES:
            self.nonlinearity = name
            if self.pooled and name not in MONOTONE:
                self.unclear = f"which is pooled before its non-linearity {name}"
            self.after = function(self.before.clone(), *args[1:], **kwargs)
        if seen is not result:  # what a function returns in place is its result from then on
            self.used.append(seen)


class _Signals(TorchFunctionMode):
    """Watches the functions of one forward pass for the outputs of some layers."""

    def __init__(self, signals: dict[str, _Signal]) -> None:
        super().__init__()
        self.signals = signals

    @classmethod
    def of(cls, runner: Runner, names: Sequence[str], images: Tensor) -> dict[str, _Signal]:
        """The signals of some layers in one forward pass."""
        signals = {name: _Signal() for name in names}
        with ExitStack() as stack:
            for name, signal in signals.items():

                def hook(_module: nn.Module, _args: object, output: Tensor, signal: _Signal = signal) -> None:
                    with torch._C.DisableTorchFunction():
                        signal.start(output)

                stack.enter_context(runner.model.get_submodule(name).register_forward_hook(hook))
            stack.enter_context(cls(signals))
            runner.outputs(images)
        return signals

    def __torch_function__(
        self, function: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a function, and tell the signals that it was applied to."""
        kwargs = kwargs or {}
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        given += [
            item for value in args if isinstance(value, tuple | list) for item in value if isinstance(item, Tensor)
        ]
        applied = [
            signal
            for signal in self.signals.values()
            if any(value is signal.followed or any(value is used for used in signal.used) for value in given)
        ]
        result = function(*args, **kwargs)
        produces = isinstance(result, Tensor) or (
            isinstance(result, tuple) and any(isinstance(r, Tensor) for r in result)
        )
        if produces and getattr(function, "__name__", "").strip("_") not in LOOKED_AT:
            for signal in applied:
                signal.use(function, args, kwargs, result)
        return result
