"""Figures are shown or saved wherever a script runs, and never lost."""

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

import mnist_lab as lab
from mnist_lab.plotting import display

SCRIPT = "from matplotlib import pyplot as plt\nimport mnist_lab as lab\nplt.plot([1, 2])\nlab.plotting.show()\n"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The backends with which ``plt.show()`` was called."""
    calls: list[str] = []
    monkeypatch.setattr(plt, "show", lambda: calls.append(mpl.get_backend()))
    return calls


def test_figures_are_saved_where_there_is_no_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mpl.get_backend().lower() == "agg"
    plt.figure()
    plt.figure()
    lab.plotting.show()
    saved = sorted((tmp_path / "figures").iterdir())
    assert len(saved) == 2
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in saved)
    assert capsys.readouterr().out == "".join(f"Figure saved: {path.relative_to(tmp_path)}\n" for path in saved)
    assert plt.get_fignums() == []


def test_the_report_collects_its_figures_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    monkeypatch.setenv("MNIST_LAB_REPORT", "1")
    plt.figure()
    lab.plotting.show(tmp_path / "figures")
    assert not (tmp_path / "figures").exists()
    assert shown == []
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "svg", "agg"])
def test_a_script_saves_its_figures_with_a_backend_that_cannot_show_them(tmp_path: Path, backend: str) -> None:
    """A script that a notebook starts inherits the notebook's backend."""
    script = tmp_path / "plot_ink.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "MPLBACKEND": backend}
    environment.pop("MNIST_LAB_REPORT", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"Figure saved: {Path('figures', 'plot_ink_1.png')}\n"
    assert (tmp_path / "figures" / "plot_ink_1.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("backend", "kernel", "shows"),
    [
        ("tkagg", False, True),
        ("TkAgg", True, True),
        ("module://matplotlib_inline.backend_inline", True, True),
        ("module://matplotlib_inline.backend_inline", False, False),
        ("nbagg", True, True),
        ("nbagg", False, False),
        ("pdf", True, False),
        ("agg", False, False),
    ],
)
def test_only_windows_and_notebooks_show_figures(
    backend: str, kernel: bool, shows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    shell = SimpleNamespace(kernel=object()) if kernel else None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(mpl, "get_backend", lambda: backend)
    plt.figure()
    lab.plotting.show(tmp_path / "figures")
    assert bool(shown) == shows
    assert (tmp_path / "figures").exists() == (not shows)


def test_a_folder_that_cannot_be_written_is_replaced_by_a_temporary_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "temporary").mkdir()
    (tmp_path / "figures").touch()  # a file, so that no folder of this name can be made, not even by root
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    plt.figure()
    plt.figure()
    lab.plotting.show(tmp_path / "figures")
    saved = sorted((tmp_path / "temporary").glob("figures_*/*.png"))
    assert len(saved) == 2
    assert capsys.readouterr().out == "".join(f"Figure saved: {path}\n" for path in saved)
    assert caplog.text.count("cannot be written") == 1


def test_a_disk_that_is_full_everywhere_is_told_and_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(display, "_write", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    plt.figure()
    lab.plotting.show(tmp_path / "figures")
    assert "the figures could not be saved: no space left on device" in caplog.text
    assert len(plt.get_fignums()) == 1  # not closed, since nobody has seen it


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1251", "utf-8"])
def test_where_figures_are_saved_is_printed_in_any_encoding(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    monkeypatch.setattr(sys, "stdout", stdout)
    plt.figure()
    lab.plotting.show(tmp_path / "Größe 図")
    assert isinstance(stdout.buffer, io.BytesIO)
    printed = stdout.buffer.getvalue().decode(encoding)
    assert printed.startswith("Figure saved: ")
    assert (r"\u56f3" in printed) == (encoding != "utf-8")
    assert len(list((tmp_path / "Größe 図").iterdir())) == 1


@pytest.mark.parametrize("closed", [False, True], ids=["none", "closed"])
def test_a_program_whose_output_nobody_reads_saves_its_figures(
    closed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = io.TextIOWrapper(io.BytesIO())
    stdout.close()
    monkeypatch.setattr(sys, "stdout", stdout if closed else None)
    plt.figure()
    plt.figure()
    lab.plotting.show(tmp_path / "figures")
    assert len(list((tmp_path / "figures").iterdir())) == 2
