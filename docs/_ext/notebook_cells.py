"""The pages as notebooks: a first cell that installs the library, and text without Sphinx's roles.

Without the repository's address the first cell only says how to install the library: no package index has it, and
whoever registered its name there could run code on the reader's machine.
"""

import json
import re
from pathlib import Path
from typing import Any

import addresses
import live
import references
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
INSTALL = """\
# Installs mnist_lab, and torch with it, if it is missing; takes a minute or two on Colab.
import importlib.util
from pathlib import Path

if importlib.util.find_spec("mnist_lab") is None:
    source = next(Path("../..").glob("mnist_lab-*.whl"), "git+{address}")  # a hand-in contains the wheel
    %pip install --quiet "$source"
"""
EXPLAIN = """\
import importlib.util

if importlib.util.find_spec("mnist_lab") is None:
    raise ModuleNotFoundError(
        "mnist_lab is missing. Install it from a checkout of its repository (pip install /path/to/checkout), "
        "or from the wheel in a hand-in (pip install /path/to/mnist_lab-*.whl)."
    )
"""


def install_cell(address: str | None) -> str:
    """The code of a notebook's first cell: install the library if it is missing, or say how without an address.

    >>> "git+https://github.com/someone/mnist_lab" in install_cell("https://github.com/someone/mnist_lab")
    True
    >>> "%pip" in install_cell(None)
    False
    """
    return EXPLAIN if address is None else INSTALL.format(address=address)


def without_roles(text: str, titles: dict[str, str]) -> str:
    """Replace Sphinx's roles, which Markdown does not know, by plain text; links to pages by the pages' titles.

    >>> without_roles("See :func:`mnist_lab.fit`, :class:`~torch.nn.Conv2d` and :doc:`the answer </index>`.", {})
    'See `mnist_lab.fit`, `Conv2d` and the answer.'
    >>> without_roles("As :cite:t:`simonyan2014` in :doc:`plot_1_3_layers`.", {"plot_1_3_layers": "1.3 Layers"})
    'As Simonyan et al. (2014) in 1.3 Layers.'
    """

    def plain(match: re.Match[str]) -> str:
        role, shown = match.groups()
        title = re.fullmatch(r"(.+?)\s*<.+>", shown, flags=re.DOTALL)
        if title is not None:
            return title[1]
        if role in {"doc", "ref"}:
            return titles.get(shown.rsplit("/", 1)[-1], shown)
        return f"`{shown[1:].rsplit('.', 1)[-1] if shown.startswith('~') else shown}`"

    text = live.in_notebook(references.without_citations(text))
    text = re.sub(r":(?:\w+:)?(func|class|meth|mod|attr|data|exc|doc|ref):`([^`]+)`", plain, text)
    # sphinx-gallery has already taken the role from its own labels of pages.
    return re.sub(r"`sphx_glr_auto_examples_\w*?(plot_\w+)\.py`", lambda label: titles.get(label[1], label[0]), text)


def title_of(notebook: dict[str, Any]) -> str:
    """The heading at the top of a notebook.

    >>> title_of({"cells": [{"source": ["# 1.1 Error"]}]})
    '1.1 Error'
    """
    return "".join(notebook["cells"][0]["source"]).strip().partition("\n")[0].lstrip("# ")


def mended(notebook: dict[str, Any], titles: dict[str, str], install: str) -> dict[str, Any]:
    """Insert the installing cell below the title of a notebook, and remove Sphinx's roles from the text."""
    cells = [cell for cell in notebook["cells"] if cell["metadata"].get("tags") != ["install"]]
    for cell in cells:
        if cell["cell_type"] == "markdown":
            cell["source"] = without_roles("".join(cell["source"]), titles).splitlines(keepends=True)
    installing = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": ["install"]},
        "outputs": [],
        "source": install.splitlines(keepends=True),
    } | ({"id": "install"} if notebook["nbformat_minor"] >= 5 else {})
    return notebook | {"cells": [cells[0], installing, *cells[1:]]}


def mend_notebooks(app: Sphinx) -> None:
    """Mend all notebooks, because the address may have changed since sphinx-gallery wrote them."""
    install = install_cell(addresses.repository())
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in sorted((Path(app.srcdir) / "auto_examples").glob("*/plot_*.ipynb"))
    }
    titles = {path.stem: title_of(json.loads(text)) for path, text in texts.items()}
    for path, before in texts.items():
        after = json.dumps(mended(json.loads(before), titles, install), indent=1, ensure_ascii=False) + "\n"
        if after != before:
            path.write_text(after, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", mend_notebooks, priority=900)  # after the pages have run
    return {"parallel_read_safe": True, "parallel_write_safe": True}
