"""Pages run again when what they compute may have changed, and only then.

sphinx-gallery runs a page when its script changed. A page also shows what the library, torch and the data set gave, so
a change of any of these makes every page stale.
"""

import hashlib
import platform
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import record
from sphinx.application import Sphinx
from sphinx.errors import ConfigError
from sphinx.util import logging

logger = logging.getLogger(__name__)
PACKAGES = ("matplotlib", "numpy", "scipy", "sphinx-gallery", "torch", "torchvision")


def fingerprint() -> str:
    """Everything beside its script that decides what a page shows, a line each."""
    import mnist_lab  # noqa: PLC0415 - the environment variables of conf.py come first

    folder = Path(mnist_lab.__file__).parent
    lines = [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)]
    lines += [
        f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(folder.rglob("*.py"))
    ]
    warnings.simplefilter("once", _drawn_digits())
    try:
        dataset = mnist_lab.load_dataset()
    except mnist_lab.DataError as error:
        # Sphinx names this a configuration error, with the message whole; anything else it calls a fault of a handler.
        raise ConfigError(f"no page can run without the data. {error}") from None
    lines.append(f"data {dataset.name} {dataset.checksum}")
    return "\n".join(lines) + "\n"


def forget_stale_pages(app: Sphinx) -> None:
    """Delete sphinx-gallery's memory of having run the pages, if what they rest on has changed."""
    pages = Path(app.srcdir) / "auto_examples"
    known = pages / "fingerprint.txt"
    now = fingerprint()
    before = known.read_text(encoding="utf-8") if known.is_file() else ""
    if before == now:
        return
    changed = sorted({line.rsplit(" ", 1)[0] for line in set(before.splitlines()) ^ set(now.splitlines())})
    if before:
        logger.info("every page runs again, since these have changed: %s", ", ".join(changed))
    for memory in pages.rglob("*.md5"):
        memory.unlink()
    # Written at once: a page remembers its own run when it has ended well, so a build that stops goes on from there.
    pages.mkdir(parents=True, exist_ok=True)
    known.write_text(now, encoding="utf-8")
    _, name, checksum = now.splitlines()[-1].split()
    record.take(pages, name, checksum)


def strict(_configuration: dict[str, Any], _script: str, when: str) -> None:
    """Make a warning in a page an error; sphinx-gallery calls this before and after each page."""
    if when == "before":
        _outside.append(warnings.catch_warnings())
        _outside[-1].__enter__()
        warnings.simplefilter("error")
        # That digits are drawn was said when the build began, and every answer says it.
        warnings.simplefilter("ignore", _drawn_digits())
    else:
        _outside.pop().__exit__(None, None, None)


def _drawn_digits() -> type[Warning]:
    from mnist_lab import SyntheticDataWarning  # noqa: PLC0415 - the environment variables of conf.py come first

    return SyntheticDataWarning


_outside: list["warnings.catch_warnings[None]"] = []  # entered before a page, left after it


def setup(app: Sphinx) -> dict[str, Any]:
    # Before sphinx-gallery's own handler, which has the default priority of 500, decides what to run.
    app.connect("builder-inited", forget_stale_pages, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
