"""An epoch of training, ours against the usual loop, in one run on the same machine.

The usual loop is the one of most tutorials: torchvision's data set with ToTensor and Normalize, a DataLoader of batch
64 that shuffles, the same network written in the order convolution, ReLU, pool, and Adam. Both train on the same
50,000 images in float32. They take turns; the first part of each is not counted.

    python benchmarks/training_epoch.py --rounds 5
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

import mnist_lab as lab


class UsualNetwork(nn.Module):
    """The same layers as DigitCNN, as tutorials write them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1)
        self.fc1 = nn.Linear(1568, 500)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, 10)."""
        x = functional.max_pool2d(functional.relu(self.conv1(images)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        logits: torch.Tensor = self.fc2(functional.relu(self.fc1(torch.flatten(x, 1))))
        return logits


class DigitImages(datasets.MNIST):
    """torchvision's data set, item by item as it does it, over images that are in memory already."""

    def __init__(self, split: lab.Split) -> None:
        self.data, self.targets = split.images[:, 0], split.labels
        self.target_transform = None
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])


def usual_epoch(split: lab.Split) -> Callable[[], None]:
    """An epoch of the usual loop, to be called again and again."""
    model = UsualNetwork()
    loader: DataLoader[tuple[torch.Tensor, torch.Tensor]] = DataLoader(DigitImages(split), batch_size=64, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch() -> None:
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            optimizer.step()

    return epoch


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rounds(dataset: lab.Dataset, count: int) -> Iterator[dict[str, float]]:
    """Seconds of an epoch, of each kind in turn."""
    recipes = {f"mnist_lab {name}": lab.Recipe(epochs=1, precision=name) for name in ("float32", "bfloat16")}
    # Little to measure at the end of the epoch; what it takes is not counted anyway.
    whole = lab.Dataset(dataset.name, dataset.train, dataset.validation[:100], dataset.test[:0])
    part = lab.Dataset(dataset.name, dataset.train[:5_000], dataset.validation[:100], dataset.test[:0])

    def ours(data: lab.Dataset, recipe: lab.Recipe) -> float:
        return lab.fit(lab.DigitCNN(), data, recipe, progress=False).seconds[0]

    usual_epoch(part.train)()
    for recipe in recipes.values():
        ours(part, recipe)
    usual = usual_epoch(whole.train)
    for _ in range(count):
        yield {"usual loop": seconds(usual)} | {name: ours(whole, recipe) for name, recipe in recipes.items()}


def matrix_rate(size: int = 2048, products: int = 20) -> float:
    """The machine's rate of float32 matrix products, in GFLOP/s."""
    matrix = torch.randn(size, size)
    for _ in range(3):
        matrix @ matrix
    return products * 2 * size**3 / seconds(lambda: [matrix @ matrix for _ in range(products)]) / 1e9


def main() -> None:
    """Print the seconds of each round, the ratios, and the arithmetic rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how many turns of each (default: %(default)s)")
    arguments = parser.parse_args()
    processor = torch.cpu.get_capabilities().get("cpu_name", platform.machine())
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {processor}")
    dataset = lab.load_dataset()
    turns = []
    for turn in rounds(dataset, arguments.rounds):
        turns.append(turn)
        print("   ".join(f"{name} {value:6.2f} s" for name, value in turn.items()), flush=True)
    for name in list(turns[0])[1:]:
        ratios = sorted(turn["usual loop"] / turn[name] for turn in turns)
        print(f"{name}: {statistics.median(ratios):.2f} times as fast, from {ratios[0]:.2f} to {ratios[-1]:.2f}")
    # Forward, and backward for weights and for inputs; the images themselves need no gradient.
    shapes = {row.name: row.multiply_adds or 0 for row in lab.layer_shapes(lab.DigitCNN())}
    flop = 2 * len(dataset.train) * (3 * sum(shapes.values()) - shapes["conv1"])
    rate = flop / statistics.median(turn["mnist_lab float32"] for turn in turns) / 1e9
    print(f"arithmetic of an epoch: {flop / 1e12:.2f} TFLOP, {rate:.0f} GFLOP/s in float32;", end=" ")
    print(f"matrix products reach {matrix_rate():.0f} GFLOP/s")


if __name__ == "__main__":
    main()
