"""Tables as plain ASCII text: readable on any terminal, on a web page and in print."""

import textwrap
from collections.abc import Collection, Sequence
from itertools import zip_longest

WIDTH = 80
GAP = "  "
NARROWEST = 8

Cell = str | int | None


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    totals: Sequence[Sequence[Cell]] = (),
    *,
    wrap: Collection[int] = (0, 1),
) -> str:
    """A table of at most 80 columns of text.

    Text is aligned left and numbers right, with a comma between thousands. A column that holds a number is aligned
    right.

    Parameters
    ----------
    header
        The names of the columns.
    rows
        The cells, row by row; None leaves a cell empty.
    totals
        Rows below a line of their own.
    wrap
        The columns whose texts continue on a second line where the table would be too wide.

    Examples
    --------
    >>> print(table(["layer", "parameters"], [["conv1", 320], ["fc1", 784_500]], [["total", 784_820]]))
    layer  parameters
    -----------------
    conv1         320
    fc1       784,500
    -----------------
    total     784,820
    """
    number = [any(isinstance(cell, int) for cell in column) for column in zip(*rows, *totals, strict=True)]
    texts = [list(header), *([_text(cell) for cell in row] for row in (*rows, *totals))]
    widths = _widths(texts, wrap)
    blocks = []
    for row in texts:
        # One list of lines per cell; a row is as tall as its tallest cell.
        cells = [textwrap.wrap(text, width) for text, width in zip(row, widths, strict=True)]
        lines = [
            GAP.join(
                line.rjust(width) if right else line.ljust(width)
                for line, width, right in zip(parts, widths, number, strict=True)
            ).rstrip()
            for parts in zip_longest(*cells, fillvalue="")
        ]
        blocks.append("\n".join(lines))
    rule = "-" * (sum(widths) + len(GAP) * (len(widths) - 1))
    parts = [blocks[:1], blocks[1 : 1 + len(rows)], blocks[1 + len(rows) :]]
    return f"\n{rule}\n".join("\n".join(part) for part in parts if part)


def times(sizes: Sequence[int]) -> str:
    """A shape as text.

    >>> times((32, 28, 28))
    '32x28x28'
    """
    return "x".join(map(str, sizes))


def _text(cell: Cell) -> str:
    return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell


def _widths(texts: Sequence[Sequence[str]], wrap: Collection[int]) -> list[int]:
    """The width of each column. A table that is too wide is narrowed where the fewest cells have to wrap."""
    lengths = [sorted(map(len, column)) for column in zip(*texts, strict=True)]
    widths = [column[-1] for column in lengths]
    while sum(widths) + len(GAP) * (len(widths) - 1) > WIDTH:
        narrower = [column for column in wrap if widths[column] > NARROWEST]
        if not narrower:
            break
        widths[min(narrower, key=lambda column: sum(n >= widths[column] for n in lengths[column]))] -= 1
    return widths
