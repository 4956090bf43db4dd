"""The site's configuration in a small Sphinx project of its own, in a folder with a space and non-ASCII letters."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# Everything that these tests are about comes from the real configuration; what needs torch is left out.
CONF = f"""
import runpy

real = runpy.run_path({str(ROOT / "docs" / "conf.py")!r})
extensions = ["sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build"]
suppress_warnings = real["suppress_warnings"]
setup = real["setup"]
sphinx_gallery_conf = real["sphinx_gallery_conf"]
hooks = sphinx_gallery_conf["reset_modules"]
sphinx_gallery_conf["reset_modules"] = tuple(hook for hook in hooks if hook != "freshness.strict")
sphinx_gallery_conf["doc_module"] = ()
"""
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


@dataclass
class Project:
    """A Sphinx project with a gallery of two pages."""

    folder: Path

    @property
    def scripts(self) -> list[Path]:
        return sorted(self.folder.glob("examples/1_part/plot_*.py"))

    def build(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Build the site as `tox -e docs` does."""
        command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-b", "html", "docs", "docs/_build/html"]
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


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "größe und mehr"
    for path, text in {
        "docs/conf.py": CONF,
        "docs/index.rst": "Site\n====\n\n.. toctree::\n\n   auto_examples/index\n",
        "examples/GALLERY_HEADER.rst": "Gallery\n=======\n",
        "examples/1_part/GALLERY_HEADER.rst": "Part\n----\n",
        "examples/1_part/plot_1_1_figure.py": FIGURE,
        "examples/1_part/plot_1_2_text.py": TEXT,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return Project(folder)


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


def test_a_relative_folder_is_relative_to_the_working_directory_of_the_build(project: Project) -> None:
    """Pages run in their own folders."""
    built = project.build(MNIST_LAB_DATA="../data")
    assert built.returncode == 0, built.stderr
    (page,) = project.published("auto_examples/1_part/plot_1_2_text.html").values()
    shown = page.decode().partition("data in ")[2].partition("<")[0].strip()
    assert os.path.normpath(shown) == str(project.folder.parent / "data")
