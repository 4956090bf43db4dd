"""``tox -e pdf``: the report as one PDF, docs/_build/mnist_lab.pdf, and the site's link to it.

The pages run only where they are not up to date, so after ``tox -e docs`` this sets type and computes nothing anew.
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
# Boxes that stick out less than this (in points, a third of a millimetre each) are not seen.
POINTS_ALLOWED = 3.0


def build() -> Path:
    """Build the PDF, and the site anew where there is one, so that it links the PDF.

    Raises
    ------
    PublishError
        If TeX is missing, a page fails, or LaTeX complains of something that a reader would see.
    """
    check_tex()
    sphinx("latex", LATEX)
    # LaTeX's own files of an earlier run may be broken; what Sphinx wrote is complete.
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
        raise PublishError("LaTeX set the report, but a reader would see this:\n" + "\n".join(seen))
    # The note of the run it shows comes last: until then the site does not offer the PDF as current.
    for name, target in (("mnist_lab.pdf", PDF), ("mnist_lab.run", PDF.with_suffix(".run"))):
        with written_whole(target) as partial:
            shutil.copyfile(LATEX / name, partial)
    if (SITE / "index.html").is_file():
        sphinx("html", SITE)
    return PDF


def sphinx(builder: str, target: Path) -> None:
    """Run Sphinx as ``tox -e docs`` does; what it says goes straight to the terminal."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", builder, str(DOCS), str(target)]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise PublishError(f"Sphinx could not write the report as {builder}: its messages stand above")


def complaints(log: str) -> list[str]:
    r"""What LaTeX's log says of things that a reader would see: lost characters, dead references, text in the margin.

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
    """Build the PDF, or say what is in the way."""
    try:
        print(f"The report: {build()}")
    except PublishError as error:
        sys.exit(f"pdf: {error}")


if __name__ == "__main__":
    main()
