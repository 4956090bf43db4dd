"""Notebooks that ran, as one PDF: nbconvert writes them as HTML, and Chromium prints it."""

import html
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from mnist_lab._utils.files import written_whole
from publish.programs import PublishError, run

STYLE = Path(__file__).with_name("notebooks.css")
SECONDS = 300
# Printed text of at most 40 lines: it stays on one page.
SHORT_OUTPUT = r'<div class="[^"]*output_text">\s*<pre>(?:[^\n]*\n){0,40}[^\n]*</pre>'


def print_notebooks(
    notebooks: Mapping[str, Path], target: Path, browser: str, *, title: str, notes: Sequence[str] = ()
) -> None:
    """Print notebooks, one after the other behind a page of contents.

    Parameters
    ----------
    notebooks
        Where each lies, by the name of its page.
    target
        The PDF, written whole or not at all.
    browser
        The path of Chromium.
    title
        What stands on the first page.
    notes
        What the reader has to know first, a paragraph each.

    Raises
    ------
    PublishError
        If Chromium fails.
    """
    with tempfile.TemporaryDirectory(prefix="mnist_lab-") as folder:
        page = Path(folder) / "notebooks.html"
        page.write_text(as_html(notebooks, title=title, notes=notes), encoding="utf-8")
        with written_whole(target) as partial:
            command = [
                browser,
                "--headless",
                "--no-sandbox",  # a container offers none, and what is opened is our own file
                "--disable-gpu",
                "--disable-dev-shm-usage",
                f"--user-data-dir={folder}/profile",
                "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing is fetched
                "--no-pdf-header-footer",
                "--generate-pdf-document-outline",
                f"--print-to-pdf={partial}",
                page.as_uri(),
            ]
            said = run(command, seconds=SECONDS)
            if not partial.read_bytes().startswith(b"%PDF-"):
                raise PublishError(f"{browser} printed no PDF. It said:\n{said}")


def as_html(notebooks: Mapping[str, Path], *, title: str, notes: Sequence[str] = ()) -> str:
    """One HTML document, complete in itself, of a page of contents and the notebooks."""
    exporter = HTMLExporter(template_name="basic")
    contents, sections = [], []
    for page, path in notebooks.items():
        notebook = nbformat.read(path, as_version=4)
        body, _ = exporter.from_notebook_node(notebook)
        # Sections of different notebooks have the same names ("The answer"); no link leads to them.
        body = re.sub(r'(<h[1-6]) id="[^"]*"', r"\1", body)
        body = re.sub(SHORT_OUTPUT, _short, body)
        anchor = page.rsplit("/", 1)[1]
        contents.append(f'<li><a href="#{anchor}">{html.escape(heading(notebook))}</a></li>')
        sections.append(f'<section id="{anchor}">{body}</section>')
    style = STYLE.read_text(encoding="utf-8") + HtmlFormatter(style="tango").get_style_defs(".highlight")
    style += ".highlight { background: none; }"
    warned = "".join(f'<p class="notice">{html.escape(note)}</p>' for note in notes)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<style>{style}</style></head><body><div class="cover"><h1>{html.escape(title)}</h1>{warned}'
        f"<ol>{''.join(contents)}</ol></div>{''.join(sections)}</body></html>"
    )


def _short(match: re.Match[str]) -> str:
    return match.group().replace("output_text", "output_text short", 1)


def heading(notebook: nbformat.NotebookNode) -> str:
    """The title of a notebook, from its first heading."""
    for cell in notebook.cells:
        found = re.search(r"^# (.+)$", cell.source, flags=re.MULTILINE) if cell.cell_type == "markdown" else None
        if found is not None:
            return found.group(1).strip()
    return "Notebook"
