"""The home page's picture, computed by the build: a network trained, inspected, occluded and fooled."""

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
CANDIDATES = 50  # validation images, one of which the picture shows


def draw() -> tuple[Figure, str]:
    """The picture, and its caption."""
    import mnist_lab as lab  # noqa: PLC0415 - after conf.py has set the environment variables
    from mnist_lab.plotting.style import BLUE, ORANGE, draw_image  # noqa: PLC0415

    dataset = lab.load_dataset()
    network = lab.best(dataset=dataset)
    model = network.model
    correct = lab.evaluate(model, dataset.validation).correct
    known = dataset.validation[(correct & (dataset.validation.labels == DIGIT)).nonzero()[:CANDIDATES, 0]].images
    # A patch barely changes the result for most digits, so show the digit that it affects most.
    maps = [lab.occlusion_map(model, candidate[None], DIGIT, patch=PATCH) for candidate in known]
    affected = int(torch.stack([occlusion.mean() for occlusion in maps]).argmin())
    image, occlusion = known[affected : affected + 1], maps[affected]
    layer = lab.activations(model, image, "conv1")[0]
    busiest = layer.mean(dim=(1, 2)).argsort(descending=True)[:16]
    fooled = lab.targeted_attack(model, image, [TARGET], "search", "image")

    figure = plt.figure(figsize=(5.0, 5.2), layout="constrained")
    trained, inspected, occluded, attacked = figure.subplots(2, 2).flat
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
    inspected.imshow(tiles, cmap="viridis", vmin=0)
    inspected.set(title=f"Inspected: a {DIGIT}\nin the first layer", xticks=[], yticks=[])

    scale = occluded.imshow(occlusion, cmap="viridis", vmin=0, vmax=1)
    occluded.contour(image[0, 0], levels=[128], colors="white", linewidths=0.8)
    occluded.set(title=f"Occluded: P({DIGIT}) with\na grey patch here", xticks=[], yticks=[])
    figure.colorbar(scale, ax=occluded, shrink=0.8)

    draw_image(attacked, fooled.rounded[0])
    predicted = int(fooled.rounded_probabilities[0].argmax())
    attacked.set_title(f"Fooled: this {DIGIT}\nis classified as a {predicted}")
    caption = (
        f"Error by epoch; sixteen activations of the first layer for a {DIGIT}; the probability of {DIGIT} by the "
        f"position of a grey patch; the same {DIGIT}, changed, and classified as a {predicted}. Of {len(known)} "
        f"validation images of a {DIGIT}, this is the one that the patch affects most."
    )
    return figure, caption


def make(app: Sphinx) -> None:
    """Draw the picture, unless it is newer than this file and the last change of library, torch or data."""
    pages = Path(app.srcdir) / "auto_examples"
    picture, words = pages / "overview.png", pages / "overview.rst.inc"
    changed = max(path.stat().st_mtime for path in (Path(__file__), pages / "fingerprint.txt"))
    if words.is_file() and words.stat().st_mtime >= changed:
        return
    logger.info("drawing the home page's picture")
    figure, description = draw()
    figure.savefig(picture, dpi=200)
    plt.close(figure)
    words.write_text(
        f".. figure:: /auto_examples/{picture.name}\n   :alt: {description}\n\n   {description}\n", encoding="utf-8"
    )


def setup(app: Sphinx) -> dict[str, Any]:
    # After sphinx-gallery, at the default priority of 500, has run the pages, which train the network.
    app.connect("builder-inited", make, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
