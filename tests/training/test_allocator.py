"""Freed memory stays with the process instead of being returned to the system and mapped again."""

import platform
import subprocess
import sys

import pytest

# The bytes that are mapped for one block of 30 MB by itself, which would be unmapped when it is freed.
MAPPED = """
import ctypes
import torch
from mnist_lab.training.allocator import keep_freed_memory

class Information(ctypes.Structure):  # struct mallinfo2, see mallinfo(3)
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Information
{setting}
before = mallinfo2().hblkhd
block = torch.empty(30_000_000, dtype=torch.uint8)
print(mallinfo2().hblkhd - before)
"""


def mapped(setting: str) -> int:
    command = [sys.executable, "-c", MAPPED.format(setting=setting)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def has_mallinfo2() -> bool:
    name, version = platform.libc_ver()
    return name == "glibc" and tuple(map(int, version.split("."))) >= (2, 33)


@pytest.mark.skipif(not has_mallinfo2(), reason="the setting is one of glibc, and mallinfo2 needs glibc 2.33")
def test_a_large_block_comes_from_memory_that_the_process_keeps() -> None:
    assert mapped("") > 30_000_000  # so the setting has an effect to show
    assert mapped("keep_freed_memory()") == 0
