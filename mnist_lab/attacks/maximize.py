"""Activation maximization: an image from noise for each class (question 3.1)."""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from mnist_lab._utils.contracts import Above, AtLeast, Count, Differentiable, Seed, Targets, checked
from mnist_lab._utils.network import running
from mnist_lab.attacks.gradient_ascent import (
    STEP_SIZE,
    Callback,
    ClipLimits,
    Cost,
    gradient_ascent,
    noise,
    require_rising,
)
from mnist_lab.attacks.result import AttackResult, result_of


@checked
def maximize_logit(
    model: Differentiable,
    targets: Targets,
    seed: Seed = 0,
    *,
    step_size: Annotated[float, Above(0)] = STEP_SIZE,
    steps: Count = 300,
    sigma: Annotated[float, AtLeast(0)] = 40.0,
    clip: ClipLimits | None = (0.0, 255.0),
    penalty: Callable[[Tensor], Tensor] | None = None,
    callback: Callback | None = None,
) -> AttackResult:
    """Turn noise into images of which the network predicts the target: gradient ascent on a logit (question 3.1).

    X starts as Gaussian noise around 128. Then X <- X + step_size * dC/dX with C = logits[target].

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10). It is run where its weights are.
    targets
        The target class of each image, integers (N,). The k-th image of a class starts from the k-th noise image of the
        seed, which the classes share. So classes compare start by start, and no start depends on the batch.
    seed
        Seed of the noise.
    step_size
        In squared intensities per logit. It is large, since the gradient is only some hundredths of a logit per unit of
        intensity.
    steps
        Number of updates.
    sigma
        Standard deviation of the noise, in intensities.
    clip
        Lowest and highest intensity; the start and every update are clipped to them. None is the formula without
        clipping, whose images leave 0..255.
    penalty
        A prior: a differentiable function from images (n, 1, 28, 28) to (n,), subtracted from the cost. It is called
        with parts of the batch.
    callback
        Called with the number of updates so far, 0 to `steps`, and a copy of the images on the CPU: for an animation,
        say.

    Returns
    -------
    AttackResult
        Images, probabilities, and cost by step.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; before any work.

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
    require_rising(clip)
    classes = torch.as_tensor(targets).detach().cpu()
    with running(model, gradients=True) as runner:
        start = noise(classes.tolist(), seed, sigma, runner)
        cost = Cost(classes.to(start.device, copy=True), penalty=penalty)
        trajectory = gradient_ascent(runner, start, cost, torch.tensor(step_size), steps, clip, callback)
        return result_of(runner, trajectory, classes)
