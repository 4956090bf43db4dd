"""Training against the usual loop: an epoch, seconds to 99 % test accuracy, arithmetic rate, peak memory.

The usual loop is the one of most tutorials: torchvision's data set with ToTensor and Normalize, a DataLoader of batch
64 that shuffles, and the same network written in the order convolution, ReLU, pool. Both train on the same 50,000
images.
"""

import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

import mnist_lab as lab
from benchmarks.measure import Row, apart, rounded, seconds, turns
from mnist_lab._utils.messages import progress
from mnist_lab.training.device import Precision

USUAL = "the usual loop"
GOAL = 0.99
PATIENCE = 10  # epochs after which the usual loop is taken not to reach the goal
# The shortest run that reaches the goal on the validation images: one epoch, at a high rate.
SHORT = {"epochs": 1, "learning_rate": 8e-3, "label_smoothing": 0.1}


class UsualNetwork(nn.Module):
    """The same layers as DigitCNN, as tutorials write them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1)
        self.fc1 = nn.Linear(1568, 500)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, 10)."""
        x = functional.max_pool2d(functional.relu(self.conv1(images)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        logits: Tensor = self.fc2(functional.relu(self.fc1(torch.flatten(x, 1))))
        return logits


class DigitImages(datasets.MNIST):
    """torchvision's data set, item by item as it does it, over images that are in memory already."""

    def __init__(self, split: lab.Split) -> None:
        self.data, self.targets = split.images[:, 0], split.labels
        self.target_transform = None
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])


def usual_epochs(split: lab.Split) -> Iterator[UsualNetwork]:
    """Train epoch after epoch with Adadelta, 1.0 in the first epoch and 0.7 times less in each that follows."""
    model = UsualNetwork()
    loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(DigitImages(split), batch_size=64, shuffle=True)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    while True:
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
        schedule.step()
        yield model


def usual_accuracy(model: nn.Module, split: lab.Split) -> float:
    """Share of the images that the usual network classifies correctly."""
    model.eval()
    with torch.no_grad():
        batches: DataLoader[tuple[Tensor, Tensor]] = DataLoader(DigitImages(split), batch_size=500)
        right = sum(int((model(images).argmax(dim=1) == labels).sum()) for images, labels in batches)
    return right / len(split)


def epoch_arithmetic(count: int) -> float:
    """Floating-point operations of an epoch over so many images, two for a multiply-add."""
    # Forward, and backward for weights and for inputs; the images themselves need no gradient.
    shapes = {row.name: row.multiply_adds or 0 for row in lab.layer_shapes(lab.DigitCNN())}
    return 2.0 * count * (3 * sum(shapes.values()) - shapes["conv1"])


def matrix_rate(dtype: torch.dtype, size: int = 2048, products: int = 20) -> float:
    """The machine's rate of matrix products, in GFLOP/s."""
    matrix = torch.randn(size, size).to(dtype)
    for _ in range(3):
        matrix @ matrix
    return products * 2 * size**3 / seconds(lambda: [matrix @ matrix for _ in range(products)]) / 1e9


@cache
def _dataset(quick: bool) -> lab.Dataset:
    """The data of an epoch that is timed."""
    dataset = lab.load_dataset()
    train = dataset.train[:5_000] if quick else dataset.train
    # Little to measure at the end of the epoch; what it takes is not counted anyway.
    return lab.Dataset(dataset.name, train, dataset.validation[:100], dataset.test[:0])


@cache
def _usual(quick: bool) -> Iterator[UsualNetwork]:
    return usual_epochs(_dataset(quick).train)


def usual_epoch(quick: bool) -> float:
    """Seconds of one more epoch of the usual loop."""
    return seconds(lambda: next(_usual(quick)))


def our_epoch(quick: bool, precision: Precision) -> float:
    """Seconds of an epoch of ours."""
    recipe = lab.Recipe(epochs=1, precision=precision)
    return lab.fit(lab.DigitCNN(), _dataset(quick), recipe, progress=False).seconds[0]


def epoch(quick: bool) -> list[Row]:
    """An epoch of each precision, and its arithmetic rate beside that of matrix products."""
    count = len(_dataset(quick).train)
    precisions: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    with apart() as usual, apart() as ours:
        contestants: dict[str, Callable[[], float]] = {USUAL: partial(usual, usual_epoch, quick)}
        for precision, dtype in precisions.items():
            contestants[precision] = partial(ours, our_epoch, quick, precision)
            contestants[f"{precision} products"] = partial(matrix_rate, dtype)
        values = turns(contestants, 2 if quick else 5, "an epoch")
    rows = [
        Row(f"An epoch of {count:,} images, {precision}", "s", USUAL, values[precision], values[USUAL])
        for precision in precisions
    ]
    for precision in precisions:
        reached = tuple(epoch_arithmetic(count) / taken / 1e9 for taken in values[precision])
        products = values[f"{precision} products"]
        subject = f"Arithmetic of an epoch, {precision}"
        least = epoch_arithmetic(count) / 1e9 / median(products)
        note = f"An epoch of nothing but arithmetic at the rate of such products would take {rounded(least)} s."
        rows.append(Row(subject, "GFLOP/s", "matrix products of 2048 x 2048", reached, products, share=True, note=note))
    return rows


def to_99(quick: bool) -> list[Row]:
    """Seconds of training until 99 % of the test images are classified correctly, from several seeds."""
    precision = "bfloat16" if torch.cpu.get_capabilities().get("avx512_bf16") else "float32"
    ours, theirs, reached, epochs = [], [], [], []
    seeds = range(1 if quick else 5)
    with apart() as our, apart() as usual, progress(len(seeds), "seconds to 99 %", unit="seed") as bar:
        our(our_epoch, True, precision)  # warm-up
        usual(usual_epoch, True)
        for seed in seeds:
            taken, accuracy = our(our_run_to_goal, precision, seed)
            ours.append(taken)
            reached.append(accuracy)
            taken, number = usual(usual_run_to_goal, seed)
            theirs.append(taken)
            epochs.append(number)
            bar.line(f"seed {seed}: ours {ours[-1]:.1f} s, {reached[-1]:.2%}; {USUAL} {taken:.1f} s, {number} epochs")
            bar.step()
    note = (
        f"Ours: epochs: {SHORT['epochs']}, {precision}, {min(reached):.2%} to {max(reached):.2%} at the end, "
        f"at least 99 % from {sum(accuracy >= GOAL for accuracy in reached)} of {len(reached)} seeds. "
        f"Theirs: Adadelta, to the first epoch that ends at 99 % or above; epochs: {min(epochs)} to {max(epochs)}."
    )
    return [Row("Training to 99 % test accuracy", "s", USUAL, tuple(ours), tuple(theirs), note=note)]


def our_run_to_goal(precision: str, seed: int) -> tuple[float, float]:
    """Seconds of the short recipe, and the test accuracy that it ends at; measuring is not counted."""
    dataset, model = lab.load_dataset(), lab.DigitCNN(seed=seed)
    recipe = lab.Recipe(**SHORT, precision=precision, seed=seed)  # type: ignore[arg-type]
    taken = sum(lab.fit(model, dataset, recipe, progress=False).seconds)
    return taken, lab.evaluate(model, dataset.test).accuracy


def usual_run_to_goal(seed: int) -> tuple[float, int]:
    """Seconds and epochs of the usual loop until its first epoch that ends at the goal; measuring is not counted."""
    dataset = lab.load_dataset()
    torch.manual_seed(seed)
    taken, trained = 0.0, usual_epochs(dataset.train)
    for number in range(1, PATIENCE + 1):
        start = time.perf_counter()
        model = next(trained)
        taken += time.perf_counter() - start
        if usual_accuracy(model, dataset.test) >= GOAL:
            return taken, number
    raise RuntimeError(f"the usual loop did not reach {GOAL:.0%} within {PATIENCE} epochs")


def memory(quick: bool) -> list[Row]:
    """The largest memory of a process that trains an epoch, each in a fresh interpreter."""
    contestants = {kind: lambda kind=kind: _peak(kind) for kind in ("ours", "usual")}
    values = turns(contestants, 1 if quick else 3, "peak memory", warm=False)
    note = "A whole process: interpreter, torch and the data included."
    return [Row("Peak memory of training", "MiB", USUAL, values["ours"], values["usual"], note=note)]


def _peak(kind: str) -> float:
    command = [sys.executable, "-m", "benchmarks.training", kind]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _train_and_tell(kind: str) -> None:
    """Train an epoch and print the peak memory of this process in MiB."""
    dataset = lab.load_dataset()
    if kind == "ours":
        lab.fit(lab.DigitCNN(), dataset, lab.Recipe(epochs=1), progress=False)
    else:
        usual_accuracy(next(usual_epochs(dataset.train)), dataset.validation)
    print(_own_peak())


def _own_peak() -> float:
    """The largest memory of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage() says there includes the process that started this one
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))[1]) / 2**10  # type: ignore[index]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere


if __name__ == "__main__":
    _train_and_tell(sys.argv[1])
