"""Adversarial training and its measure: L2 projected gradient descent (PGD) on images of a known class.

The network is trained on what an attack has just made of its training images. So small changes no longer pay (Madry,
Makelov, Schmidt, Tsipras and Vladu, *Towards deep learning models resistant to adversarial attacks*, 2018).
"""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_lab._utils.contracts import (
    PIXEL_MAX,
    AtLeast,
    ClassIndices,
    Count,
    Differentiable,
    Images,
    Per,
    Seed,
    checked,
)
from mnist_lab._utils.network import BATCH, dtype_of, running
from mnist_lab.data.dataset import Split
from mnist_lab.training.evaluation import evaluate

Radius = Annotated[float, AtLeast(0)]
REACH = 2.5  # all steps together, in radii: an image can cross the ball and come back


@checked
def perturb(
    model: Differentiable,
    images: Images,
    labels: Annotated[Tensor, ClassIndices(), Per("images")],
    radius: Radius,
    *,
    steps: Count = 40,
    seed: Seed = 0,
) -> Tensor:
    """Change images, within an L2 distance, so that the loss of their classes rises: projected gradient descent.

    An image starts at a random point of the ball of `radius` around it. Each step follows the normalized gradient of
    the cross-entropy for 2.5 * `radius` / `steps`, and is projected onto the ball and onto 0..255.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10). It is run where its weights are.
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.
    labels
        Their true classes, (N,).
    radius
        Largest L2 distance to the image, in intensities: 255 times the radius on intensities of 0..1.
    steps
        Number of gradient steps.
    seed
        Seed of the random starts.

    Returns
    -------
    Tensor
        Float images in 0..255, not rounded, (N, 1, 28, 28), on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; before any work.

    References
    ----------
    Madry, Makelov, Schmidt, Tsipras and Vladu, *Towards deep learning models resistant to adversarial attacks*, 2018.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> images = torch.full((2, 1, 28, 28), 100.0)
    >>> near = perturb(DigitCNN(), images, torch.tensor([3, 7]), radius=255, steps=5)
    >>> bool(((near - images).flatten(1).norm(dim=1) <= 255.1).all())
    True
    """
    generator = torch.Generator().manual_seed(seed)
    parts = []
    with running(model, gradients=True) as runner:
        for pixels, classes in zip(images.split(BATCH), labels.split(BATCH), strict=True):
            start = pixels.detach().to(runner.device, torch.promote_types(runner.dtype, torch.float32), copy=True)
            known = classes.to(runner.device, copy=True)  # the caller's may be from inference mode
            parts.append(ascend(runner.logits, start, known, radius, steps, generator).cpu())
    return torch.cat(parts)


@checked
def correct_under_attack(
    model: Differentiable, split: Split, radius: Radius, *, steps: Count = 40, restarts: Count = 3, seed: Seed = 0
) -> Tensor:
    """Find the images that are classified correctly before and after every attack by ``perturb``.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10).
    split
        Images and labels.
    radius
        Largest L2 distance, in intensities.
    steps
        Gradient steps per attack.
    restarts
        Attacks per image, from different random starts. Only images that withstood the others are attacked again.
    seed
        Seed of the random starts.

    Returns
    -------
    Tensor
        Booleans (N,). Their mean is the accuracy under attack, an upper bound of what a perfect attack would leave.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; before any work.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> split = Split(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.tensor([0, 1, 2, 3]))
    >>> correct_under_attack(DigitCNN(), split, radius=50, steps=2, restarts=1).shape
    torch.Size([4])
    """
    correct = evaluate(model, split).correct
    for restart in range(restarts):
        left = split[correct.to(split.labels.device)]
        moved = perturb(model, left.images, left.labels, radius, steps=steps, seed=seed + restart)
        with running(model) as runner:
            predictions = torch.cat([runner.logits(part).argmax(dim=1).cpu() for part in moved.split(BATCH)])
        correct[correct.clone()] = predictions == left.labels.cpu()
    return correct


def perturb_batch(
    model: nn.Module, images: Tensor, labels: Tensor, radius: float, steps: int, generator: torch.Generator
) -> Tensor:
    """The inner step of adversarial training: ``perturb`` for the batch of a network that is being trained.

    The network runs in evaluation mode, so that batch normalization's running statistics stay as they are. Then it is
    in training mode again. No gradient of a weight is computed.
    """
    dtype = dtype_of(model)
    start = images.to(torch.promote_types(dtype, torch.float32))
    model.eval()
    try:
        return ascend(lambda pixels: model(pixels.to(dtype)), start, labels, radius, steps, generator)
    finally:
        model.train()


def ascend(
    logits_of: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    radius: float,
    steps: int,
    generator: torch.Generator,
) -> Tensor:
    """Normalized gradient steps on the cross-entropy, from a random point, projected onto the ball and 0..255."""
    direction = torch.randn(images.shape, generator=generator, dtype=torch.float32).to(images)
    length = torch.rand(len(images), 1, 1, 1, generator=generator, dtype=torch.float32).to(images)
    moved = (images + radius * length * _unit(direction)).clamp(0, PIXEL_MAX)
    for _ in range(steps):
        pixels = moved.detach().requires_grad_()
        loss = functional.cross_entropy(logits_of(pixels), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, pixels)
        change = moved + REACH * radius / steps * _unit(gradient) - images
        change = change * (radius / _norm(change).clamp_min(1e-12)).clamp_max(1)
        # Clipping moves every pixel towards the image, so the image stays in the ball.
        moved = (images + change).clamp(0, PIXEL_MAX)
    return moved.detach()


def _norm(images: Tensor) -> Tensor:
    return images.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()


def _unit(images: Tensor) -> Tensor:
    return images / _norm(images).clamp_min(1e-12)
