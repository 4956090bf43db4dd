"""Where and how torch computes fastest here: the device, the precision of training, and the number of threads."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median_low
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]
LOOKS = 21  # at what computes on this machine; the median leaves out what runs for a moment


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


def other_programs() -> int:
    """How many other threads compute on this machine now, whosever they are; 0 where the system does not say.

    Linux says it. (The load average is of the last minute, so it also counts what this process did before.)
    """
    counts = []
    for _ in range(LOOKS):
        try:
            counts.append(int(Path("/proc/loadavg").read_text().split()[3].split("/")[0]))
        except (OSError, IndexError, ValueError):
            return 0
        time.sleep(0.005)
    return max(0, median_low(counts) - 1)  # the thread that reads is one of them


def free_threads() -> int:
    """How many threads to train on now: torch's number, but no more than half of the cores, or the free ones if more.

    Threads wait for each other many times a step. One that shares its core with another program lets all others wait.
    An accelerator needs none.
    """
    if best_device().type != "cpu":
        return torch.get_num_threads()
    cores = os.cpu_count() or 1
    return min(torch.get_num_threads(), max(cores - other_programs(), cores // 2, 1))


_lock = threading.Lock()


@contextmanager
def computing_on(threads: int) -> Iterator[None]:
    """Let torch compute on so many threads. Python threads that ask for it at once take turns."""
    with _lock:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
