"""``tox -e exercise``: the pages as exercises, and the check of what students made of them.

An exercise is a page without its answer, its readings and its solutions. All of them are computed, so the teacher can
run them inside a student's notebook: ``tox -e exercise -- theirs.ipynb`` does that.
"""

import argparse
import ast
import copy
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from addresses import repository
from answers import question_of
from notebook_cells import install_cell, mended
from sphinx_gallery.gen_gallery import DEFAULT_GALLERY_CONF
from sphinx_gallery.notebook import jupyter_notebook
from sphinx_gallery.py_source_parser import remove_config_comments, split_code_and_text_blocks

from publish import handin, notebooks
from publish.hidden import TASK_ENDS, Part, exercise_of
from publish.programs import ROOT, PublishError

EXERCISES = ROOT / "docs" / "_build" / "exercise"
CHECKED = ROOT / "docs" / "_build" / "exercise-checked"
ANCHOR = re.compile(r"Exercise ((\d+(?:\.\d+)+)/\d+)\b")
README = """\
Exercises. Each notebook is a page of the report without its answer, what is seen in its figures, and its solutions.
"Exercise 1.4/1" and so on stand where you have to write something: below these words, in the same cell. Leave the words
in place, because your teacher's check looks for them. Every notebook runs as it is.

    pip install mnist_lab-*.whl jupyterlab
    jupyter lab notebooks

The scripts are the same exercises for an editor.
"""


def as_notebook(script: Path, titles: Mapping[str, str]) -> nbformat.NotebookNode:
    """A script as the notebook that the site would offer for it."""
    blocks = split_code_and_text_blocks(script)[1]
    notebook: dict[str, Any] = jupyter_notebook(blocks, copy.deepcopy(DEFAULT_GALLERY_CONF), script.parent)
    mended_notebook = mended(notebook, dict(titles), install_cell(repository()))
    read: nbformat.NotebookNode = nbformat.reads(json.dumps(mended_notebook), as_version=4)
    return read


def make(pages: Sequence[Path], target: Path = EXERCISES) -> Path:
    """Write the exercises of some pages, as notebooks and scripts, in place of what was in `target`.

    Raises
    ------
    PublishError
        If a page cannot be an exercise.
    """
    sources = {
        page: remove_config_comments(exercise_of(page.read_text(encoding="utf-8"), question_of(page))[0])
        for page in pages
    }
    titles = {page.stem: heading(source) for page, source in sources.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".exercise-", dir=target.parent) as workplace:
        made = Path(workplace) / "exercise"
        for page, source in sources.items():
            script = made / "scripts" / page.parent.name / page.name
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(source, encoding="utf-8")
            notebook = made / "notebooks" / page.parent.name / f"{page.stem}.ipynb"
            notebook.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(as_notebook(script, titles), notebook)
        (made / "README.txt").write_text(README, encoding="utf-8")
        handin.build_wheel(made)
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    return target


def heading(source: str) -> str:
    """The title of a page."""
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def with_hidden_parts(notebook: nbformat.NotebookNode, parts: Sequence[Part]) -> nbformat.NotebookNode:
    """A student's notebook with the code of each hidden part after the cell that names the part."""
    by_name = {part.name: part for part in parts}
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        for name in dict.fromkeys(found[1] for found in ANCHOR.finditer(cell.source)):
            if name in by_name:
                part = by_name.pop(name)
                written = cell.source.partition(TASK_ENDS)[2]
                cells.append(nbformat.v4.new_code_cell(part.code, metadata={"part": name, "written": written}))
    result = copy.deepcopy(notebook)
    result.cells = cells
    return result


def findings(notebook: nbformat.NotebookNode, parts: Sequence[Part]) -> Iterator[tuple[bool, str]]:
    """For each hidden part of a notebook that ran, whether it is in order, and a line that says what was found."""
    ran = {cell.metadata["part"]: cell for cell in notebook.cells if "part" in cell.metadata}
    for cell in notebook.cells:
        if "part" not in cell.metadata and (error := _error_of(cell)):
            yield False, f"a cell of the student's failed: {error}"
    for part in parts:
        error = _error_of(ran[part.name]) if part.name in ran else ""
        if part.name not in ran:
            yield False, f"{part.name}: the words 'Exercise {part.name}' are missing"
        elif part.is_check:
            yield not error, f"{part.name}: {error or 'passed'}"
        else:
            written = " ".join(ran[part.name].metadata["written"].split())
            yield bool(written), f"{part.name}: the student says: {written or 'nothing'}"
            printed = "".join(output.get("text", "") for output in ran[part.name].outputs)
            yield True, f"{part.name}: the page says: {' '.join(printed.split()) or f'nothing, because of {error}'}"


def _error_of(cell: nbformat.NotebookNode) -> str:
    errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    return ": ".join(filter(None, (errors[0].ename, errors[0].evalue.partition("\n")[0]))) if errors else ""


def check(hand_in: Path, pages: Sequence[Path], target: Path = CHECKED) -> list[tuple[bool, str]]:
    """Run a student's notebook or script with the hidden parts in it, and return what was found.

    The notebook with the outputs of everything is written to the folder `target`, under the path that `hand_in` has.
    The student's code runs with your rights.

    Raises
    ------
    PublishError
        If the file is no exercise of these pages.
    """
    try:
        notebook = as_notebook(hand_in, {}) if hand_in.suffix == ".py" else nbformat.read(hand_in, as_version=4)
    except (OSError, UnicodeDecodeError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise PublishError(f"{hand_in}: expected a notebook or a script, got {error}") from None
    named = [found[2] for cell in notebook.cells for found in ANCHOR.finditer(cell.source)]
    page = next((page for page in pages if question_of(page) in named), None)
    if page is None:
        raise PublishError(f"{hand_in}: expected an exercise, with words such as 'Exercise 1.4/1'")
    parts = exercise_of(page.read_text(encoding="utf-8"), question_of(page))[1]
    notebook = with_hidden_parts(notebook, parts)
    notebooks.run(notebook, threads=1, allow_errors=True)
    # Many students hand in files of the same name, in folders of their own.
    checked = target.joinpath(
        *(part for part in hand_in.with_suffix(".ipynb").parts if part not in ("..", hand_in.anchor))
    )
    checked.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, checked)
    return list(findings(notebook, parts))


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the exercises, or check hand-ins."""
    parser = argparse.ArgumentParser(prog="tox -e exercise --", description="Make the exercises, or check hand-ins.")
    parser.add_argument("hand_in", nargs="*", type=Path, help="a student's notebook or script; without any, make them")
    hand_ins = parser.parse_args(arguments).hand_in
    pages = sorted((ROOT / "examples").glob("*/plot_*.py"))
    try:
        if not hand_ins:
            print(f"The exercises: {make(pages)}")
            return
        found = {hand_in: check(hand_in, pages) for hand_in in hand_ins}
    except PublishError as error:
        sys.exit(f"exercise: {error}")
    for hand_in, lines in found.items():
        print(hand_in, *(f"  {'ok  ' if good else 'LOOK'} {line}" for good, line in lines), sep="\n")
    print(f"With all outputs: {CHECKED}")
    sys.exit(not all(good for lines in found.values() for good, _ in lines))


if __name__ == "__main__":
    main()
