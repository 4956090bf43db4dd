"""Every page keeps the gallery's form, and the site notices what makes a page stale."""

import ast
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mnist_lab as lab

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "examples").glob("*/plot_*.py"))


def test_there_are_pages() -> None:
    assert PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_keeps_the_form(page: Path) -> None:
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


@pytest.fixture
def extensions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    yield
    for name in ("freshness", "answers"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("extensions")
def test_pages_are_stale_when_the_library_or_the_data_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bar_dataset: lab.Dataset
) -> None:
    import freshness  # type: ignore[import-not-found]

    app: Any = SimpleNamespace(srcdir=tmp_path)
    memory = tmp_path / "auto_examples" / "1_classification" / "plot_1_1.py.md5"

    def stale() -> bool:
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text("known")
        freshness.forget_stale_pages(app)
        return not memory.exists()

    monkeypatch.setattr(lab, "load_dataset", lambda: bar_dataset)
    assert stale(), "nothing is known of an earlier build"
    assert not stale(), "nothing changed"
    library = tmp_path / "mnist_lab"
    shutil.copytree(ROOT / "mnist_lab", library)
    monkeypatch.setattr(lab, "__file__", str(library / "__init__.py"))
    assert not stale(), "the same library elsewhere"
    (library / "model.py").write_text("# changed\n")
    assert stale(), "a module changed"
    assert not stale()
    monkeypatch.setattr(lab, "load_dataset", lambda: lab.Dataset("other", *bar_dataset.splits().values()))
    assert stale(), "the data changed"
    versions = freshness.version
    monkeypatch.setattr(freshness, "version", lambda name: "0" if name == "torch" else versions(name))
    assert stale(), "torch changed"
    assert not stale()


@pytest.mark.usefixtures("extensions")
def test_a_build_without_data_says_how_to_supply_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import freshness
    from sphinx.errors import ConfigError

    monkeypatch.setenv("MNIST_LAB_DATA", str(tmp_path))
    with pytest.raises(ConfigError, match=r"without the data\. MNIST_LAB_DATA=.* does not hold MNIST.*To supply MNIST"):
        freshness.forget_stale_pages(SimpleNamespace(srcdir=tmp_path))
    assert not (tmp_path / "auto_examples").exists()


@pytest.mark.usefixtures("extensions")
def test_a_page_is_recognized_by_its_question() -> None:
    import answers  # type: ignore[import-not-found]

    assert answers.question_of(Path("plot_1_1_training_curves.py")) == "1.1"
    assert answers.question_of(Path("plot_3_1_2_confidence.py")) == "3.1.2"
    with pytest.raises(ValueError, match="expected a name such as"):
        answers.question_of(Path("plot_curves.py"))


def imported(source: str) -> set[str]:
    """The top-level names of the modules that a page imports, in either form."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    parts = ["." * node.level + (node.module or "") for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in plain + parts}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_imports_nothing_but_what_is_installed(page: Path) -> None:
    """A downloaded notebook runs alone: no helper file lies beside it."""
    third_party = {"mnist_lab", "torch", "torchvision", "numpy", "matplotlib", "scipy"}
    assert imported(page.read_text(encoding="utf-8")) <= third_party | sys.stdlib_module_names


def test_a_helper_would_be_noticed() -> None:
    assert imported("import helper\nfrom other.part import x\nfrom . import y") == {"helper", "other", ""}


def test_answers_of_the_report_are_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_LAB_ANSWERS", str(tmp_path))
    lab.report.answer("1.4", "ü and 2 × 2")
    assert json.loads((tmp_path / "1.4.json").read_text(encoding="utf-8"))["text"] == "ü and 2 × 2"
