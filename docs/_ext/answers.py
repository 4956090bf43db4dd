"""The directive ``answers-at-a-glance``: one row per question, with the answer that its page computed."""

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import project
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective


def question_of(script: Path) -> str:
    """The number of the question that a page answers, from the page's name.

    >>> question_of(Path("plot_3_1_2_confidence.py"))
    '3.1.2'
    """
    match = re.match(r"plot_((?:\d+_)+)", script.name)
    if match is None:
        raise ValueError(f"{script}: expected a name such as plot_1_4_parameter_counts.py")
    return match.group(1).rstrip("_").replace("_", ".")


def title_of(script: Path) -> str:
    """The title of a page, which begins with the question's number."""
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def answer_to(env: BuildEnvironment, question: str) -> str | None:
    """The answer that a page gave when it ran, or None. The document that is being read depends on it."""
    path = Path(os.environ[project.ANSWERS]) / f"{question}.json"
    env.note_dependency(str(path))
    if not path.is_file():
        return None
    text: str = json.loads(path.read_text(encoding="utf-8"))["text"]
    return text


class AnswersAtAGlance(SphinxDirective):
    """A table of the questions and their answers, with links to the pages."""

    def run(self) -> list[nodes.Node]:
        source = Path(self.env.srcdir)
        rows = []
        for script in sorted((source.parent / "examples").glob("*/plot_*.py")):
            question = question_of(script)
            answer = answer_to(self.env, question)
            if answer is None:
                self.state.document.reporter.warning(f"{script.name} gave no answer to {question}", line=self.lineno)
                continue
            page = f"/auto_examples/{script.parent.name}/{script.stem}"
            rows += [f"   * - :doc:`{title_of(script)} <{page}>`", f"     - {answer}"]
        table = [
            ".. list-table::",
            "   :header-rows: 1",
            "   :widths: 24 76",
            "   :class: answers stacked longtable",
            "",
        ]
        table += ["   * - Question", "     - Answer", *rows]
        return self.parse_text_to_nodes("\n".join(table))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("answers-at-a-glance", AnswersAtAGlance)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
