"""Where and how precisely torch computes fastest here: the device, and the precision of training."""

from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def best_device() -> torch.device:
    """The accelerator that torch finds (CUDA, MPS), else the CPU."""
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return device or torch.device("cpu")


def best_precision() -> Precision:
    """``"bfloat16"`` if training runs on a CPU that multiplies matrices of bfloat16 (Intel's AMX), else ``"float32"``.

    With AMX, training :class:`mnist_lab.DigitCNN` in mixed precision takes about a third less time. On other CPUs it
    saves nothing, and on some it takes many times as long. On an accelerator so small a network is not limited by its
    arithmetic.
    """
    # The function is private in torch, and there is no public one.
    has_amx = getattr(torch.cpu, "_is_amx_tile_supported", bool)()
    return "bfloat16" if has_amx and best_device().type == "cpu" else "float32"
