"""Evaluation: accuracy and loss of a network on a split."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mnist_lab._utils.contracts import Count, Network, checked
from mnist_lab._utils.network import BATCH, running
from mnist_lab.data.dataset import Split


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Accuracy, loss and predictions of a network on a split.

    Parameters
    ----------
    accuracy
        Fraction of the images that are classified correctly, 0..1.
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

    @property
    def error(self) -> float:
        """Fraction of the images that are misclassified, 0..1."""
        return int((~self.correct).sum()) / len(self.labels)

    @property
    def correct(self) -> Tensor:
        """Which images are classified correctly, booleans (N,)."""
        return self.predictions == self.labels

    def __repr__(self) -> str:
        right = int(self.correct.sum())
        return f"Evaluation({right:,} of {len(self.labels):,} correct: {self.accuracy:.2%}, loss {self.loss:.4f})"


@checked
def evaluate(model: Network, split: Split, *, batch_size: Count = BATCH) -> Evaluation:
    """Evaluate `model` on a split, in evaluation mode; the network is left unchanged.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10). It runs on the device of its weights.
    split
        Images and labels.
    batch_size
        Images per forward pass.

    Returns
    -------
    Evaluation
        Accuracy, loss, predictions and probabilities, on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, the split is empty, or the network returns anything but logits.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> split = Split(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.tensor([0, 1, 2, 3]))
    >>> evaluate(DigitCNN(), split).error
    0.75
    """
    if len(split) == 0:
        raise ValueError("split: expected at least one image, got none")
    with running(model) as runner:
        logits = torch.cat([runner.logits(batch) for batch in split.images.split(batch_size)]).float().cpu()
    labels = split.labels.cpu()
    predictions = logits.argmax(dim=1)
    return Evaluation(
        accuracy=int((predictions == labels).sum()) / len(labels),
        loss=float(functional.cross_entropy(logits, labels)),
        predictions=predictions,
        probabilities=logits.softmax(dim=1),
        labels=labels,
    )
