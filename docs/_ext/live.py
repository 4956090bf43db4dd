"""The directive ``live``: an experiment that the reader's browser runs, with the networks that this build trained.

``.. live:: occlusion`` puts it into a page. In the PDF, in notebooks and without JavaScript a line says what is there.
"""

import json
import re
from pathlib import Path
from typing import Any, get_args

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
EXPERIMENTS = {
    "probabilities": "draw a digit, and see what the network takes it for while you draw",
    "units": "draw a digit, and see how many units are active",
    "maps": "draw a digit, and see what each filter of each layer makes of it",
    "occlusion": "draw a digit, move a patch over it, and see the probability behind the patch",
    "ascent": "watch gradient ascent turn noise into an image that the network is sure of",
    "targeted": "draw a digit, and have it changed until the network takes it for another one",
    "check": "compare what your browser computes with what PyTorch computed",
}
FOLDER = Path("auto_examples", "live")  # of the exported networks, beside the pages that trained them
SCRIPTS = ("network", "digit", "ui", "pad")


def line(name: str) -> str:
    """What is said where the experiment cannot run.

    >>> line("ascent")[:65]
    'An experiment for the web page, in a browser with JavaScript: wat'
    """
    return f"An experiment for the web page, in a browser with JavaScript: {EXPERIMENTS[name]}."


def in_notebook(text: str) -> str:
    r"""Replace the directive in a notebook's text by the line.

    >>> in_notebook("See.\n\n.. live:: units\n")[:50]
    'See.\n\n*An experiment for the web page, in a browse'
    """
    return re.sub(r"^\.\. live:: (\w+)$", lambda found: f"*{line(found[1])}*", text, flags=re.MULTILINE)


class live(nodes.General, nodes.Element):  # noqa: N801 - docutils names nodes in lower case
    """An experiment; its content is what is said where it cannot run."""


class Live(SphinxDirective):
    """The directive ``live``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = directives.choice(self.arguments[0], tuple(EXPERIMENTS))
        self.env.note_dependency(str(Path(self.env.srcdir) / FOLDER / "live" / "index.html"))
        return [live("", nodes.paragraph("", line(name)), name=name)]


def visit_live(writer: HTML5Translator, node: live) -> None:
    source = Path(writer.builder.srcdir)
    scripts = (source / FOLDER / "live" / "networks").glob("*.js")
    names = sorted(path.stem for path in scripts if not path.stem.endswith("_check"))
    names.sort(key=lambda name: name != "best")
    dataset = json.loads((source / "auto_examples" / "record.json").read_text("utf-8"))["dataset"] if names else "mnist"
    attributes = {"data-live": node["name"], "data-networks": " ".join(names), "data-dataset": dataset}
    writer.body.append(writer.starttag(node, "div", CLASS="live", **attributes))


def depart_live(writer: HTML5Translator, _node: live) -> None:
    writer.body.append("</div>\n")


def as_text(_writer: object, _node: live) -> None:
    """Outside of HTML only the line is shown."""


def add_scripts(app: Sphinx, _page: str, _template: str, _context: dict[str, Any], tree: nodes.document | None) -> None:
    """Load the scripts on pages that have an experiment. The weights are loaded when the reader touches one."""
    names = dict.fromkeys(node["name"] for node in tree.findall(live)) if tree is not None else {}
    if names:
        app.add_css_file("live/live.css")
        for script in (*SCRIPTS, *(f"widgets/{name}" for name in names)):
            app.add_js_file(f"live/{script}.js", loading_method="defer")


def make(app: Sphinx) -> None:
    """Export the networks, unless they are newer than the library's scripts and its last change."""
    pages = Path(app.srcdir) / "auto_examples"
    if app.builder.format != "html" or not (pages / "record.json").is_file():
        return
    import mnist_lab as lab  # noqa: PLC0415 - after conf.py has set the environment variables
    from mnist_lab.live.export import HERE  # noqa: PLC0415
    from mnist_lab.training.zoo import Name  # noqa: PLC0415

    folder, done = pages / "live" / "live", pages / "live" / "live" / "index.html"
    sources = [
        Path(__file__),
        pages / "fingerprint.txt",
        *(path for path in HERE.rglob("*") if path.suffix in {".py", ".js", ".css", ".html"}),
    ]
    if not done.is_file() or done.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        logger.info("exporting the networks for the live experiments")
        dataset = lab.load_dataset()
        networks = {"best": lab.best(dataset=dataset)}
        networks |= {name: lab.trained(name, dataset=dataset) for name in get_args(Name)}
        for name, network in networks.items():
            lab.live.export(network, folder, name, dataset.test)
    # Sphinx copies its content to _static. The folder did not exist when Sphinx checked its configuration.
    app.config.html_static_path.append(FOLDER.as_posix())


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("live", Live)
    app.add_node(live, html=(visit_live, depart_live), latex=(as_text, as_text), text=(as_text, as_text))
    # After sphinx-gallery, at the default priority of 500, has run the pages, which train the networks.
    app.connect("builder-inited", make, priority=900)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
