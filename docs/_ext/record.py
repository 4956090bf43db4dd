"""When, where and on which data the pages ran: a table, a line in the footer, and a banner if it was not MNIST."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import project
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

STAND_IN = "Not MNIST: the pages of the report were computed on {name} digits, because MNIST was not available."


def processor() -> str:
    """The name of the processor, or its architecture if the system does not know the name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def write(folder: Path, name: str, checksum: str, at_once: int) -> None:
    """Record in `folder` when, where and on which data its pages run, so many at once."""
    cores = os.cpu_count() or 1
    record = {
        "date": datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
        "dataset": name,
        "checksum": checksum,
        "machine": {
            "system": platform.platform(terse=True),
            "processor": processor(),
            "processors": f"{cores}; pages at once: {at_once}, threads of each: {max(1, cores // at_once)}",
        },
        "versions": {"python": platform.python_version(), project.PACKAGE: version(project.DISTRIBUTION)}
        | {name: version(name) for name in sorted((*project.PACKAGES, "sphinx", "sphinx-gallery"))},
    }
    (folder / "record.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def read(app: Sphinx) -> dict[str, Any]:
    """The record of the pages that the site shows, as `write` wrote it."""
    record: dict[str, Any] = json.loads((Path(app.srcdir) / "auto_examples" / "record.json").read_text("utf-8"))
    return record


class BuildRecord(SphinxDirective):
    """The directive ``build-record``: a table of the run's date, data, machine and versions."""

    def run(self) -> list[nodes.Node]:
        record = read(self.env.app)
        self.env.note_dependency(str(Path(self.env.srcdir) / "auto_examples" / "record.json"))
        rows = {
            "Pages run": record["date"],
            "Data set": record["dataset"],
            "SHA-256 of every image and label": f"``{record['checksum']}``",
            "System": record["machine"]["system"],
            "Processor": record["machine"]["processor"],
            "Processors": record["machine"]["processors"],
        } | record["versions"]
        table = [".. list-table::", "   :widths: 30 70", "   :class: answers", "   :stub-columns: 1", ""]
        for name, value in rows.items():
            table += [f"   * - {name}", f"     - {value}"]
        return self.parse_text_to_nodes("\n".join(table))


class DataNotice(SphinxDirective):
    """The directive ``data-notice``: a warning if the pages did not run on MNIST, else nothing."""

    def run(self) -> list[nodes.Node]:
        name = read(self.env.app)["dataset"]
        self.env.note_dependency(str(Path(self.env.srcdir) / "auto_examples" / "record.json"))
        return [] if name == "mnist" else self.parse_text_to_nodes(f".. warning::\n\n   {STAND_IN.format(name=name)}")


def on_every_page(
    app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: nodes.document | None
) -> None:
    """Give the record to the footer's template, and the warning about synthetic digits to the theme's banner."""
    record = read(app)
    context["build_record"] = record
    if record["dataset"] != "mnist":
        context["theme_announcement"] = STAND_IN.format(name=record["dataset"])


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("build-record", BuildRecord)
    app.add_directive("data-notice", DataNotice)
    app.connect("html-page-context", on_every_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
