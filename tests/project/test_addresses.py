"""What depends on the project's addresses follows from one setting, and is left out without it."""

import ast
import doctest
import importlib
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup

from tests.project.test_small_gallery import CONF_OF_PAGES, NEXT, PAGE, ROOT, Project, make

REPOSITORY = "https://github.com/Someone/project"
SITE = "https://someone.github.io/project/"
CONF = (
    CONF_OF_PAGES.replace('sphinx_gallery_conf["doc_module"] = ()', "")
    + f"""
extensions += ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "addresses", "whats_new"]
autosummary_generate = True
templates_path = [{str(ROOT / "docs" / "_templates")!r}]
names = ("release", "html_title", "html_theme", "html_theme_options", "html_baseurl", "html_show_sourcelink")
globals().update({{name: real[name] for name in names}})
html_theme_options |= {{"footer_end": [], "logo": {{}}}}
suppress_warnings += ["ref.python", "ref.ref"]
nitpick_ignore_regex = [("py:.*", ".*")]
"""
)
INDEX = """Site
====

What it is about.

.. autosummary::
   :toctree: api/generated

   mnist_lab.fit

.. citation::

.. toctree::

   auto_examples/index
   references
   whats_new
"""


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    for name in ("PROJECT_REPOSITORY", "READTHEDOCS_CANONICAL_URL"):
        monkeypatch.delenv(name, raising=False)
    yield importlib.import_module("addresses")
    for path in (ROOT / "docs" / "_ext").glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.usefixtures("addresses")
@pytest.mark.parametrize("name", ["addresses", "front", "whats_new"])
def test_the_examples_hold(name: str) -> None:
    failed, attempted = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert attempted
    assert not failed


def declare(monkeypatch: pytest.MonkeyPatch, *urls: str) -> None:
    """Let the package declare addresses, as ``[project.urls]`` does."""
    about = Message()
    for url in urls:
        about["Project-URL"] = url
    monkeypatch.setattr("addresses.metadata", lambda _name: about)


def test_addresses_are_those_of_the_package(addresses: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch)
    assert addresses.repository() is None
    assert addresses.site() is None
    declare(monkeypatch, f"Repository, {REPOSITORY}.git/")
    assert addresses.repository() == REPOSITORY
    assert addresses.site() == SITE.rstrip("/"), "a repository on GitHub has its site on GitHub Pages"
    declare(monkeypatch, "Source, https://example.org/project")
    assert addresses.repository() == "https://example.org/project"
    assert addresses.site() is None
    declare(monkeypatch, f"Repository, {REPOSITORY}", "Documentation, https://docs.example.org/")
    assert addresses.site() == "https://docs.example.org"
    monkeypatch.setenv("PROJECT_REPOSITORY", "https://github.com/fork/project")
    assert addresses.repository() == "https://github.com/fork/project"
    monkeypatch.setenv("READTHEDOCS_CANONICAL_URL", "https://project.example/en/latest/")
    assert addresses.site() == "https://project.example/en/latest"


def test_metadata_are_read_from_the_installed_package(addresses: ModuleType) -> None:
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"].get("urls", {})
    assert addresses.declared("repository") == urls.get("Repository")
    cited = re.search(r'^repository-code: "?(.*?)"?$', (ROOT / "CITATION.cff").read_text("utf-8"), flags=re.MULTILINE)
    assert (cited[1] if cited else None) == urls.get("Repository"), "CITATION.cff names the same address"


@pytest.mark.parametrize(
    ("page", "path"),
    [
        ("index", "docs/index.rst"),
        ("guide/data", "docs/guide/data.rst"),
        ("auto_examples/index", "examples/GALLERY_HEADER.rst"),
        ("auto_examples/1_classification/index", "examples/1_classification/GALLERY_HEADER.rst"),
        ("api/generated/mnist_lab.fit", "mnist_lab/training/loop.py"),
        ("api/generated/mnist_lab.Dataset", "mnist_lab/data/dataset.py"),
        ("genindex", None),
        ("search", None),
        ("auto_examples/sg_execution_times", None),
    ],
)
def test_a_page_knows_its_source(addresses: ModuleType, page: str, path: str | None) -> None:
    assert addresses.source_of(page, ROOT / "docs") == path
    # A wheel is tested without the library's sources.
    assert path is None or path.startswith("mnist_lab/") or (ROOT / path).is_file()


def test_every_page_of_the_gallery_knows_its_source(addresses: ModuleType) -> None:
    for script in sorted((ROOT / "examples").glob("*/plot_*.py")):
        page = f"auto_examples/{script.parent.name}/{script.stem}"
        assert addresses.source_of(page, ROOT / "docs") == script.relative_to(ROOT).as_posix()


def test_long_descriptions_end_with_a_word(addresses: ModuleType) -> None:
    text = addresses.description(f"<p>{'words and ' * 60}</p>")
    assert text.endswith(("words...", "and..."))
    assert len(text) <= addresses.WORDS


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make(tmp_path, CONF, plot_1_1_page=PAGE, plot_1_2_next=NEXT)
    docs = project.folder / "docs"
    for name in ("references.rst", "references.bib", "404.rst", "guide/whats_new.rst"):
        shutil.copy(ROOT / "docs" / name, docs)
    for name in ("CHANGELOG.md", "CITATION.cff"):
        shutil.copy(ROOT / name, project.folder)
    shutil.copytree(ROOT / "docs" / "inventories", docs / "inventories")
    (docs / "index.rst").write_text(INDEX, encoding="utf-8")
    (docs / "api").mkdir()
    (docs / "api" / "index.rst").write_text(":orphan:\n\nAPI\n===\n", encoding="utf-8")
    return project


def test_both_states_of_the_site(project: Project) -> None:
    """Built without an address, then with one, then without: each shows all of its own and nothing of the other."""
    paths = {
        "home": "index.html",
        "page": "auto_examples/1_part/plot_1_1_page.html",
        "entry": "api/generated/mnist_lab.fit.html",
        "lost": "404.html",
        "news": "whats_new.html",
    }
    html = project.folder / "docs" / "_build" / "html"

    def build(**environment: str) -> dict[str, BeautifulSoup]:
        built = project.build(**environment)
        assert built.returncode == 0, built.stderr
        return {name: BeautifulSoup((html / path).read_text("utf-8"), "html.parser") for name, path in paths.items()}

    def meta(page: BeautifulSoup) -> dict[str, str]:
        tags = page.select("meta[property], meta[name]")
        return {str(tag.get("property") or tag["name"]): str(tag["content"]) for tag in tags}

    notebook = project.folder / "docs/auto_examples/1_part/plot_1_1_page.ipynb"

    def without_address() -> None:
        shown = build(PROJECT_REPOSITORY="", READTHEDOCS_CANONICAL_URL="")
        for page in shown.values():
            assert not page.select("a[href*=github], a[href*=colab], a[href*=binder], link[rel=canonical], base")
            assert not [name for name in meta(page) if name.startswith(("og:", "twitter:"))]
            assert not page.select(".version-switcher__container")
        assert meta(shown["page"])["description"].startswith("Yes: the error falls to 20%.")
        assert not [name for name in ("sitemap.xml", "robots.txt", "versions.json") if (html / name).exists()]
        assert "%pip" not in notebook.read_text("utf-8")
        assert "url" not in shown["home"].select(".highlight-bibtex pre")[0].get_text()
        assert shown["news"].find("h2") is not None

    without_address()

    earlier = html / "v0.0.9"
    earlier.mkdir()
    (earlier / "index.html").write_text("<p>Earlier.</p>")
    shown = build(PROJECT_REPOSITORY=REPOSITORY, READTHEDOCS_CANONICAL_URL=SITE)
    card = meta(shown["page"])
    assert card["og:title"] == "1.1 A page"
    assert card["og:url"] == f"{SITE}{paths['page']}"
    assert card["og:image"].startswith(f"{SITE}_images/sphx_glr_plot_1_1_page_001")
    assert (html / card["og:image"].removeprefix(SITE)).is_file()
    assert card["og:description"] == card["description"]
    links = {link.get_text(strip=True): str(link["href"]) for link in shown["page"].select(".bd-sidebar-secondary a")}
    source = "examples/1_part/plot_1_1_page.py"
    assert links["View source"] == f"{REPOSITORY}/blob/main/{source}"
    assert links["Edit this page"] == f"{REPOSITORY}/edit/main/{source}"
    assert links["Open in Colab"].endswith("/blob/notebooks/1_part/plot_1_1_page.ipynb")
    assert links["Open in Binder"].startswith("https://mybinder.org/v2/gh/Someone/project/notebooks?")
    assert shown["entry"].select(f"a[href='{REPOSITORY}/blob/main/mnist_lab/training/loop.py']")
    assert shown["page"].select(f"link[rel=canonical][href='{card['og:url']}']")
    assert [base["href"] for base in shown["lost"].select("base")] == [SITE]
    assert not [name for name in meta(shown["lost"]) if name.startswith("og:")]
    assert REPOSITORY in shown["home"].select(".highlight-bibtex pre")[0].get_text()
    assert f"git+{REPOSITORY}" in notebook.read_text("utf-8")

    places = [place.text for place in ElementTree.parse(html / "sitemap.xml").getroot().iter() if place.text]
    pages = {place.removeprefix(SITE) for place in places if place.startswith(SITE)}
    assert {*paths.values()} - {"404.html"} <= pages
    assert "404.html" not in pages
    assert all((html / page).is_file() for page in pages)
    assert f"Sitemap: {SITE}sitemap.xml" in (html / "robots.txt").read_text("utf-8")
    versions = json.loads((html / "versions.json").read_text("utf-8"))
    assert [entry["url"] for entry in versions] == [SITE, f"{SITE}v0.0.9/"]
    assert shown["home"].select(".version-switcher__container")

    shutil.rmtree(earlier)
    without_address()


# Extensions that other projects copy

OUR_OWN = {"project", "contracts", "front", "overview", "live"}  # they know this library
EXTENSIONS = sorted((ROOT / "docs" / "_ext").glob("*.py"))


@pytest.mark.parametrize("path", EXTENSIONS, ids=lambda path: path.stem)
def test_an_extension_is_documented_and_does_not_import_the_library(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    imported = {
        name.split(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert ("mnist_lab" not in imported) or path.stem in OUR_OWN
    guide = (ROOT / "docs" / "guide" / "extensions.rst").read_text("utf-8")
    assert f"``{path.name}``" in guide
    row = guide.partition(f"   * - ``{path.name}``")[2].partition("   * - ``")[0]
    assert all(f"``{name}.py``" in row for name in imported & {path.stem for path in EXTENSIONS}), "what it needs"
    of_project = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "project":
            of_project |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "project":
            of_project.add(node.attr)
    named = row.partition("``project.py`` with ")[2].partition(";")[0]
    assert of_project == set(re.findall(r"``(\w+)``", named)), "what project.py must hold for it"


@pytest.mark.usefixtures("addresses")
@pytest.mark.parametrize("name", [path.stem for path in EXTENSIONS if path.stem not in {"overview", "live"}])
def test_an_extension_is_loaded_without_the_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mnist_lab", None)
    sys.modules.pop(name, None)
    assert importlib.import_module(name)
