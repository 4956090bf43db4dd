"""The figure of the page of speeds: how near each targeted attack comes in how much time, drawn from speed.json."""

import json
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from sphinx.application import Sphinx

Rows = list[dict[str, Any]]  # of the benchmark "attacks"
ROOM = 1.05  # the figure ends at this multiple of the least distance


def draw(rows: Rows) -> Figure:
    """A panel for the median and one for the mean, with a line for each attack and a point for each number of steps."""
    from mnist_lab.plotting.style import SERIES, WIDTH  # noqa: PLC0415 - after conf.py has set the environment

    attacks = list(dict.fromkeys(row["attack"] for row in rows))
    figure = plt.figure(figsize=(WIDTH, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, statistic in zip(panels, ("median", "mean"), strict=True):
        for name, (color, line, marker) in zip(attacks, SERIES, strict=False):
            points = [(row["seconds"], row[statistic]) for row in rows if row["attack"] == name]
            axes.plot(*zip(*points, strict=True), color=color, linestyle=line, marker=marker, label=name)
        axes.set(title=f"{statistic} of the pairs", xlabel="processor time, s", xscale="log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
    least = min(row[statistic] for row in rows for statistic in ("median", "mean"))
    panels[0].set_ylim(least * (1 - (ROOM - 1) / 10), least * ROOM)
    panels[0].set_ylabel("L2 distance (intensities 0..1)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def caption(rows: Rows) -> str:
    """What the figure shows: for each number of steps the nearest attacks, and what lies above it.

    >>> row = {"seconds": 1.0, "failures": 0}
    >>> near, far = {**row, "median": 1.0, "mean": 1.01}, {**row, "median": 3.0, "mean": 1.0}
    >>> print(caption([{**near, "attack": "A", "steps": 9}, {**far, "attack": "B", "steps": 9}]))
    L2 distance against processor time. 9 steps: A has the least median, B the least mean. Above the figure: B, 9 steps.
    """
    told = ["L2 distance against processor time."]
    for steps in dict.fromkeys(row["steps"] for row in rows):
        alike = [row for row in rows if row["steps"] == steps]
        median, mean = (min(alike, key=lambda row: row[name])["attack"] for name in ("median", "mean"))
        rest = " and mean" if median == mean else f", {mean} the least mean"
        told.append(f"{steps:,} steps: {median} has the least median{rest}.")
    limit = ROOM * min(row[name] for row in rows for name in ("median", "mean"))
    above = [f"{row['attack']}, {row['steps']:,} steps" for row in rows if max(row["median"], row["mean"]) > limit]
    if above:
        told.append(f"Above the figure: {'; '.join(above)}.")
    return " ".join(told)


def make(app: Sphinx) -> None:
    """Draw the figure, unless it is newer than this file and what was measured."""
    source = Path(app.srcdir)
    measured, picture = source / "benchmarks" / "speed.json", source / "auto_examples" / "attacks.png"
    words = picture.with_suffix(".rst.inc")
    changed = max(path.stat().st_mtime for path in (Path(__file__), measured))
    if words.is_file() and words.stat().st_mtime >= changed:
        return
    entries = json.loads(measured.read_text(encoding="utf-8"))
    rows = next(entry["rows"] for entry in entries if entry["name"] == "attacks")
    figure = draw(rows)
    figure.savefig(picture, dpi=200)
    plt.close(figure)
    words.write_text(
        f".. figure:: /auto_examples/{picture.name}\n   :alt: {caption(rows)}\n\n   {caption(rows)}\n", encoding="utf-8"
    )


def setup(app: Sphinx) -> dict[str, Any]:
    # After sphinx-gallery has run the pages: it makes the folder.
    app.connect("builder-inited", make, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
