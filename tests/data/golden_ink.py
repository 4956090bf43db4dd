"""Pictures of ink and the digits that they become, for programs that repeat the normalization in another language."""

import torch
from torch import Tensor

from mnist_lab.data.handwriting import as_mnist


def examples() -> list[tuple[Tensor, Tensor]]:
    """Pairs of ink, float (H, W) in 0..255, and its digit, uint8 (28, 28): wide, tall, tiny, faint, off the centre."""
    pairs = []
    for seed, (height, width) in enumerate([(280, 280), (37, 91), (133, 20), (20, 20), (7, 5), (1, 1), (1, 60)]):
        noise = torch.rand(height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        stroke = ((rows / height - (columns / width) ** 2).abs() < 0.15) | (columns < 0.1 * width)
        ink = torch.where(stroke, 60 + 190 * noise, 0)
        pairs.append((ink, as_mnist(ink)))
    return pairs
