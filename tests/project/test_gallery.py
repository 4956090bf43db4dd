"""Every page keeps the gallery's form."""

import ast
import re
import runpy
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from sphinx_gallery.py_source_parser import split_code_and_text_blocks

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


LINES = 10  # of code, in a cell


def cells(source: str) -> list[str]:
    """The code of each cell of a page, without its text."""
    parts = re.split(r"^# %%.*\n(?:#.*\n)*", source, flags=re.MULTILINE)
    return [part.strip() for part in parts[1:] if part.strip()]


def is_wording(cell: str) -> bool:
    """True if the cell words an answer or a reading; the site folds it away."""
    return re.search(r"\blab\.report\.(answer|reading)\(", cell) is not None


def lines_of_code(cell: str) -> int:
    """The lines of a cell, without imports, comments and blank lines."""
    imports = {
        line
        for node in ast.parse(cell).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = enumerate(cell.splitlines(), start=1)
    return sum(number not in imports and bool(line.split("#")[0].strip()) for number, line in lines)


def test_what_counts_as_a_line_of_code() -> None:
    cell = "from a import (\n    b,\n)\n\n# why\nc = [\n    b,\n]"
    assert cells(f'"""Title."""\n\n# %%\n# Heading\n# -------\n{cell}\n\n# %%\n# Text.\n') == [cell]
    assert lines_of_code(cell) == 3
    assert is_wording("d = 1\nlab.report.reading(f'{d}')")
    assert not is_wording("print('lab.report.answer')")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_teaches(page: Path) -> None:
    """A page has short cells, readings of its figures, a source, something to try, and a next page."""
    source = page.read_text(encoding="utf-8")
    long = {cell: lines_of_code(cell) for cell in cells(source) if not is_wording(cell) and lines_of_code(cell) > LINES}
    assert not long, "\n\n".join(f"{count} lines of code, of at most {LINES}:\n{cell}" for cell, count in long.items())
    assert "lab.report.reading(" in source, "a paragraph says what is seen in a figure"
    assert ":cite:" in source or ".. math::" in source, "a page names a paper, or shows the formula of its subject"
    for heading in ("Try it", "See also"):
        assert re.search(rf"^# {heading}\n# -{{{len(heading)}}}\n# \S", source, flags=re.MULTILINE), f"no {heading!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_settings_of_a_page_are_not_its_text(page: Path) -> None:
    """A comment directly below a cell's first line is text, which readers would see."""
    _, blocks = split_code_and_text_blocks(page)
    assert not [block.content for block in blocks if block.type == "text" and "sphinx_gallery_" in block.content]


def not_ascii(source: str) -> list[str]:
    """What the calls of print() in a page say in other characters than ASCII."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    prints = [call for call in calls if ast.unparse(call.func) == "print"]
    texts = [node.value for call in prints for node in ast.walk(call) if isinstance(node, ast.Constant)]
    return [text for text in texts if isinstance(text, str) and not text.isascii()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_prints_ascii(page: Path) -> None:
    """Redirected output in cp1251 or ascii would stop the script; answers and readings are escaped by the library."""
    assert not_ascii(page.read_text(encoding="utf-8")) == []
    assert not_ascii("print(f'{a} → {b}')") == [" → "]


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
