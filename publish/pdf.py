"""``tox -e pdf``: the report as one PDF, docs/_build/mnist_lab.pdf, and the site's link to it.

Only pages that are not up to date are run, so after ``tox -e docs`` this computes nothing again.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from mnist_lab._utils.files import written_whole
from publish.programs import ROOT, PublishError, check_tex, run

DOCS = ROOT / "docs"
PDF = DOCS / "_build" / "mnist_lab.pdf"
LATEX = DOCS / "_build" / "latex"
SITE = DOCS / "_build" / "html"
# Text that sticks out into the margin by less than this, in points (1/3 mm each), is not noticed.
POINTS_ALLOWED = 3.0


def build() -> Path:
    """Build the PDF, and update the site if there is one, so that it links to the PDF.

    Raises
    ------
    PublishError
        If TeX is missing, a page fails, or LaTeX reports something that a reader would see.
    """
    check_tex()
    sphinx("latex", LATEX)
    # Remove LaTeX's own files, which an interrupted run may have left incomplete.
    try:
        run(["latexmk", "-C", "mnist_lab.tex"], folder=LATEX)
        run(
            ["latexmk", "-pdfxe", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error", "mnist_lab.tex"],
            folder=LATEX,
        )
    except PublishError as error:
        raise PublishError(f"{error}\nThe whole log: {LATEX / 'mnist_lab.log'}") from None
    seen = complaints((LATEX / "mnist_lab.log").read_text(encoding="utf-8", errors="replace"))
    if seen:
        raise PublishError("LaTeX built the report, but a reader would see this:\n" + "\n".join(seen))
    # The name of the run is written last, because the site offers the PDF only if that matches its own run.
    for name, target in (("mnist_lab.pdf", PDF), ("mnist_lab.run", PDF.with_suffix(".run"))):
        with written_whole(target) as partial:
            shutil.copyfile(LATEX / name, partial)
    if (SITE / "index.html").is_file():
        sphinx("html", SITE)
    return PDF


def sphinx(builder: str, target: Path) -> None:
    """Run Sphinx as ``tox -e docs`` does, with its messages on the terminal."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", builder, str(DOCS), str(target)]
    if subprocess.run(command, check=False).returncode:
        raise PublishError(f"Sphinx failed to write the report as {builder}; see its messages above")


def complaints(log: str) -> list[str]:
    r"""The lines of LaTeX's log about what a reader would see: missing characters, dead links, text in the margin.

    >>> complaints("Overfull \\hbox (12.5pt too wide) in paragraph at lines 7--9")
    ['Overfull \\hbox (12.5pt too wide) in paragraph at lines 7--9']
    >>> complaints("Underfull \\hbox (badness 10000) in paragraph at lines 7--9")
    []
    """
    seen = []
    for line in log.splitlines():
        overfull = re.match(r"Overfull \\[hv]box \((\d+(?:\.\d+)?)pt too (?:wide|high)\)", line)
        if overfull is not None:
            if float(overfull.group(1)) > POINTS_ALLOWED:
                seen.append(line)
        elif line.startswith("Missing character:") or re.match(
            r"LaTeX Warning: (?:Reference|Hyper reference) .*undefined", line
        ):
            seen.append(line)
    return list(dict.fromkeys(seen))


def main() -> None:
    """Build the PDF."""
    try:
        print(f"The report: {build()}")
    except PublishError as error:
        sys.exit(f"pdf: {error}")


if __name__ == "__main__":
    main()
