"""``tox -e handin -- EE21B001``: PA2_EE21B001.zip, with executed notebooks, a PDF of them, and the report's PDF."""

import argparse
import json
import re
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from mnist_lab._utils.files import written_whole
from publish import notebooks, paper, pdf
from publish.programs import PublishError, browser, check_tex, run

ANSWERS = notebooks.PAGES / "answers"


def roll_number(text: str) -> str:
    """A roll number in capitals: two letters, the year, a letter for the programme, three digits.

    Raises
    ------
    PublishError
        If the text is no roll number.

    Examples
    --------
    >>> roll_number("ee21b001")
    'EE21B001'
    """
    roll = text.strip().upper()
    if re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z][0-9]{3}", roll) is None:
        raise PublishError(
            f"expected a roll number such as EE21B001 (two letters, two digits, a letter, three digits), got {text!r}"
        )
    return roll


def check(roll: str, folder: Path, *, force: bool) -> Path:
    """Check before any work is done that nothing is in the way, and return the path of the zip.

    Raises
    ------
    PublishError
        If there is a zip already and `force` is not set, or a program is missing.
    """
    target = folder / f"PA2_{roll}.zip"
    if target.is_dir() or (target.exists() and not force):
        more = "" if target.is_dir() else ", or add --force to replace it"
        raise PublishError(f"{target} exists already: move it away{more}")
    check_tex()
    browser()
    return target


def synthetic(answers: Path = ANSWERS) -> list[str]:
    """The questions that were not answered on MNIST."""
    given = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(answers.glob("*.json"))]
    return [about["question"] for about in given if about["dataset"] not in {None, "mnist"}]


def notice(questions: Sequence[str]) -> str:
    """The warning for the reader of a hand-in that was not computed on MNIST."""
    return f"NOT MEASURED ON MNIST: synthetic digits were used instead, for questions {', '.join(questions)}."


def write(
    target: Path,
    roll: str,
    *,
    executed: Mapping[str, Path],
    printed: Path,
    report: Path,
    wheel: Path,
    notes: Sequence[str] = (),
) -> None:
    """Write the zip, whole or not at all.

    Parameters
    ----------
    target
        The zip.
    roll
        The roll number.
    executed
        The path of each notebook, by the name of its page.
    printed, report
        The PDFs of the notebooks and of the report.
    wheel
        The library, for readers who have not installed it.
    notes
        What the reader has to know first, one paragraph each.
    """
    contents = {
        f"PA2_{roll}_notebooks.pdf": printed,
        f"PA2_{roll}_report.pdf": report,
        wheel.name: wheel,
        **{f"notebooks/{page}.ipynb": path for page, path in executed.items()},
    }
    lines = [
        f"PA2_{roll}",
        "",
        *(line for note in notes for line in (note, "")),
        f"PA2_{roll}_report.pdf     the report: every question, with its code, figures and answer",
        f"PA2_{roll}_notebooks.pdf  the notebooks with their outputs, printed",
        "notebooks/                the executed notebooks: one folder per problem, one notebook per question",
        f"{wheel.name}  the library that they use: pip install {wheel.name}",
        "",
        f"Made with mnist_lab {version('mnist-lab')} and torch {version('torch')}, {datetime.now(UTC):%Y-%m-%d}.",
    ]
    with written_whole(target) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", "\n".join(lines) + "\n")
        for name, path in contents.items():
            archive.write(path, name)


def build_wheel(folder: Path) -> Path:
    """Build the library's wheel in `folder`; needs no network."""
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)])
    (wheel,) = folder.glob("mnist_lab-*.whl")
    return wheel


def hand_in(roll: str, folder: Path, *, force: bool = False) -> Path:
    """Build the parts of a hand-in that are not up to date, and its zip in `folder`.

    Raises
    ------
    PublishError
        If something is in the way, or a part cannot be made.
    """
    target = check(roll, folder, force=force)
    report = pdf.build()
    executed = notebooks.executed()
    questions = synthetic()
    notes = [notice(questions)] if questions else []
    with tempfile.TemporaryDirectory(prefix="mnist_lab-") as workplace:
        printed = Path(workplace) / "notebooks.pdf"
        paper.print_notebooks(executed, printed, browser(), title=f"PA2, {roll}: the notebooks", notes=notes)
        wheel = build_wheel(Path(workplace))
        write(target, roll, executed=executed, printed=printed, report=report, wheel=wheel, notes=notes)
    return target


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a hand-in, as the command line asks."""
    parser = argparse.ArgumentParser(prog="tox -e handin --", description="Make the hand-in, PA2_<roll number>.zip.")
    parser.add_argument("roll", metavar="ROLL", help="the roll number, such as EE21B001")
    parser.add_argument("--force", action="store_true", help="replace an existing zip")
    options = parser.parse_args(arguments)
    try:
        target = hand_in(roll_number(options.roll), Path.cwd(), force=options.force)
    except PublishError as error:
        sys.exit(f"handin: {error}")
    if questions := synthetic():
        print(notice(questions))
    print(f"The hand-in: {target}")


if __name__ == "__main__":
    main()
