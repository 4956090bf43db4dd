"""Images that the network is made to see (question 3): gradient ascent on the image, the weights as they are.

:func:`maximize_logit` climbs from noise, :func:`targeted_attack` stays near a given image. Both climb a cost C by
X <- X + step_size * dC/dX, in pixel intensities 0..255.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mnist_lab import ascent
from mnist_lab.attacks.gradient_ascent import Callback, Clip, Cost, Walk
from mnist_lab._utils.checks import (
    CLASSES,
    FLOATS,
    SEED_MAX,
    check_choice,
    check_function,
    check_images,
    check_integer,
    check_labels,
    check_network,
    check_number,
    check_tensor,
    describe,
)
from mnist_lab._utils.network import device_of

STEP_SIZE = 2000.0  # small enough for the cost to rise at all but a few steps
OBJECTIVES = ("logit", "margin")
STARTS = ("noise", "image")


@dataclass(frozen=True, eq=False)
class AttackResult:
    """Generated images, what the network makes of them, and the way that led there; all on the CPU.

    Parameters
    ----------
    images
        The generated images in pixel intensities, float (N, 1, 28, 28).
    targets
        The class that each was to be taken for, int64 (N,).
    probabilities, rounded_probabilities
        The network's probabilities for `images` and for :attr:`rounded`, (N, 10) each.
    cost, logit
        The cost and the target's logit by step, (steps + 1, N): row k was measured after k updates. Where beta was
        searched, that is the path of the search, and `images` holds the best point on it.
    beta
        Weight of the mean squared error, (N,); zeros for :func:`maximize_logit`. Where it was searched, the one under
        which the image was found; infinite where the target image itself is taken for the target.
    originals
        The target images, float (N, 1, 28, 28); None for :func:`maximize_logit`.
    """

    images: Tensor
    targets: Tensor
    probabilities: Tensor
    rounded_probabilities: Tensor
    cost: Tensor
    logit: Tensor
    beta: Tensor
    originals: Tensor | None = None

    def __post_init__(self) -> None:
        # An ascent in too large steps ends in values that are not finite, and the result has to say so: not checked.
        count = len(check_labels(self.targets, "targets"))
        images = {"images": self.images} | ({} if self.originals is None else {"originals": self.originals})
        for name, value in images.items():
            check_tensor(value, name, count, 1, 28, 28, dtypes=FLOATS, empty=True, finite=False)
        for name in ("probabilities", "rounded_probabilities"):
            check_tensor(getattr(self, name), name, count, CLASSES, dtypes=FLOATS, empty=True, finite=False)
        for name in ("cost", "logit"):
            check_tensor(getattr(self, name), name, "steps + 1", count, dtypes=FLOATS, empty=True, finite=False)
        check_tensor(self.beta, "beta", count, dtypes=FLOATS, empty=True, finite=False)

    @property
    def predictions(self) -> Tensor:
        """The class for which each of `images` is taken, int64 (N,)."""
        return self.probabilities.argmax(dim=1)

    @property
    def rounded(self) -> Tensor:
        """The images as they would be stored: clipped to 0..255 and rounded, uint8 (N, 1, 28, 28)."""
        return ascent.to_uint8(self.images)

    @property
    def success(self) -> Tensor:
        """Whether the rounded image is taken for its target, booleans (N,)."""
        return self.rounded_probabilities.argmax(dim=1) == self.targets

    @property
    def target_probability(self) -> Tensor:
        """The target's probability for `images`, (N,)."""
        return ascent.of_target(self.probabilities, self.targets)

    @property
    def rounded_target_probability(self) -> Tensor:
        """The target's probability for the rounded images, (N,)."""
        return ascent.of_target(self.rounded_probabilities, self.targets)

    @property
    def perturbation(self) -> Tensor:
        """What the attack added to the target images, as stored, in intensities -255..255, (N, 1, 28, 28)."""
        if self.originals is None:
            raise ValueError("these images were generated from noise alone: there is no target image to compare with")
        return self.rounded - self.originals

    @property
    def mse(self) -> Tensor:
        """Mean squared error of the rounded images against the target images, in squared intensities, (N,)."""
        return self.perturbation.square().mean(dim=(1, 2, 3))

    @property
    def l2(self) -> Tensor:
        """L2 distortion of the rounded images, in intensities, (N,)."""
        return self.perturbation.square().sum(dim=(1, 2, 3)).sqrt()

    @property
    def linf(self) -> Tensor:
        """Linf distortion of the rounded images: the largest change of a pixel, in intensities, (N,)."""
        return self.perturbation.abs().amax(dim=(1, 2, 3))

    def __repr__(self) -> str:
        count = len(self.targets)
        lines = [f"{count} images after {len(self.cost) - 1} steps, {int(self.success.sum())} taken for their target"]
        if count:
            lines.append(f"median probability {float(self.rounded_target_probability.median()):.4f}")
            if self.originals is not None:
                lines[-1] += f", median L2 distortion {float(self.l2.median()):.0f}"
        return "AttackResult(" + ",\n             ".join(lines) + "; rounded to uint8)"


def maximize_logit(
    model: nn.Module,
    targets: Tensor | Sequence[int],
    seed: int = 0,
    *,
    step_size: float = STEP_SIZE,
    steps: int = 300,
    sigma: float = 40.0,
    clip: Clip = (0.0, 255.0),
    penalty: Callable[[Tensor], Tensor] | None = None,
    callback: Callback | None = None,
) -> AttackResult:
    """Turn noise into images that the network takes for its targets: gradient ascent on a logit (question 3.1).

    X starts as Gaussian noise around 128. Then X <- X + step_size * dC/dX with C = logits[target].

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10). It is run where its weights are.
    targets
        The class of each image, integers (N,). A class given several times starts from as many different noises: its
        k-th image from the k-th noise of the seed, which the classes share. So classes compare start by start, and no
        image depends on what else is in the batch.
    seed
        Seed of the noise.
    step_size
        In squared intensities a logit. The gradient is but some hundredths of a logit an intensity, so a step is
        large.
    steps
        Number of updates.
    sigma
        Deviation of the noise, in intensities.
    clip
        Lowest and highest intensity; the start and every update are clipped to them. None is the literal formula, and
        its images leave 0..255.
    penalty
        A prior: a differentiable function from images (n, 1, 28, 28) to (n,) that is subtracted from the cost. It is
        called with a part of the batch at a time.
    callback
        Called with the number of updates done, 0 to `steps`, and a copy of the images on the CPU: for progress or an
        animation.

    Returns
    -------
    AttackResult
        Images, probabilities, and cost by step.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be; nothing has been done then.

    References
    ----------
    Simonyan, Vedaldi and Zisserman, *Deep inside convolutional networks: visualising image classification models and
    saliency maps*, 2014.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> result = maximize_logit(DigitCNN(seed=0), range(10), steps=20)
    >>> result.images.shape, result.cost.shape
    (torch.Size([10, 1, 28, 28]), torch.Size([21, 10]))
    >>> bool((result.cost[-1] > result.cost[0]).all())
    True
    """
    check_network(model, gradients=True)
    targets = _check_targets(targets)
    seed, steps = _check_walk(seed, steps, sigma, clip, callback)
    check_number(step_size, "step_size", low=0, above=True)
    check_function(penalty, "penalty", "the images")
    with ascent.on_images_alone(model):
        start = ascent.noise(targets.tolist(), seed, sigma, model)
        cost = Cost(targets.to(start.device, copy=True), penalty=penalty)
        walk = ascent.climb(model, start, cost, torch.tensor(float(step_size)), steps, clip, callback)
        return _result(model, walk, targets)


def targeted_attack(
    model: nn.Module,
    images: Tensor,
    targets: Tensor | Sequence[int],
    beta: float | Tensor | str = "search",
    start: str = "noise",
    seed: int = 0,
    *,
    objective: str | None = None,
    step_size: float | None = None,
    steps: int = 200,
    sigma: float = 40.0,
    clip: Clip = (0.0, 255.0),
    callback: Callback | None = None,
) -> AttackResult:
    """Make images that look like one digit and are taken for another (question 3.2).

    X <- X + step_size * dC/dX with C = logits[target] - beta * MSE(X, image), every row in one batch.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10). It is run where its weights are.
    images
        The images to look like, (N, 1, 28, 28), uint8 or float in 0..255.
    targets
        The class for which each is to be taken, integers (N,). Where the image is taken for it already, the search
        returns the image as it is.
    beta
        Weight of the mean squared error, in logits a squared intensity, at least 0: a number, a tensor (N,), or
        ``"search"`` for the largest with which the image, rounded to uint8, is still taken for its target, and hence
        for the least distortion. The search is made row by row, but in one walk of the whole batch. (With
        intensities in 0..1 instead of 0..255 the same weight is 65,025 times as large.)
    start
        ``"noise"``: Gaussian noise around 128, the same for all rows, so that no row depends on what else is in the
        batch; only a row that stands there several times starts from as many different noises. ``"image"``: the
        image itself.
    seed
        Seed of the noise.
    objective
        ``"logit"`` climbs logits[target], as the question has it. ``"margin"`` climbs logits[target] minus the
        largest other logit. By default the logit where beta is given, and the margin where it is searched; see the
        notes.
    step_size
        In squared intensities a logit. By default 2000 or, if less, half of the step 784 / (2 beta) that would take
        the row to the balance of pull and gradient at once; steps of twice that diverge. A search sets its own.
    steps
        Number of updates.
    sigma
        Deviation of the noise, in intensities.
    clip
        Lowest and highest intensity; the start and every update are clipped to them. None is the literal formula.
        A search always keeps to 0..255.
    callback
        Called with the number of updates done, 0 to `steps`, and a copy of the images on the CPU.

    Returns
    -------
    AttackResult
        Images, probabilities, distortions, beta, and cost by step.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be; nothing has been done then.

    Notes
    -----
    A large target logit does not make the target the largest: other logits may rise with it. With the logit as the
    objective, a smaller beta may even lose the target again, and the nearest image that it finds is not the nearest
    there is. The margin is positive exactly where the target is predicted, and at its maximum it falls as beta rises,
    so that "the largest beta that succeeds" means one thing; with it the cost is the Lagrangian of the least
    distortion: Carlini and Wagner's without the hinge, with their c = 784 / beta.

    References
    ----------
    Szegedy et al., *Intriguing properties of neural networks*, 2014. Carlini and Wagner, *Towards evaluating the
    robustness of neural networks*, 2017. The search follows the idea of Rony et al., *Decoupling direction and norm for
    efficient gradient-based L2 adversarial attacks and defenses*, 2019: the constraint is adapted as the image moves.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> model, images = DigitCNN(seed=0), torch.full((2, 1, 28, 28), 100.0)
    >>> result = targeted_attack(model, images, [3, 7], start="image")
    >>> result.success, result.beta.shape
    (tensor([True, True]), torch.Size([2]))
    """
    check_network(model, gradients=True)
    check_images(images)
    targets = _check_targets(targets, len(images))
    seed, steps = _check_walk(seed, steps, sigma, clip, callback)
    check_choice(start, "start", STARTS)
    searched = isinstance(beta, str)
    if objective is None:
        objective = "margin" if searched else "logit"
    check_choice(objective, "objective", OBJECTIVES)
    if searched and (step_size is not None or clip != (0.0, 255.0)):
        raise ValueError(
            "beta: expected a number or a tensor with a step_size or clip, got 'search', which sets its own"
        )
    if step_size is not None:
        check_number(step_size, "step_size", low=0, above=True)
    weights = _check_beta(beta, len(images))

    with ascent.on_images_alone(model):
        device, precision = device_of(model), ascent.precision_of(model)
        originals = images.detach().to(device, precision, copy=True)
        weights = weights.to(originals, copy=True)
        cost = Cost(targets.to(device, copy=True), objective, weights, originals)
        if start == "image":
            beginning = originals
        else:
            pixels = originals.cpu().flatten(1).numpy()
            rows = [(row.tobytes(), target) for row, target in zip(pixels, targets.tolist(), strict=True)]
            beginning = ascent.noise(rows, seed, sigma, model)
        if searched:
            walk = ascent.search(model, beginning, cost, steps, callback)
        else:
            sizes = (ascent.PIXELS / 4 / weights).clamp_max(STEP_SIZE) if step_size is None else step_size
            sizes = torch.as_tensor(sizes, dtype=precision, device=device).expand(len(images))
            walk = ascent.climb(model, beginning, cost, sizes[:, None, None, None], steps, clip, callback)
        return _result(model, walk, targets, originals)


def _check_targets(targets: object, count: int | None = None) -> Tensor:
    if isinstance(targets, Sequence) and not isinstance(targets, str):
        targets = torch.tensor([check_integer(target, "targets", low=0, high=9) for target in targets]).long()
    return check_labels(targets, "targets", count=count).detach().cpu()


def _check_walk(seed: object, steps: object, sigma: object, clip: object, callback: object) -> tuple[int, int]:
    whole = check_integer(seed, "seed", low=0, high=SEED_MAX), check_integer(steps, "steps", low=1)
    check_number(sigma, "sigma", low=0)
    if clip is not None:
        if not isinstance(clip, tuple | list) or len(clip) != 2:
            raise TypeError(f"clip: expected the lowest and the highest intensity or None, got {describe(clip)}")
        low = check_number(clip[0], "clip", low=-float("inf"))
        check_number(clip[1], "clip", low=low, above=True)
    check_function(callback, "callback", "step and images")
    return whole


def _check_beta(beta: object, count: int) -> Tensor:
    """The weights by row, (N,); zeros where they are searched."""
    if isinstance(beta, str):
        check_choice(beta, "beta", ("search",))
        return torch.zeros(count)
    if not isinstance(beta, Tensor):
        return torch.full((count,), check_number(beta, "beta", low=0), dtype=torch.float64)
    return check_tensor(beta, "beta", count, dtypes=FLOATS, low=0, empty=True).detach()


def _result(model: nn.Module, walk: Walk, targets: Tensor, originals: Tensor | None = None) -> AttackResult:
    rounded = ascent.to_uint8(walk.images).to(walk.images)
    return AttackResult(
        images=walk.images.cpu(),
        targets=targets,
        probabilities=ascent.probabilities(model, walk.images).cpu(),
        rounded_probabilities=ascent.probabilities(model, rounded).cpu(),
        cost=walk.cost.cpu(),
        logit=walk.logit.cpu(),
        beta=walk.beta.cpu(),
        originals=None if originals is None else originals.cpu(),
    )
