"""How selective neurons are: whether a neuron answers to one class of images more than to the others."""

import torch
from torch import Tensor

from mnist_lab._utils.checks import CLASSES, check_labels, describe


def class_selectivity(activations: Tensor, labels: Tensor) -> Tensor:
    """The selectivity of each neuron: its mean answer to its favourite class against that to all the others.

    Parameters
    ----------
    activations
        Activations (N, ...) of at least 0, one a neuron and image.
    labels
        Class indices (N,), at least one image of two classes.

    Returns
    -------
    Tensor
        (a - b) / (a + b) for each neuron, (...), with its mean answer a to the class it answers to most and the mean b
        of its mean answers to the other classes: 0 if all classes are alike to it, 1 if it answers to one alone, NaN
        if it answers to none.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit together, or an activation is negative.

    References
    ----------
    Morcos, Barrett, Rabinowitz and Botvinick, *On the importance of single directions for generalization*, 2018.

    Examples
    --------
    >>> answers = torch.tensor([[1.0, 3.0, 0.0], [1.0, 0.0, 0.0]])  # two images, three neurons
    >>> class_selectivity(answers, torch.tensor([4, 7]))
    tensor([0., 1., nan])
    """
    labels = check_labels(labels, count=len(activations))
    if not activations.is_floating_point() or (activations < 0).any():
        raise ValueError(f"activations: expected floating-point values of at least 0, got {describe(activations)}")
    present = labels.bincount(minlength=CLASSES).nonzero()[:, 0]
    if len(present) < 2:
        raise ValueError(f"labels: expected images of at least two classes, got {len(present)}")
    means = torch.stack([activations[labels == label].mean(dim=0) for label in present])  # (classes, ...)
    most = means.amax(dim=0)
    others = (means.sum(dim=0) - most) / (len(present) - 1)
    return (most - others) / (most + others)
