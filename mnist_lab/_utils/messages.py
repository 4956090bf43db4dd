"""Messages and progress: a logger named ``mnist_lab``, warnings that point at the caller, bars by tqdm.

Messages reach standard error unless the program configures logging itself. Then they go where it says.
"""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TextIO

REPORT_VARIABLE = "MNIST_LAB_REPORT"
PACKAGE = str(Path(__file__).parent.parent) + os.sep

log = logging.getLogger("mnist_lab")


def stream() -> TextIO | None:
    """Standard error, or None where a program has none. While a report is built, the real one: pages capture theirs."""
    return sys.__stderr__ if os.environ.get(REPORT_VARIABLE) and sys.__stderr__ is not None else sys.stderr


def printable(text: str, target: TextIO) -> str:
    r"""A text with escapes for the characters that a stream cannot encode.

    >>> import io
    >>> print(printable("3 × 3", io.TextIOWrapper(io.BytesIO(), encoding="ascii")))
    3 \xd7 3
    """
    encoding = getattr(target, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


class _StandardError(logging.Handler):
    """Write messages to standard error, above the bars on a terminal, unless the program has handlers of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        target = stream()
        if target is None or logging.getLogger().hasHandlers():
            return
        text = printable(self.format(record), target)
        with suppress(OSError, ValueError):  # a stream that is closed, or whose reader has gone, must stop no program
            if target.isatty():
                from tqdm import tqdm  # noqa: PLC0415 - needed on a terminal alone

                tqdm.write(text, file=target)
            else:
                target.write(f"{text}\n")
                target.flush()


if not log.handlers:
    _handler = _StandardError()
    _handler.setFormatter(logging.Formatter("mnist_lab: %(message)s"))
    log.addHandler(_handler)
    log.setLevel(logging.INFO)


def warn(text: str, category: type[Warning]) -> None:
    """Warn, with the place in the caller's code from which the library was called."""
    frame, level = sys._getframe(1), 2  # level 1 is this function
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)


class Bar(Protocol):
    """What a piece of long work reports."""

    def step(self, count: int = 1) -> None:
        """So many steps are done."""

    def line(self, text: str) -> None:
        """Log a message under the bar's title."""


@contextmanager
def progress(total: int | None, title: str, *, shown: bool = True, unit: str = "step") -> Iterator[Bar]:
    """Show how far a piece of work of `total` steps has come.

    On a terminal a bar shows the steps. Elsewhere (a log, a notebook, a report's build) only the lines appear, as
    messages of the logger.

    Parameters
    ----------
    total
        Number of steps; None where it is not known.
    title
        What is being done.
    shown
        False shows nothing.
    unit
        What one step is; ``"B"`` for bytes, which are shown as thousands and millions.

    Examples
    --------
    >>> with progress(2, "counting", shown=False) as bar:
    ...     bar.step()
    ...     bar.line("one")
    """
    target = stream()
    if not shown or target is None or not target.isatty() or os.environ.get(REPORT_VARIABLE):
        yield _Lines(title if shown else None)
        return
    from tqdm import tqdm  # noqa: PLC0415 - needed on a terminal alone

    with tqdm(
        total=total, desc=title, unit=unit, unit_scale=unit == "B", file=target, leave=False, dynamic_ncols=True
    ) as bar:
        yield _Terminal(bar, title)


class _Lines:
    """Lines alone; none without a title."""

    def __init__(self, title: str | None) -> None:
        self._title = title

    def step(self, count: int = 1) -> None:
        """Show nothing."""

    def line(self, text: str) -> None:
        """Log a message."""
        if self._title is not None:
            log.info("%s: %s", self._title, text)


class _Terminal(_Lines):
    """A bar, with the lines above it."""

    def __init__(self, bar: Any, title: str) -> None:  # tqdm publishes no types
        super().__init__(title)
        self._bar = bar

    def step(self, count: int = 1) -> None:
        """Advance the bar."""
        self._bar.update(count)
