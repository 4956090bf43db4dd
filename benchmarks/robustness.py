"""How robust the robust network is: by foolbox's projected gradient descent beside this library's."""

import warnings
from typing import Any

import torch
from torch import Tensor

import mnist_lab as lab
from benchmarks.attacks import UnitRange
from benchmarks.measure import Row
from mnist_lab.training.adversarial import correct_under_attack

RADIUS = 1.5  # L2, intensities 0..1
STEPS, RESTARTS = 40, 3


def foolbox_correct(model: lab.DigitCNN, split: lab.Split) -> Tensor:
    """The images that are classified correctly before and after every attack of foolbox, booleans (N,)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # foolbox's dependencies warn of their own old idioms
        import foolbox as published  # noqa: PLC0415

    foolbox: Any = published  # its types leave out what it exports
    bounded = foolbox.PyTorchModel(UnitRange(model).eval(), bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.L2ProjectedGradientDescentAttack(steps=STEPS)
    correct = lab.evaluate(model, split).correct
    for seed in range(RESTARTS):
        torch.manual_seed(seed)
        for rows in correct.nonzero()[:, 0].split(250):
            images, labels = split.images[rows].float() / 255, split.labels[rows]
            _, _, fooled = attack(bounded, images, labels, epsilons=RADIUS)
            correct[rows] = ~fooled
    return correct


def robustness(quick: bool) -> list[Row]:
    """The share of test images that stay correct under L2 attacks, for the robust and for the plain network."""
    dataset = lab.load_dataset()
    split = dataset.test[: 100 if quick else 1000]
    rows = []
    for name in ("robust", "plain"):
        model = lab.trained(name, dataset=dataset).model
        ours = correct_under_attack(model, split, RADIUS * 255, steps=STEPS, restarts=RESTARTS)
        theirs = foolbox_correct(model, split)
        rows.append(
            Row(
                f"The {name} network: correct under L2 attacks of radius {RADIUS}, {len(split):,} test images",
                "",
                f"foolbox, PGD of {STEPS} steps, {RESTARTS} restarts",
                (float(ours.float().mean()),),
                (float(theirs.float().mean()),),
            )
        )
    return rows
