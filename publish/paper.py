"""Executed notebooks as one PDF: nbconvert writes them as HTML, and Chromium prints it."""

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
# Output of at most 40 lines, which is kept on one page.
SHORT_OUTPUT = r'<div class="[^"]*output_text">\s*<pre>(?:[^\n]*\n){0,40}[^\n]*</pre>'


def print_notebooks(
    notebooks: Mapping[str, Path], target: Path, browser: str, *, title: str, notes: Sequence[str] = ()
) -> None:
    """Print notebooks to one PDF, after a table of contents.

    Parameters
    ----------
    notebooks
        The path of each notebook, by the name of its page.
    target
        The PDF.
    browser
        The path of Chromium.
    title
        The heading of the first page.
    notes
        What the reader has to know first, one paragraph each.

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
                "--no-sandbox",  # containers do not provide one, and the page is our own
                "--disable-gpu",
                "--disable-dev-shm-usage",
                f"--user-data-dir={folder}/profile",
                "--host-resolver-rules=MAP * ~NOTFOUND",  # no requests to other servers
                "--no-pdf-header-footer",
                "--generate-pdf-document-outline",
                f"--print-to-pdf={partial}",
                page.as_uri(),
            ]
            output = run(command, seconds=SECONDS)
            if not partial.read_bytes().startswith(b"%PDF-"):
                raise PublishError(f"{browser} printed no PDF. Its output:\n{output}")


def as_html(notebooks: Mapping[str, Path], *, title: str, notes: Sequence[str] = ()) -> str:
    """One self-contained HTML document: a table of contents and the notebooks."""
    exporter = HTMLExporter(template_name="basic")
    contents, sections = [], []
    for page, path in notebooks.items():
        notebook = nbformat.read(path, as_version=4)
        body, _ = exporter.from_notebook_node(notebook)
        # Different notebooks have headings with the same identifier, and no link leads to them.
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
