"""Continue a training run that was stopped from the end of its last whole epoch, bit for bit.

A :class:`Run` is the state that changes during training. A :class:`ResumeFile` stores it, with a fingerprint of what
determines the result. Only whole epochs are stored, since an interrupt may strike in the middle of a step.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mnist_lab._utils.messages import log
from mnist_lab._utils.network import device_of
from mnist_lab._utils.tensor_files import CheckpointError, digest, read_tensors, write_tensors

FORMAT = "mnist_lab training 2"


@dataclass(frozen=True, eq=False)
class Run:
    """The state that changes during training.

    Parameters
    ----------
    model
        The network, on the device where it is trained.
    optimizer
        Its optimizer.
    generator
        Source of the order of the images and of their distortions.
    history
        The measurements so far: one list for each field of :class:`History`. An epoch has ended once its validation
        accuracy is in the history.
    """

    model: nn.Module
    optimizer: Optimizer
    generator: torch.Generator
    history: dict[str, list[float]]

    @property
    def epochs(self) -> int:
        """Number of epochs that have ended."""
        return len(self.history["validation_accuracy"])


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer by name, including buffers that are not saved with the network.

    >>> weights_of(nn.Linear(2, 1)).keys()
    dict_keys(['weight', 'bias'])
    """
    return {name: tensor.detach() for name, tensor in [*model.named_parameters(), *model.named_buffers()]}


def restore_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy earlier parameters and buffers into a network; its devices and memory formats do not change."""
    for name, tensor in weights_of(model).items():
        tensor.copy_(weights[name])


class ResumeFile:
    """The state of a training run at the end of an epoch, in a file.

    Parameters
    ----------
    path
        The file.
    model
        The network before training.
    settings
        Everything else that determines the result, by name: numbers, strings and booleans.
    """

    def __init__(self, path: str | os.PathLike[str], model: nn.Module, settings: Mapping[str, object]) -> None:
        self.path = Path(path)
        # A repr may hold memory addresses, which differ from process to process.
        layers = re.sub(r"0x[0-9a-fA-F]+", "", repr(model))
        self._fingerprint: dict[str, object] = {
            **settings,
            "layers": hashlib.sha256(layers.encode()).hexdigest()[:16],
            "torch": torch.__version__,
        }
        self._weights = [digest(weights_of(model))]  # before training, and after each epoch

    def restore(self, run: Run) -> None:
        """Restore a run from the file before its first step, or create the file if there is none.

        Parameters
        ----------
        run
            The run. Its network has the weights that it had when the file was created or, if the same object was
            interrupted, those of the end of an epoch since then.

        Raises
        ------
        CheckpointError
            If the file is damaged or belongs to another run; `run` is then unchanged.
        OSError
            If the file cannot be read or written.
        """
        if not self.path.exists():
            self._write(run)  # so that a file that cannot be written is reported before any work
            return
        tensors, about = read_tensors(self.path, FORMAT)
        sections: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "random": {}}
        for name, tensor in tensors.items():
            section, _, rest = name.partition("/")
            sections[section][rest] = tensor
        self._require_same_run(about)

        restore_weights(run.model, sections["model"])
        for name, parameter in run.model.named_parameters():
            for key in about["optimizer"].get(name, ()):
                run.optimizer.state[parameter][key] = _like(sections["optimizer"][f"{name}/{key}"], parameter)
        run.generator.set_state(sections["random"]["order"])
        torch.set_rng_state(sections["random"]["cpu"])
        if "cuda" in sections["random"]:
            torch.cuda.set_rng_state(sections["random"]["cuda"], device_of(run.model))
        for name, values in about["history"].items():
            run.history[name][:] = values

    def write(self, run: Run) -> None:
        """Store the state of a run at the end of an epoch; if the file cannot be written, log a warning.

        Parameters
        ----------
        run
            The run.
        """
        self._weights.append(digest(weights_of(run.model)))
        try:
            self._write(run)
        except OSError as error:
            log.warning("epoch %d is not in the resume file %s (%s)", run.epochs, self.path, error)

    def _write(self, run: Run) -> None:
        tensors = {f"model/{name}": tensor for name, tensor in weights_of(run.model).items()}
        optimizer = {
            name: run.optimizer.state[parameter]
            for name, parameter in run.model.named_parameters()
            if parameter in run.optimizer.state  # a frozen one has no state
        }
        for name, state in optimizer.items():
            tensors |= {f"optimizer/{name}/{key}": value for key, value in state.items()}
        tensors |= {"random/order": run.generator.get_state(), "random/cpu": torch.get_rng_state()}
        if (device := device_of(run.model)).type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(device)
        about = {
            "format": FORMAT,
            "fingerprint": self._fingerprint,
            "weights": self._weights,
            "optimizer": {name: list(state) for name, state in optimizer.items()},
            "history": run.history,
        }
        write_tensors(self.path, tensors, about)

    def _require_same_run(self, about: Mapping[str, Any]) -> None:
        found = about["fingerprint"]
        differences = [
            f"{name} {found.get(name)!r} there, {ours!r} here"
            for name, ours in self._fingerprint.items()
            if found.get(name) != ours
        ]
        if not differences and self._weights[0] not in about["weights"]:
            differences = ["the network has different weights here"]
        if differences:
            raise CheckpointError(
                f"resume: {self.path} belongs to another run: {'; '.join(differences)}. "
                "Use the settings of that run, name another file, or delete this one to start again."
            )
        self._weights = about["weights"]


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """Optimizer state on the device and in the memory format of its parameter, as the fused optimizer expects."""
    if value.shape != parameter.shape:
        return value.to(parameter.device)
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
