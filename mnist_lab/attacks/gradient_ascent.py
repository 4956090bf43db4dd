"""Gradient ascent on images, which both attacks of question 3 use, and the search for the largest beta.

A row of a batch is one image. Rows do not depend on each other. How they are batched can change the rounding of a
matrix product, which may become visible after hundreds of steps. The weights never change: every gradient is taken with
respect to the image.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mnist_lab._utils.contracts import PIXEL_MAX
from mnist_lab._utils.network import BATCH, Runner

PIXELS = 28 * 28
# Batches are padded to a multiple of this. A matrix product then usually sums every row in the same order, whatever the
# batch. Where it does not, trajectories part, first by rounding, later visibly.
MULTIPLE = 4

SEARCH_START = 2.0 * PIXEL_MAX  # L2 distance at which the first beta balances the penalty and the gradient
SEARCH_MOVE = (1.0, 0.015)  # fraction of the distance to that balance that a step covers, first and last
SEARCH_CHANGE = (0.2, 0.003)  # least relative change of beta per step, first and last
SEARCH_NOISE = (20.0, 0.1)  # standard deviation of the noise on what the network sees, first and last
SEARCH_MARGIN = 0.01  # logits by which a success has to be clear, so that rounding does not undo it
SEARCH_SHORTER = (0.008, 0.004, 0.002, 0.001, 0.0005)  # fractions by which the image's change is shortened at the end
SEARCH_STEP = 1.0 * PIXEL_MAX  # longest step, in L2: a beta near zero must not throw an image across the pixel range

STEP_SIZE = 2000.0  # small enough for the cost to rise in all but a few steps

ClipLimits = tuple[float, float]  # lowest and highest intensity
Callback = Callable[[int, Tensor], None]  # of the number of updates so far, and the images


def noise(rows: Iterable[Hashable], seed: int, sigma: float, runner: Runner) -> Tensor:
    """Gaussian noise around 128 for every row. Different rows share their noise; equal rows get different noise.

    The k-th occurrence of a row gets the k-th noise image of the seed. So a row's start does not depend on what else is
    in the batch, and rows that start from the same noise compare.

    Parameters
    ----------
    rows
        What identifies each row: its target, say.
    seed
        Seed of the noise images.
    sigma
        Standard deviation, in pixel intensities.
    runner
        The network. The images get its device and, at least, single precision.

    Returns
    -------
    Tensor
        Unclipped images, (N, 1, 28, 28).
    """
    seen: Counter[Hashable] = Counter()
    order = []
    for row in rows:
        order.append(seen[row])
        seen[row] += 1
    generator = torch.Generator().manual_seed(seed)
    # float32 whatever torch's default type is, so that a seed always gives the same noise.
    images = [
        torch.randn(1, 28, 28, generator=generator, dtype=torch.float32) for _ in range(max(order, default=-1) + 1)
    ]
    stacked = torch.stack([images[index] for index in order]) if order else torch.zeros(0, 1, 28, 28)
    return (128 + sigma * stacked).to(runner.device, precision_of(runner))


def precision_of(runner: Runner) -> torch.dtype:
    """The floating-point type of the images during an attack: float32, or float64 for a network in double precision."""
    return torch.float64 if runner.dtype == torch.float64 else torch.float32


def to_uint8(images: Tensor) -> Tensor:
    """Images as they would be stored: clipped to 0..255, rounded.

    >>> to_uint8(torch.tensor([-3.0, 1.6, 300.0]))
    tensor([  0,   2, 255], dtype=torch.uint8)
    """
    return images.round().clamp(0, PIXEL_MAX).byte()


@dataclass(frozen=True, eq=False)
class Cost:
    """The cost of each row, which ascent maximizes: objective - penalty(X) - beta * MSE(X, target image).

    Parameters
    ----------
    targets
        Target classes (N,).
    objective
        ``"logit"``: logits[target]. ``"margin"``: that minus the largest other logit.
    beta, originals
        Weight (N,) of the mean squared error, and the target images (N, 1, 28, 28).
    penalty
        A function from images (n, 1, 28, 28) to (n,).
    """

    targets: Tensor
    objective: str = "logit"
    beta: Tensor | None = None
    originals: Tensor | None = None
    penalty: Callable[[Tensor], Tensor] | None = None

    def of(self, logits: Tensor, images: Tensor, rows: slice) -> Tensor:
        """The cost (n,) of some of the rows."""
        value = of_target(logits, self.targets[rows])
        if self.objective == "margin":
            value = margin(logits, self.targets[rows])
        if self.penalty is not None:
            value = value - self.penalty(images)
        if self.beta is not None and self.originals is not None:
            value = value - self.beta[rows] * (images - self.originals[rows]).square().mean(dim=(1, 2, 3))
        return value

    def gradient(self, runner: Runner, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, 10), cost (N,), and the cost's gradient with respect to the images (N, 1, 28, 28)."""
        parts = []
        for first in range(0, max(len(images), 1), BATCH):
            rows = slice(first, first + BATCH)
            pixels = images[rows].detach()
            count = len(pixels)
            filled = filled_up(pixels).requires_grad_()
            logits = runner.logits(filled)[:count].to(images.dtype)
            value = self.of(logits, filled[:count], rows)
            (gradient,) = torch.autograd.grad(value.sum(), filled)
            parts.append((logits.detach(), value.detach(), gradient[:count]))
        logits, value, gradient = (torch.cat(part) for part in zip(*parts, strict=True))
        return logits, value, gradient


def filled_up(images: Tensor) -> Tensor:
    """A copy of the images, padded with their first one to a multiple of four."""
    return torch.cat([images, images[:1].expand(-len(images) % MULTIPLE, -1, -1, -1)])


@torch.no_grad()
def logits_of(runner: Runner, images: Tensor) -> Tensor:
    """The logits (N, 10), in the batches of the ascent."""
    return torch.cat([runner.logits(filled_up(part))[: len(part)].to(images.dtype) for part in images.split(BATCH)])


def probabilities(runner: Runner, images: Tensor) -> Tensor:
    """The softmax of the logits, (N, 10), in the batches of the ascent."""
    return logits_of(runner, images).softmax(dim=1)


def of_target(values: Tensor, targets: Tensor) -> Tensor:
    """Each row's value at its target, (N,)."""
    return values.gather(1, targets[:, None]).squeeze(1)


def margin(logits: Tensor, targets: Tensor) -> Tensor:
    """The target's logit minus the largest other one, (N,); positive where the target is predicted.

    >>> margin(torch.tensor([[1.0, 4.0, 2.0]]), torch.tensor([2]))
    tensor([-2.])
    """
    return of_target(logits, targets) - logits.scatter(1, targets[:, None], -torch.inf).amax(dim=1)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The final images, beta by row, and by step the cost and the target's logit, (steps + 1, N) each."""

    images: Tensor
    beta: Tensor
    cost: Tensor
    logit: Tensor


def gradient_ascent(
    runner: Runner,
    images: Tensor,
    cost: Cost,
    step_size: Tensor,
    steps: int,
    clip: ClipLimits | None,
    callback: Callback | None,
) -> Trajectory:
    """X <- X + step_size * dC/dX, `steps` times, clipped after every update if `clip` is given."""
    images, trace = clipped(images, clip), []
    for step in range(steps + 1):
        logits, value, gradient = cost.gradient(runner, images)
        trace.append(torch.stack([value, of_target(logits, cost.targets)]))
        if callback is not None:
            callback(step, images.cpu().clone())
        if step < steps:
            images = clipped(images + step_size * gradient, clip)
    beta = torch.zeros(len(images)) if cost.beta is None else cost.beta
    return Trajectory(images, beta, *torch.stack(trace, dim=1))


def search(
    runner: Runner,
    images: Tensor,
    cost: Cost,
    steps: int,
    callback: Callback | None,
    confidence: float = 0.0,
    seed: int = 0,
) -> Trajectory:
    """Search for the largest beta with which the rounded image is classified as its target: the least distortion.

    The update is that of gradient ascent, X <- X + step_size * dC/dX. A row's step size is a fraction of
    784 / (2 beta), the step to the balance of the penalty and the gradient, and a step is at most 255 long. Since the
    fraction falls from 1, the change of an image is a moving average of gradients. They are taken with ever less noise
    on the image: on average they are those of a smoother cost, which has fewer poor maxima. Beta rises after every
    success and falls after every failure, by ever less, so that the row settles at the decision boundary. A row that
    has rarely crossed the boundary slows down later (Kesten 1958). The network sees only images rounded to uint8, so
    every success holds for the stored image. At the end the change of the nearest success is shortened, at most by
    1.5 %, as far as it stays a success.
    """
    originals = cost.originals
    assert originals is not None
    beta = torch.zeros(len(images), dtype=images.dtype, device=images.device)
    # A target image that is classified as the target already needs no change, at any beta.
    found = originals.round()
    logits, _, gradient = replace(cost, beta=beta).gradient(runner, found)
    solved = _succeeds(logits, cost.targets, confidence)
    distance = torch.where(solved, 0.0, torch.inf).to(beta)
    found_beta = torch.where(solved, torch.inf, beta)
    before, turns = solved, torch.zeros_like(beta)

    beta = PIXELS / 2 * gradient.flatten(1).norm(dim=1).clamp_min(1e-9) / SEARCH_START
    images, trace = images.clamp(0, PIXEL_MAX), []
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps + 1):
        move, change, sigma = (
            first * (last / first) ** (step / steps) for first, last in (SEARCH_MOVE, SEARCH_CHANGE, SEARCH_NOISE)
        )
        # One noise image for all rows, so that a row's noise does not depend on its batch.
        ripple = sigma * torch.randn(1, 28, 28, generator=generator, dtype=torch.float32).to(images)
        exact = (images + ripple).clamp(0, PIXEL_MAX)
        seen = exact.round()
        cost = replace(cost, beta=beta)
        logits, value, gradient = cost.gradient(runner, seen)
        trace.append(torch.stack([value, of_target(logits, cost.targets)]))
        if callback is not None:
            callback(step, seen.cpu().clone())

        success = _succeeds(logits, cost.targets, confidence)
        away = (seen - originals).flatten(1).norm(dim=1)
        closer = success & (away < distance)
        found = torch.where(closer[:, None, None, None], exact, found)
        distance, found_beta = torch.where(closer, away, distance), torch.where(closer, beta, found_beta)
        solved = solved | success

        pull = 2 * beta[:, None, None, None] / PIXELS
        slope = gradient + pull * (seen - originals)  # of the objective alone: the noise must not pull
        # A row that fails lowers its beta, which lengthens its step. Without a limit it would run away.
        step_size = (move * PIXELS / 2 / beta).minimum(SEARCH_STEP / slope.flatten(1).norm(dim=1).clamp_min(1e-9))
        ascent = slope - pull * (images - originals)
        images = (images + step_size[:, None, None, None] * ascent).clamp(0, PIXEL_MAX)
        # A row that has rarely crossed its decision boundary may still be far from it, and keeps its pace.
        turns += success != before
        before = success
        factor = 1 + (SEARCH_CHANGE[0] / (1 + turns).sqrt()).clamp_min(change)
        beta = torch.where(success, beta * factor, beta / factor)
    # No step ends exactly at the boundary. Shorten each change of an image by what the success allows.
    for fraction in SEARCH_SHORTER:
        nearer = originals + (1 - fraction) * (found - originals)
        success = _succeeds(logits_of(runner, nearer.round()), cost.targets, confidence)
        found = torch.where(success[:, None, None, None], nearer, found)
    # Where nothing succeeded, the last image shows how far the search came.
    found = torch.where(solved[:, None, None, None], found, exact).round()
    # Beta still swings in the search. Take the one with which penalty and gradient balance at the image.
    _, _, slope = replace(cost, beta=None).gradient(runner, found)
    change = torch.where((found > 0) & (found < PIXEL_MAX), found - originals, 0).flatten(1)
    balance = PIXELS / 2 * (slope.flatten(1) * change).sum(dim=1) / change.square().sum(dim=1)
    found_beta = torch.where(balance > 0, balance, found_beta)
    return Trajectory(found, torch.where(solved, found_beta, beta), *torch.stack(trace, dim=1))


def _succeeds(logits: Tensor, targets: Tensor, confidence: float) -> Tensor:
    """Whether each row predicts its target, clear of rounding and with at least a probability, booleans (N,)."""
    clear = margin(logits, targets) > SEARCH_MARGIN
    return clear & (of_target(logits.softmax(dim=1), targets) >= confidence)


def clipped(images: Tensor, clip: ClipLimits | None) -> Tensor:
    """The images clipped to the lowest and the highest intensity; unchanged without a clip."""
    return images if clip is None else images.clamp(*clip)


def require_rising(clip: ClipLimits | None) -> None:
    """Raise unless the limits of a clip rise."""
    if clip is not None and not clip[0] < clip[1]:
        raise ValueError(f"clip: expected a lowest below a highest intensity, got {clip}")
