"""The targeted attack with a searched beta against foolbox's targeted Carlini-Wagner L2, in one run.

The same network, the same correctly classified test images, all 90 ordered pairs of digits. Carlini-Wagner searches its
constant 6 times with 300 steps each, all else by default. Ours counts only what succeeds rounded to uint8;
Carlini-Wagner's images count as they are, and rounded. Distances are those of the images that are counted, in units of
255 intensities; an attack that fails has an infinite one.

    python benchmarks/attacks_vs_foolbox.py --images 5
"""

import argparse
import platform
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import mnist_lab as lab

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # foolbox's dependencies warn of their own old idioms
    import foolbox as published

foolbox: Any = published  # its types leave out what it exports


class UnitRange(nn.Module):
    """The network for images in 0..1, in which Carlini-Wagner's defaults are meant."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, 10)."""
        logits: Tensor = self.model(images * 255)
        return logits


def pairs(model: nn.Module, split: lab.Split, images_each: int) -> tuple[Tensor, Tensor]:
    """The first correctly classified images of every digit, each with the nine other digits as targets."""
    result = lab.evaluate(model, split)
    right = [(result.correct & (split.labels == digit)).nonzero().flatten()[:images_each] for digit in range(10)]
    chosen = torch.cat(right)
    targets = (split.labels[chosen, None] + torch.arange(1, 10)) % 10
    return split.images[chosen].repeat_interleave(9, dim=0), targets.flatten()


def carlini_wagner(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """The attack of foolbox, its images in 0..255."""
    bounded = foolbox.PyTorchModel(UnitRange(model).eval(), bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=6, steps=300)
    criterion = foolbox.criteria.TargetedMisclassification(targets)
    raw, _, _ = attack(bounded, images.float() / 255, criterion, epsilons=None)
    generated: Tensor = raw * 255
    return generated


def main() -> None:
    """Run the three attacks and print what each took and reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5, help="images a digit")
    arguments = parser.parse_args()

    dataset = lab.load_dataset()
    network = lab.best(dataset=dataset)
    model = network.model
    images, targets = pairs(model, dataset.test, arguments.images)
    print(f"{network}")
    print(
        f"{len(targets)} pairs; torch {torch.__version__}, foolbox {foolbox.__version__}, {platform.machine()}, ",
        end="",
    )
    lab.targeted_attack(model, images[:90], targets[:90], steps=5)  # warm-up

    generated, seconds = {}, {}
    attacks: dict[str, Callable[[], Tensor]] = {
        "ours, from the image": lambda: lab.targeted_attack(model, images, targets, "search", "image").images,
        "ours, from noise": lambda: lab.targeted_attack(model, images, targets, "search", "noise").images,
        "Carlini-Wagner": lambda: carlini_wagner(model, images, targets),
    }
    for name, attack in attacks.items():
        begin = time.perf_counter()
        generated[name] = attack()
        seconds[name] = time.perf_counter() - begin

    distances = {}
    print(f"{'':22s} seconds  succeed  rounded  median L2  mean L2 of successes")
    for name, result in generated.items():
        solved, as_stored = (
            model.probabilities(candidate).argmax(dim=1) == targets for candidate in (result, result.round())
        )
        distance = (result - images).flatten(1).norm(dim=1) / 255
        distances[name] = torch.where(solved, distance, torch.inf)
        print(
            f"{name:22s} {seconds[name]:7.1f}  {int(solved.sum()):7d}  {int(as_stored.sum()):7d}"
            f"  {float(distances[name].median()):9.4f}  {float(distance[solved].mean()):8.4f}"
        )
    theirs = distances["Carlini-Wagner"]
    for name in list(generated)[:2]:
        ours = distances[name]
        print(
            f"{name}: median L2 {float(ours.median() / theirs.median()):.3f} times Carlini-Wagner's, "
            f"{seconds['Carlini-Wagner'] / seconds[name]:.1f} times as fast, "
            f"{int((ours.isinf() & theirs.isfinite()).sum())} pairs fail that it solves, "
            f"nearer in {int((ours < theirs).sum())} of {len(ours)}"
        )


if __name__ == "__main__":
    main()
