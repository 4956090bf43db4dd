"""Images from noise, and digits taken for others, against a loop written by hand and against foolbox."""

import warnings
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

import mnist_lab as lab
from benchmarks.measure import Row, seconds, timed, turns

STEPS = 300  # what maximize_logit() takes by default
STEP_SIZE = 2000.0


def by_hand(model: nn.Module, target: int) -> Tensor:
    """An image from noise for one class, as the assignment says it, in the plainest way."""
    start = torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    image = (128 + 40 * start).clamp(0, 255).requires_grad_()
    for _ in range(STEPS):
        model(image)[0, target].backward()
        assert image.grad is not None
        with torch.no_grad():
            image += STEP_SIZE * image.grad
            image.clamp_(0, 255)
        image.grad = None
    return image.detach()


def noise(quick: bool) -> list[Row]:
    """Ten images from noise, one for each class: in one batch, one at a time, and by a loop written by hand."""
    model = lab.best().model.eval()
    classes = range(10)
    contestants = {
        "in a batch": timed(lambda: lab.maximize_logit(model, list(classes), steps=STEPS, step_size=STEP_SIZE)),
        "one at a time": timed(
            lambda: [lab.maximize_logit(model, [digit], steps=STEPS, step_size=STEP_SIZE) for digit in classes]
        ),
        "a loop written by hand": timed(lambda: [by_hand(model, digit) for digit in classes]),
    }
    values = turns(contestants, 2 if quick else 7, "images from noise")
    model.zero_grad()  # the loop by hand leaves its gradients behind
    return [
        Row("Ten images from noise in one batch", "s", name, values["in a batch"], values[name])
        for name in list(contestants)[1:]
    ]


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
    """The targeted attack of foolbox, its images in 0..255: it searches its constant 6 times, with 300 steps each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # foolbox's dependencies warn of their own old idioms
        import foolbox as published  # noqa: PLC0415

    foolbox: Any = published  # its types leave out what it exports
    bounded = foolbox.PyTorchModel(UnitRange(model).eval(), bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=6, steps=300)
    criterion = foolbox.criteria.TargetedMisclassification(targets)
    raw, _, _ = attack(bounded, images.float() / 255, criterion, epsilons=None)
    generated: Tensor = raw * 255
    return generated


def foolbox_pairs(quick: bool) -> list[Row]:
    """The targeted attack with a searched beta against foolbox's Carlini and Wagner: time, and distortion.

    The same network, the first correctly classified test image of each digit, all 90 ordered pairs. Ours counts only
    what succeeds rounded to uint8; Carlini-Wagner's images count as they are.
    """
    dataset = lab.load_dataset()
    model = lab.best(dataset=dataset).model
    images, targets = pairs(model, dataset.test, 1)
    if quick:
        images, targets = images[:9], targets[:9]
    lab.targeted_attack(model, images, targets, steps=5)  # warm-up
    carlini_wagner(model, images[:2], targets[:2])
    found: dict[str, Tensor] = {}

    def ours() -> None:
        found["ours"] = lab.targeted_attack(model, images, targets, "search", "image").images

    def theirs() -> None:
        found["theirs"] = carlini_wagner(model, images, targets)

    contestants = {"ours": lambda: seconds(ours), "theirs": lambda: seconds(theirs)}
    values = turns(contestants, 1 if quick else 3, "targeted pairs", warm=False)
    distances = {name: _distances(model, images, targets, result) for name, result in found.items()}
    failed = {name: sum(value == torch.inf for value in distance) for name, distance in distances.items()}
    name = "foolbox, Carlini-Wagner L2"
    note = f"Ours fail: {failed['ours']}, theirs: {failed['theirs']}."
    medians = {kind: (median(distance),) for kind, distance in distances.items()}
    return [
        Row(f"{len(targets)} targeted pairs", "s", name, values["ours"], values["theirs"], note=note),
        Row("Median L2 distortion of these, of 0..1", "", name, medians["ours"], medians["theirs"]),
    ]


def _distances(model: lab.DigitCNN, images: Tensor, targets: Tensor, generated: Tensor) -> list[float]:
    """L2 distances in units of 255 intensities; infinite where the attack failed."""
    solved = model.probabilities(generated).argmax(dim=1) == targets
    distance = (generated - images).flatten(1).norm(dim=1) / 255
    return torch.where(solved, distance, torch.inf).tolist()
