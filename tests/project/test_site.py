"""The site's own extensions: when a page is stale, the answers, the record of the build, repairs of the HTML."""

import doctest
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mnist_lab as lab

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def extensions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    yield
    for name in ("freshness", "answers", "record", "accessible"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("extensions")
def test_pages_are_stale_when_the_library_or_the_data_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bar_dataset: lab.Dataset
) -> None:
    import freshness

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
    shutil.copytree(Path(lab.__file__).parent, library)
    monkeypatch.setattr(lab, "__file__", str(library / "__init__.py"))
    assert not stale(), "the same library elsewhere"
    model, data = library / "model.py", library / "numbers.json"
    code = model.read_text(encoding="utf-8")
    model.write_text(code + "\n\n# A comment.\ndef added() -> int:\n    return 1  # one\n", encoding="utf-8")
    assert stale(), "code was added"
    model.write_text(code + '\n\ndef added() -> int:\n    """One."""\n    return 1\n', encoding="utf-8")
    assert not stale(), "only comments and docstrings changed"
    model.write_text(code + "\n\ndef added() -> int:\n    return 2\n", encoding="utf-8")
    assert stale(), "code changed"
    data.write_text("[1]")
    assert stale(), "a data file was added"
    data.write_text("[2]")
    assert stale(), "a data file changed"
    assert not stale()
    monkeypatch.setattr(lab, "load_dataset", lambda: lab.Dataset("other", *bar_dataset.splits().values()))
    assert stale(), "the data changed"
    monkeypatch.setattr("freshness.version", lambda name: "0" if name == "torch" else version(name))
    assert stale(), "torch changed"
    assert not stale()


@pytest.mark.usefixtures("extensions")
def test_a_build_installs_every_package_whose_version_it_records() -> None:
    import freshness
    import record

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked_for = {re.split(r"\W*[<>=]", line)[0] for line in project["dependencies"]}
    asked_for |= {re.split(r"\W*[<>=]", line)[0] for line in project["optional-dependencies"]["docs"]}
    assert {*freshness.PACKAGES, *record.PACKAGES} <= asked_for


@pytest.mark.usefixtures("extensions")
def test_before_a_page_runs_its_last_run_is_forgotten(tmp_path: Path) -> None:
    import freshness

    files = {
        name: tmp_path / "auto_examples" / name
        for page in ("1_1_a", "1_1_a_b")
        for name in (f"1/plot_{page}.py.md5", f"1/images/thumb/sphx_glr_plot_{page}_thumb.png", f"1/plot_{page}.rst")
    } | {name: tmp_path / "auto_examples" / "answers" / name for name in ("1.1.json", "1.2.json")}
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    freshness.forget_run({"src_dir": str(tmp_path)}, "plot_1_1_a.py", "after")
    assert all(path.exists() for path in files.values())
    freshness.forget_run({"src_dir": str(tmp_path)}, "plot_1_1_a.py", "before")
    gone = {name for name, path in files.items() if not path.exists()}
    assert gone == {"1/plot_1_1_a.py.md5", "1/images/thumb/sphx_glr_plot_1_1_a_thumb.png", "1.1.json"}


@pytest.mark.usefixtures("extensions")
def test_a_build_without_data_says_how_to_supply_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import freshness
    from sphinx.errors import ConfigError

    monkeypatch.setenv("MNIST_LAB_DATA", str(tmp_path))
    app: Any = SimpleNamespace(srcdir=tmp_path)
    with pytest.raises(
        ConfigError, match=r"without the data\. MNIST_LAB_DATA: expected a folder that holds MNIST.*To supply"
    ):
        freshness.forget_stale_pages(app)
    assert not (tmp_path / "auto_examples").exists()


@pytest.mark.usefixtures("extensions")
def test_a_page_is_recognized_by_its_question() -> None:
    import answers

    page = ROOT / "examples" / "1_classification" / "plot_1_1_training_curves.py"
    assert answers.question_of(page) == "1.1"
    assert answers.title_of(page).startswith("1.1 ")
    assert answers.question_of(Path("plot_3_1_2_confidence.py")) == "3.1.2"
    with pytest.raises(ValueError, match="expected a name such as"):
        answers.question_of(Path("plot_curves.py"))


@pytest.mark.usefixtures("extensions")
@pytest.mark.parametrize("name", ["mnist", "synthetic"])
def test_every_page_says_if_the_data_is_not_mnist(tmp_path: Path, name: str) -> None:
    import record

    (tmp_path / "auto_examples").mkdir()
    record.write(tmp_path / "auto_examples", name, "0123")
    app: Any = SimpleNamespace(srcdir=tmp_path)
    assert record.read(app)["versions"]["mnist_lab"]
    context: dict[str, Any] = {}
    record.on_every_page(app, "index", "page.html", context, None)
    assert context["build_record"]["checksum"] == "0123"
    assert ("Not MNIST" in context.get("theme_announcement", "")) == (name != "mnist")


def test_answers_of_the_report_are_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_LAB_ANSWERS", str(tmp_path))
    lab.report.answer("1.4", "ü and 2 × 2")
    assert json.loads((tmp_path / "1.4.json").read_text(encoding="utf-8"))["text"] == "ü and 2 × 2"


@pytest.mark.usefixtures("extensions")
def test_the_html_of_the_gallery_is_repaired() -> None:
    import accessible

    assert doctest.testmod(accessible) == doctest.TestResults(failed=0, attempted=5)
    rest = "\n  .. list-table::\n"
    raw = "  .. raw:: html\n\n    <script src='https://cdn.datatables.net/x'>\n    </script>\n"
    assert accessible.without_foreign_parts(f".. container::\n\n{raw}{rest}") == f".. container::\n\n{rest}"
