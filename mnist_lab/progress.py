"""Progress on long work: a bar on a terminal, plain lines elsewhere, nothing in the report's pages."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

REPORT_VARIABLE = "MNIST_LAB_REPORT"


class Bar(Protocol):
    """What a piece of long work tells its onlooker."""

    def step(self, count: int = 1) -> None:
        """So many steps are done."""

    def line(self, text: str) -> None:
        """Something worth a line of its own."""


def stream() -> TextIO:
    """Where progress goes: standard error, and while a report is built the real one, past the page that runs."""
    if os.environ.get(REPORT_VARIABLE) and sys.__stderr__ is not None:
        return sys.__stderr__
    return sys.stderr


def notice(text: str) -> None:
    """Tell the user of a fault that was overcome: one line where progress goes, shown also where progress is not.

    It is no warning, since a report is built with warnings as errors.

    >>> notice("the cache is read-only")  # on standard error
    """
    target = stream()
    if target.isatty():
        from tqdm import tqdm  # noqa: PLC0415 - needed on a terminal alone

        tqdm.write(f"mnist_lab: {text}", file=target)  # above the bar, where there is one
    else:
        target.write(f"mnist_lab: {text}\n")
        target.flush()


@contextmanager
def progress(total: int | None, title: str, *, shown: bool = True, unit: str = "step") -> Iterator[Bar]:
    """Tell the user how far a piece of work of `total` steps has come.

    On a terminal a bar shows the steps, with the lines above it. Elsewhere (a log, a notebook, a report's build) only
    the lines appear, each with the title in front.

    Parameters
    ----------
    total
        How many steps there are; None where that is not known.
    title
        What is being done.
    shown
        False keeps silent.
    unit
        What one step is; ``"B"`` for bytes, which are shown as thousands and millions.

    Examples
    --------
    >>> with progress(2, "counting", shown=False) as bar:
    ...     bar.step()
    ...     bar.line("one")
    """
    target = stream()
    if not shown:
        yield _Silent()
    elif target.isatty() and not os.environ.get(REPORT_VARIABLE):
        from tqdm import tqdm  # noqa: PLC0415 - needed on a terminal alone

        with tqdm(
            total=total, desc=title, unit=unit, unit_scale=unit == "B", file=target, leave=False, dynamic_ncols=True
        ) as bar:
            yield _Terminal(bar, target)
    else:
        yield _Lines(title, target)


class _Silent:
    def step(self, count: int = 1) -> None:
        pass

    def line(self, text: str) -> None:
        pass


class _Terminal:
    def __init__(self, bar: Any, target: TextIO) -> None:  # tqdm publishes no types
        self._bar, self._target = bar, target

    def step(self, count: int = 1) -> None:
        self._bar.update(count)

    def line(self, text: str) -> None:
        self._bar.write(f"{self._bar.desc}: {text}", file=self._target)


class _Lines:
    def __init__(self, title: str, target: TextIO) -> None:
        self._title, self._target = title, target

    def step(self, count: int = 1) -> None:
        pass

    def line(self, text: str) -> None:
        self._target.write(f"{self._title}: {text}\n")
        self._target.flush()
