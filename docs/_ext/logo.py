"""The site's logo: a digit in pixels, and the grey patch of the occlusion experiment that slides over it."""

from pathlib import Path

# A 2 as the network sees it, coarsely: from the paper (.) over a touch of ink (-, +) to full ink (#).
DIGIT = (
    "..+##+..",
    ".+#++#+.",
    ".-+.-#+.",
    "....+#-.",
    "...+#+..",
    "..+#+...",
    ".+#####.",
    ".++++++.",
)
INK = {".": 0.0, "-": 0.25, "+": 0.55, "#": 1.0}
PAPER, PATCH = "#12263a", "#E69F00"
CELL, MARGIN = 7, 4
PATCH_CORNER, PATCH_SIZE = (4, 3), 3  # column and row of the patch's first pixel, and its side, in pixels


def svg() -> str:
    """The picture, 64 by 64 units; dark paper with bright ink shows on a light page and on a dark one."""
    pixels = [
        f'<rect x="{MARGIN + CELL * column}" y="{MARGIN + CELL * row}" width="{CELL}" height="{CELL}" '
        f'fill="#ffffff" fill-opacity="{INK[ink]}"/>'
        for row, line in enumerate(DIGIT)
        for column, ink in enumerate(line)
        if INK[ink]
    ]
    left, top = (MARGIN + CELL * corner for corner in PATCH_CORNER)
    side = CELL * PATCH_SIZE
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64" role="img">',
            "<title>mnist_lab</title>",
            f'<rect width="64" height="64" rx="12" fill="{PAPER}"/>',
            '<g shape-rendering="crispEdges">',  # no seams between the pixels
            *pixels,
            "</g>",
            f'<rect x="{left}" y="{top}" width="{side}" height="{side}" rx="2" fill="{PATCH}" fill-opacity="0.85"/>',
            "</svg>\n",
        ]
    )


def write(path: Path) -> None:
    """Write the picture, unless it is there already as it should be."""
    if not path.is_file() or path.read_text(encoding="utf-8") != svg():
        path.write_text(svg(), encoding="utf-8")
