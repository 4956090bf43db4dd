"""The home page's picture, made by the run: trained, looked into, occluded, fooled."""

from pathlib import Path
from typing import Any

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
DIGIT, TARGET, PATCH = 2, 5, 5
TITLE = "Four panels: a network trained, looked into, occluded and fooled"
SHOWN_OF = 50  # validation images, one of which the picture shows


def draw() -> tuple[Figure, str]:
    """The picture, and its caption."""
    import mnist_lab as lab  # noqa: PLC0415 - the environment variables of conf.py come first
    from mnist_lab.plotting.style import BLUE, ORANGE, draw_image  # noqa: PLC0415

    dataset = lab.load_dataset()
    network = lab.best(dataset=dataset)
    model = network.model
    right = lab.evaluate(model, dataset.validation).correct
    known = dataset.validation[(right & (dataset.validation.labels == DIGIT)).nonzero()[:SHOWN_OF, 0]].images
    # Most digits are read with any patch over them: the one that a patch disturbs most shows where it matters.
    maps = [lab.occlusion_map(model, candidate[None], DIGIT, patch=PATCH) for candidate in known]
    disturbed = int(torch.stack([seen.mean() for seen in maps]).argmin())
    image, seen = known[disturbed : disturbed + 1], maps[disturbed]
    layer = lab.activations(model, image, "conv1")[0]
    busiest = layer.mean(dim=(1, 2)).argsort(descending=True)[:16]
    fooled = lab.targeted_attack(model, image, [TARGET], "search", "image")

    figure = plt.figure(figsize=(5.0, 5.2), layout="constrained")
    trained, looked, occluded, attacked = figure.subplots(2, 2).flat
    epochs = range(1, len(network.history) + 1)
    trained.plot(epochs, network.history.train_error, "o-", color=BLUE, label="training")
    trained.plot(epochs, network.history.validation_error, "s--", color=ORANGE, label="validation")
    trained.set(title="Trained", xlabel="epoch", ylabel="misclassified", yscale="log")
    trained.yaxis.set_major_formatter(PercentFormatter(1))
    trained.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    trained.yaxis.set_minor_locator(NullLocator())
    trained.xaxis.set_major_locator(MaxNLocator(integer=True))
    trained.legend()

    tiles = layer[busiest].unflatten(0, (4, 4)).transpose(1, 2).flatten(2).flatten(0, 1)
    looked.imshow(tiles, cmap="viridis", vmin=0)
    looked.set(title=f"Looked into: a {DIGIT}\nin the first layer", xticks=[], yticks=[])

    scale = occluded.imshow(seen, cmap="viridis", vmin=0, vmax=1)
    occluded.contour(image[0, 0], levels=[128], colors="white", linewidths=0.8)
    occluded.set(title=f"Occluded: P({DIGIT}) with\na grey patch here", xticks=[], yticks=[])
    figure.colorbar(scale, ax=occluded, shrink=0.8)

    draw_image(attacked, fooled.rounded[0])
    taken = int(fooled.rounded_probabilities[0].argmax())
    attacked.set_title(f"Fooled: this {DIGIT}\nis taken for a {taken}")
    caption = (
        f"Error by epoch; sixteen activations of the first layer for a {DIGIT}; the probability of {DIGIT} by the "
        f"position of a grey patch; the same {DIGIT}, changed, and taken for a {taken}. Of {len(known)} twos among the "
        "validation images it is the one that a patch disturbs most."
    )
    return figure, caption


def make(app: Sphinx) -> None:
    """Draw the picture, unless it is there and no older than what the pages rest on."""
    pages = Path(app.srcdir) / "auto_examples"
    picture, words = pages / "overview.png", pages / "overview.rst.inc"
    if words.is_file() and words.stat().st_mtime >= (pages / "fingerprint.txt").stat().st_mtime:
        return
    logger.info("drawing the home page's picture")
    figure, description = draw()
    figure.savefig(picture, dpi=200)
    plt.close(figure)
    words.write_text(
        f".. figure:: /auto_examples/{picture.name}\n   :alt: {description}\n\n   {description}\n", encoding="utf-8"
    )


def setup(app: Sphinx) -> dict[str, Any]:
    # After sphinx-gallery, at the default priority of 500, has run the pages, which train the networks.
    app.connect("builder-inited", make, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
