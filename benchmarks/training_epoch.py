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


def rounds(dataset: lab.Dataset, count: int) -> Iterator[tuple[float, float]]:
    """Seconds of an epoch, usual and ours, in turns."""
    usual = usual_epoch(dataset.train)
    warm_up = lab.Dataset("warm-up", dataset.train[:5_000], dataset.validation[:100], dataset.test[:100])
    usual_epoch(warm_up.train)()
    model = lab.DigitCNN()
    lab.fit(model, warm_up, lab.Recipe(epochs=1), progress=False)
    small = lab.Dataset("mnist", dataset.train, dataset.validation[:100], dataset.test[:100])
    for _ in range(count):
        yield seconds(usual), lab.fit(model, small, lab.Recipe(epochs=1), progress=False).seconds[0]


def main() -> None:
    """Print the seconds of each round and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how many pairs of epochs (default: %(default)s)")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.processor() or platform.machine()}")
    ratios = []
    for usual, ours in rounds(lab.load_dataset(), arguments.rounds):
        ratios.append(usual / ours)
        print(f"usual loop {usual:6.2f} s   mnist_lab {ours:6.2f} s   ratio {usual / ours:5.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
