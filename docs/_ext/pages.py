"""The form of a page of the gallery: its answer in a box at the top, the readings of its figures as paragraphs.

A page prints both, so that a script on a terminal and a notebook show them too. The code that only words them is folded
away on the site. The PDF leaves it out, and so it does with code that only draws and with what a reader would try on a
computer.
"""

import ast
import html
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import answers
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator
from sphinx_gallery.directives import imgsgnode

logger = logging.getLogger(__name__)
READING = "What is seen:"
NOT_PRINTED = {"Try it", "See also"}  # headings of what is of use beside the running page


def is_wording(code: str) -> bool:
    """True for a cell that words an answer or a reading."""
    return re.search(r"\blab\.report\.(answer|reading)\(", code) is not None


def words_the_answer(code: str) -> bool:
    """True for the cell that words the page's answer."""
    return "lab.report.answer(" in code


def only_shows(code: str) -> bool:
    """True for a cell that a script needs to show its figures, and that does nothing on the site."""
    return code.strip() == "lab.plotting.show()"


def only_draws(code: str) -> bool:
    """True for a cell that draws a figure of what cells before it have measured.

    >>> only_draws("figure = lab.plotting.montage(images)"), only_draws("images = images[:5]")
    (True, False)
    """
    statements = ast.parse(code).body
    return bool(statements) and all(
        isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "figure" for statement in statements
    )


def pieces(output: str) -> list[tuple[str, str]]:
    r"""Split what a cell printed into readings, answers and other text, in order. A reading or an answer is one line.

    >>> pieces("3 of 4\n5 of 6\nWhat is seen: Most are edges.\nAnswer to 2.1: Yes.\n")
    [('text', '3 of 4\n5 of 6'), ('reading', 'Most are edges.'), ('answer', 'Yes.')]
    """
    found: list[tuple[str, str]] = []
    for line in output.splitlines():
        begins = re.match(rf"({READING}|Answer to [\d.]+:) ", line)
        if begins is not None:
            found.append(("reading" if begins[1] == READING else "answer", line[begins.end() :]))
        elif found and found[-1][0] == "text":
            found[-1] = "text", f"{found[-1][1]}\n{line}"
        else:
            found.append(("text", line))
    return [(kind, text.rstrip()) for kind, text in found if text.strip()]


def first_sentence(text: str) -> str:
    """The first sentence of a text.

    >>> first_sentence("Most are edges (0.42 of each). The rest is noise.")
    'Most are edges (0.42 of each).'
    """
    return re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", text, maxsplit=1)[0]


class wording(nodes.General, nodes.Element):  # noqa: N801 - docutils names nodes in lower case
    """Code that words an answer or a reading."""


class PageForm(SphinxTransform):
    """Give a page of the gallery its form."""

    default_priority = 400

    def apply(self, **_kwargs: Any) -> None:
        if re.fullmatch(r"auto_examples/[^/]+/plot_[^/]+", self.env.docname) is None:
            return
        box = self.answer_box()
        page, *sections = self.document.findall(nodes.section)
        for section in (page, *sections):
            section[:] = list(self.shaped(section, box))
        for section in sections:
            self.dissolve_if_empty(section)
        page.insert(1, box)

    def shaped(self, section: nodes.section, box: nodes.Element) -> Iterator[nodes.Node]:
        """The content of a section. Its readings are paragraphs, each before the folded code that words it.

        The code that words the answer goes into the answer's box.
        """
        folded: wording | None = None
        figures: list[imgsgnode] = []
        for node in list(section):
            is_code = isinstance(node, nodes.literal_block) and node.get("language") == "Python"
            is_output = isinstance(node, nodes.literal_block) and "sphx-glr-script-out" in node["classes"]
            # Several figures of a cell are in a list.
            shown = [] if isinstance(node, nodes.section) else list(node.findall(imgsgnode))
            if folded is not None and not is_output and not shown:
                yield folded
                folded = None
            figures += shown
            if is_code and words_the_answer(node.astext()):
                box += wording("", node, of="answer")
            elif is_code and is_wording(node.astext()):
                folded = wording("", node, of="sentence")
            elif is_output:
                yield from self.output(node, figures)
            elif not (is_code and only_shows(node.astext())):
                yield node
        if folded is not None:
            yield folded

    @staticmethod
    def dissolve_if_empty(section: nodes.section) -> None:
        """Remove a section whose code is now elsewhere. What sphinx-gallery adds to the last one goes before it."""
        own = itertools.takewhile(lambda node: "sphx-glr-timing" not in node["classes"], section[1:])
        if all(isinstance(node, nodes.Invisible) for node in own):
            place = section.parent.index(section)
            before = section.parent[place - 1]
            (before if isinstance(before, nodes.section) else section.parent).extend(section[1:])
            section.parent.remove(section)

    @staticmethod
    def output(block: nodes.literal_block, figures: list[imgsgnode]) -> Iterator[nodes.Node]:
        """What a cell printed, without its answer. The last of the figures is described by the reading after it."""
        for kind, text in pieces(block.astext()):
            if kind == "text":
                kept = block.copy()
                kept.rawsource = text  # Sphinx highlights a block only if this is its text
                kept += nodes.Text(text)
                yield kept
            elif kind == "reading":
                yield nodes.paragraph("", "", nodes.strong("", READING), nodes.Text(f" {text}"), classes=["reading"])
                if figures:
                    figures[-1]["alt"] = f"{figures[-1]['alt'].rstrip('.')}. {first_sentence(text)}"
                    figures.clear()

    def answer_box(self) -> nodes.Element:
        """The answer that the page gave when it ran."""
        question = answers.question_of(Path(self.env.docname + ".py"))
        answer = answers.answer_to(self.env, question)
        if answer is None:
            logger.warning("the page gave no answer to %s", question, location=self.env.docname)
            return nodes.comment("", "no answer")
        title, text = nodes.title("", "Answer"), nodes.paragraph("", answer)
        return nodes.admonition("", title, text, classes=["answer"])


def visit_wording(writer: HTML5Translator, node: wording) -> None:
    writer.body.append(f'<details class="wording">\n<summary>How this {node["of"]} is computed</summary>\n')


def depart_wording(writer: HTML5Translator, _node: wording) -> None:
    writer.body.append("</details>\n")


class WithoutLinkedVariables(SphinxPostTransform):
    """Remove sphinx-gallery's links from variables to the class of their value in another project's documentation.

    Nearly every variable of a page is a tensor, and each link is a stop of the tab key.
    """

    formats = ("html",)
    default_priority = 6  # after sphinx-gallery's links

    def run(self, **_kwargs: Any) -> None:
        for link in list(self.document.findall(nodes.reference)):
            if "sphx-glr-backref-instance" in link["classes"] and not link.get("internal"):
                link.replace_self(link.children)


class EscapedDescriptions(SphinxPostTransform):
    """Escape the descriptions of figures. sphinx-gallery writes them as they are, so a quote would end one."""

    formats = ("html",)
    default_priority = 50

    def run(self, **_kwargs: Any) -> None:
        for figure in self.document.findall(imgsgnode):
            figure["alt"] = html.escape(figure["alt"])


class ForPrint(SphinxPostTransform):
    """Leave out of the PDF what a reader of paper does not need."""

    formats = ("latex",)
    default_priority = 50  # before report_pdf lays out what stays

    def run(self, **_kwargs: Any) -> None:
        for node in list(self.document.findall(wording)):
            node.parent.remove(node)
        for section in list(self.document.findall(nodes.section)):
            if section[0].astext() in NOT_PRINTED:
                section.parent.remove(section)
            elif experiments := [node for node in section if node.tagname == "live"]:
                section.replace_self([line for node in experiments for line in node])
        for block in list(self.document.findall(nodes.literal_block)):
            if block.get("language") == "Python" and only_draws(block.astext()):
                block.parent.remove(block)
        for rubric in list(self.document.findall(nodes.rubric)):
            if rubric.astext() == self.config.sphinx_gallery_conf["recommender"]["rubric_header"]:
                section = rubric.parent
                del section[section.index(rubric) :]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(wording, html=(visit_wording, depart_wording))
    app.add_transform(PageForm)
    app.add_post_transform(WithoutLinkedVariables)
    app.add_post_transform(EscapedDescriptions)
    app.add_post_transform(ForPrint)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
