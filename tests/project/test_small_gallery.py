"""The site's configuration in a small Sphinx project of its own, in a folder with a space and non-ASCII letters."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parent.parent.parent
# Everything that these tests are about comes from the real configuration; what trains a network is left out.
CONF = f"""
import os
import runpy
from pathlib import Path

real = runpy.run_path({str(ROOT / "docs" / "conf.py")!r})
os.environ["MNIST_LAB_ANSWERS"] = str(Path(__file__).parent / "auto_examples" / "answers")
extensions = ["sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build"]
suppress_warnings = real["suppress_warnings"]
setup = real["setup"]
sphinx_gallery_conf = real["sphinx_gallery_conf"]
hooks = sphinx_gallery_conf["reset_modules"]
sphinx_gallery_conf["reset_modules"] = tuple(hook for hook in hooks if hook != "freshness.strict")
sphinx_gallery_conf["doc_module"] = ()
"""
CONF_OF_PAGES = (
    CONF
    + """
extensions += ["sphinx.ext.intersphinx", "pages", "formulas", "references", "accessible", "notebook_cells", "live"]
intersphinx_mapping = real["intersphinx_mapping"]
html_math_renderer = real["html_math_renderer"]
globals().update({name: value for name, value in real.items() if name.startswith("bibtex_")})
"""
)
FIGURE = """'''
1.1 A figure
============

A line.
'''

from matplotlib import pyplot as plt

plt.plot([0, 1])
"""
TEXT = """'''
1.2 Text
========

The data folder.
'''

import os

print("data in", os.environ.get("MNIST_LAB_DATA"))
with open("runs.txt", "a") as file:
    print("one run", file=file)
"""
PAGE = r"""'''
1.1 A page
==========

A promise.

.. math::

   C(x) = -z_t(x) + \\beta \\lVert x - x_0 \\rVert_2^2

The weight :math:`\\beta` is that of :cite:t:`carlini2017`, see also :cite:p:`simonyan2014`.
'''

# %%
# The curve
# ---------
# A sentence with :func:`torch.stack`.
import torch
from matplotlib import pyplot as plt

import mnist_lab as lab

errors = torch.tensor([0.5, 0.2])
figure, axes = plt.subplots()
axes.plot(errors)
axes.set(title='The "error" & more', xlabel="epoch", ylabel="misclassified")
print("a number: 5")

# %%
print("another number: 6")
lab.report.reading(f"The error falls to {errors[1]:.0%}, which is well-known. " + "It falls. " * 20)
print("a third number: 7")

# %%
figure = axes.get_figure()

# %%
# Your own digit
# --------------
# Draw it.
#
# .. live:: units

# %%
# Try it
# ------
# Change the line. See :doc:`plot_1_2_next`.

# %%
# The answer
# ----------
lab.report.answer("1.1", f"Yes: the error falls to {errors[1]:.0%}. " + "It falls. " * 20)

# %%

# sphinx_gallery_tags = ["filters", "a control"]
lab.plotting.show()
"""
NEXT = """'''
1.2 The next page
=================

A line.
'''

import mnist_lab as lab

lab.report.answer("1.2", "No.")
"""


@dataclass
class Project:
    """A Sphinx project with a gallery of two pages."""

    folder: Path

    @property
    def scripts(self) -> list[Path]:
        return sorted(self.folder.glob("examples/1_part/plot_*.py"))

    def build(self, builder: str = "html", **environment: str) -> subprocess.CompletedProcess[str]:
        """Build the site as `tox -e docs` does, or the files of the PDF."""
        command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-b", builder]
        command += ["docs", f"docs/_build/{builder}"]
        return subprocess.run(
            command, cwd=self.folder, env=os.environ | environment, capture_output=True, text=True, check=False
        )

    def published(self, pattern: str) -> dict[str, bytes]:
        """The files of the built site that match a pattern, by path."""
        site = self.folder / "docs" / "_build" / "html"
        return {path.relative_to(site).as_posix(): path.read_bytes() for path in sorted(site.glob(pattern))}

    def runs(self) -> int:
        """How often the page with text has run."""
        return len((self.folder / "examples" / "1_part" / "runs.txt").read_text().splitlines())


def make(folder: Path, conf: str, **scripts: str) -> Project:
    """Write the project."""
    site = "Site\n====\n\n.. toctree::\n\n   auto_examples/index\n"
    files = {
        "docs/conf.py": conf,
        "docs/index.rst": site,
        "examples/GALLERY_HEADER.rst": "Gallery\n=======\n",
        "examples/1_part/GALLERY_HEADER.rst": "Part\n----\n",
    } | {f"examples/1_part/{name}.py": text for name, text in scripts.items()}
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return Project(folder)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make(tmp_path / "größe und mehr", CONF, plot_1_1_figure=FIGURE, plot_1_2_text=TEXT)


def test_a_failed_build_leaves_no_trace(project: Project) -> None:
    """Build, break the pages, build, restore them, build: the site is the first one again."""
    first = project.build()
    assert first.returncode == 0, first.stderr
    pages, thumbnails = project.published("auto_examples/1_part/plot_*.html"), project.published("_images/*_thumb.*")
    assert len(pages) == len(thumbnails) == 2

    good = {script: script.read_bytes() for script in project.scripts}
    for script, content in good.items():
        script.write_bytes(content + b'\nraise RuntimeError("broken on purpose")\n')
    broken = project.build()
    assert broken.returncode != 0
    assert "broken on purpose" in broken.stderr
    assert all(b"broken on purpose" in page for page in project.published("auto_examples/1_part/plot_*.html").values())
    assert project.published("_images/*_thumb.*") != thumbnails
    assert project.runs() == 2

    for script, content in good.items():
        script.write_bytes(content)
    last = project.build()
    assert last.returncode == 0, last.stderr
    assert project.runs() == 3
    assert all(b"broken on purpose" not in page for page in project.published("**/*.html").values())
    assert project.published("_images/*_thumb.*") == thumbnails

    assert project.build().returncode == 0
    assert project.runs() == 3, "nothing changed, so nothing runs"


def test_pages_of_all_folders_run_once_and_the_longest_first(tmp_path: Path) -> None:
    """A page writes its number when it begins. The gallery shows them in order. A failed page fails the build."""
    conf = f"""{CONF}
extensions += ["plan"]
import plan
plan.SECONDS = {{"2.1": 60, "1.2": 30, "1.1": 2}}
plan.project.seconds_of_training = lambda: 0.0
plan.project.train_networks = lambda: None
sphinx_gallery_conf["parallel"] = 2
"""

    def page(number: str, pause: float) -> str:
        return (
            f"'''\n{number} Page\n========\n\nA line.\n'''\n\nimport time\n\n"
            f'with open("../order.txt", "a") as file:\n    print("{number}", file=file)\ntime.sleep({pause})\n'
        )

    project = make(tmp_path, conf, plot_1_1_short=page("1.1", 0), plot_1_2_long=page("1.2", 1))
    other = project.folder / "examples" / "2_part"
    other.mkdir()
    (other / "GALLERY_HEADER.rst").write_text("Other\n-----\n")
    (longest := other / "plot_2_1_longest.py").write_text(page("2.1", 2))
    built = project.build()
    assert built.returncode == 0, built.stderr
    order = project.folder / "examples" / "order.txt"
    begun = order.read_text().split()
    assert (set(begun[:2]), begun[2:]) == ({"2.1", "1.2"}, ["1.1"])
    (index,) = project.published("auto_examples/index.html").values()
    assert index.index(b"1.1 Page") < index.index(b"1.2 Page") < index.index(b"2.1 Page")

    longest.write_text(longest.read_text() + 'raise RuntimeError("broken on purpose")\n')
    broken = project.build()
    assert broken.returncode != 0
    assert "broken on purpose" in broken.stderr
    assert set(order.read_text().split()[3:]) == {"2.1"}


def test_a_relative_folder_is_relative_to_the_working_directory_of_the_build(project: Project) -> None:
    """Pages run in their own folders."""
    built = project.build(MNIST_LAB_DATA="../data")
    assert built.returncode == 0, built.stderr
    (page,) = project.published("auto_examples/1_part/plot_1_2_text.html").values()
    shown = page.decode().partition("data in ")[2].partition("<")[0].strip()
    assert os.path.normpath(shown) == str(project.folder.parent / "data")


def test_a_page_has_its_form(tmp_path: Path) -> None:
    project = make(tmp_path, CONF_OF_PAGES, plot_1_1_page=PAGE, plot_1_2_next=NEXT)
    docs = project.folder / "docs"
    for name in ("references.rst", "references.bib"):
        shutil.copy(ROOT / "docs" / name, docs)
    shutil.copytree(ROOT / "docs" / "inventories", docs / "inventories")
    (docs / "index.rst").write_text(
        (docs / "index.rst").read_text(encoding="utf-8") + "   references\n", encoding="utf-8"
    )
    built = project.build()
    assert built.returncode == 0, built.stderr

    (page,) = project.published("auto_examples/1_part/plot_1_1_page.html").values()
    content = BeautifulSoup(page, "html.parser").select_one("section")
    assert content is not None
    title, box, promise = content.find_all(recursive=False)[1:4]
    assert [title.name, promise.get_text()] == ["h1", "A promise."]
    assert box["class"] == ["answer", "admonition"]
    answer = "Yes: the error falls to 20%. " + "It falls. " * 20
    assert [part.get_text() for part in box.find_all("p")] == ["Answer", answer.strip()]
    headings = [heading.get_text().strip("¶#") for heading in content.find_all("h2")]
    assert headings == ["The curve", "Your own digit", "Try it"], "nothing is left below the heading of the answer"

    folds = content.find_all("details")
    for fold, of in zip(folds, ("answer", "sentence"), strict=True):
        assert fold.get_text().strip().startswith(f"How this {of} is computed")
        assert f"lab.report.{'answer' if of == 'answer' else 'reading'}" in fold.get_text()
        assert "open" not in fold.attrs
    for fold in folds:
        fold.extract()
    code = [block.get_text() for block in content.find_all("pre")]
    assert code[0].startswith("import torch")
    prints = ["a number: 5\n", "another number: 6\n", "a third number: 7\n"]
    assert code[1:] == [*prints, "figure = axes.get_figure()\n"], "the prints stay in order"
    reading = content.select_one("p.reading")
    assert reading is not None
    assert (
        reading.get_text()
        == "What is seen: The error falls to 20%, which is well-known. " + ("It falls. " * 20).strip()
    )
    image = content.select_one("img.sphx-glr-single-img")
    assert image is not None
    described = 'The "error" & more: misclassified against epoch.'
    assert image["alt"] == f"{described} The error falls to 20%, which is well-known."

    assert len(content.select("div.math > math[display=block]")) == 1
    assert len(content.select("span.math > math")) == 1
    assert b"mathjax" not in page.lower()
    assert "The weight β is that of Carlini and Wagner (2017), see also (Simonyan et al., 2014)." in content.get_text()
    links = {link.get_text(): str(link["href"]) for link in content.find_all("a")}
    assert links["2017"] == "../../references.html#carlini2017"
    assert links["torch.stack()"] == "https://docs.pytorch.org/docs/stable/generated/torch.stack.html#torch.stack"
    assert links["torch.tensor"].startswith("https://docs.pytorch.org")
    assert "errors" not in links, "a variable is not linked"

    (experiment,) = content.select("div.live[data-live=units]")
    assert (
        experiment.get_text().strip().startswith("An experiment for the web page, in a browser with JavaScript: draw")
    )
    scripts = [
        str(script["src"]).partition("?")[0] for script in BeautifulSoup(page, "html.parser").select("script[src]")
    ]
    assert "../../_static/live/widgets/units.js" in scripts
    assert "../../_static/live/widgets/maps.js" not in scripts
    (other,) = project.published("auto_examples/1_part/plot_1_2_next.html").values()
    assert b"_static/live" not in other

    notebook = (docs / "auto_examples/1_part/plot_1_1_page.ipynb").read_text(encoding="utf-8")
    assert "is that of Carlini and Wagner (2017), see also (Simonyan et al., 2014)." in notebook
    assert "See 1.2 The next page." in notebook
    assert "lab.report.answer(" in notebook
    assert "lab.report.reading(" in notebook
    assert "*An experiment for the web page, in a browser with JavaScript: draw a digit" in notebook
    assert ".. live::" not in notebook

    printed = project.build("latex")
    assert printed.returncode == 0, printed.stderr
    (tex,) = (path.read_text("utf-8") for path in (docs / "_build/latex").glob("*.tex"))
    assert "\\begin{sphinxadmonition}{note}{Answer}" in tex
    assert "\\sphinxstylestrong{What is seen:} The error falls" in tex
    assert "\\beta \\lVert x" in tex
    assert "another number" in tex
    assert "An experiment for the web page, in a browser" in tex
    left_out = ("The answer", "Answer to", "PYG{n}{report}", "PYG{n}{plotting}", "Related pages")
    for text in (*left_out, "PYG{n}{figure} ", "Change the line", "thumbnail", "Draw it."):
        assert text not in tex, text

    tags = content.select(".sphx-glr-example-tags a")
    assert [tag.get_text() for tag in tags] == ["filters", "a control"]
    assert tags[1]["href"] == "../index.html?sg-tags=a%20control"
    (gallery,) = project.published("auto_examples/index.html").values()
    index = BeautifulSoup(gallery, "html.parser")
    assert len(index.select("#sg-tag-list")) == 1
    assert len(index.select("[data-sgtags]")) == 1
    assert "aria-pressed" in gallery.decode()
    assert "aria-pressed" not in page.decode()
    assert "Tags:" not in tex

    (docs / "auto_examples/answers/1.2.json").unlink()
    lost = project.build()
    assert lost.returncode != 0
    assert "the page gave no answer to 1.2" in lost.stderr


def test_extensions_are_copied_as_the_guide_says(tmp_path: Path) -> None:
    """The guide's example: a page of another library runs again only if that library changed."""
    guide = (ROOT / "docs" / "guide" / "extensions.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", guide)
    ours, conf, page = (textwrap.dedent(block) for block in blocks)
    project = make(tmp_path / "acorn", conf, plot_1_1_weight=page)
    docs, library = project.folder / "docs", project.folder / "acorn"
    (docs / "index.rst").write_text(
        "Acorn\n=====\n\n.. answers-at-a-glance::\n\n.. toctree::\n\n   auto_examples/index\n"
    )
    (docs / "_ext").mkdir()
    for name in ("answers", "freshness", "record"):
        shutil.copy(ROOT / "docs" / "_ext" / f"{name}.py", docs / "_ext")
    (docs / "_ext" / "project.py").write_text(ours, encoding="utf-8")
    for path in (library, project.folder / "acorn-1.dist-info"):
        path.mkdir()
    (project.folder / "acorn-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acorn\nVersion: 1\n")

    for grams, runs in ((3, 1), (3, 0), (4, 1)):
        (library / "__init__.py").write_text(f"def weight():\n    return {grams}\n")
        built = project.build(PYTHONPATH=str(project.folder), PYTHONDONTWRITEBYTECODE="1")
        assert built.returncode == 0, built.stderr
        assert f"executed {runs} out of" in built.stdout, built.stdout
        assert f"An acorn weighs {grams} g." in project.published("index.html")["index.html"].decode()
