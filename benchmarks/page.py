"""The table of speeds: for a terminal, and as the page of the site."""

from itertools import groupby
from typing import Any

from benchmarks.measure import Row, told

PAGE = """
Speed
=====

These figures were measured before the site was built, since measuring takes a quiet machine and time. The line below
the table says when and where. ``tox -e bench`` measures this library and a reference in turns, in one run. The first
turn is not counted. A figure is the median of the other turns, with the lowest and the highest in brackets. A ratio is
the median of the ratios of the turns. Training is measured in separate processes, so that neither side changes the
memory or the threads of the other.

**Training.** The usual loop is that of most tutorials: torchvision's data set with its transforms, a data loader of
batch 64, the same network, Adadelta. Ours is :func:`mnist_lab.fit` with the default recipe, in batches of 128. The rate
of matrix products is what torch reaches here with a product of two large matrices.

**Training to 99 %.** Ours trains for one epoch, at a higher learning rate and with smoothed labels, and is measured
whatever it reaches. This recipe was chosen on the validation images. The usual loop is stopped by its *test* accuracy,
after the first epoch that ends at 99 % or above. That is to its advantage: it may stop after a lucky epoch. Its time is
therefore a lower bound, and its accuracy at that point does not tell how accurate it is. Measuring the accuracy is not
counted on either side.

**Targeted attack.** All attacks start from the digit, search for the smallest change in L2, and see the same pairs for
the same number of steps. All count rounded images: adversarial-library's FMN and PDGD get a straight-through gradient
of the rounding, and its DDN rounds to 256 levels. Where the line below the table says that each attack ran at a time of
its own, the rule of turns does not hold: the distances compare, the times only roughly.
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
