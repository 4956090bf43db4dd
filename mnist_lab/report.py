"""The answers to the assignment's questions: printed by a page, and collected for the report's home page."""

import json
import os
import re
import sys
import textwrap
from pathlib import Path
from typing import Annotated

from mnist_lab._utils.contracts import NotBlank, checked, describe
from mnist_lab._utils.files import written_whole
from mnist_lab._utils.messages import printable
from mnist_lab.data.dataset import Dataset

ANSWERS_VARIABLE = "MNIST_LAB_ANSWERS"


@checked
def answer(question: str, text: Annotated[str, NotBlank()], *, dataset: Dataset | None = None) -> None:
    """Print the answer to a question of the assignment. While the report is built, also save it for the home page.

    Characters that standard output cannot encode are printed as escapes.

    Parameters
    ----------
    question
        The question's number, such as ``"1.4"``.
    text
        One or two sentences with the numbers that the page computed.
    dataset
        The data set on which the numbers were measured. If it is not MNIST, the answer says so.

    Raises
    ------
    TypeError, ValueError
        If `question` is not a number such as ``"1.4"``, or `text` is blank.

    Examples
    --------
    >>> answer("1.4", "The network has 799,078 parameters.")
    Answer to 1.4: The network has 799,078 parameters.
    """
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)+", question):
        raise ValueError(f"question: expected a number such as '1.4', got {describe(question)}")
    text = " ".join(text.split())
    if dataset is not None and dataset.name != "mnist":
        text += f" (Measured on {dataset.name} digits, not on MNIST.)"
    _print(f"Answer to {question}: {text}")
    folder = os.environ.get(ANSWERS_VARIABLE)
    if folder:
        entry = {"question": question, "text": text, "dataset": None if dataset is None else dataset.name}
        with written_whole(Path(folder) / f"{question}.json") as partial:
            partial.write_text(json.dumps(entry, indent=1), encoding="utf-8")


@checked
def reading(text: Annotated[str, NotBlank()]) -> None:
    """Print what is seen in the figure above, in words that the page computed. The site shows it as a paragraph.

    Parameters
    ----------
    text
        One to four sentences.

    Examples
    --------
    >>> reading("Most filters are edges: 24 of 32.")
    What is seen: Most filters are edges: 24 of 32.
    """
    _print(f"What is seen: {' '.join(text.split())}")


def _print(text: str) -> None:
    if sys.stdout is not None:  # a program without a console has none
        # The site makes a paragraph of one line, which the browser wraps.
        lines = text if os.environ.get(ANSWERS_VARIABLE) else textwrap.fill(text, width=88)
        print(printable(lines, sys.stdout))  # noqa: T201 - printing is what it is for
