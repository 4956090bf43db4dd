"""Renew the inventories beside this file: ``python docs/inventories/refresh.py``.

An inventory says on which page of another project's documentation a name is described. A build links code and text by
these copies, and so needs no network. Of the thousands of names, only those remain whose every part this project uses.
The files are inventories of version 1, which is plain text: a name that is missing can also be added by hand.
"""

import re
import runpy
import sys
import urllib.request
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCES = ("examples/**/*.py", "mnist_lab/**/*.py", "docs/guide/*", "docs/api/*.rst", "docs/benchmarks/*.rst")


def words() -> set[str]:
    """Every word of the pages, the library and the documentation."""
    texts = (path.read_text(encoding="utf-8") for pattern in SOURCES for path in ROOT.glob(pattern))
    return {word for text in texts for word in re.findall(r"\w+", text)}


def reduced(inventory: bytes, used: set[str]) -> str:
    """The names of an inventory whose every part is used, as an inventory of version 1.

    Names without a dot are Python's built-in ones, which every reader knows; a link at each would be a nuisance.
    """
    _, *lines, _, body = inventory.split(b"\n", 4)
    project, version = (line.decode().partition(": ")[2] for line in lines)
    names = set()
    entries = re.findall(r"^(\S+) py:(\w+) \S+ ([^\s#]+)#(\S+) ", zlib.decompress(body).decode(), flags=re.MULTILINE)
    for name, kind, page, anchor in entries:
        module = kind == "module"
        own = anchor.replace("$", name) == (f"module-{name}" if module else name)  # all that version 1 can say
        if own and (module or "." in name) and set(name.split(".")) <= used:
            names.add(f"{name} {'mod' if module else kind} {page}")
    head = ["# Sphinx inventory version 1", f"# Project: {project}", f"# Version: {version}"]
    return "\n".join([*head, *sorted(names), ""])


def main(folder: Path | None = None) -> None:
    """Renew the inventories from the projects' sites, or from the files of the same names in `folder`."""
    used = words()
    for name, (site, file) in runpy.run_path(str(HERE.parent / "conf.py"))["intersphinx_mapping"].items():
        if folder is None:
            with urllib.request.urlopen(f"{site}/objects.inv") as answer:
                inventory = answer.read()
        elif (folder / f"{name}.inv").is_file():
            inventory = (folder / f"{name}.inv").read_bytes()
        else:
            continue
        (HERE.parent / file).write_text(reduced(inventory, used), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
