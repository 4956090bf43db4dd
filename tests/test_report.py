"""Answers are printed on every kind of standard output, and collected for the report."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mnist_lab as lab
from mnist_lab import report

TEXT = "3×3 filters → größer"


def collected(folder: Path, question: str) -> object:
    return json.loads((folder / f"{question}.json").read_text(encoding="utf-8"))


def test_an_answer_is_printed_and_kept_for_the_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bar_dataset: lab.Dataset
) -> None:
    monkeypatch.setenv("MNIST_LAB_ANSWERS", str(tmp_path / "answers"))
    report.answer("3.1.2", "A first line\n   and a second.", dataset=bar_dataset)
    text = "A first line and a second. (Measured on bars digits, not on MNIST.)"
    assert " ".join(capsys.readouterr().out.split()) == f"Answer to 3.1.2: {text}"
    assert collected(tmp_path / "answers", "3.1.2") == {"question": "3.1.2", "text": text, "dataset": "bars"}


def test_bad_arguments_are_named() -> None:
    for question, text in (("three", "text"), ("1.1", "  "), ("../1.1", "text"), ("1", "text"), ("1.1\n", "text")):
        with pytest.raises(
            ValueError, match=r"^(question: expected a number such as '1\.4'|text: expected a string that is not blank)"
        ):
            report.answer(question, text)


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1251", "utf-8"])
def test_an_answer_is_printed_in_any_encoding(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_LAB_ANSWERS", str(tmp_path))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding, write_through=True))
    report.answer("2.1", TEXT)
    printed = written.getvalue().decode(encoding)
    assert printed.startswith("Answer to 2.1: 3")
    assert printed.rstrip() == f"Answer to 2.1: {TEXT}".encode(encoding, "backslashreplace").decode(encoding)
    assert collected(tmp_path, "2.1") == {"question": "2.1", "text": TEXT, "dataset": None}


def test_an_answer_needs_no_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_LAB_ANSWERS", str(tmp_path))
    monkeypatch.setattr(sys, "stdout", None)
    report.answer("2.1", TEXT)
    assert collected(tmp_path, "2.1") == {"question": "2.1", "text": TEXT, "dataset": None}


def test_a_program_with_ascii_output_prints_its_answer() -> None:
    run = subprocess.run(
        [sys.executable, "-c", f"import mnist_lab as lab; lab.report.answer('2.1', {TEXT!a})"],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert run.stdout.decode("ascii").rstrip() == r"Answer to 2.1: 3\xd73 filters \u2192 gr\xf6\xdfer"
