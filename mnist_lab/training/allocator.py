"""Stop glibc from returning freed memory to the operating system while a network trains.

A training step allocates and frees some 40 MB, with batch normalization twice as much. glibc, the C library of most
Linux systems, returns free memory at the end of the heap once it exceeds a threshold, and the system fills new pages
with zeros. On a virtual machine this took a third of the time of a step, or more.
"""

import ctypes
import platform
from functools import cache

# Parameters of mallopt(3). glibc returns free memory at the end of the heap above the trim threshold. It maps a block
# above the mmap threshold by itself, and unmaps it when it is freed. 2**25 is the largest mmap threshold it accepts.
M_TRIM_THRESHOLD, KEPT = -1, 2**27
M_MMAP_THRESHOLD, LARGEST = -3, 2**25


@cache
def keep_freed_memory() -> None:
    """Let glibc keep up to 128 MiB of freed memory, for as long as this process runs.

    No memory is reserved. If the heap is fragmented, peak memory can be higher than without this setting. With another
    C library nothing changes.

    Examples
    --------
    >>> keep_freed_memory()
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_TRIM_THRESHOLD, KEPT)
        library.mallopt(M_MMAP_THRESHOLD, LARGEST)
