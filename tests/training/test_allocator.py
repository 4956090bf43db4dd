"""Freed memory is kept: what is taken again and again comes from what the process has, not anew from the system."""

import platform
import subprocess
import sys

import pytest

# How many bytes of the system's are mapped for one block of 30 MB alone, to be handed back when it is freed?
MAPPED = """
import ctypes
import torch
from mnist_lab.training.allocator import keep_freed_memory

class Information(ctypes.Structure):  # struct mallinfo2, see mallinfo(3)
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Information
{taught}
before = mallinfo2().hblkhd
block = torch.empty(30_000_000, dtype=torch.uint8)
print(mallinfo2().hblkhd - before)
"""


def mapped(taught: str) -> int:
    command = [sys.executable, "-c", MAPPED.format(taught=taught)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def told_by_glibc() -> bool:
    name, version = platform.libc_ver()
    return name == "glibc" and tuple(map(int, version.split("."))) >= (2, 33)


@pytest.mark.skipif(not told_by_glibc(), reason="it is glibc that keeps the memory, and says so from 2.33 on")
def test_a_block_of_any_step_comes_from_memory_that_is_kept() -> None:
    assert mapped("") > 30_000_000  # so that there is something to learn
    assert mapped("keep_freed_memory()") == 0
