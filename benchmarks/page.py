"""The table of speeds: for a terminal, and as the page of the site."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from benchmarks.measure import Distortion, Row, told

PAGE = """
Speed
=====

These figures were measured before the site was built, since measuring takes time. The line below each table says when
and where, and the load before: how many programs wanted to run. Where it is far from 0, other programs ran as well.
``tox -e bench`` measures this library and a reference in turns, in one run. The first turn is not counted. A figure is
the median of the other turns, with the lowest and the highest in brackets. A ratio is the median of the ratios of the
turns. Training is measured in separate processes, so that neither side changes the memory or the threads of the other.

**Training.** The usual loop is that of most tutorials: torchvision's data set with its transforms, a data loader of
batch 64, the same network, Adadelta. Ours is :func:`mnist_lab.fit` with the default recipe, in batches of 128. The rate
of matrix products is what torch reaches here with a product of two large matrices.

**Training to 99 %.** Ours trains for one epoch, at a higher learning rate and with smoothed labels, and is measured
whatever it reaches. This recipe was chosen on the validation images. The usual loop is stopped by its *test* accuracy,
after the first epoch that ends at 99 % or above. That is to its advantage: it may stop after a lucky epoch. Its time is
therefore a lower bound, and its accuracy at that point does not tell how accurate it is. Measuring the accuracy is not
counted on either side.

**Busy machine.** An epoch of 5,000 images, beside as many programs that compute without end as there are cores, and
without them. :func:`mnist_lab.trained` counts the programs before it trains, and leaves them their cores, up to half of
all. Ours on all threads and the usual loop are both shown with threads that spin shortly while they wait, as this
library asks of OpenMP, and with threads that spin as by default.

**Targeted attacks.** All attacks start from the digit, search for the smallest change in L2, and see the same pairs:
two test images of each digit, nine targets each, and the network with batch normalization, seed 0, trained in float32.
All count rounded images: adversarial-library's FMN :cite:p:`pintor2021` and PDGD :cite:p:`matyasko2021` get a
straight-through gradient of the rounding, and its DDN :cite:p:`rony2019` rounds to 256 levels. Each attack runs once
for each number of steps, on one thread. Its processor time counts no waiting for other programs. The settings of this
library were chosen on validation images, and on other networks too.

.. include:: /auto_examples/attacks.rst.inc
"""
ROWS = {"attacks": Distortion}  # the kind of rows of a benchmark, where it is not Row

Entry = dict[str, Any]  # a benchmark's name, its environment and its rows, as they stand in the JSON


def text(rows: Sequence[Row | Distortion]) -> list[str]:
    """The rows for a terminal: the first column, and below it the others."""
    return [line for row in rows for line in (row.cells[0], "    " + "; ".join(row.cells[1:]))]


def table(entries: list[Entry]) -> list[str]:
    """The page for the site, with a table for what was measured in one run."""
    lines = PAGE.strip().splitlines()
    for where, run in groupby(entries, key=lambda entry: entry["environment"]):
        rows: list[Row | Distortion] = [ROWS.get(entry["name"], Row)(**row) for entry in run for row in entry["rows"]]
        for _, group in groupby(rows, key=type):
            alike = list(group)
            header = alike[0].HEADER
            widths = " ".join(map(str, header.values()))
            lines += ["", ".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
            for cells in [tuple(header), *(row.cells for row in alike)]:
                lines += [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(cells)]
        lines += ["", told(where)]
    return lines
