"""Figures of question 2: what the network predicts behind a patch."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from mnist_lab._utils.contracts import CLASSES
from mnist_lab.plotting.grids import beside_digits


def predictions_by_position(
    digits: Tensor, labels: Tensor, predictions: Sequence[Tensor], sizes: Sequence[int]
) -> Figure:
    """One row per digit, one column per size of a patch: the predicted class by the position of the patch.

    `digits` is (N, 1, 28, 28), `labels` (N,), `predictions` has class indices (N, 28, 28) for each of `sizes`. Beside a
    row stand the true class and the class that replaces it most often under the largest patch.
    """
    rows = []
    for label, largest in zip(labels.tolist(), predictions[-1], strict=True):
        counts = largest.flatten().bincount(minlength=CLASSES)
        counts[label] = 0
        rows.append(f"{label} → {int(counts.argmax())}" if counts.any() else f"{label}")
    return beside_digits(
        digits,
        torch.stack([*predictions], dim=1),
        title="Predicted class under a grey patch",
        unit="predicted class, by position of the patch's centre",
        limits=(-0.5, CLASSES - 0.5),
        cmap="tab10",
        row_labels=rows,
        column_labels=[f"{size}×{size}" for size in sizes],
    )
