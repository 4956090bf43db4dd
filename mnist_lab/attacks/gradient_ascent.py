"""Gradient ascent on images: the walk that both attacks of question 3 take, and the search for the largest beta.

A row of a batch is one image on its way. Rows never depend on each other, nor on how they are batched. Weights stay as
they are: every gradient is taken with respect to the image alone.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mnist_lab._utils.checks import PIXEL_MAX, check_logits
from mnist_lab._utils.network import device_of, observed

PIXELS = 28 * 28
AT_ONCE = 64  # images through the network at once: more of them leave the processor's cache and take twice as long
# Batches are filled up to a multiple of this: in such batches a matrix product sums every row in the same order, and
# so a row goes the same way in each of them. In others the ways would part, first by rounding, later visibly.
MULTIPLE = 4

SEARCH_START = 2.0 * PIXEL_MAX  # L2 distance at which the search first balances the pull and the gradient
SEARCH_MOVE = (0.3, 0.05)  # share of the way to that balance that a step goes, first and last
SEARCH_CHANGE = (0.1, 0.01)  # relative change of beta in a step, before the first success and in the last step
SEARCH_MARGIN = 0.01  # logits by which a success has to be clear, so that no rounding of the arithmetic undoes it

Clip = tuple[float, float] | None
Callback = Callable[[int, Tensor], None]


@contextmanager
def on_images_alone(model: nn.Module) -> Iterator[None]:
    """Observe the network with gradients on, also where the caller has switched them off."""
    with observed(model), torch.inference_mode(False), torch.enable_grad():
        yield


def noise(rows: Iterable[Hashable], seed: int, sigma: float, like: nn.Module) -> Tensor:
    """Gaussian noise around 128 for every row; equal rows get different noise, different rows may share theirs.

    The k-th occurrence of a row gets the k-th image of the seed. So a row's start does not depend on what else is in
    the batch, and what starts from the same noise compares.

    Parameters
    ----------
    rows
        What each row is: its target, say.
    seed
        Seed of the images.
    sigma
        Deviation, in pixel intensities.
    like
        The network whose device and precision the images get.

    Returns
    -------
    Tensor
        Unclipped images, (N, 1, 28, 28).

    Examples
    --------
    >>> first, other, again = noise(["a", "b", "a"], seed=0, sigma=40, like=nn.Linear(1, 1))
    >>> torch.equal(first, other), torch.equal(first, again)
    (True, False)
    """
    seen: Counter[Hashable] = Counter()
    order = []
    for row in rows:
        order.append(seen[row])
        seen[row] += 1
    generator = torch.Generator().manual_seed(seed)
    images = [torch.randn(1, 28, 28, generator=generator) for _ in range(max(order, default=-1) + 1)]
    stacked = torch.stack([images[index] for index in order]) if order else torch.zeros(0, 1, 28, 28)
    return (128 + sigma * stacked).to(device_of(like), precision_of(like))


def precision_of(model: nn.Module) -> torch.dtype:
    """The floating-point type of images on their way: float32, or float64 for a network in double precision."""
    kinds = {tensor.dtype for tensor in [*model.parameters(), *model.buffers()]}
    return torch.float64 if torch.float64 in kinds else torch.float32


def to_uint8(images: Tensor) -> Tensor:
    """Images as they would be stored: clipped to 0..255, rounded.

    >>> to_uint8(torch.tensor([-3.0, 1.6, 300.0]))
    tensor([  0,   2, 255], dtype=torch.uint8)
    """
    return images.round().clamp(0, PIXEL_MAX).byte()


@dataclass(frozen=True, eq=False)
class Cost:
    """What is climbed: objective - penalty(X) - beta * MSE(X, target image), for every row.

    Parameters
    ----------
    targets
        Target classes (N,).
    objective
        ``"logit"``: logits[target]. ``"margin"``: that minus the largest other logit.
    beta, originals
        Weight (N,) of the mean squared error, and the target images (N, 1, 28, 28) from which it is taken.
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

    def gradient(self, model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, 10), cost (N,), and the cost's gradient with respect to the images (N, 1, 28, 28)."""
        parts = []
        for first in range(0, max(len(images), 1), AT_ONCE):
            rows = slice(first, first + AT_ONCE)
            pixels = images[rows].detach()
            count = len(pixels)
            filled = filled_up(pixels).requires_grad_()
            logits = check_logits(model(filled), len(filled))[:count]
            value = self.of(logits, filled[:count], rows)
            (gradient,) = torch.autograd.grad(value.sum(), filled)
            parts.append((logits.detach(), value.detach(), gradient[:count]))
        logits, value, gradient = (torch.cat(part) for part in zip(*parts, strict=True))
        return logits, value, gradient


def filled_up(images: Tensor) -> Tensor:
    """The images, copied, and their first one again until their number is a multiple of four."""
    return torch.cat([images, images[:1].expand(-len(images) % MULTIPLE, -1, -1, -1)])


@torch.no_grad()
def probabilities(model: nn.Module, images: Tensor) -> Tensor:
    """The softmax of the logits, (N, 10); the network as it is, in batches as the ascent sees them."""
    parts = [model(filled_up(part))[: len(part)].softmax(dim=1) for part in images.split(AT_ONCE)]
    return torch.cat(parts)


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
class Walk:
    """Where a walk ended, the weight of its cost by row, and cost and target's logit by step, (steps + 1, N)."""

    images: Tensor
    beta: Tensor
    cost: Tensor
    logit: Tensor


def climb(
    model: nn.Module,
    images: Tensor,
    cost: Cost,
    step_size: Tensor,
    steps: int,
    clip: Clip,
    callback: Callback | None,
) -> Walk:
    """X <- X + step_size * dC/dX, `steps` times, clipped after every update if `clip` is given."""
    images, trace = clipped(images, clip), []
    for step in range(steps + 1):
        logits, value, gradient = cost.gradient(model, images)
        trace.append(torch.stack([value, of_target(logits, cost.targets)]))
        if callback is not None:
            callback(step, images.cpu().clone())
        if step < steps:
            images = clipped(images + step_size * gradient, clip)
    beta = torch.zeros(len(images)) if cost.beta is None else cost.beta
    return Walk(images, beta, *torch.stack(trace, dim=1))


def search(model: nn.Module, images: Tensor, cost: Cost, steps: int, callback: Callback | None) -> Walk:
    """The largest beta, hence the least distortion, with which the rounded image is still taken for its target.

    The walk is the attacks' own, X <- X + step_size * dC/dX, with three things in addition. The network only ever sees
    the image rounded to uint8, so what succeeds on the way succeeds as stored. The step size of a row is a share of
    784 / (2 beta), the step that goes all the way to where the pull of the target image balances the gradient. And
    beta rises a little after every success and falls after every failure, ever more finely, so that the row settles
    where it is just taken for its target. The nearest success on the way is returned.
    """
    originals = cost.originals
    assert originals is not None
    beta = torch.zeros(len(images), dtype=images.dtype, device=images.device)
    # Where the target image itself is taken for the target, nothing has to be changed, at no matter what weight.
    found = originals.round()
    logits, _, gradient = replace(cost, beta=beta).gradient(model, found)
    solved = margin(logits, cost.targets) > SEARCH_MARGIN
    distance = torch.where(solved, 0.0, torch.inf).to(beta)
    found_beta = torch.where(solved, torch.inf, beta)

    beta = PIXELS / 2 * gradient.flatten(1).norm(dim=1).clamp_min(1e-9) / SEARCH_START
    images, trace = images.clamp(0, PIXEL_MAX), []
    for step in range(steps + 1):
        move, change = (first * (last / first) ** (step / steps) for first, last in (SEARCH_MOVE, SEARCH_CHANGE))
        seen = images.round()
        cost = replace(cost, beta=beta)
        logits, value, gradient = cost.gradient(model, seen)
        trace.append(torch.stack([value, of_target(logits, cost.targets)]))
        if callback is not None:
            callback(step, seen.cpu().clone())

        success = margin(logits, cost.targets) > SEARCH_MARGIN
        away = (seen - originals).flatten(1).norm(dim=1)
        closer = success & (away < distance)
        found = torch.where(closer[:, None, None, None], seen, found)
        distance, found_beta = torch.where(closer, away, distance), torch.where(closer, beta, found_beta)
        solved |= success

        step_size = move * PIXELS / 2 / beta
        images = (images + step_size[:, None, None, None] * gradient).clamp(0, PIXEL_MAX)
        # A row without any success yet goes on at the full pace.
        factor = 1 + torch.where(solved, change, SEARCH_CHANGE[0])
        beta = torch.where(success, beta * factor, beta / factor)
    # Where nothing succeeded, the last image says how far the walk came.
    found = torch.where(solved[:, None, None, None], found, seen)
    return Walk(found, torch.where(solved, found_beta, beta), *torch.stack(trace, dim=1))


def clipped(images: Tensor, clip: Clip) -> Tensor:
    """The images within the lowest and the highest intensity, or as they are."""
    return images if clip is None else images.clamp(*clip)
