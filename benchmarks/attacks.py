"""Images from noise, and digits taken for others, against a loop written by hand and published attacks."""

import math
import time
from collections.abc import Callable
from statistics import fmean, median

import torch
from torch import Tensor, nn

import mnist_lab as lab
from benchmarks.measure import Distortion, Row, timed, turns
from mnist_lab.attacks.gradient_ascent import STEP_SIZE
from mnist_lab.training.device import computing_on

STEPS = 300  # what maximize_logit() takes by default

Attack = Callable[[nn.Module, Tensor, Tensor, int], Tensor]  # network, images, targets, steps -> images in 0..255


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
    """The network for images in 0..1, in which the published attacks are meant."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, 10)."""
        logits: Tensor = self.model(images * 255)
        return logits


class Rounding(UnitRange):
    """The same, shown the images rounded to uint8; gradients pass the rounding unchanged."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, 10)."""
        return super().forward(images + ((images * 255).round() / 255 - images).detach())


def pairs(model: nn.Module, split: lab.Split, images_each: int) -> tuple[Tensor, Tensor]:
    """The first correctly classified images of every digit, each with the nine other digits as targets."""
    result = lab.evaluate(model, split)
    right = [(result.correct & (split.labels == digit)).nonzero().flatten()[:images_each] for digit in range(10)]
    chosen = torch.cat(right)
    targets = (split.labels[chosen, None] + torch.arange(1, 10)) % 10
    return split.images[chosen].repeat_interleave(9, dim=0), targets.flatten()


def ours(model: nn.Module, images: Tensor, targets: Tensor, steps: int) -> Tensor:
    """The targeted attack with a searched beta."""
    return lab.targeted_attack(model, images, targets, "search", "image", steps=steps).images


def peers() -> dict[str, Attack]:
    """The attacks of adversarial-library, for images in 0..1."""
    from adv_lib.attacks import ddn, fmn, pdgd  # noqa: PLC0415 - the other benchmarks run without it

    def adapted(attack: Callable[..., Tensor]) -> Attack:
        return lambda model, images, targets, steps: (
            255 * attack(Rounding(model).eval(), images.float() / 255, targets, steps)
        )

    return {
        "adversarial-library, FMN": adapted(lambda *given: fmn(*given[:3], 2, True, given[3])),
        "adversarial-library, PDGD": adapted(lambda *given: pdgd(*given[:3], True, given[3])),
        "adversarial-library, DDN": adapted(lambda *given: ddn(*given[:3], True, given[3], levels=256)),
    }


def attacks(quick: bool) -> list[Distortion]:
    """The targeted attack with a searched beta and published ones, each with as many steps: time, and distortion.

    Batch normalization, seed 0; the first two correctly classified test images of each digit, nine targets each. All
    attacks are shown rounded images, and only what succeeds rounded counts.
    """
    dataset = lab.load_dataset()
    # In float32 and on one thread, whatever the processor.
    (network,) = lab.trained_many("batch_norm", [0], recipe=lab.Recipe(), dataset=dataset)
    model = network.model.eval().requires_grad_(requires_grad=False)
    images, targets = pairs(model, dataset.test, 2)
    if quick:
        images, targets = images[:9], targets[:9]
    contestants = {"ours": ours, **peers()}
    with computing_on(1):
        for attack in contestants.values():
            attack(model, images[:4], targets[:4], 2)  # warm-up
        return [
            measured(name, attack, model, images, targets, steps)
            for steps in ((20,) if quick else (100, 200, 1000))
            for name, attack in contestants.items()
        ]


def measured(name: str, attack: Attack, model: nn.Module, images: Tensor, targets: Tensor, steps: int) -> Distortion:
    """Time and distortion of one attack, whose images are rounded to uint8."""
    start = time.process_time()
    rounded = attack(model, images, targets, steps).detach().round().clamp(0, 255)
    seconds = time.process_time() - start
    with torch.no_grad():
        solved = model(rounded).argmax(dim=1) == targets
    distance = (rounded - images).flatten(1).norm(dim=1) / 255
    return Distortion(
        steps,
        name,
        seconds,
        median(torch.where(solved, distance, torch.inf).tolist()),
        fmean(distance[solved].tolist() or [math.nan]),
        int((~solved).sum()),
    )
