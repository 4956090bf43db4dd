"""Kill and interrupt training at random moments, and compare the results: run by test_resume in its own process.

This process imports torch but computes nothing itself. So its forks start at once, and they are safe: a fork has one
thread, and would lack those that torch had started.
"""

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import nn

import mnist_lab as lab
from mnist_lab._utils.random_state import seeded
from mnist_lab._utils.tensor_files import digest, read_tensors
from mnist_lab.model import Standardize
from mnist_lab.training.resume import FORMAT
from tests.conftest import bars

fork = multiprocessing.get_context("fork")
EPOCHS = 8
DATASET = lab.Dataset("bars", train=bars(160, 0), validation=bars(64, 1), test=bars(10, 2))


def small_network() -> nn.Module:
    """A network with every kind of state that a run has; dropout draws from the global random state."""
    layers = {
        "standardize": Standardize(),
        "conv1": nn.Conv2d(1, 8, kernel_size=3, padding=1),
        "bn1": nn.BatchNorm2d(8),
        "pool": nn.MaxPool2d(4),
        "conv2": nn.Conv2d(8, 8, kernel_size=3, padding=1),
        "relu": nn.ReLU(),
        "dropout": nn.Dropout(0.2),
        "flatten": nn.Flatten(),
        "fc": nn.Linear(8 * 7 * 7, 10),
    }
    with seeded(0):
        for layer in layers.values():
            getattr(layer, "reset_parameters", lambda: None)()
    return nn.Sequential(OrderedDict(layers)).to(memory_format=torch.channels_last)


def recipe_of(**changes: Any) -> lab.Recipe:
    return lab.Recipe(epochs=EPOCHS, batch_size=32, **changes)


CASES: dict[str, tuple[Callable[[], nn.Module], lab.Recipe]] = {
    "float32": (small_network, recipe_of()),
    "bfloat16": (small_network, recipe_of(augment=True, precision="bfloat16")),
    "augmented": (lambda: lab.DigitCNN(batch_norm=True), recipe_of(augment=True)),
}


def outcome(model: nn.Module, history: lab.History) -> dict[str, object]:
    """The part of the result that must be equal bit for bit; the seconds may differ."""
    measured = {name: values for name, values in vars(history).items() if name != "seconds"}
    return {"weights": digest(model.state_dict()), "history": json.loads(json.dumps(measured))}


def train(pipe: Connection, case: str, file: Path | None) -> None:
    make, recipe = CASES[case]
    model = make()
    pipe.send(outcome(model, lab.fit(model, DATASET, recipe, device="cpu", resume=file, progress=False)))


def train_in_the_cache(pipe: Connection, case: str, _: Path | None) -> None:
    network = lab.trained("batch_norm", recipe=CASES[case][1], dataset=DATASET, progress=False)
    pipe.send(outcome(network.model, network.history))


def train_between_interrupts(pipe: Connection, case: str, file: Path | None) -> None:
    """Repeat the same call with the same network after each Ctrl-C, as in a notebook."""
    inside = False

    def interrupt(*_: object) -> None:
        if inside:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    make, recipe = CASES[case]
    model = make()
    while True:
        pipe.send("training")
        try:
            inside = True
            history = lab.fit(model, DATASET, recipe, device="cpu", resume=file, progress=False)
            inside = False
            pipe.send(outcome(model, history))
            return
        except KeyboardInterrupt:
            inside = False
            assert not file or not list(file.parent.glob(f".{file.name}.*.part")), "a partial file"


def started(
    work: Callable[[Connection, str, Path | None], None], case: str, file: Path | None
) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    here, there = fork.Pipe(duplex=False)
    process = fork.Process(target=work, args=(there, case, file))
    process.start()
    there.close()
    return process, here


def undisturbed(
    work: Callable[[Connection, str, Path | None], None], case: str, file: Path | None
) -> tuple[object, float]:
    """The outcome of a run that is not stopped, and its duration in seconds."""
    start = time.perf_counter()
    process, pipe = started(work, case, file)
    result = pipe.recv()
    process.join()
    return result, time.perf_counter() - start


def killed(
    work: Callable[[Connection, str, Path | None], None], case: str, file: Path, kept: Path, kills: int, whole: float
) -> dict[str, Any]:
    """Kill a run, and the runs that resume it; when one finishes, start again, until there are enough kills."""
    epochs: list[int] = []
    outcomes: list[object] = []
    halves = 0
    while len(epochs) < kills:
        kept.unlink(missing_ok=True)
        while True:
            process, pipe = started(work, case, file)
            if len(epochs) == kills or pipe.poll(random.uniform(0, 0.6 * whole)):
                outcomes.append(pipe.recv())
                process.join()
                break
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            assert process.exitcode == -signal.SIGKILL
            for partial in file.parent.glob(".*.part"):
                halves += 1
                os.utime(partial, (0, 0))  # old enough for the next run to delete it
            # The file is whole at any moment.
            held = read_tensors(file, FORMAT)[1]["history"]["seconds"] if file.exists() else ()
            epochs.append(len(held))
    return {"kills": len(epochs), "epochs": epochs, "halves": halves, "outcomes": outcomes}


def interrupted(case: str, file: Path, interrupts: int, whole: float) -> dict[str, Any]:
    """Interrupt a run, which its process repeats; when it finishes, start again, until there are enough interrupts."""
    counted, outcomes = 0, []
    while counted < interrupts:
        file.unlink(missing_ok=True)
        process, pipe = started(train_between_interrupts, case, file)
        while (message := pipe.recv()) == "training":
            while counted < interrupts and not pipe.poll(random.uniform(0, 0.4 * whole)):
                assert process.pid is not None
                os.kill(process.pid, signal.SIGINT)
                if pipe.poll(5):  # otherwise it struck where Python can only drop it
                    counted += 1
                    break
        outcomes.append(message)
        process.join()
    return {"interrupts": counted, "outcomes": outcomes}


def main(folder: Path, kills: int, interrupts: int, seed: int) -> None:
    random.seed(seed)
    torch.set_num_threads(1)
    # Done once for all forks: slow work, and imports, which must not be interrupted.
    assert DATASET.checksum
    assert torch.optim.AdamW(small_network().parameters())

    report: dict[str, dict[str, Any]] = {}
    for case in CASES:
        reference, whole = undisturbed(train, case, None)
        kept, _ = undisturbed(train, case, folder / f"{case} whole")
        assert kept == reference, f"{case}: writing a resume file changes the outcome"
        file = folder / case
        results = {
            case: killed(train, case, file, file, kills, whole),
            f"{case}, Ctrl-C": interrupted(case, folder / f"{case} interrupted", interrupts, whole),
        }
        for name, result in results.items():
            report[name] = {**result, "outcomes": [outcome == reference for outcome in result["outcomes"]]}

    os.environ["MNIST_LAB_CACHE"] = str(folder / "reference")
    reference, whole = undisturbed(train_in_the_cache, "augmented", None)
    os.environ["MNIST_LAB_CACHE"] = str(folder / "cache")
    networks = folder / "cache" / "networks"
    network = networks / next((folder / "reference" / "networks").glob("*.safetensors")).name
    result = killed(train_in_the_cache, "augmented", network.with_suffix(".resume"), network, kills, whole)
    report["trained()"] = {**result, "outcomes": [outcome == reference for outcome in result["outcomes"]]}
    report["left"] = {"files": sorted(path.suffix for path in [*folder.glob(".*"), *networks.iterdir()])}
    print(json.dumps(report))  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(argument) for argument in sys.argv[2:5]))
