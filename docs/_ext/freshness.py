"""Run a page again when its result may have changed, and never otherwise.

sphinx-gallery runs a page when its script changed. The result also depends on the library, torch and the data, so a
change of these makes every page stale. A page that failed is run again by the next build.
"""

import hashlib
import os
import platform
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import answers
import project
import record
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
PAGES = "auto_examples"


def fingerprint() -> str:
    """What decides a page's result besides its script, one line each.

    Modules of the library count without comments and docstrings, its other files byte for byte. What runs in browsers
    decides no page's result.
    """
    packages = sorted((*project.PACKAGES, "sphinx-gallery"))
    lines = [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    library = project.library()
    for path in sorted(library.rglob("*")):
        name = path.relative_to(library)
        if path.is_file() and not {"__pycache__", "live"} & set(name.parts):
            code = project.code_of(path.read_text("utf-8")).encode() if path.suffix == ".py" else path.read_bytes()
            lines.append(f"{name.as_posix()} {hashlib.sha256(code).hexdigest()}")
    warnings.simplefilter("once", project.expected_warning())
    lines.append(" ".join(("data", *project.data())))
    return "\n".join(lines) + "\n"


def forget_stale_pages(app: Sphinx) -> None:
    """Delete sphinx-gallery's checksums of all pages if the fingerprint has changed, so that it runs them again."""
    pages = Path(app.srcdir) / PAGES
    known = pages / "fingerprint.txt"
    now = fingerprint()
    before = known.read_text(encoding="utf-8") if known.is_file() else ""
    if before == now:
        return
    if before:
        changed = {line.rsplit(" ", 1)[0] for line in set(before.splitlines()) ^ set(now.splitlines())}
        logger.info("running every page again, because these have changed: %s", ", ".join(sorted(changed)))
    for checksum in pages.rglob("*.md5"):
        checksum.unlink()
    # Written before the pages run: a build that is stopped continues with the pages that have not run yet.
    pages.mkdir(parents=True, exist_ok=True)
    known.write_text(now, encoding="utf-8")
    _, name, digest = now.splitlines()[-1].split()
    record.write(pages, name, digest, app.config.sphinx_gallery_conf["parallel"] or 1)


def forget_other_picture(app: Sphinx) -> None:
    """Delete the checksums of the pages that read the reader's own picture if it is not that of their last run."""
    pages = Path(app.srcdir) / PAGES
    known = pages / "picture.txt"
    named = os.environ.get(project.PICTURE)
    now = hashlib.sha256(Path(named).read_bytes()).hexdigest() if named and Path(named).is_file() else str(named)
    if known.is_file() and known.read_text(encoding="utf-8") == now:
        return
    for script in pages.rglob("plot_*.py"):
        if project.PICTURE in script.read_text(encoding="utf-8"):
            script.with_suffix(".py.md5").unlink(missing_ok=True)
    pages.mkdir(parents=True, exist_ok=True)
    known.write_text(now, encoding="utf-8")


def forget_run(configuration: dict[str, Any], script: str, when: str) -> None:
    """Delete the checksum, the thumbnail and the answer of a page before it runs; a hook of sphinx-gallery.

    sphinx-gallery keeps the checksum of the last good run when a later run fails. If the script is then restored, its
    checksum matches, and the output of the failed run would be published.
    """
    if when == "before":
        pages = Path(configuration["src_dir"]) / PAGES
        name = Path(script).stem
        for left in (*pages.rglob(f"{name}.py.md5"), *pages.rglob(f"sphx_glr_{name}_thumb.*")):
            left.unlink()
        (pages / "answers" / f"{answers.question_of(Path(script))}.json").unlink(missing_ok=True)


def strict(_configuration: dict[str, Any], _script: str, when: str) -> None:
    """Turn warnings of a page into errors while it runs; a hook of sphinx-gallery."""
    if when == "before":
        _outside.append(warnings.catch_warnings())
        _outside[-1].__enter__()
        warnings.simplefilter("error")
        # The build has already given this warning, and every answer repeats it.
        warnings.simplefilter("ignore", project.expected_warning())
    else:
        _outside.pop().__exit__(None, None, None)


_outside: list["warnings.catch_warnings[None]"] = []  # entered before a page, left after it


def setup(app: Sphinx) -> dict[str, Any]:
    # Before sphinx-gallery, at the default priority of 500, decides which pages to run.
    app.connect("builder-inited", forget_stale_pages, priority=100)
    app.connect("builder-inited", forget_other_picture, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
