"""How everything here is measured: contestants take turns, a first turn is not counted, medians are reported.

A turn's two values were measured one after the other, so their ratio is worth more than either: what else the machine
does meanwhile slows both.
"""

import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, ClassVar
from unittest.mock import patch

import torch

from mnist_lab._utils.files import written_whole
from mnist_lab._utils.messages import progress

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
PACKAGES = ("torch", "mnist-lab", "torchvision", "captum", "foolbox", "adv-lib", "numpy")


@dataclass(frozen=True)
class Row:
    """A row of a table: one quantity, ours against a reference.

    Parameters
    ----------
    subject
        What was measured.
    unit
        The unit of the values.
    reference
        What ours is compared with.
    ours, theirs
        A value for each turn.
    share
        Whether ours is to be told as a share of the reference, and not the reference as a multiple of ours.
    note
        What a reader has to know beside.
    """

    subject: str
    unit: str
    reference: str
    ours: Sequence[float]
    theirs: Sequence[float]
    share: bool = False
    note: str = ""

    # Columns, with their widths in percent.
    HEADER: ClassVar[dict[str, int]] = {"what": 32, "reference beside ours": 22, "ours": 20, "reference": 26}

    @property
    def ratios(self) -> list[float]:
        """Turn by turn, how many times ours the reference is, or which share of it ours is, in ascending order."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return sorted(ours / theirs if self.share else theirs / ours for ours, theirs in pairs)

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Subject, ratio, ours and reference, as text."""
        low, middle, high = self.ratios[0], median(self.ratios), self.ratios[-1]
        if self.share:
            ratio = f"ours is {middle:.0%} of it ({low:.0%} to {high:.0%})"
        else:
            ratio = f"{middle:.2f} times ours ({low:.2f} to {high:.2f})"
        ours, theirs = (ranged(values, self.unit) for values in (self.ours, self.theirs))
        subject = f"{self.subject}, {len(self.ours)} turns" if len(self.ours) > 1 else self.subject
        return f"{subject}. {self.note}" if self.note else subject, ratio, ours, f"{self.reference}: {theirs}"


@dataclass(frozen=True)
class Distortion:
    """A row of the table of targeted attacks: one attack with one number of steps.

    Parameters
    ----------
    steps, attack
        The number of steps, and who made the attack.
    seconds
        Processor time for all pairs.
    median, mean
        L2 distances, in intensities of 0..1. Failures are infinitely far in the median, and left out of the mean.
    failures
        The number of pairs on which it fails.
    """

    steps: int
    attack: str
    seconds: float
    median: float
    mean: float
    failures: int

    HEADER: ClassVar[dict[str, int]] = {
        "steps": 10,
        "attack": 36,
        "processor time": 18,
        "median L2": 12,
        "mean L2": 12,
        "failures": 12,
    }

    @property
    def cells(self) -> tuple[str, ...]:
        """The values as text."""
        lengths = (f"{length:.3f}" for length in (self.median, self.mean))
        return f"{self.steps:,}", self.attack, f"{rounded(self.seconds)} s", *lengths, str(self.failures)


def rounded(value: float) -> str:
    """Three digits that count, and never an exponent.

    >>> rounded(0.123456), rounded(12.3456), rounded(12345.6)
    ('0.123', '12.3', '12,346')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def ranged(values: Sequence[float], unit: str) -> str:
    """The median, with the least and the greatest where they differ.

    >>> ranged([10.1, 9.62, 18.5], "ms"), ranged([8], "s")
    ('10.1 ms (9.62 to 18.5)', '8.00 s')
    """
    low, middle, high = (rounded(value) for value in (min(values), median(values), max(values)))
    return f"{middle} {unit}".strip() + (f" ({low} to {high})" if low != high else "")


def seconds(work: Callable[[], object]) -> float:
    """How long some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """The work as a contestant whose value is the seconds that it takes."""
    return lambda: seconds(work)


@contextmanager
def apart(**variables: str) -> Iterator[Callable[..., Any]]:
    """Give a way to call functions in a process of its own, the same for every call, for as long as the block runs.

    It starts with the given environment variables.

    What one contestant leaves behind, such as memory that is kept, then neither helps nor hinders the other: each is
    measured as in the program of somebody who uses it alone.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        with patch.dict(os.environ, variables):
            process.submit(int).result()
        yield lambda function, *arguments: process.submit(function, *arguments).result()


def turns(
    contestants: Mapping[str, Callable[[], float]], count: int, title: str, *, warm: bool = True
) -> dict[str, tuple[float, ...]]:
    """Let contestants take turns.

    Parameters
    ----------
    contestants
        By name, what measures itself once and returns the value.
    count
        How many turns are counted.
    title
        What the progress calls it.
    warm
        Whether a turn goes before that is not counted; without it the contestants have to warm up by themselves.
    """
    values: dict[str, list[float]] = {name: [] for name in contestants}
    with progress(count + warm, title, unit="turn") as bar:
        for turn in range(-int(warm), count):
            measured = {name: contestant() for name, contestant in contestants.items()}
            if turn >= 0:
                for name, value in measured.items():
                    values[name].append(value)
                bar.line("  ".join(f"{name} {rounded(value)}" for name, value in measured.items()))
            bar.step()
    return {name: tuple(value) for name, value in values.items()}


def environment() -> dict[str, str]:
    """What the figures depend on beside the code: when and where they were measured, and with what."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        **({"accelerator": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}),
        "load before": f"{load():.1f}",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def load() -> float:
    """How many programs wanted to run in the last minute, on average: 0 on a quiet machine."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def busy() -> bool:
    """Whether the machine has so much other work that no time measured on it is worth keeping."""
    return load() > (os.cpu_count() or 1) / 2


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    facts = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    if "model name" not in facts:
        return platform.processor() or platform.machine()
    return f"{facts['model name']} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')})"


def write(name: str, values: object, lines: list[str]) -> None:
    """Write results as JSON, and as the table that the site includes."""
    RESULTS.mkdir(exist_ok=True)
    with written_whole(RESULTS / f"{name}.json") as partial:
        partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    with written_whole(RESULTS / f"{name}.rst") as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def told(where: dict[str, str]) -> str:
    """When and where something was measured, as a sentence.

    >>> told({"date": "2026-01-01", "threads": "2", "python": "3.11"})
    'Measured on 2026-01-01: threads 2, python 3.11.'
    """
    rest = ", ".join(f"{name} {value}" for name, value in where.items() if name != "date")
    return f"Measured on {where['date']}: {rest}."
