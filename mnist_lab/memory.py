"""Memory that is used again and again is kept, instead of being handed back and asked for anew.

A step of training takes and frees some 40 MB. What is free at the end of a program's memory is given back to the
system by glibc, the C library of most Linux systems, once it is more than its threshold; and what is taken anew is
filled with zeros by the system, page by page of 4 kB. On a virtual machine this took a third of a step, and more.
"""

from functools import cache

import torch

# glibc learns from what is freed: after one block of up to 32 MiB it keeps up to twice as much (mallopt(3),
# M_MMAP_THRESHOLD and M_TRIM_THRESHOLD). A little less than that, for what it adds to a block.
LARGEST = 2**25 - 2**16


@cache
def keep_freed_memory() -> None:
    """Have the C library keep up to 64 MiB of what is freed, for as long as this process runs.

    Called once for all by whatever computes with a network. Nothing is reserved: the block that teaches it is never
    written to, so the system never supplies it. Where another C library allocates, nothing changes.

    Examples
    --------
    >>> keep_freed_memory()
    """
    torch.empty(LARGEST, dtype=torch.uint8)
