"""Training while other programs run: on all threads, and on those that :func:`mnist_lab.trained` uses then.

The threads spin shortly, as the library asks of OpenMP, or as by default.

OpenMP reads the variable when it is loaded, so each setting has a process of its own.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.measure import Row, apart, turns
from benchmarks.training import our_epoch, usual_epoch
from mnist_lab._utils.openmp import SPINS
from mnist_lab.training.device import computing_on, free_threads

UNSET = "300000"  # what GNU OpenMP does if the variable is not set
NOTE = f"Ours: threads that spin {int(SPINS):,} times while they wait."


@contextmanager
def programs(count: int) -> Iterator[None]:
    """Run so many programs that compute without end, for as long as the block runs."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def our_epoch_on_free_threads() -> float:
    """Seconds of an epoch of ours, as :func:`mnist_lab.trained` computes it."""
    with computing_on(free_threads()):
        return our_epoch(True, "float32")


def beside_programs(quick: bool) -> list[Row]:
    """An epoch of 5,000 images, without and beside as many busy programs as there are cores."""
    cores = os.cpu_count() or 1
    rows = []
    with apart(GOMP_SPINCOUNT=SPINS) as short, apart(GOMP_SPINCOUNT=UNSET) as unset:
        contestants = {
            "free": partial(short, our_epoch_on_free_threads),
            "ours": partial(short, our_epoch, True, "float32"),
            "ours, unset": partial(unset, our_epoch, True, "float32"),
            "usual": partial(short, usual_epoch, True),
            "usual, unset": partial(unset, usual_epoch, True),
        }
        for count in (0, cores):
            where = f"{'beside' if count else 'without the'} {cores} busy programs"
            with programs(count):
                values = turns(contestants, 1 if quick else 3, where)
            subject = f"Ours on the free threads, as trained() computes, 5,000 images, {where}"
            rows.append(Row(subject, "s", "on all threads", values["free"], values["ours"], note=NOTE))
            for name, loop in (("ours", "Ours"), ("usual", "The usual loop")):
                subject, unset_values = f"{loop}, 5,000 images, {where}", values[f"{name}, unset"]
                rows.append(Row(subject, "s", "threads that spin as by default", values[name], unset_values, note=NOTE))
    return rows
