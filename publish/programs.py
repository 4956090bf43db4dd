"""Programs that pip cannot install: TeX and a browser. They are looked for before any work is done.

The guide, CI, the workflows and Read the Docs list the same packages, which a test checks.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEX_PACKAGES = (
    "texlive-xetex",
    "texlive-latex-extra",
    "texlive-fonts-recommended",
    "latexmk",
    "fonts-texgyre",
    "fonts-dejavu-core",
)
BROWSER_PACKAGES = ("chromium", "fonts-liberation", "fonts-dejavu-core")
TEX_PROGRAMS = ("xelatex", "latexmk", "makeindex", "kpsewhich")
# One file of each package that a smaller installation of TeX lacks.
TEX_FILES = (
    "fvextra.sty",
    "pzdr.tfm",
    "needspace.sty",
    "adjustbox.sty",
    "polyglossia.sty",
    "texgyrepagella-regular.otf",
)
LINES_SHOWN = 30  # of the output of a command that failed
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class PublishError(Exception):
    """Something is in the way; the message says what to do about it."""


def check_tex() -> None:
    """Raise unless TeX is installed with everything that the report's PDF uses.

    Raises
    ------
    PublishError
        If a program or a file is missing; the message contains the command that installs it.
    """
    missing = [program for program in TEX_PROGRAMS if shutil.which(program) is None]
    if not missing:
        found = run(["kpsewhich", *TEX_FILES], allowed=(0, 1)).splitlines()
        missing = [name for name in TEX_FILES if not any(line.endswith(name) for line in found)]
    if missing:
        raise PublishError(f"the PDF needs TeX, and this is missing: {', '.join(missing)}.\n{to_install(TEX_PACKAGES)}")


def browser() -> str:
    """The path of Chromium or Chrome.

    Raises
    ------
    PublishError
        If there is none; the message contains the command that installs it.
    """
    for name in BROWSERS:
        path = shutil.which(name)
        if path is not None:
            return path
    raise PublishError(f"the PDF of the notebooks needs Chromium, which is missing.\n{to_install(BROWSER_PACKAGES)}")


def to_install(packages: Sequence[str]) -> str:
    """The command that installs Debian packages.

    >>> to_install(["chromium"])
    'On Debian or Ubuntu: sudo apt-get install --yes --no-install-recommends chromium'
    """
    return f"On Debian or Ubuntu: sudo apt-get install --yes --no-install-recommends {' '.join(packages)}"


def run(
    command: Sequence[str], *, folder: Path = ROOT, allowed: Sequence[int] = (0,), seconds: float | None = None
) -> str:
    """Run a command, and return what it printed to both streams.

    Raises
    ------
    PublishError
        If it fails or takes longer than `seconds`; the message contains the last lines that it printed.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PublishError(f"{Path(command[0]).name} did not finish within {seconds:.0f} seconds") from None
    if done.returncode not in allowed:
        last = "\n".join(done.stdout.splitlines()[-LINES_SHOWN:])
        raise PublishError(f"{Path(command[0]).name} failed with exit code {done.returncode}. Its last lines:\n{last}")
    return done.stdout
