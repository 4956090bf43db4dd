"""Measure and write the table: ``python -m benchmarks [--only occlusion] [--quick]``.

Keep the machine quiet meanwhile; everything together takes long. What was measured takes its place
in ``docs/benchmarks/speed.json`` and on the page of the site that is made of it, ``docs/benchmarks/speed.rst``. A quick
run is shown alone, and so is one on a machine that had other work to do.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from benchmarks.attacks import attacks, noise
from benchmarks.busy import beside_programs
from benchmarks.imports import imports
from benchmarks.measure import RESULTS, Distortion, Row, busy, environment, told, write
from benchmarks.occlusion import occlusion
from benchmarks.page import Entry, table, text
from benchmarks.training import epoch, memory, to_99

BENCHMARKS: dict[str, Callable[[bool], Sequence[Row | Distortion]]] = {
    "epoch": epoch,
    "to-99": to_99,
    "busy": beside_programs,
    "memory": memory,
    "occlusion": occlusion,
    "noise": noise,
    "attacks": attacks,
    "import": imports,
}


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


if __name__ == "__main__":
    main()
