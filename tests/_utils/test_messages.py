"""Messages, warnings and progress on every kind of standard error."""

import io
import logging
import os
import subprocess
import sys
import time
import warnings

import pytest
import torch

import mnist_lab as lab
from mnist_lab._utils.messages import log, printable, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that does not configure logging, as pytest does."""
    monkeypatch.setattr(logging.getLogger(), "hasHandlers", lambda: False)


def redirected(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO) -> io.StringIO:
    """Make a stream standard error. pytest sets its own between a fixture and its test, so a fixture cannot."""
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


@pytest.mark.usefixtures("unconfigured")
def test_progress_is_a_bar_on_a_terminal_with_the_lines_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = redirected(monkeypatch, Terminal())
    with progress(3, "counting") as bar:
        bar.step()
        bar.line("number 1")
        time.sleep(0.2)  # a bar is drawn at most ten times per second
        bar.step(2)
    assert "mnist_lab: counting: number 1\n" in terminal.getvalue()
    assert "counting:  33%" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r"), "the finished bar is wiped away"


@pytest.mark.usefixtures("unconfigured")
def test_progress_is_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = redirected(monkeypatch, io.StringIO())
    with progress(2, "counting") as bar:
        bar.step()
        bar.line("one")
    with progress(2, "hidden", shown=False) as bar:
        bar.line("one")
    assert stderr.getvalue() == "mnist_lab: counting: one\n"


@pytest.mark.usefixtures("unconfigured")
def test_messages_bypass_the_page_while_a_report_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report captures the standard error of a page and shows it there. No message belongs on a page."""
    captured, real = redirected(monkeypatch, Terminal()), Terminal()
    monkeypatch.setenv("MNIST_LAB_REPORT", "1")
    monkeypatch.setattr(sys, "__stderr__", real)
    with progress(1, "counting") as bar:
        bar.step()
        bar.line("one")
    assert captured.getvalue() == ""
    assert real.getvalue().replace("\r", "").strip() == "mnist_lab: counting: one", "a line, and no bar"


@pytest.mark.usefixtures("unconfigured")
def test_characters_that_standard_error_cannot_encode_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding="ascii"))
    log.warning("3×3")
    assert written.getvalue() == b"mnist_lab: 3\\xd73\n"


@pytest.mark.usefixtures("unconfigured")
def test_a_closed_standard_error_does_not_stop_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    redirected(monkeypatch, io.StringIO()).close()
    log.warning("lost")


@pytest.mark.parametrize("environment", [{}, {"MNIST_LAB_REPORT": "1"}])
def test_a_program_without_standard_streams_works(environment: dict[str, str]) -> None:
    code = """
import sys
sys.stdout = sys.stderr = sys.__stderr__ = None
import mnist_lab as lab
from mnist_lab._utils.messages import log, progress, warn
log.warning("lost")
warn("lost", UserWarning)
with progress(2, "counting") as bar:
    bar.step()
    bar.line("lost")
lab.report.answer("1.1", "lost")
"""
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=os.environ | environment)
    assert (run.stdout, run.stderr) == (b"", b"")


def test_a_program_that_configures_logging_gets_each_message_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stderr = redirected(monkeypatch, io.StringIO())
    log.warning("once")
    assert caplog.messages == ["once"]
    assert stderr.getvalue() == ""
    with caplog.at_level(logging.ERROR, logger="mnist_lab"):
        log.warning("silenced")
    assert caplog.messages == ["once"]


def test_a_warning_points_at_the_line_that_called_the_library() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lab.DigitCNN().probabilities(torch.full((1, 1, 28, 28), 0.5))
        line = sys._getframe().f_lineno - 1
    assert [(warning.filename, warning.lineno) for warning in caught] == [(__file__, line)]


@pytest.mark.parametrize(("encoding", "expected"), [("ascii", r"a \xd7 \ud800"), ("utf-8", r"a × \ud800")])
def test_a_text_is_printable_in_any_encoding(encoding: str, expected: str) -> None:
    assert printable("a × \ud800", io.TextIOWrapper(io.BytesIO(), encoding=encoding)) == expected
    assert printable("a ×", io.StringIO()) == "a ×"
