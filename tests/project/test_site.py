"""The site's own extensions: when a page is stale, the answers, the record of the build, repairs of the HTML."""

import doctest
import hashlib
import importlib
import io
import json
import posixpath
import re
import runpy
import shutil
import sys
import tomllib
import zlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from docutils.utils.math import MathError
from matplotlib import pyplot as plt
from sphinx.util.inventory import InventoryFile

import mnist_lab as lab
from mnist_lab.training import zoo

ROOT = Path(__file__).resolve().parent.parent.parent


CONFIG = SimpleNamespace(sphinx_gallery_conf={"parallel": 2, "plot_gallery": True})


@pytest.fixture
def extensions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    yield
    for path in (ROOT / "docs" / "_ext").glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.usefixtures("extensions")
def test_pages_are_stale_when_the_library_or_the_data_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bar_dataset: lab.Dataset
) -> None:
    import freshness

    app: Any = SimpleNamespace(srcdir=tmp_path, config=CONFIG)
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
    (library / "live" / "engine.js").write_text("")
    assert not stale(), "no page's result depends on what runs in browsers"
    monkeypatch.setattr(lab, "load_dataset", lambda: lab.Dataset("other", *bar_dataset.splits().values()))
    assert stale(), "the data changed"
    monkeypatch.setattr("freshness.version", lambda name: "0" if name == "torch" else version(name))
    assert stale(), "torch changed"
    assert not stale()


@pytest.mark.usefixtures("extensions")
def test_a_build_installs_every_package_whose_version_it_records() -> None:
    import project as site

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked_for = {re.split(r"\W*[<>=]", line)[0] for line in project["dependencies"]}
    asked_for |= {re.split(r"\W*[<>=]", line)[0] for line in project["optional-dependencies"]["docs"]}
    assert {*site.PACKAGES, "sphinx", "sphinx-gallery"} <= asked_for


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
def test_the_page_that_reads_a_picture_runs_again_for_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For another name, and for another content under the same name; the other pages do not run."""
    import freshness
    import project

    monkeypatch.delenv(project.PICTURE, raising=False)
    app: Any = SimpleNamespace(srcdir=tmp_path)
    folder, picture = tmp_path / "auto_examples" / "4", tmp_path / "mine.jpg"
    folder.mkdir(parents=True)
    (folder / "plot_4_4_a.py").write_text(f"os.environ.get({project.PICTURE!r})")
    (folder / "plot_4_3_b.py").write_text("os.environ")

    def run() -> bool:
        """Whether the page has to run; afterwards it has."""
        freshness.forget_other_picture(app)
        checksum = folder / "plot_4_4_a.py.md5"
        stale = not checksum.exists()
        checksum.touch()
        return stale

    (folder / "plot_4_3_b.py.md5").touch()
    assert [run(), run()] == [True, False]
    for content in (b"one", b"two"):
        picture.write_bytes(content)
        monkeypatch.setenv(project.PICTURE, str(picture))
        assert [run(), run()] == [True, False]
    monkeypatch.delenv(project.PICTURE)
    assert [run(), run()] == [True, False]
    assert (folder / "plot_4_3_b.py.md5").exists()


@pytest.mark.usefixtures("extensions")
def test_a_build_without_data_says_how_to_supply_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import freshness
    from sphinx.errors import ConfigError

    monkeypatch.setenv("MNIST_LAB_DATA", str(tmp_path))
    app: Any = SimpleNamespace(srcdir=tmp_path, config=CONFIG)
    with pytest.raises(
        ConfigError, match=r"without the data\. MNIST_LAB_DATA: expected a folder that holds MNIST.*To supply"
    ):
        freshness.forget_stale_pages(app)
    assert not (tmp_path / "auto_examples").exists()


@pytest.mark.usefixtures("extensions")
def test_a_build_says_what_will_run_and_trains_the_networks_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import plan
    import project

    said, trained, ran = list[str](), list[bool](), list[list[str]]()
    monkeypatch.setattr(plan, "SECONDS", {"1.1": 110})
    monkeypatch.setattr(project, "seconds_of_training", lambda: 600.0)
    monkeypatch.setattr(project, "train_networks", lambda: trained.append(True))
    monkeypatch.setattr(plan.logger, "info", lambda text, *values: said.append(text % values))
    monkeypatch.setattr(plan, "run_side_by_side", lambda _, scripts: ran.append([path.stem for path in scripts]))
    for name in ("plot_1_1_curves", "plot_1_4_counts"):
        (script := tmp_path / "examples" / "1_part" / f"{name}.py").parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f'"""\n{name}\n====\n"""\n')
    config = SimpleNamespace(sphinx_gallery_conf=dict(CONFIG.sphinx_gallery_conf))
    app: Any = SimpleNamespace(srcdir=tmp_path / "docs", config=config)
    plan.prepare(app)
    assert said == [
        "2 pages run in this build, which may take 6 min on 2 cores:",
        "    5 min  networks that several pages load, trained side by side",
        "    2 min  plot_1_1_curves",
        "      5 s  plot_1_4_counts",
    ]
    assert trained == [True]
    assert ran == [["plot_1_1_curves", "plot_1_4_counts"]]
    kept = tmp_path / "docs" / "auto_examples" / "1_part"
    kept.mkdir(parents=True)
    for script in (tmp_path / "examples" / "1_part").iterdir():
        (kept / f"{script.name}.md5").write_text(hashlib.md5(script.read_bytes()).hexdigest())
    plan.prepare(app)
    assert len(said) == 4, "nothing runs in this build"
    assert config.sphinx_gallery_conf["parallel"] is False, "no processes are started"
    assert trained == [True]
    assert len(ran) == 1


@pytest.mark.usefixtures("extensions")
def test_the_networks_of_a_build_are_those_that_its_pages_load(
    monkeypatch: pytest.MonkeyPatch, bar_dataset: lab.Dataset, own_cache: Path
) -> None:
    import project

    monkeypatch.setattr(lab, "load_dataset", lambda _="auto": bar_dataset)
    orders = project.networks()
    assert {(name, recipe.seed) for name, recipe, _ in orders if recipe == lab.Recipe.standard(recipe.seed)} == {
        (name, seed) for name in ("plain", "batch_norm") for seed in range(5)
    }
    assert {(name, recipe) for name, recipe, _ in orders} >= {
        ("plain", lab.Recipe.accurate()),
        ("robust", lab.Recipe.robust()),
    }
    everything = project.seconds_of_training()
    kept = own_cache / "networks" / zoo._file("plain", 2, lab.Recipe.standard(2), bar_dataset)
    kept.parent.mkdir(parents=True)
    kept.touch()
    seconds = {"float32": 16.0, "bfloat16": 12.0}[lab.Recipe.standard().precision]
    assert everything - project.seconds_of_training() == seconds * lab.Recipe().epochs


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
    record.write(tmp_path / "auto_examples", name, "0123", 2)
    app: Any = SimpleNamespace(srcdir=tmp_path, config=CONFIG)
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
@pytest.mark.parametrize("name", ["accessible", "figures", "formulas", "notebook_cells", "pages", "plan", "references"])
def test_the_examples_of_an_extension_run(name: str) -> None:
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted
    assert not failed
    plt.close("all")


@pytest.mark.usefixtures("extensions")
def test_the_html_of_the_gallery_is_repaired() -> None:
    import accessible

    rest = "\n  .. list-table::\n"
    raw = "  .. raw:: html\n\n    <script src='https://cdn.datatables.net/x'>\n    </script>\n"
    assert accessible.without_foreign_parts(f".. container::\n\n{raw}{rest}") == f".. container::\n\n{rest}"


@pytest.mark.usefixtures("extensions")
@pytest.mark.parametrize(
    ("after", "found_after"),
    [
        ("", []),
        ("\n", []),
        ("2 of 3\n  4 of 5\n", [("text", "2 of 3\n  4 of 5")]),
        ("What is seen: No more.\n", [("reading", "No more.")]),
    ],
)
def test_a_reading_is_found_in_what_a_cell_printed(
    after: str,
    found_after: list[tuple[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import pages

    monkeypatch.setenv("MNIST_LAB_ANSWERS", str(tmp_path))
    text = "A well-known error - falls from 50% to 8%; " * 9 + "so it is."
    print("first\n\n  second")  # noqa: T201
    lab.report.reading(text)
    lab.report.answer("1.2.3", text)
    print(after, end="")  # noqa: T201
    found = pages.pieces(capsys.readouterr().out)
    assert found == [("text", "first\n\n  second"), ("reading", text), ("answer", text), *found_after]


@pytest.mark.usefixtures("extensions")
def test_only_cells_that_word_a_sentence_are_folded() -> None:
    import pages

    assert pages.is_wording("total = 3\nlab.report.reading(f'{total} of 4')")
    assert pages.is_wording("lab.report.answer('1.1', 'Yes.')")
    assert not pages.is_wording("print('the answer')")
    assert pages.only_shows("\nlab.plotting.show()\n")
    assert not pages.only_shows("figure = draw()\nlab.plotting.show()")


SHOWN = {
    r"\frac{\partial \ell}{\partial x}": "∂ℓ∂x",
    r"\hat{c} = \arg\max_c z_c(x)": "cˆ=argmaxczc(x)",
    r"\lVert x - x_0 \rVert_2^2 + \frac{a}{b}": "‖x−x0‖22+ab",
    r"\beta \sum_{i=1}^{N} x_i'": "β∑i=1Nxi′",
    r"\mathrm{softmax}(z)_c \quad \text{for class } c \in \{0, \dots, 9\}": "softmax(z)cfor class c∈{0,…,9}",
    r"\left\lvert \frac{a}{b} \right\rvert": "|ab|",
    "a &= b \\\\ &< c": "a=b<c",
}


@pytest.mark.usefixtures("extensions")
@pytest.mark.parametrize(
    ("tex", "as_block"),
    [(tex, as_block) for tex in SHOWN for as_block in (True, False) if as_block or r"\\" not in tex],
)
def test_a_formula_is_mathml(tex: str, as_block: bool) -> None:
    import formulas

    tree = ElementTree.fromstring(formulas.mathml(tex, as_block=as_block))
    assert tree.tag == f"{{{formulas.NAMESPACE}}}math"
    assert tree.get("display") == ("block" if as_block else None)
    assert "".join(tree.itertext()).replace(formulas.APPLY, "").replace("\xa0", " ") == SHOWN[tex]


@pytest.mark.usefixtures("extensions")
def test_only_fences_around_their_own_content_grow() -> None:
    import formulas

    def growing(tex: str) -> list[bool]:
        tree = ElementTree.fromstring(formulas.mathml(tex))
        return [fence.get("stretchy") != "false" for fence in tree.iter() if fence.text in {"‖", "|"}]

    assert growing(r"\lVert x \rVert + \frac{a}{\lVert b \rVert}") == [False, False, True, True]
    assert growing(r"\left\lVert \frac{a}{b} \right\rVert_2 + \lvert c \rvert") == [True, True, False, False]


@pytest.mark.usefixtures("extensions")
@pytest.mark.parametrize("tex", [r"\unknown{x}", r"\frac12 x", "10^12", r"\operatorname*{max}_x", r"\frac{a}", "a}b"])
def test_a_formula_that_would_be_shown_wrong_is_an_error(tex: str) -> None:
    import formulas

    with pytest.raises(MathError):
        formulas.mathml(tex)


@pytest.mark.usefixtures("extensions")
def test_references_are_complete() -> None:
    import references

    entries = references.bibliography().entries
    assert len(entries) >= 23
    for key, entry in entries.items():
        author = entry.persons["author"][0].last_names[-1]
        assert key == author.lower() + entry.fields["year"]
        assert entry.fields["title"]
        venues = {"article": "journal", "inproceedings": "booktitle", "misc": "eprint", "techreport": "institution"}
        venue = venues[entry.type]
        assert entry.fields[venue], key
        if "eprint" in entry.fields:
            assert re.fullmatch(r"\d{4}\.\d{4,5}", entry.fields["eprint"])
    years = [references.plain_citation(key) for key in entries]
    assert len(set(years)) == len(years), "author and year tell the papers apart"


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "inventories").glob("*.inv")), ids=lambda path: path.stem)
def test_an_inventory_is_read_without_a_network(path: Path) -> None:
    with path.open("rb") as file:
        names = InventoryFile.load(file, "https://site", posixpath.join)
    assert all(kind.startswith("py:") for kind in names)
    known = {"python": "pathlib.Path", "torch": "torch.Tensor", "matplotlib": "matplotlib.figure.Figure"}
    assert known[path.stem] in names["py:class"]
    lines = path.read_text(encoding="utf-8").splitlines()[3:]
    assert lines == sorted(set(lines))
    assert len(path.read_bytes()) < 70_000


def test_an_inventory_is_reduced_to_the_names_in_use() -> None:
    refresh = runpy.run_path(str(ROOT / "docs" / "inventories" / "refresh.py"))
    entries = [
        "torch py:module 0 torch.html#module-$ -",
        "torch.Tensor py:class 1 tensors.html#$ -",
        "torch.Tensor.mean py:method 1 generated/torch.Tensor.mean.html#$ -",
        "torch.Tensor.unused py:method 1 generated/torch.Tensor.unused.html#$ -",
        "torch.elsewhere py:function 1 torch.html#other -",
        "len py:function 1 library/functions.html#$ -",
        "torch-docs std:doc -1 index.html# PyTorch documentation",
    ]
    head = b"# Sphinx inventory version 2\n# Project: PyTorch\n# Version: 2.9\n# The rest is compressed using zlib.\n"
    whole = head + zlib.compress("\n".join(entries).encode())
    reduced = refresh["reduced"](whole, {"torch", "Tensor", "mean", "elsewhere", "len"})
    assert reduced.splitlines()[:3] == ["# Sphinx inventory version 1", "# Project: PyTorch", "# Version: 2.9"]
    load = InventoryFile.load
    kept, all_of_it = (load(io.BytesIO(text), "https://site", posixpath.join) for text in (reduced.encode(), whole))
    assert {(kind, name) for kind in kept for name in kept[kind]} == {
        ("py:module", "torch"),
        ("py:class", "torch.Tensor"),
        ("py:method", "torch.Tensor.mean"),
    }
    for kind in kept:
        for name, entry in kept[kind].items():
            assert entry == all_of_it[kind][name]
