"""``tox -e exercise``: the pages as exercises, and the check of what students made of them.

An exercise is a page without its answer, its readings and its solutions. All of them are computed, so the teacher can
run them inside a student's notebook: ``tox -e exercise -- theirs.ipynb`` does that.

A page marks a solution by one comment, which the site does not show::

    # sphinx_gallery_exercise = "by_hand: a dictionary, from layer to number of parameters"

What follows in the cell is hidden. Its statements down to the last one that binds the name are the solution. The rest
is the check, or else the next cell, if that has no text.
"""

import argparse
import ast
import builtins
import copy
import json
import re
import shutil
import symtable
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from sphinx_gallery.gen_gallery import DEFAULT_GALLERY_CONF
from sphinx_gallery.notebook import jupyter_notebook
from sphinx_gallery.py_source_parser import split_code_and_text_blocks

from publish import handin, notebooks
from publish.programs import ROOT, PublishError

sys.path.append(str(ROOT / "docs" / "_ext"))

from addresses import repository
from answers import question_of
from notebook_cells import install_cell, mended
from pages import is_wording, words_the_answer

EXERCISES = ROOT / "docs" / "_build" / "exercise"
CHECKED = ROOT / "docs" / "_build" / "exercise-checked"
MARKER = re.compile(r'^# sphinx_gallery_exercise = "(\w+): (.+)"\n', re.MULTILINE)
BARE = re.compile(r"# ?%%\n(?!#)")  # a cell without text
ANCHOR = re.compile(r"Exercise ((\d+(?:\.\d+)+)/\d+)\b")
README = """\
Exercises. Each notebook is a page of the report without its answer, what is seen in its figures, and its solutions.
"Exercise 1.4/1" and so on stand where you have to write something: below these words, in the same cell. Leave the words
in place, because your teacher's check looks for them. Every notebook runs as it is.

    pip install mnist_lab-*.whl jupyterlab
    jupyter lab notebooks

The scripts are the same exercises for an editor.
"""


@dataclass(frozen=True)
class Part:
    """A part of a page that an exercise hides.

    Attributes
    ----------
    name
        The question's number and the part's, such as ``"1.4/1"``.
    code
        What the teacher runs in its place: the check of a solution, or the page's own words.
    is_check
        True if the code raises where the student's result is wrong. False if it prints what the page says.
    """

    name: str
    code: str
    is_check: bool


def exercise_of(page: str, question: str) -> tuple[str, list[Part]]:
    """Hide the parts of a page.

    Parameters
    ----------
    page
        The page's source.
    question
        The question's number.

    Returns
    -------
    tuple
        The source of the exercise, and its hidden parts.

    Raises
    ------
    PublishError
        If a solution has no check, or code that stays uses a name that only hidden code defines.

    Examples
    --------
    >>> page = '''# %%
    ... # Double 21.
    ...
    ... # sphinx_gallery_exercise = "double: a number"
    ... double = 42
    ... assert double == 42
    ... '''
    >>> source, parts = exercise_of(page, "1.4")
    >>> print(source.strip())
    # %%
    # Double 21.
    <BLANKLINE>
    # Exercise 1.4/1. Define double: a number.
    >>> print(parts[0].code.strip())
    assert double == 42
    """
    parts: list[Part] = []
    head, *cells = re.split(r"^(?=# ?%%)", page, flags=re.MULTILINE)
    shown, stays = [head], [head]
    while cells:
        cell = cells.pop(0)
        text = re.match(r"# ?%%.*\n(?:#.*\n)*", cell)
        assert text is not None
        code = cell[text.end() :]
        name = f"{question}/{len(parts) + 1}"
        marker = MARKER.search(cell)
        if is_wording(code):
            task = "Answer the question of this page" if words_the_answer(code) else "Say what is seen"
            parts.append(Part(name, code, is_check=False))
            shown.append(f"{text[0]}#\n# **Exercise {name}.** {task}, with the numbers that decide.\n\n")
            stays.append(text[0])
        elif marker is not None:
            given, hidden = cell[: marker.start()], cell[marker.end() :]
            check = _check(hidden, marker[1])
            if not check and cells and BARE.match(cells[0]):  # the check has a cell of its own
                check = BARE.sub("", cells.pop(0)).strip() + "\n"
            if not check:
                raise PublishError(
                    f"{question}: expected code that defines {marker[1]} and then checks it, got {hidden!r}"
                )
            parts.append(Part(name, check, is_check=True))
            shown.append(f"{given.rstrip()}\n\n# Exercise {name}. Define {marker[1]}: {marker[2]}.\n\n")
            stays.append(given)
        else:
            shown.append(cell)
            stays.append(cell)
    if missing := undefined("\n".join(stays)) - undefined(page):
        raise PublishError(f"{question}: only hidden cells define {', '.join(sorted(missing))}, which other cells use")
    return "".join(shown), parts


def _check(hidden: str, name: str) -> str:
    """The statements of a hidden cell after the last one that binds a name, or nothing."""
    statements = ast.parse(hidden).body
    binds = [
        any(
            isinstance(node, ast.Name) and node.id == name
            for target in _targets(statement)
            for node in ast.walk(target)
        )
        for statement in statements
    ]
    after = statements[len(binds) - binds[::-1].index(True) :] if True in binds else []
    return "".join(hidden.splitlines(keepends=True)[after[0].lineno - 1 :]).rstrip() + "\n" if after else ""


def _targets(statement: ast.stmt) -> Iterator[ast.AST]:
    """What a statement binds or changes, including elements such as ``x`` in ``x[0] = 1``."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Assign):
            yield from node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            yield node.target
        elif isinstance(node, ast.FunctionDef):
            yield ast.Name(node.name)


def undefined(source: str) -> set[str]:
    r"""The names that a script uses without defining them.

    >>> undefined("import math\ndef area(r): return PI * r * r\nprint(area(math.e))")
    {'PI'}
    """

    def scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
        yield table
        for child in table.get_children():
            yield from scopes(child)

    module = symtable.symtable(source, "page", "exec")
    defined = {
        symbol.get_name()
        for symbol in module.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }
    used = {
        symbol.get_name()
        for table in scopes(module)
        for symbol in table.get_symbols()
        if symbol.is_global() and symbol.is_referenced()
    }
    return used - defined - set(dir(builtins))


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
    sources = {page: exercise_of(page.read_text(encoding="utf-8"), question_of(page))[0] for page in pages}
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
                cells.append(nbformat.v4.new_code_cell(part.code, metadata={"part": name}))
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
            printed = "".join(output.get("text", "") for output in ran[part.name].outputs)
            yield True, f"{part.name}: the page says: {' '.join(printed.split()) or f'nothing, because of {error}'}"


def _error_of(cell: nbformat.NotebookNode) -> str:
    errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    return ": ".join(filter(None, (errors[0].ename, errors[0].evalue.partition("\n")[0]))) if errors else ""


def check(hand_in: Path, pages: Sequence[Path], target: Path = CHECKED) -> list[tuple[bool, str]]:
    """Run a student's notebook or script with the hidden parts in it, and return what was found.

    The notebook with the outputs of everything is written to the folder `target`. The student's code runs with your
    rights.

    Raises
    ------
    PublishError
        If the file is no exercise of these pages.
    """
    try:
        notebook = as_notebook(hand_in, {}) if hand_in.suffix == ".py" else nbformat.read(hand_in, as_version=4)
    except (OSError, UnicodeDecodeError, nbformat.reader.NotJSONError) as error:
        raise PublishError(f"{hand_in}: expected a notebook or a script, got {error}") from None
    named = [found[2] for cell in notebook.cells for found in ANCHOR.finditer(cell.source)]
    page = next((page for page in pages if question_of(page) in named), None)
    if page is None:
        raise PublishError(f"{hand_in}: expected an exercise, with words such as 'Exercise 1.4/1'")
    parts = exercise_of(page.read_text(encoding="utf-8"), question_of(page))[1]
    notebook = with_hidden_parts(notebook, parts)
    notebooks.run(notebook, threads=1, allow_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target / f"{hand_in.stem}.ipynb")
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
