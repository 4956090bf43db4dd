import json
import os
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from publish import handin, notebooks, paper, pdf, programs
from publish.programs import PublishError

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def written(folder: Path, name: str, *cells: nbformat.NotebookNode) -> Path:
    path = folder / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def ran(code: str, text: str = "", *, figure: bool = False) -> nbformat.NotebookNode:
    """A cell with its outputs."""
    outputs = [new_output("stream", name="stdout", text=text)] if text else []
    outputs += [new_output("display_data", data={"image/png": PIXEL})] if figure else []
    cell: nbformat.NotebookNode = new_code_cell(code, execution_count=1, outputs=outputs)
    return cell


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, empty at first, that is all of the machine's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(folder: Path, name: str, script: str = "") -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


# The roll number


@pytest.mark.parametrize("text", ["EE21B001", "ee21b001", " Cs09d999 "])
def test_a_roll_number_is_written_in_capitals(text: str) -> None:
    assert handin.roll_number(text) == text.strip().upper()


@pytest.mark.parametrize(
    "text", ["", "EE21B01", "EE21B0011", "E21B001", "EE21B001/..", "EE2١B001", "../EE21B001", "éE21B001"]
)
def test_anything_else_is_no_roll_number(text: str) -> None:
    with pytest.raises(PublishError, match="expected a roll number such as EE21B001.*, got "):
        handin.roll_number(text)


# What is in the way is said before any work


def test_missing_tex_is_named_with_the_command_that_installs_it(bare: Path) -> None:
    with pytest.raises(PublishError, match=r"(?s)missing: xelatex, latexmk.*sudo apt-get install .* texlive-xetex "):
        programs.check_tex()
    for program in programs.TEX_PROGRAMS:
        install(bare, program)
    with pytest.raises(PublishError, match=r"(?s)missing: fvextra\.sty.*sudo apt-get install"):
        programs.check_tex()
    install(bare, "kpsewhich", "\n".join(f"echo /tex/{name}" for name in programs.TEX_FILES))
    programs.check_tex()


def test_a_missing_browser_is_named_with_the_command_that_installs_it(bare: Path) -> None:
    with pytest.raises(PublishError, match=r"(?s)Chromium, which is missing.*sudo apt-get install .* chromium "):
        programs.browser()
    install(bare, "google-chrome")
    assert programs.browser() == str(bare / "google-chrome")


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("arguments", [["EE21B"], ["EE21B001"], ["EE21B002"]])
def test_nothing_is_done_when_something_is_in_the_way(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "PA2_EE21B001.zip").write_text("mine")
    monkeypatch.setattr(pdf, "build", lambda: pytest.fail("work was begun"))
    with pytest.raises(SystemExit, match=r"^handin: (expected a roll number|.*exists already.*--force|the PDF needs)"):
        handin.main(arguments)
    assert (tmp_path / "PA2_EE21B001.zip").read_text() == "mine"


def test_an_existing_zip_is_replaced_only_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handin, "check_tex", lambda: None)
    monkeypatch.setattr(handin, "browser", lambda: "chromium")
    target = tmp_path / "PA2_EE21B001.zip"
    assert handin.check("EE21B001", tmp_path, force=False) == target
    target.write_text("mine")
    with pytest.raises(PublishError, match=r"PA2_EE21B001\.zip exists already.*--force"):
        handin.check("EE21B001", tmp_path, force=False)
    assert handin.check("EE21B001", tmp_path, force=True) == target
    target.unlink()
    target.mkdir()
    with pytest.raises(PublishError, match="move it away$"):
        handin.check("EE21B001", tmp_path, force=True)


def test_a_program_that_fails_shows_its_last_lines(bare: Path) -> None:
    install(bare, "fails", "i=0; while [ $i -lt 99 ]; do echo line $i; i=$((i+1)); done; echo at last >&2; exit 3")
    with pytest.raises(PublishError, match=r"(?s)fails failed with exit code 3.*line 98\nat last$") as error:
        programs.run([str(bare / "fails")], folder=bare)
    assert "line 60\n" not in str(error.value)
    assert programs.run([str(bare / "fails")], folder=bare, allowed=(3,)).endswith("at last\n")
    (bare / "hangs").symlink_to("/bin/sleep")
    with pytest.raises(PublishError, match="hangs did not finish within"):
        programs.run([str(bare / "hangs"), "60"], folder=bare, seconds=0.2)


# The zip


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Any]:
    executed = {
        page: written(tmp_path, page, ran("print(1)", "1\n"))
        for page in ("1_classification/plot_1_1_a", "2_visualization/plot_2_1_b")
    }
    files = {name: tmp_path / name for name in ("printed.pdf", "report.pdf", "mnist_lab-0.1.0-py3-none-any.whl")}
    for name, path in files.items():
        path.write_bytes(f"%PDF-1.7 {name}".encode())
    printed, report, wheel = files.values()
    return {"executed": executed, "printed": printed, "report": report, "wheel": wheel}


def test_the_zip_holds_notebooks_their_print_and_the_report(tmp_path: Path, parts: dict[str, Any]) -> None:
    target = tmp_path / "PA2_EE21B001.zip"
    handin.write(target, "EE21B001", **parts)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {
            "README.txt",
            "PA2_EE21B001_notebooks.pdf",
            "PA2_EE21B001_report.pdf",
            "mnist_lab-0.1.0-py3-none-any.whl",
            "notebooks/1_classification/plot_1_1_a.ipynb",
            "notebooks/2_visualization/plot_2_1_b.ipynb",
        }
        assert archive.read("PA2_EE21B001_report.pdf") == parts["report"].read_bytes()
        assert archive.read("PA2_EE21B001_notebooks.pdf") == parts["printed"].read_bytes()
        inside = nbformat.reads(archive.read("notebooks/1_classification/plot_1_1_a.ipynb").decode(), as_version=4)
        assert inside.cells[0].outputs[0].text == "1\n"
        assert "MNIST" not in archive.read("README.txt").decode()


def test_a_zip_is_written_whole_or_not_at_all(tmp_path: Path, parts: dict[str, Any]) -> None:
    target = tmp_path / "PA2_EE21B001.zip"
    parts["report"].unlink()
    with pytest.raises(FileNotFoundError):
        handin.write(target, "EE21B001", **parts)
    assert not target.exists()
    target.write_text("older")
    with pytest.raises(FileNotFoundError):
        handin.write(target, "EE21B001", **parts)
    assert target.read_text() == "older"
    assert not list(tmp_path.glob(".PA2*"))


def test_a_hand_in_on_synthetic_digits_says_so(tmp_path: Path, parts: dict[str, Any]) -> None:
    answers = tmp_path / "answers"
    answers.mkdir()
    for question, dataset in (("1.1", "mnist"), ("1.4", None)):
        (answers / f"{question}.json").write_text(json.dumps({"question": question, "text": "x", "dataset": dataset}))
    assert handin.synthetic(answers) == []
    (answers / "2.4.json").write_text(json.dumps({"question": "2.4", "text": "x", "dataset": "synthetic"}))
    assert handin.synthetic(answers) == ["2.4"]
    note = handin.notice(["2.4"])
    target = tmp_path / "PA2_EE21B001.zip"
    handin.write(target, "EE21B001", **parts, notes=[note])
    with zipfile.ZipFile(target) as archive:
        assert note in archive.read("README.txt").decode()
    assert "NOT MEASURED ON MNIST" in paper.as_html(parts["executed"], title="x", notes=[note])


def test_the_library_is_packed_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with zipfile.ZipFile(handin.build_wheel(tmp_path)) as wheel:
        assert {"mnist_lab/__init__.py", "mnist_lab/plotting/style.py"} <= set(wheel.namelist())


# Notebooks


def test_notebooks_run_as_a_reader_runs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the report's build do not reach them; figures are shown; when one fails, the others run."""
    monkeypatch.setenv("MNIST_LAB_REPORT", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("MNIST_LAB_CACHE", str(tmp_path))
    code = "from matplotlib import pyplot as plt\nimport mnist_lab as lab\nplt.plot([1, 2])\nlab.plotting.show()"
    sources = {
        "a/shows": written(tmp_path, "a/shows", new_code_cell(code)),
        "a/raises": written(tmp_path, "a/raises", new_code_cell("print('before')\n1 / 0")),
    }
    told: list[str] = []
    with pytest.raises(PublishError, match=r"(?s)a/raises: a cell failed.*1 / 0.*ZeroDivisionError") as error:
        notebooks.execute(sources, tmp_path / "out", report=told.append)
    assert "\x1b" not in str(error.value)
    assert [line.split(":")[0] for line in told] == ["a/shows"]
    assert not (tmp_path / "out" / "a" / "raises.ipynb").exists()
    shown = nbformat.read(tmp_path / "out" / "a" / "shows.ipynb", as_version=4)
    assert ["image/png" in output.data for output in shown.cells[0].outputs if "data" in output] == [True]
    assert os.environ["MNIST_LAB_REPORT"] == "1"


def test_a_notebook_runs_again_when_what_it_depends_on_changed(tmp_path: Path) -> None:
    source = {"a": written(tmp_path, "a", new_code_cell("1 + 1"))}
    told: list[str] = []

    def times_run(depends_on: str) -> int:
        told.clear()
        notebooks.execute(source, tmp_path / "out", depends_on=depends_on, report=told.append)
        return len(told)

    assert [times_run("x"), times_run("x"), times_run("y"), times_run("y")] == [1, 0, 1, 0]
    written(tmp_path, "a", new_code_cell("1 + 2"))
    assert [times_run("y"), times_run("y")] == [1, 0]


def test_a_notebook_without_its_answer_or_figure_is_noticed(tmp_path: Path) -> None:
    code = "figure = draw()\nlab.report.answer('1.4', 'x')"
    results = {
        "whole": written(tmp_path, "whole", ran(code, "Answer to 1.4: x\n", figure=True)),
        "blind": written(tmp_path, "blind", ran(code, "Answer to 1.4: x\n")),
        "mute": written(tmp_path, "mute", ran(code, "x", figure=True)),
        "plain": written(tmp_path, "plain", ran("print(1)", "1\n")),
    }
    assert notebooks.missing_outputs(results) == ["blind shows no figure", "mute states no answer"]


def test_a_site_without_notebooks_is_to_be_built_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "PAGES", tmp_path)
    with pytest.raises(PublishError, match="no notebook of .*plot_1_1.*: build the site first, tox -e docs"):
        notebooks.generated()
    for page in notebooks.pages():
        written(tmp_path, page, new_code_cell("1"))
    assert list(notebooks.generated()) == notebooks.pages()


# Print


def test_the_print_is_one_document_that_fetches_nothing(tmp_path: Path) -> None:
    pages = {
        page: written(tmp_path, page, new_markdown_cell(f"# {title}\nText"), ran("1", text, figure=True))
        for page, title, text in (("x/plot_a", "1.1 <First>", "few\n"), ("x/plot_b", "1.2 Second", "many\n" * 60))
    }
    text = paper.as_html(pages, title="PA2")
    assert '<a href="#plot_a">1.1 &lt;First&gt;</a>' in text
    assert '<section id="plot_b">' in text
    assert text.count("data:image/png;base64,") == 2
    assert text.count("output_text short") == 1, "only a short output stays on one page"
    assert "http" not in text
    assert "<script" not in text


# LaTeX


def test_latex_complains_of_what_a_reader_would_see() -> None:
    seen = [
        "Missing character: There is no ☃ (U+2603) in font texgyrepagella-regular.otf!",
        r"Overfull \hbox (17.2pt too wide) in paragraph at lines 91--94",
        "LaTeX Warning: Hyper reference `index:answers' on page 3 undefined on input line 9.",
    ]
    unseen = [
        r"Overfull \hbox (1.4pt too wide) in paragraph at lines 91--94",
        r"Underfull \vbox (badness 10000) has occurred while \output is active",
        "LaTeX Warning: Label(s) may have changed.",
    ]
    assert pdf.complaints("\n".join(unseen)) == []
    assert pdf.complaints("\n".join([*seen, *unseen, *seen])) == seen


# Sphinx's side of it


@pytest.fixture
def extensions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(programs.ROOT / "docs" / "_ext"))
    monkeypatch.delenv("PROJECT_REPOSITORY", raising=False)


@pytest.mark.usefixtures("extensions")
def test_the_pdf_is_offered_while_it_shows_the_same_run(tmp_path: Path) -> None:
    import report_pdf

    page = tmp_path / "auto_examples" / "1" / "plot_1.rst"
    page.parent.mkdir(parents=True)
    page.write_text("0.5")
    assert not report_pdf.is_current(tmp_path), "there is none"
    out = tmp_path / "_build"
    out.mkdir()
    (out / "mnist_lab.pdf").write_bytes(b"%PDF")
    assert not report_pdf.is_current(tmp_path), "of an unknown run"
    app: Any = SimpleNamespace(builder=SimpleNamespace(name="latex"), srcdir=tmp_path, outdir=out)
    report_pdf.write_run(app, None)
    assert report_pdf.is_current(tmp_path)

    site = tmp_path / "html"
    site.mkdir()
    app = SimpleNamespace(builder=SimpleNamespace(name="html"), srcdir=tmp_path, outdir=site)
    env: Any = SimpleNamespace(found_docs={"index", "other"}, report_pdf_places={"index": False, "gone": False})
    assert report_pdf.read_again(app, env, set(), set(), set()) == ["index"]
    report_pdf.copy_pdf(app, None)
    assert (site / "mnist_lab.pdf").read_bytes() == b"%PDF"

    page.write_text("0.6")
    assert not report_pdf.is_current(tmp_path), "the page ran again"
    assert report_pdf.read_again(app, env, set(), set(), set()) == []
    report_pdf.copy_pdf(app, None)
    assert not (site / "mnist_lab.pdf").exists()


@pytest.mark.usefixtures("extensions")
def test_the_install_cell_follows_the_address_and_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import notebook_cells

    text = "# Title\n\n:func:`mnist_lab.fit` and :py:class:`~torch.nn.Conv2d`"
    path = written(tmp_path / "auto_examples" / "1", "plot_1_1_a", new_markdown_cell(text), new_code_cell("1"))
    app: Any = SimpleNamespace(srcdir=tmp_path)

    def first() -> str:
        notebook_cells.mend_notebooks(app)
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        title, install, code = (str(cell.source) for cell in notebook.cells)
        assert (title, code) == ("# Title\n\n`mnist_lab.fit` and `Conv2d`", "1")
        return install

    monkeypatch.setattr("addresses.repository", lambda: None)
    assert "/path/to/checkout" in first()
    before = path.stat().st_mtime_ns
    assert "/path/to/checkout" in first()
    assert path.stat().st_mtime_ns == before, "nothing to write"
    monkeypatch.setattr("addresses.repository", lambda: "https://github.com/someone/mnist_lab")
    assert "git+https://github.com/someone/mnist_lab" in first()


def installed_by(cell: str) -> list[str]:
    """Run a notebook's cell with pip replaced, and return what it would install."""
    from IPython.core.inputtransformer2 import TransformerManager

    installed: list[str] = []

    def run_line_magic(name: str, line: str) -> None:
        assert (name, line) == ("pip", 'install --quiet "$source"')
        installed.append(str(names["source"]))

    names: dict[str, Any] = {"get_ipython": lambda: SimpleNamespace(run_line_magic=run_line_magic)}
    exec(TransformerManager().transform_cell(cell), names)
    return installed


@pytest.mark.usefixtures("extensions")
def test_the_first_cell_installs_the_library_from_its_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import notebook_cells

    cell = notebook_cells.install_cell("https://github.com/someone/mnist_lab")
    assert installed_by(cell) == [], "it is installed"
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    folder = tmp_path / "notebooks" / "1_classification"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert installed_by(cell) == ["git+https://github.com/someone/mnist_lab"]
    (tmp_path / "mnist_lab-0.1.0-py3-none-any.whl").touch()
    assert installed_by(cell) == ["../../mnist_lab-0.1.0-py3-none-any.whl"], "a hand-in brings its own"


@pytest.mark.usefixtures("extensions")
def test_without_an_address_the_first_cell_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The project does not own its name on any package index."""
    import notebook_cells

    cell = notebook_cells.install_cell(None)
    assert installed_by(cell) == []
    assert not re.search(r"^\s*[%!]", cell, flags=re.MULTILINE), "no command is run"
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install /path/to/checkout\).*pip install /path/to/.*whl"):
        installed_by(cell)


@pytest.mark.parametrize(
    "place",
    [
        ".ci/run",
        ".devcontainer/devcontainer.json",
        ".github/workflows/docs.yml",
        ".readthedocs.yaml",
        "docs/guide/install.rst",
    ],
)
def test_whoever_installs_tex_installs_what_is_asked_for(place: str) -> None:
    listed = set(re.findall(r"[\w-]+", (programs.ROOT / place).read_text(encoding="utf-8")))
    assert set(programs.TEX_PACKAGES) <= listed
