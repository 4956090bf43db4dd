"""Training that is stopped at any point goes on from the end of its last whole epoch, bit for bit.

A :class:`Run` is all that changes as training goes on; a :class:`ResumeFile` keeps it, with all that decided it from
the start. Between two steps of an epoch there is more (the order of the images that are still to come), and an
interrupt may strike within a step, so it is whole epochs that are kept.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from mnist_lab.observation import device_of
from mnist_lab.progress import notice
from mnist_lab.tensor_files import CheckpointError, digest, read_tensors, write_tensors

FORMAT = "mnist_lab training 1"


@dataclass(frozen=True, eq=False)
class Run:
    """All that changes as training goes on.

    Parameters
    ----------
    model
        The network that is trained, on the device where it is trained.
    optimizer, schedule
        What trains it.
    generator
        Where the order of the images and their distortions come from.
    history
        What has been measured: lists by the name of the field. An epoch has ended when its accuracy is there.
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    generator: torch.Generator
    history: dict[str, list[float]]

    @property
    def epochs(self) -> int:
        """How many epochs have ended."""
        return len(self.history["validation_accuracy"])


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer by name, those that are not saved with the network included.

    >>> weights_of(nn.Linear(2, 1)).keys()
    dict_keys(['weight', 'bias'])
    """
    return {name: tensor.detach() for name, tensor in [*model.named_parameters(), *model.named_buffers()]}


def put_back(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a network parameters and buffers that it had; each stays where it is, and as it lies in memory."""
    for name, tensor in weights_of(model).items():
        tensor.copy_(weights[name])


class ResumeFile:
    """Where a training run stands at the end of an epoch, in a file.

    Parameters
    ----------
    path
        The file.
    model
        The network as it is before training.
    decides
        What else decides the outcome, by name: numbers, texts, truth values.
    """

    def __init__(self, path: str | os.PathLike[str], model: nn.Module, decides: Mapping[str, object]) -> None:
        self.path = Path(path)
        layers = hashlib.sha256(repr(model).encode()).hexdigest()[:16]
        self._decides: dict[str, object] = {**decides, "layers": layers, "torch": torch.__version__}
        self._weights = [digest(weights_of(model))]  # before training, and after each epoch

    def take_up(self, run: Run) -> None:
        """Bring a run that is about to start to where the file says it was; where there is no file, make one.

        Parameters
        ----------
        run
            The run, of which nothing has happened yet. Its network has the weights that it had when the file was made,
            or those of the end of an epoch since then: it may be the same object still, after an interrupt.

        Raises
        ------
        CheckpointError
            If the file is damaged, or is of another run; nothing of `run` has been changed then.
        OSError
            If the file cannot be read or written.
        """
        if not self.path.exists():
            self._write(run)  # so that a file that cannot be written is known before any work
            return
        tensors, about = read_tensors(self.path, FORMAT)
        sections: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "random": {}}
        for name, tensor in tensors.items():
            section, _, rest = name.partition("/")
            sections[section][rest] = tensor
        self._require_same_run(about)

        put_back(run.model, sections["model"])
        for name, parameter in run.model.named_parameters():
            for key in about["optimizer"].get(name, ()):
                run.optimizer.state[parameter][key] = _like(sections["optimizer"][f"{name}/{key}"], parameter)
        run.schedule.load_state_dict(about["schedule"])
        for group, rate in zip(run.optimizer.param_groups, run.schedule.get_last_lr(), strict=True):
            group["lr"] = rate
        run.generator.set_state(sections["random"]["order"])
        torch.set_rng_state(sections["random"]["cpu"])
        if "cuda" in sections["random"]:
            torch.cuda.set_rng_state(sections["random"]["cuda"], device_of(run.model))
        for name, values in about["history"].items():
            run.history[name][:] = values

    def write(self, run: Run) -> None:
        """Keep the state of a run at the end of an epoch. Where that fails the run goes on, and the user is told.

        Parameters
        ----------
        run
            The run.
        """
        self._weights.append(digest(weights_of(run.model)))
        try:
            self._write(run)
        except OSError as error:
            notice(f"epoch {run.epochs} is not in the resume file {self.path}, which could not be written: {error}")

    def _write(self, run: Run) -> None:
        tensors = {f"model/{name}": tensor for name, tensor in weights_of(run.model).items()}
        optimizer = {
            name: run.optimizer.state[parameter]
            for name, parameter in run.model.named_parameters()
            if parameter in run.optimizer.state  # a frozen one is not
        }
        for name, state in optimizer.items():
            tensors |= {f"optimizer/{name}/{key}": value for key, value in state.items()}
        tensors |= {"random/order": run.generator.get_state(), "random/cpu": torch.get_rng_state()}
        if (device := device_of(run.model)).type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(device)
        about = {
            "format": FORMAT,
            "decides": self._decides,
            "weights": self._weights,
            "optimizer": {name: list(state) for name, state in optimizer.items()},
            "schedule": run.schedule.state_dict(),
            "history": run.history,
        }
        write_tensors(self.path, tensors, about)

    def _require_same_run(self, about: Mapping[str, Any]) -> None:
        found = about["decides"]
        differences = [
            f"{name} {found.get(name)!r} there, {ours!r} here"
            for name, ours in self._decides.items()
            if found.get(name) != ours
        ]
        if not differences and self._weights[0] not in about["weights"]:
            differences = ["the network's weights here are none that it had there"]
        if differences:
            raise CheckpointError(
                f"resume: {self.path} is of another run: {'; '.join(differences)}. "
                "Train as that run did, or name another file, or delete this one to start afresh."
            )
        self._weights = about["weights"]


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """What an optimizer keeps of a parameter, on its device and in its layout: fused steps take them to be the same."""
    if value.shape != parameter.shape:
        return value.to(parameter.device)
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
