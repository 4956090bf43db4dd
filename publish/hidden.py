"""The parts of a page that an exercise hides: its answer, its readings, and its solutions.

A page marks a solution by one comment, which the site does not show::

    # sphinx_gallery_exercise = "by_hand: a dictionary, from layer to number of parameters"

What follows in the cell is hidden. Its statements down to the last one that binds the name are the solution. The rest
is the check, or else the next cell, if that has no text.
"""

import ast
import builtins
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

from pages import is_wording, words_the_answer

from publish.programs import PublishError

TASK_ENDS = "with the numbers that decide."
MARKER = re.compile(r'^# sphinx_gallery_exercise = "(\w+): (.+)"\n', re.MULTILINE)
BARE = re.compile(r"# ?%%\n(?!#)")  # a cell without text


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
            shown.append(f"{text[0]}#\n# **Exercise {name}.** {task}, {TASK_ENDS}\n\n")
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
