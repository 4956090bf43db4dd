"""How robust the robust network is, by published attacks: ``python -m benchmarks.robustness``.

Nothing is chosen here: the recipe was chosen on the validation images, and these are test images. The whole takes some
minutes of one core.
"""

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

import mnist_lab as lab
from benchmarks.attacks import UnitRange
from benchmarks.measure import environment, told, write
from mnist_lab.training.adversarial import perturb

RADII = (0.5, 1.0, 1.5, 2.0)  # L2, intensities 0..1
MIDDLE = 1.5
IMAGES, FEW = 1000, 100  # test images: of the main row, and of the others
PGD = "PGD, 40 steps, 3 restarts"
CARLINI_WAGNER = {"binary_search_steps": 6, "steps": 300, "stepsize": 0.05, "initial_const": 1.0}
PAGE = """
Robustness
==========

How well the robust network, :meth:`mnist_lab.Recipe.robust`, withstands attacks: ``python -m benchmarks.robustness``.
Its recipe was chosen on the validation images; these are test images. All lengths are in L2 with intensities 0 to 1.

A network can seem robust because it hides its gradients from the attack (Athalye, Carlini and Wagner, *Obfuscated
gradients give a false sense of security*, 2018). Then more steps, other attacks, or images made against another network
would find what projected gradient descent (PGD) missed. Each row is such a check. An image counts if it is classified
correctly before and after every attack of the row.

PGD and Carlini-Wagner are foolbox's; images made against the plain network are this library's. PGD's step is foolbox's
default, a fortieth of the radius, so 40 steps go no farther than one radius. It therefore misses changes that 200 steps
and Carlini-Wagner find. Carlini-Wagner looks for the smallest change, so one run gives all radii: its row is the one to
trust.
"""


@dataclass(frozen=True)
class Result:
    """The share of images that stay correct under one attack.

    Parameters
    ----------
    network
        The attacked network.
    attack
        What was done.
    images
        Number of the test images, the first ones.
    correct
        By radius, the share that stays correct, 0..1; the key "0.0" is without an attack.
    """

    network: str
    attack: str
    images: int
    correct: dict[str, float]


def foolbox() -> Any:
    """The package, whose types leave out what it exports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies warn of their own old idioms
        import foolbox as published  # noqa: PLC0415
    return published


def bounded(model: lab.DigitCNN) -> Any:
    """The network as foolbox takes it."""
    return foolbox().PyTorchModel(UnitRange(model).eval(), bounds=(0, 1), device="cpu")


def under_pgd(model: lab.DigitCNN, split: lab.Split, radius: float, steps: int = 40, restarts: int = 3) -> Tensor:
    """The images that are classified correctly before and after every attack by foolbox's PGD, booleans (N,)."""
    attack = foolbox().attacks.L2ProjectedGradientDescentAttack(steps=steps)
    correct = lab.evaluate(model, split).correct
    for seed in range(restarts):
        torch.manual_seed(seed)
        for rows in correct.nonzero()[:, 0].split(64):
            images, labels = split.images[rows].float() / 255, split.labels[rows]
            _, _, fooled = attack(bounded(model), images, labels, epsilons=radius)
            correct[rows] = ~fooled
    return correct


def carlini_wagner(model: lab.DigitCNN, images: Tensor, criterion: Any) -> Tensor:
    """The least length that foolbox's Carlini-Wagner attack finds, (N,); infinite where it finds none."""
    attack = foolbox().attacks.L2CarliniWagnerAttack(**CARLINI_WAGNER)
    found, _, fooled = attack(bounded(model), images.float() / 255, criterion, epsilons=None)
    lengths = (found - images / 255).flatten(1).norm(dim=1)
    return torch.where(fooled, lengths, torch.inf)


def share(correct: Tensor) -> float:
    """The share of true values."""
    return float(correct.float().mean())


def grid(name: str, model: lab.DigitCNN, few: lab.Split) -> Result:
    """What PGD leaves at every radius."""
    return Result(name, PGD, len(few), {str(radius): share(under_pgd(model, few, radius)) for radius in RADII})


def harder(model: lab.DigitCNN, plain: lab.DigitCNN, few: lab.Split) -> list[Result]:
    """What more steps, and images made against the plain network, leave of the robust network."""
    left = {f"PGD, {steps} steps": share(under_pgd(model, few, MIDDLE, steps, 1)) for steps in (100, 200)}
    foreign = perturb(plain, few.images, few.labels, MIDDLE * 255)
    transferred = model.probabilities(foreign).argmax(dim=1) == few.labels
    left["images made against the plain network, PGD, 40 steps"] = share(transferred)
    return [Result("robust", attack, len(few), {str(MIDDLE): correct}) for attack, correct in left.items()]


def by_carlini_wagner(model: lab.DigitCNN, split: lab.Split) -> Result:
    """What the Carlini-Wagner attack leaves at every radius."""
    least = carlini_wagner(model, split.images, foolbox().criteria.Misclassification(split.labels))
    least = torch.where(lab.evaluate(model, split).correct, least, 0.0)
    left = {str(radius): share(least > radius) for radius in RADII}
    return Result("robust", "Carlini-Wagner", len(split), left)


def lengths(model: lab.DigitCNN, split: lab.Split) -> dict[str, float]:
    """Median least lengths of targeted pairs: this library's search, and Carlini-Wagner."""
    targets = (split.labels + 1 + torch.arange(len(split)) % 9) % 10
    ours = lab.targeted_attack(model, split.images, targets, start="image")
    theirs = carlini_wagner(model, split.images, foolbox().criteria.TargetedMisclassification(targets))
    return {
        "pairs": len(targets),
        "ours": float((ours.l2 / 255).median()),
        "ours, solved": int(ours.success.sum()),
        "Carlini-Wagner": float(theirs.median()),
        "Carlini-Wagner, solved": int(theirs.isfinite().sum()),
    }


def main() -> None:
    """Measure, and write the page."""
    where = environment()
    dataset = lab.load_dataset()
    models = {name: lab.trained(name, dataset=dataset).model for name in ("robust", "plain")}
    split, few = dataset.test[:IMAGES], dataset.test[:FEW]
    results = [
        Result(name, "none", len(dataset.test), {"0.0": lab.evaluate(model, dataset.test).accuracy})
        for name, model in models.items()
    ]
    results.append(Result("robust", PGD, IMAGES, {str(MIDDLE): share(under_pgd(models["robust"], split, MIDDLE))}))
    results += [grid(name, model, few) for name, model in models.items()]
    results += harder(models["robust"], models["plain"], few)
    results.append(by_carlini_wagner(models["robust"], few))
    least = lengths(models["robust"], few)
    values = {"environment": where, "results": [asdict(result) for result in results], "lengths": least}
    lines = table(results, least, where)
    print("\n".join(lines))
    write("robustness", values, lines)


def table(results: list[Result], least: dict[str, float], where: dict[str, str]) -> list[str]:
    """The page for the site."""
    text = PAGE.strip().splitlines()
    text += ["", ".. list-table::", "   :header-rows: 1", "   :widths: 12 36 10 10 8 8 8 8", ""]
    radii = ["0.0", *map(str, RADII)]
    rows = [("network", "attack", "images", "no attack", *map(str, RADII))]
    rows += [
        (
            result.network,
            result.attack,
            f"{result.images:,}",
            *(f"{100 * result.correct[radius]:.1f}%" if radius in result.correct else "" for radius in radii),
        )
        for result in results
    ]
    for cells in rows:
        text += [f"   {'* -' if number == 0 else '  -'} {cell}".rstrip() for number, cell in enumerate(cells)]
    text += [
        "",
        f"**The smallest targeted change.** On {least['pairs']} pairs of a test image and a target, the search of "
        f":func:`mnist_lab.targeted_attack` finds a median length of {least['ours']:.2f} ({least['ours, solved']} "
        f"solved), and Carlini-Wagner {least['Carlini-Wagner']:.2f} ({least['Carlini-Wagner, solved']} solved). Ours "
        "counts images rounded to integers, Carlini-Wagner unrounded ones.",
        "",
        f"Networks of seed 0; the first test images. Random starts of seeds 0 to 2. Carlini-Wagner: "
        f"{CARLINI_WAGNER['binary_search_steps']} searches of {CARLINI_WAGNER['steps']} steps.",
        "",
        told(where),
    ]
    return text


if __name__ == "__main__":
    main()
