"""Linear probes: how well the classes can be told apart by a linear function of some features."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mnist_lab._utils.checks import CLASSES, check_labels, describe

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A linear function from features to a score a class.

    Parameters
    ----------
    weight
        (features, 10).
    bias
        (10,).
    strength
        The regularization that validation chose, as a multiple of the features' mean square.
    validation_accuracy
        Share of the validation images classified correctly, 0..1.
    """

    weight: Tensor
    bias: Tensor
    strength: float
    validation_accuracy: float

    def predict(self, features: Tensor) -> Tensor:
        """The class with the highest score, int64 (N,), for features (N, ...)."""
        return (features.flatten(1).to(self.weight.dtype) @ self.weight + self.bias).argmax(dim=1)

    def __repr__(self) -> str:
        return (
            f"LinearProbe({len(self.weight):,} features, strength {self.strength:g}, "
            f"validation accuracy {self.validation_accuracy:.2%})"
        )


def linear_probe(
    features: Tensor,
    labels: Tensor,
    validation_features: Tensor,
    validation_labels: Tensor,
    *,
    strengths: Sequence[float] = STRENGTHS,
) -> LinearProbe:
    """Fit a linear probe by ridge regression on the one-hot labels.

    The solution is exact: no learning rate, no seed, no stopping. Validation chooses how strongly it is regularized.

    Parameters
    ----------
    features, labels
        What is learned: features (N, ...) and class indices (N,).
    validation_features, validation_labels
        What chooses the regularization.
    strengths
        Regularizations to choose from, as multiples of the mean square of a centred image's features.

    Returns
    -------
    LinearProbe
        The probe with the highest validation accuracy; the most strongly regularized one where several have it.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit together.

    References
    ----------
    Alain and Bengio, *Understanding intermediate layers using linear classifier probes*, 2016.

    Notes
    -----
    It is solved in the space of the images, so that its cost grows with the square of their number and only linearly
    with the number of features.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> labels = torch.randint(10, (200,), generator=generator)
    >>> features = torch.nn.functional.one_hot(labels, 10) + torch.randn(200, 10, generator=generator) / 10
    >>> linear_probe(features[:100], labels[:100], features[100:], labels[100:]).validation_accuracy
    1.0
    """
    labels, validation_labels = check_labels(labels), check_labels(validation_labels, "validation_labels")
    for name, values, many in (
        ("features", features, len(labels)),
        ("validation_features", validation_features, len(validation_labels)),
    ):
        if values.ndim < 2 or len(values) != many or not many:
            raise ValueError(f"{name}: expected shape ({max(many, 1)}, ...), got {describe(values)}")
    known = features.flatten(1).float()
    mean = known.mean(dim=0)
    known = known - mean
    targets = torch.nn.functional.one_hot(labels, CLASSES).float()
    average = targets.mean(dim=0)
    products = known @ known.T  # (N, N)
    ridge = products.diagonal().mean() * torch.eye(len(products))
    best: LinearProbe | None = None
    for strength in sorted(strengths, reverse=True):
        factor = torch.linalg.cholesky(products + strength * ridge)
        weight = known.T @ torch.cholesky_solve(targets - average, factor)  # (features, 10)
        probe = LinearProbe(weight, average - mean @ weight, strength, 0.0)
        right = int((probe.predict(validation_features) == validation_labels).sum())
        accuracy = right / len(validation_labels)
        if best is None or accuracy > best.validation_accuracy:
            best = LinearProbe(weight, probe.bias, strength, accuracy)
    assert best is not None  # there is at least one strength
    return best
