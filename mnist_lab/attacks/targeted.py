"""The targeted attack: an image that looks like one digit and is classified as another (question 3.2)."""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor

from mnist_lab._utils.contracts import (
    FLOATS,
    Above,
    AtLeast,
    Bounds,
    ClassIndices,
    Count,
    Differentiable,
    Images,
    Per,
    Seed,
    TensorOf,
    checked,
)
from mnist_lab._utils.network import running
from mnist_lab.attacks.gradient_ascent import (
    PIXELS,
    STEP_SIZE,
    Callback,
    ClipLimits,
    Cost,
    gradient_ascent,
    noise,
    precision_of,
    require_rising,
    search,
)
from mnist_lab.attacks.result import AttackResult, result_of

Weights = Annotated[Tensor, TensorOf(("N",), FLOATS, low=0, empty=True), Per("images")]


@checked
def targeted_attack(
    model: Differentiable,
    images: Images,
    targets: Annotated[Tensor | Sequence[int], ClassIndices(listed=True), Per("images")],
    beta: Annotated[float, AtLeast(0)] | Weights | Literal["search"] = "search",
    start: Literal["noise", "image"] = "noise",
    seed: Seed = 0,
    *,
    objective: Literal["logit", "margin"] | None = None,
    confidence: Annotated[float, Bounds(0, 1, below=True)] = 0.0,
    step_size: Annotated[float, Above(0)] | None = None,
    steps: Count = 200,
    sigma: Annotated[float, AtLeast(0)] = 40.0,
    clip: ClipLimits | None = (0.0, 255.0),
    callback: Callback | None = None,
) -> AttackResult:
    """Make images that look like one digit and are classified as another (question 3.2).

    X <- X + step_size * dC/dX with C = logits[target] - beta * MSE(X, image), every row in one batch.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10). It is run where its weights are.
    images
        The images to look like, (N, 1, 28, 28), uint8 or float in 0..255.
    targets
        The target class of each image, integers (N,). The search returns an image unchanged that is classified as its
        target already.
    beta
        Weight of the mean squared error, in logits per squared intensity, at least 0: a number, a tensor (N,), or
        ``"search"`` for the largest weight, and hence the least distortion, with which the image, rounded to uint8, is
        still classified as its target. Each row has its own search. (With intensities in 0..1 instead of 0..255 the
        same weight is 65,025 times as large.)
    start
        ``"noise"``: Gaussian noise around 128, the same for all rows, so that no start depends on the batch; a row that
        is repeated starts from different noise each time. ``"image"``: the target image.
    seed
        Seed of the noise: of the start, and of what a search adds to the image on which it takes a gradient.
    objective
        ``"logit"`` maximizes logits[target], as in the assignment. ``"margin"`` maximizes logits[target] minus the
        largest other logit. By default the logit where beta is given, and the margin where it is searched; see Notes.
    confidence
        The least probability of the target, 0..1, at which a search counts the rounded image as a success. By default
        the target only has to be predicted.
    step_size
        In squared intensities per logit. By default 2000 or, if less, half of 784 / (2 beta), the step to the balance
        of penalty and gradient; steps of twice that diverge. A search sets its own.
    steps
        Number of updates.
    sigma
        Standard deviation of the noise, in intensities.
    clip
        Lowest and highest intensity; the start and every update are clipped to them. None is the formula without
        clipping. A search always clips to 0..255.
    callback
        Called with the number of updates so far, 0 to `steps`, and a copy of the images on the CPU.

    Returns
    -------
    AttackResult
        Images, probabilities, distortions, beta, and cost by step.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; before any work.

    Notes
    -----
    A large target logit need not be the largest: other logits may rise with it. So with the logit as the objective a
    smaller beta can lose the target again. The margin is positive exactly where the target is predicted, and its
    maximum falls as beta rises, so that the largest successful beta is well defined. With the margin the cost is the
    Lagrangian of the least distortion: Carlini and Wagner's without the hinge, with their c = 784 / beta.

    References
    ----------
    Szegedy et al., *Intriguing properties of neural networks*, 2014. Carlini and Wagner, *Towards evaluating the
    robustness of neural networks*, 2017. The search adapts the constraint at every step, as do Rony et al., *Decoupling
    direction and norm for efficient gradient-based L2 adversarial attacks and defenses*, 2019. How fast it does so
    depends on how often the outcome has changed: Kesten, *Accelerated stochastic approximation*, 1958. Its noise
    smooths the cost: Duchi, Bartlett and Wainwright, *Randomized smoothing for stochastic optimization*, 2012.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> model, images = DigitCNN(seed=0), torch.full((2, 1, 28, 28), 100.0)
    >>> result = targeted_attack(model, images, [3, 7], start="image")
    >>> result.success, result.beta.shape
    (tensor([True, True]), torch.Size([2]))
    """
    require_rising(clip)
    searched = isinstance(beta, str)
    if searched and (step_size is not None or clip != (0.0, 255.0)):
        raise ValueError(
            "beta: expected a number or a tensor with a step_size or clip, got 'search', which sets its own"
        )
    if confidence and not searched:
        raise ValueError(f"confidence: expected 0 with a given beta, which decides it, got {confidence:g}")
    if objective is None:
        objective = "margin" if searched else "logit"
    classes = torch.as_tensor(targets).detach().cpu()

    with running(model, gradients=True) as runner:
        originals = images.detach().to(runner.device, precision_of(runner), copy=True)
        weights = torch.zeros(1) if isinstance(beta, str) else torch.as_tensor(beta, dtype=torch.float64).detach()
        weights = weights.to(originals, copy=True).expand(len(images))
        cost = Cost(classes.to(originals.device, copy=True), objective, weights, originals)
        if start == "image":
            beginning = originals
        else:
            pixels = originals.cpu().flatten(1).numpy()
            rows = [(row.tobytes(), target) for row, target in zip(pixels, classes.tolist(), strict=True)]
            beginning = noise(rows, seed, sigma, runner)
        if searched:
            trajectory = search(runner, beginning, cost, steps, callback, confidence, seed)
        else:
            sizes = (PIXELS / 4 / weights).clamp_max(STEP_SIZE) if step_size is None else torch.tensor(step_size)
            sizes = sizes.to(originals).expand(len(images))[:, None, None, None]
            trajectory = gradient_ascent(runner, beginning, cost, sizes, steps, clip, callback)
        return result_of(runner, trajectory, classes, originals)
