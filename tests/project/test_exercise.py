"""Exercises: pages without answers, readings and solutions, which a teacher's check puts back."""

import doctest
import re
import shutil
import zipfile
from pathlib import Path

import nbformat
import pytest

from publish import exercise, hidden
from publish.hidden import Part
from publish.programs import ROOT, PublishError

PAGE = '''"""
1.4 A page
==========

A promise, as in :cite:t:`lecun1998`.
"""

# %%
# Double it
# ---------
# Double the number.
import mnist_lab as lab

number = 21
# sphinx_gallery_exercise = "doubled: an integer"
doubled = number
doubled += number

assert doubled == 42

# %%
# Look
# ----
print(number)

# %%
largest = max(number, doubled)
lab.report.reading(f"The larger one is {largest}.")

# %%
# The answer
# ----------
lab.report.answer("1.4", f"It is {doubled}.")

# %%

# sphinx_gallery_tags = ["numbers"]
lab.plotting.show()
'''
PAGES = sorted((ROOT / "examples").glob("*/plot_*.py"))


def test_the_examples_hold() -> None:
    assert doctest.testmod(hidden) == doctest.TestResults(failed=0, attempted=5)


def test_an_exercise_hides_solution_reading_and_answer() -> None:
    source, parts = hidden.exercise_of(PAGE, "1.4")
    assert parts == [
        Part("1.4/1", "assert doubled == 42\n", is_check=True),
        Part("1.4/2", parts[1].code, is_check=False),
        Part("1.4/3", parts[2].code, is_check=False),
    ]
    assert parts[1].code.startswith("largest = max")
    assert "It is {doubled}" in parts[2].code
    assert re.findall(r"Exercise 1\.4/\d", source) == ["Exercise 1.4/1", "Exercise 1.4/2", "Exercise 1.4/3"]
    for gone in ("sphinx_gallery_exercise", "42", "doubled += number", "largest", "lab.report"):
        assert gone not in source
    for kept in ("number = 21", "print(number)", "Double the number", "lab.plotting.show()"):
        assert kept in source


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("assert doubled == 42\n", "", "expected code that defines doubled and then checks it"),
        ("doubled: an", "tripled: an", "expected code that defines tripled and then checks it"),
        ("print(number)", "print(doubled)", "only hidden cells define doubled, which other cells use"),
        ("lab.plotting.show()", "lab.plotting.show(largest)", "only hidden cells define largest, which"),
    ],
)
def test_a_page_that_cannot_be_an_exercise_is_an_error(before: str, after: str, complaint: str) -> None:
    with pytest.raises(PublishError, match=rf"1\.4: {complaint}"):
        hidden.exercise_of(PAGE.replace(before, after), "1.4")


@pytest.mark.parametrize(
    ("solution", "checked"),
    [
        ("table = {}\nfor i in range(3):\n    table[i] = i\nassert table", "assert table\n"),
        ("def table(x):\n    return x\n\n\nsame = 2\nassert table(2) == same", "same = 2\nassert table(2) == same\n"),
        ("table, other = 1, 2\nassert table < other", "assert table < other\n"),
        ("table = 1\n\n# %%\nassert table == 1", "assert table == 1\n"),
    ],
)
def test_the_solution_ends_where_its_name_is_last_bound(solution: str, checked: str) -> None:
    page = f'# %%\nimport mnist_lab\n\n# sphinx_gallery_exercise = "table: x"\n{solution}\n'
    assert hidden.exercise_of(page, "2.1")[1] == [Part("2.1/1", checked, is_check=True)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_is_an_exercise(page: Path) -> None:
    source, parts = hidden.exercise_of(page.read_text(encoding="utf-8"), "1.1")
    compile(source, page.name, "exec")
    assert "lab.report.answer(" not in source
    assert "lab.report.reading(" not in source
    assert sum("lab.report.answer(" in part.code for part in parts) == 1


def test_solutions_are_marked_in_pages() -> None:
    assert sum(hidden.MARKER.search(page.read_text(encoding="utf-8")) is not None for page in PAGES) >= 5


@pytest.fixture
def course(tmp_path: Path) -> tuple[Path, Path]:
    """A page, and the exercise that was made of it."""
    page = tmp_path / "examples" / "1_part" / "plot_1_4_page.py"
    page.parent.mkdir(parents=True)
    page.write_text(PAGE, encoding="utf-8")
    made = exercise.make([page], tmp_path / "made")
    return page, made / "notebooks" / "1_part" / "plot_1_4_page.ipynb"


def test_students_get_notebooks_scripts_and_the_library(course: tuple[Path, Path]) -> None:
    page, notebook = course
    made = notebook.parents[2]
    assert sorted(path.name for path in made.iterdir())[0] == "README.txt"
    (wheel,) = made.glob("*.whl")
    assert zipfile.is_zipfile(wheel)
    assert (made / "scripts" / "1_part" / page.name).is_file()
    nbformat.validate(nbformat.read(notebook, as_version=4))
    text = notebook.read_text(encoding="utf-8")
    assert "as in LeCun et al. (1998)" in text
    assert "find_spec" in text, "the first cell of code says how to install the library"
    assert "42" not in text
    assert "sphinx_gallery" not in text + (made / "scripts" / "1_part" / page.name).read_text(encoding="utf-8")
    assert exercise.make([page], made) == made, "made again in its place"
    assert not list(made.parent.glob(".exercise-*"))


def solved(notebook: Path, solution: str) -> Path:
    """The notebook of a student who wrote a solution and a reading, and no answer."""
    content = nbformat.read(notebook, as_version=4)
    for cell in content.cells:
        if cell.cell_type == "code" and "Exercise 1.4/1" in cell.source:
            cell.source += f"\n{solution}"
        if "Exercise 1.4/2" in cell.source:
            cell.source += "\nThe 42 is\nlarger."
    path = notebook.with_name("mine.ipynb")
    nbformat.write(content, path)
    return path


def test_a_teacher_checks_a_notebook(course: tuple[Path, Path], tmp_path: Path) -> None:
    page, notebook = course
    right = exercise.check(solved(notebook, "doubled = 6 * 7"), [page], tmp_path / "checked")
    assert right == [
        (True, "1.4/1: passed"),
        (True, "1.4/2: the student says: The 42 is larger."),
        (True, "1.4/2: the page says: What is seen: The larger one is 42."),
        (False, "1.4/3: the student says: nothing"),
        (True, "1.4/3: the page says: Answer to 1.4: It is 42."),
    ]
    wrong = exercise.check(solved(notebook, "doubled = 41\nundefined"), [page], tmp_path / "checked")
    assert wrong[0] == (False, "a cell of the student's failed: NameError: name 'undefined' is not defined")
    assert wrong[1] == (False, "1.4/1: AssertionError")
    assert wrong[-1] == (True, "1.4/3: the page says: Answer to 1.4: It is 41."), "on the student's own numbers"


def test_files_of_the_same_name_are_kept_apart(
    course: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, notebook = course
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("publish.notebooks.run", lambda *_arguments, **_options: None)
    for student in ("anna", "../theirs/bela"):
        (hand_in := Path("theirs", student, "mine.ipynb")).parent.mkdir(parents=True)
        shutil.copy(notebook, hand_in)
        exercise.check(hand_in, [page], tmp_path / "checked")
    exercise.check(hand_in.absolute(), [page], tmp_path / "checked")
    assert len(list((tmp_path / "checked").rglob("mine.ipynb"))) == 3


def test_an_exercise_runs_as_it_is(tmp_path: Path) -> None:
    """A real page: nothing of the student's fails, and the solution is what is missing."""
    (page,) = (page for page in PAGES if page.stem == "plot_1_4_parameter_counts")
    made = exercise.make([page], tmp_path / "made")
    found = exercise.check(made / "scripts" / "1_classification" / page.name, [page], tmp_path)
    assert [line for good, line in found if not good] == [
        "1.4/1: NameError: name 'by_hand' is not defined",
        "1.4/2: the student says: nothing",
        "1.4/3: the student says: nothing",
    ]
    assert found[-1][1].startswith("1.4/3: the page says: Answer to 1.4: The network has 799,078 parameters")


@pytest.mark.parametrize("content", ["not JSON", "{}", '"""Title."""\nprint("no exercise")\n'])
def test_another_file_is_no_hand_in(tmp_path: Path, content: str) -> None:
    path = tmp_path / ("x.py" if content.startswith('"') else "x.ipynb")
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit, match=r"exercise: .*x\.(py: expected an exercise|ipynb: expected a notebook)"):
        exercise.main([str(path)])


def test_a_part_whose_words_are_gone_is_missed() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("# Exercise 1.4/2 and Exercise 1.4/9")])
    parts = [Part("1.4/1", "1", is_check=True), Part("1.4/2", "2", is_check=True)]
    with_parts = exercise.with_hidden_parts(notebook, parts)
    assert [cell.source for cell in with_parts.cells] == ["# Exercise 1.4/2 and Exercise 1.4/9", "2"]
    assert list(exercise.findings(with_parts, parts)) == [
        (False, "1.4/1: the words 'Exercise 1.4/1' are missing"),
        (True, "1.4/2: passed"),
    ]
