"""Every page keeps the gallery's form."""

import ast
import re
import runpy
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
import torch

import mnist_lab as lab

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE_OF_THE_GUIDE = ROOT / "docs" / "guide" / "plot_5_1_ink.py"
PAGES = [*sorted((ROOT / "examples").glob("*/plot_*.py")), EXAMPLE_OF_THE_GUIDE]


def test_there_are_pages() -> None:
    assert PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_keeps_the_form(page: Path) -> None:
    assert re.fullmatch(r"plot_(\d+_)+\w+", page.stem), "a space in a page's name would break links"
    source = page.read_text(encoding="utf-8")
    tree = ast.parse(source)
    title, underline, blank, *promise = (ast.get_docstring(tree) or "").splitlines()
    number = ".".join(re.findall(r"\d+", page.stem.split("_", 1)[1])[: title.split()[0].count(".") + 1])
    assert title.startswith(f"{number} "), "the title begins with the number of the question"
    assert underline == "=" * len(title)
    assert not blank
    assert " ".join(promise).strip(), "a paragraph says what the reader will see"
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert calls.count("lab.report.answer") == 1
    assert source.rstrip().endswith("lab.plotting.show()")
    answer = next(
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "lab.report.answer"
    )
    assert ast.literal_eval(answer.args[0]) == number
    digits = [
        text.value
        for text in ast.walk(answer.args[1])
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and re.search(r"\d[.,]?\d", text.value)
    ]
    assert not digits, f"numbers in an answer are computed, not typed: {digits}"


def imported(source: str) -> set[str]:
    """The top-level names of the modules that a page imports, in either form."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    parts = ["." * node.level + (node.module or "") for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in plain + parts}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_imports_nothing_but_what_is_installed(page: Path) -> None:
    """A downloaded notebook runs alone: no helper file lies beside it."""
    third_party = {"mnist_lab", "torch", "numpy", "matplotlib", "scipy"}
    assert imported(page.read_text(encoding="utf-8")) <= third_party | sys.stdlib_module_names


def test_a_helper_would_be_noticed() -> None:
    assert imported("import helper\nfrom other.part import x\nfrom . import y") == {"helper", "other", ""}


def test_the_guide_shows_a_page_that_runs(
    bar_dataset: lab.Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    images, labels = bar_dataset.validation.images, bar_dataset.validation.labels
    mislabelled = lab.Split(images, torch.where(torch.arange(len(labels)) < 9, (labels + 1) % 10, labels))
    monkeypatch.setattr(
        lab, "load_dataset", lambda: lab.Dataset("bars", bar_dataset.train, mislabelled, bar_dataset.test)
    )
    assert mpl.get_backend().lower() == "agg"
    runpy.run_path(str(EXAMPLE_OF_THE_GUIDE))
    assert "Answer to 5.1: The 9 misread digits have" in capsys.readouterr().out
