"""The table of speeds: for a terminal, and as the page of the site."""

from itertools import groupby
from typing import Any

from benchmarks.measure import Row, told

PAGE = """
Speed
=====

Unlike the report, these figures were not computed when the site was built: measuring takes a quiet machine and its
time. ``tox -e bench`` measures ours and a reference in one run. They take turns, a first turn is not counted, and the
medians of the others stand here, with the least and the greatest. A ratio is the median of the turns' own ratios.
Training is measured in processes of their own, so that each is as fast as where it is used alone.

The usual loop is that of most tutorials: torchvision's data set with its transforms, a data loader of batch 64, the
same network, Adadelta. Ours is :func:`mnist_lab.fit` with the default recipe, in batches of 128; to 99 % it takes
one epoch of these, at a higher learning rate and with smoothed labels. The rate of matrix products is what torch
reaches here with a product of two large matrices.
"""
HEADER = ("what", "reference beside ours", "ours", "reference")

Entry = dict[str, Any]  # a benchmark's name, its environment and its rows, as they stand in the JSON


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
