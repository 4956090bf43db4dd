"""Measure and write the table: ``python -m benchmarks [--only occlusion] [--quick]``.

Keep the machine quiet meanwhile; everything together takes long. What was measured takes its place
in ``docs/benchmarks/speed.json`` and on the page of the site that is made of it, ``docs/benchmarks/speed.rst``. A quick
run is shown alone, and so is one on a machine that had other work to do.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import groupby
from typing import Any

from benchmarks.attacks import foolbox_pairs, noise
from benchmarks.imports import imports
from benchmarks.measure import RESULTS, Row, busy, environment, told, write
from benchmarks.occlusion import occlusion
from benchmarks.training import epoch, memory, to_99

BENCHMARKS: dict[str, Callable[[bool], list[Row]]] = {
    "epoch": epoch,
    "to-99": to_99,
    "memory": memory,
    "occlusion": occlusion,
    "noise": noise,
    "foolbox": foolbox_pairs,
    "import": imports,
}
PAGE = """
Speed
=====

Unlike the report, these figures were not computed when the site was built: measuring takes a quiet machine and its
time. ``tox -e bench`` measures ours and a reference in one run. They take turns, a first turn is not counted, and the
medians of the others stand here, with the least and the greatest. A ratio is the median of the turns' own ratios.
Training is measured in processes of their own, so that each is as fast as where it is used alone. Part of a range comes
from where a virtual machine's processors happen to be: where they share no cache, what one of them has written reaches
the other late.

The usual loop is that of most tutorials: torchvision's data set with its transforms, a data loader of batch 64, the
same network, Adadelta. Ours is :func:`mnist_lab.fit` with the default recipe, in batches of 128; to 99 % it takes
one epoch of these, at a higher learning rate and with smoothed labels. The rate of matrix products is what torch
reaches here with a product of two large matrices.
"""
HEADER = ("what", "reference beside ours", "ours", "reference")

Entry = dict[str, Any]  # a benchmark's name, its environment and its rows, as they stand in the JSON


def main() -> None:
    """Run the benchmarks that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=BENCHMARKS, nargs="+", default=list(BENCHMARKS), help="measure these alone")
    parser.add_argument("--quick", action="store_true", help="few turns, little data: to see that it runs")
    options = parser.parse_args()
    where = environment()
    kept = not options.quick and not busy()
    for name in options.only:
        rows = BENCHMARKS[name](options.quick)
        print("\n".join(text(rows)), flush=True)
        if kept:
            keep({"name": name, "environment": where, "rows": [asdict(row) for row in rows]})
    print(told(where))
    if not kept:
        print("Nothing was written: a quick run, or a machine that had other work to do, tells little.")


def keep(measured: Entry) -> None:
    """Put what was measured in the place of what stood there for the same benchmark."""
    path = RESULTS / "speed.json"
    before: list[Entry] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    entries = [entry for entry in before if entry["name"] != measured["name"]] + [measured]
    entries.sort(key=lambda entry: list(BENCHMARKS).index(entry["name"]))
    write("speed", entries, table(entries))


def text(rows: list[Row]) -> list[str]:
    """The rows for a terminal: what, and below it the figures."""
    lines = []
    for row in rows:
        what, ratio, ours, reference = row.cells
        lines += [what, f"    ours {ours}, {reference}: {ratio}"]
    return lines


def table(entries: list[Entry]) -> list[str]:
    """The page for the site, with a table for what was measured in one run."""
    lines = PAGE.strip().splitlines()
    for where, run in groupby(entries, key=lambda entry: entry["environment"]):
        lines += ["", ".. list-table::", "   :header-rows: 1", "   :widths: 32 22 20 26", ""]
        rows = [Row(**row) for entry in run for row in entry["rows"]]
        for cells in [HEADER, *(row.cells for row in rows)]:
            lines += [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(cells)]
        lines += ["", told(where)]
    return lines


if __name__ == "__main__":
    main()
