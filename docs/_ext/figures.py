"""Figures for readers who do not see them: alternative texts from titles and axis labels."""

import re
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import matplotlib_scraper

TITLES = 3  # as many titles of axes are read; a grid has one above each image


def describe(figure: Figure) -> str:
    """A figure's title, and what its axes show.

    >>> figure, axes = plt.subplots()
    >>> _ = axes.set(title="Error by epoch", xlabel="epoch", ylabel="misclassified")
    >>> describe(figure)
    'Error by epoch: misclassified against epoch'
    """
    titles = [figure.get_suptitle()] if figure.get_suptitle() else [axes.get_title() for axes in figure.axes]
    title = ", ".join(list(dict.fromkeys(filter(None, titles)))[:TITLES])
    labels = dict.fromkeys(
        (axes.get_ylabel(), axes.get_xlabel()) for axes in figure.axes if axes.get_xlabel() or axes.get_ylabel()
    )
    shown = "; ".join(" against ".join(filter(None, pair)) for pair in labels)
    return " ".join(": ".join(filter(None, (title, shown))).split()) or "Figure"


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figures of a cell as sphinx-gallery does, with these descriptions as their alternative texts."""
    descriptions = [describe(plt.figure(number)) for number in plt.get_fignums()]
    saved = block_vars["image_path_iterator"]
    first = len(saved)
    text: str = matplotlib_scraper(block, block_vars, gallery_conf)
    for path, description in zip(saved.paths[first:], descriptions, strict=True):
        name = re.escape(path.replace("\\", "/").rsplit("/", 1)[-1])
        text = re.sub(rf"({name}\n +:alt: ).*", r"\g<1>" + description.replace("\\", r"\\"), text)
    return text
