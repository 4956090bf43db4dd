"""A release: what it has to agree on, its bytes, and that its texts name what exists."""

import doctest
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from publish import release
from publish.programs import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
SOURCES = ("pyproject.toml", "CITATION.cff", "CHANGELOG.md")


def test_the_examples_hold() -> None:
    assert doctest.testmod(release) == doctest.TestResults(failed=0, attempted=2)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree that is ready for the release of version 1.2.3."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CITATION.cff").write_text("version: 1.2.3\ndate-released: 2026-11-30\n")
    (tmp_path / "CHANGELOG.md").write_text("# Log\n\n## Unreleased\n\n## 1.2.3 (2026-11-30)\n\n- New.\n")
    return tmp_path


def test_a_release_on_which_all_agree(tree: Path) -> None:
    assert release.complaints("v1.2.3", tree) == []


@pytest.mark.parametrize(
    ("name", "before", "after", "complaint"),
    [
        ("pyproject.toml", "1.2.3", "1.2.2", "pyproject.toml has version 1.2.2"),
        ("CITATION.cff", "1.2.3", "1.2.2", "CITATION.cff has version 1.2.2"),
        ("CITATION.cff", "date-released: 2026-11-30", "", "CITATION.cff has no date-released"),
        ("CHANGELOG.md", "## 1.2.3", "## 1.2.30", "CHANGELOG.md has no entries under '## 1.2.3'"),
        ("CHANGELOG.md", "- New.", "", "CHANGELOG.md has no entries under '## 1.2.3'"),
    ],
)
def test_what_does_not_agree_is_named(tree: Path, name: str, before: str, after: str, complaint: str) -> None:
    path = tree / name
    path.write_text(path.read_text().replace(before, after))
    assert release.complaints("v1.2.3", tree) == [complaint]


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "release", "v1.2.3-final"])
def test_a_tag_that_names_no_version(tree: Path, tag: str) -> None:
    assert f"expected a tag such as v1.2.3, got {tag}" in release.complaints(tag, tree)


def test_the_present_tree_agrees_on_its_version() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), flags=re.MULTILINE)
    assert cited is not None
    assert cited[1] == VERSION
    with pytest.raises(SystemExit, match=r"release: pyproject\.toml has version"):
        release.main(["v99.0.0"])


def build(tree: Path, out: Path, umask: int) -> dict[str, bytes]:
    """Build wheel and sdist of a tree, and return their bytes by name."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(out)],
        cwd=tree,
        check=True,
        capture_output=True,
        umask=umask,
    )
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    """Built twice, from trees of another age, with other rights, in folders of other names."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    built = []
    for name, umask in (("one", 0o022), ("the other", 0o077)):
        old = os.umask(umask)
        for file in filter(None, listed):
            if (ROOT / file).is_file():
                (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / file, tmp_path / name / file)
                os.utime(tmp_path / name / file, (umask, umask))
        os.umask(old)
        built.append(build(tmp_path / name, tmp_path / f"dist of {name}", umask))
    first, second = built
    assert list(first) == [f"mnist_lab-{VERSION}-py3-none-any.whl", f"mnist_lab-{VERSION}.tar.gz"]
    assert first == second


def test_a_release_holds_the_library_and_no_build_output(tmp_path: Path) -> None:
    build(ROOT, tmp_path, 0o022)
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in names} == {"mnist_lab"}
    assert {"mnist_lab/py.typed", "mnist_lab/data/synthetic/strokes.json"} <= names
    with tarfile.open(sdist) as tar:
        inside = {name.partition("/")[2] for name in tar.getnames()}
    assert {"tox.ini", "docs/conf.py", "CHANGELOG.md", "publish/release.py"} <= inside
    assert not [name for name in inside if "_build" in name or "auto_examples" in name or "__pycache__" in name]


TEXTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.rst"), *ROOT.glob("docs/guide/*.rst")]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.relative_to(ROOT).as_posix())
def test_the_paths_that_a_text_names_exist(text: Path) -> None:
    folders = "benchmarks|docs|examples|mnist_lab|publish|tests"
    named = re.findall(rf"(?<![\w/.])((?:{folders})/[\w./]*(?:/|\.\w+))", text.read_text(encoding="utf-8"))
    made = ("docs/_build", "docs/auto_examples", "examples/5_mine")
    assert [path for path in named if not path.startswith(made) and not (ROOT / path).exists()] == []
