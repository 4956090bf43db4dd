"""The answers: printed where the page runs, and handed to the site's "Answers at a glance"."""

import json
import os
import re
import textwrap
from pathlib import Path

from mnist_lab._utils.checks import check_text, check_type
from mnist_lab.data.dataset import Dataset
from mnist_lab._utils.files import written_whole

ANSWERS_VARIABLE = "MNIST_LAB_ANSWERS"


def answer(question: str, text: str, *, dataset: Dataset | None = None) -> None:
    """State the answer to a question of the assignment.

    It is printed and, while the report is built, kept for the home page.

    Parameters
    ----------
    question
        The question's number, ``"1.4"`` say.
    text
        One or two sentences with the numbers that the page computed.
    dataset
        What the numbers were measured on, where they were: named beside the answer, loudly if it is not MNIST.

    Raises
    ------
    ValueError
        If `question` is no number of a question, or `text` is empty.

    Examples
    --------
    >>> answer("1.4", "The network has 799,078 parameters.")
    Answer to 1.4: The network has 799,078 parameters.
    """
    if not re.fullmatch(r"\d+(\.\d+)+", check_text(question, "question")):
        raise ValueError(f"question: expected a number such as '1.4', got {question!r}")
    text = " ".join(check_text(text, "text").split())
    if dataset is not None:
        check_type(dataset, "dataset", Dataset, "a Dataset, as load_dataset() returns it, or None")
    if not text:
        raise ValueError("text: expected one or two sentences, got nothing")
    if dataset is not None and dataset.name != "mnist":
        text += f" (Measured on {dataset.name} digits, not on MNIST.)"
    print(textwrap.fill(f"Answer to {question}: {text}", width=88))  # noqa: T201 - this is what it is for
    folder = os.environ.get(ANSWERS_VARIABLE)
    if folder:
        about = {"question": question, "text": text, "dataset": None if dataset is None else dataset.name}
        with written_whole(Path(folder) / f"{question}.json") as partial:
            partial.write_text(json.dumps(about, indent=1), encoding="utf-8")
