"""Measuring: what a network is worth on a split."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_lab.checks import (
    CLASSES,
    FLOATS,
    check_integer,
    check_labels,
    check_logits,
    check_network,
    check_number,
    check_tensor,
    check_type,
    check_value,
)
from mnist_lab.data import Split
from mnist_lab.observation import device_of, observed


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a network is worth on a split.

    Parameters
    ----------
    accuracy
        Share of the images that are classified correctly, 0..1.
    loss
        Mean cross-entropy, in nats.
    predictions
        The class with the largest logit, int64 (N,).
    probabilities
        Softmax of the logits, (N, 10).
    labels
        The true classes, int64 (N,).
    """

    accuracy: float
    loss: float
    predictions: Tensor
    probabilities: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        check_number(self.accuracy, "accuracy", low=0, high=1)
        check_value(self.loss, "loss")  # of a network that diverged it is no finite number
        count = len(check_labels(self.labels))
        check_labels(self.predictions, "predictions", count=count)
        check_tensor(self.probabilities, "probabilities", count, CLASSES, dtypes=FLOATS, finite=False)

    @property
    def error(self) -> float:
        """Share of the images that are misclassified, 0..1."""
        return int((~self.correct).sum()) / len(self.labels)

    @property
    def correct(self) -> Tensor:
        """Which images are classified correctly, booleans (N,)."""
        return self.predictions == self.labels

    def __repr__(self) -> str:
        right = int(self.correct.sum())
        return f"Evaluation({right:,} of {len(self.labels):,} right: {self.accuracy:.2%}, loss {self.loss:.4f})"


def evaluate(model: nn.Module, split: Split, *, batch_size: int = 250) -> Evaluation:
    """Measure `model` on a split, in evaluation mode and without a trace in it.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10); it is run where its weights are.
    split
        Images and labels.
    batch_size
        Images at once.

    Returns
    -------
    Evaluation
        Accuracy, loss, predictions and probabilities, on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be, or if the split is empty.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> split = Split(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.tensor([0, 1, 2, 3]))
    >>> evaluate(DigitCNN(), split).error
    0.75
    """
    check_network(model)
    check_type(split, "split", Split, "a Split(images, labels)")
    if len(split) == 0:
        raise ValueError("split: expected at least one image, got none")
    batch_size = check_integer(batch_size, "batch_size", low=1)
    device = device_of(model)
    with observed(model), torch.no_grad():
        batches = split.images.split(batch_size)
        logits = torch.cat([check_logits(model(batch.to(device)), len(batch)) for batch in batches]).float().cpu()
    labels = split.labels.cpu()
    predictions = logits.argmax(dim=1)
    return Evaluation(
        accuracy=int((predictions == labels).sum()) / len(labels),
        loss=float(functional.cross_entropy(logits, labels)),
        predictions=predictions,
        probabilities=logits.softmax(dim=1),
        labels=labels,
    )
