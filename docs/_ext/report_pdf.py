"""The report as one PDF: its front matter, its layout, and the directive ``if-report-pdf`` for the site.

The PDF is made from the same run of the pages as the site. The site offers it only while both show the same run.
"""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.latex import LaTeXBuilder
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

FOLDER = "report"  # documents that only the PDF has
NAME = "mnist_lab.pdf"
LINES_KEPT = 8  # a longer block may break across pages; a page has about 80 lines
LINES_OF_HEADING = 6  # height of a heading and a short paragraph, in lines of code
PICTURE = "auto_examples/overview.png"  # of the home page


def run_shown(source: Path) -> str:
    """Hash the output of the pages' last run.

    A page's text contains its printed numbers and its running time, so every run has its own hash.
    """
    pages = source / "auto_examples"
    digest = hashlib.sha256()
    for page in sorted(pages.rglob("plot_*.rst")):
        digest.update(page.relative_to(pages).as_posix().encode() + b"\0" + page.read_bytes() + b"\0")
    return digest.hexdigest()


def pdf_of(source: Path) -> Path:
    """The path of the finished PDF. A file with the suffix ``.run`` beside it names the run that the PDF shows."""
    return source / "_build" / NAME


def write_run(app: Sphinx, error: Exception | None) -> None:
    """Write beside the LaTeX files which run they show."""
    if error is None and app.builder.name == "latex":
        (Path(app.outdir) / "mnist_lab.run").write_text(run_shown(Path(app.srcdir)), encoding="utf-8")


def is_current(source: Path) -> bool:
    """True if there is a PDF of the pages' last run."""
    pdf, run = pdf_of(source), pdf_of(source).with_suffix(".run")
    return pdf.is_file() and run.is_file() and run.read_text(encoding="utf-8") == run_shown(source)


class IfReportPdf(SphinxDirective):
    """The directive ``if-report-pdf``: its content if the PDF shows the same run as the site, else nothing."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        shown = is_current(Path(self.env.srcdir))
        _places(self.env)[self.env.docname] = shown
        return self.parse_content_to_nodes() if shown else []


def _places(env: BuildEnvironment) -> dict[str, bool]:
    """The documents that use the directive, and whether each shows its content."""
    if not hasattr(env, "report_pdf_places"):
        env.report_pdf_places = {}  # type: ignore[attr-defined]
    places: dict[str, bool] = env.report_pdf_places  # type: ignore[attr-defined]
    return places


def forget_place(_app: Sphinx, env: BuildEnvironment, document: str) -> None:
    _places(env).pop(document, None)


def merge_places(_app: Sphinx, env: BuildEnvironment, documents: set[str], other: BuildEnvironment) -> None:
    _places(env).update({name: shown for name, shown in _places(other).items() if name in documents})


def read_again(app: Sphinx, env: BuildEnvironment, *_changes: set[str]) -> list[str]:
    """The documents to read again because the PDF has appeared or disappeared since."""
    current = is_current(Path(app.srcdir))
    return [name for name, shown in _places(env).items() if shown != current and name in env.found_docs]


def prepare_print(app: Sphinx) -> None:
    """For LaTeX alone, include the front matter and fill in the title page."""
    if not isinstance(app.builder, LaTeXBuilder):
        return
    app.config.exclude_patterns.remove(FOLDER)
    source = Path(app.srcdir)
    picture = source / PICTURE
    context = app.builder.context  # was filled from latex_elements before the pages ran
    title = context["maketitle"]
    if picture.is_file():
        app.config.latex_additional_files.append(PICTURE)
        title = title.replace("@PICTURE@", rf"\includegraphics[width=0.85\textwidth]{{{picture.name}}}\par")
    facts = "\n".join(f"    {name} & {value} \\\\" for name, value in facts_of_run(source).items())
    context["maketitle"] = title.replace("@PICTURE@", "").replace("@FACTS@", facts)


def facts_of_run(source: Path) -> dict[str, str]:
    """The data set, the versions and the date of the pages' run, as LaTeX."""
    record = json.loads((source / "auto_examples" / "record.json").read_text(encoding="utf-8"))
    name, versions = record["dataset"], record["versions"]
    data = "MNIST" if name == "mnist" else rf"\textbf{{{name} digits, not MNIST}}"
    return {
        "Data": rf"{data}, checksum \texttt{{{record['checksum'][:16]}}}",
        "Made with": rf"mnist\_lab {versions['mnist_lab']}, torch {versions['torch']}, Python {versions['python']}",
        "Pages run": record["date"],
    }


def copy_pdf(app: Sphinx, error: Exception | None) -> None:
    """Copy the PDF beside the site's home page, or delete an outdated copy."""
    if error is not None or app.builder.name != "html":
        return
    copy = Path(app.outdir) / NAME
    if is_current(Path(app.srcdir)):
        shutil.copyfile(pdf_of(Path(app.srcdir)), copy)
    else:
        copy.unlink(missing_ok=True)


class ForPrint(SphinxPostTransform):
    """Change what sphinx-gallery lays out for a browser to a layout for paper."""

    formats = ("latex",)
    default_priority = 60  # after nodes for browsers alone have been removed

    def run(self, **_kwargs: Any) -> None:
        for node in list(self.document.findall(nodes.Element)):
            classes = node.get("classes", [])
            if "sphx-glr-timing" in classes:
                # A running time would differ in every PDF; the site lists all of them.
                node.parent.remove(node)
            elif isinstance(node, nodes.bullet_list) and "sphx-glr-horizontal" in classes:
                # The figures of one cell go below each other, without bullets.
                node.replace_self([figure for item in node.children for figure in item.children])
            elif isinstance(node, nodes.literal) and re.fullmatch(r"\S{41,}", node.astext()):
                # A checksum is wider than a column of a table, so it may break.
                text = node.astext()
                parts = [nodes.literal("", text[start : start + 16]) for start in range(0, len(text), 16)]
                rest = [new for part in parts[1:] for new in (nodes.raw("", r"\allowbreak{}", format="latex"), part)]
                node.replace_self([parts[0], *rest])
            elif isinstance(node, nodes.literal_block):
                self.keep_together(node, classes)
            elif isinstance(node, nodes.container) and "sphx-glr-animation" in classes:
                note = nodes.emphasis("", "The site shows an animation here.")
                node.replace_self(nodes.paragraph("", "", note))

    @staticmethod
    def keep_together(block: nodes.literal_block, classes: list[str]) -> None:
        """Start a block of code or output on the next page if it fits there but not on this one."""
        lines = len(block.astext().splitlines())
        section = block.parent
        after = section[section.index(block) + 1] if section[-1] is not block else None
        if isinstance(after, nodes.literal_block) and "sphx-glr-script-out" in after["classes"]:
            # Code stays with its output, unless both together are too long.
            both = lines + 3 + len(after.astext().splitlines())
            lines = both if both <= LINES_KEPT else lines
        if [type(node) for node in section[: section.index(block)]] == [nodes.title, nodes.paragraph]:
            # The heading and its paragraph stay with the block too.
            before = nodes.raw("", rf"\mnistlabroom{{{min(lines, LINES_KEPT) + LINES_OF_HEADING}}}", format="latex")
            section.parent.insert(section.parent.index(section), before)
        room = nodes.raw("", rf"\mnistlabroom{{{min(lines, LINES_KEPT)}}}", format="latex")
        kept: list[nodes.Node] = [room, block]
        if "sphx-glr-script-out" in classes:
            output = nodes.container(classes=["output"])
            kept = [room, output]
            block.replace_self(kept)
            output += block
        else:
            block.replace_self(kept)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("if-report-pdf", IfReportPdf)
    app.add_post_transform(ForPrint)
    app.connect("builder-inited", prepare_print, priority=950)  # after the pages have run and the picture is drawn
    app.connect("env-purge-doc", forget_place)
    app.connect("env-merge-info", merge_places)
    app.connect("env-get-outdated", read_again)
    app.connect("build-finished", write_run)
    app.connect("build-finished", copy_pdf)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
