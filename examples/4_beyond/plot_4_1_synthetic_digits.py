r"""
4.1 Synthetic digits
====================

Without MNIST, this library renders digits of its own from strokes, so that every page
still runs. How much do they resemble real digits? You will see both side by side. Then
a network that was trained on one kind classifies the other kind.

The strokes of a digit become short line segments. The intensity of a pixel follows from
its distance :math:`d` to the nearest segment:

.. math::

   I = 255 \, \min\left(1, \max\left(0, \frac{1}{2} - \frac{d - w}{s}\right)\right)

:math:`w` is half the width of the pen's line and :math:`s` the distance over which full
ink fades to none, all in pixels. As in MNIST :cite:p:`lecun1998`, a digit fits into
20×20 pixels, and its centre of mass lies in the middle of 28×28.
"""

# %%
# From strokes to pixels
# ----------------------
# Each class has one or more families of drawings, such as a 7 with and without a bar.
# This is the first drawing of each class, rendered by the formula alone.
import torch

import mnist_lab as lab
from mnist_lab.attacks.similarity import nearest_images
from mnist_lab.data.synthetic.strokes import FAMILIES

middle = torch.arange(28) + 0.5
pixels = torch.stack(torch.meshgrid(middle, middle, indexing="xy"), dim=2)
w, s = 1.3, 1.25
rendered = torch.empty(10, 28, 28)
for digit, families in enumerate(FAMILIES):
    start, end = families[0].segments @ (5 + 18 * families[0].points[0])  # (44, 2) each
    along, offset = end - start, pixels[:, :, None] - start  # offset (28, 28, 44, 2)
    place = ((offset * along).sum(3) / along.square().sum(1)).clamp(0, 1)
    d = (offset - place[..., None] * along).norm(dim=3).amin(2)
    rendered[digit] = 255 * (0.5 - (d - w) / s).clamp(0, 1)

# %%
figure = lab.plotting.montage(
    rendered,
    title="One drawing of each class",
    unit="intensity",
    limits=(0, 255),
    columns=10,
)

# %%
counts = [len(families) for families in FAMILIES]
lab.report.reading(
    "All ten drawings have a line of the same width, and nothing in them is random. "
    f"A class has {min(counts)} to {max(counts)} families, {sum(counts)} in all."
)

# %%
# Beside real digits
# ------------------
# The library mixes two drawings of a family and moves their points at random. It bends,
# slants and stretches the lines, and it varies the pressure of the pen. On the left are
# the first five synthetic digits of each class, on the right real ones.
synthetic, dataset = lab.load_dataset("synthetic"), lab.load_dataset()
kinds = {"synthetic": synthetic}
if dataset.name == "mnist":
    kinds["real"] = dataset


def first(split: lab.Split, count: int = 5) -> torch.Tensor:
    """The first images of each class, (10, count, 28, 28)."""
    rows = [(split.labels == digit).nonzero()[:count, 0] for digit in range(10)]
    return split.images[torch.stack(rows), 0]


# %%
figure = lab.plotting.montage(
    torch.cat([first(kind.train) for kind in kinds.values()], dim=1).flatten(0, 1),
    title="Synthetic" + (" (left) and real (right)" if len(kinds) > 1 else ""),
    unit="intensity",
    limits=(0, 255),
    columns=5 * len(kinds),
    row_labels=list(map(str, range(10))),
)

# %%
facts = []
for name, kind in kinds.items():
    intensities = kind.train.images.float()
    inked = intensities[intensities > 12]
    grey = float((inked < 243).float().mean())
    facts.append(
        f"{name} digits have a mean intensity of {float(intensities.mean()):.1f} with "
        f"a standard deviation of {float(intensities.std()):.1f}, and {grey:.0%} of "
        "their inked pixels are grey (12 to 243)"
    )
lab.report.reading(f"{'; '.join(facts)}.".capitalize())

# %%
# Trained on one kind, tested on the other
# ----------------------------------------
# If real digits are written in ways that the drawings lack, a network that was trained
# on synthetic digits alone errs on them. If some synthetic digits do not look like
# their class, a network that was trained on real digits errs on those. Both are plain
# networks of the default recipe. MNIST's training images guided the choice of the
# renderer's parameters. Its test images are used here only to measure.
networks = {name: lab.trained("plain", dataset=kind) for name, kind in kinds.items()}
results = {
    (trained_on, tested_on): lab.evaluate(network.model, kind.test)
    for trained_on, network in networks.items()
    for tested_on, kind in kinds.items()
}


# %%
def accuracy(result: lab.Evaluation) -> lab.stats.Interval:
    """The share of correctly classified images, with its interval."""
    return lab.stats.proportion_interval(int(result.correct.sum()), len(result.correct))


def by_class(result: lab.Evaluation) -> list[lab.stats.Interval]:
    """The accuracy for each class."""
    of_class = [result.correct[result.labels == digit] for digit in range(10)]
    return [lab.stats.proportion_interval(int(c.sum()), len(c)) for c in of_class]


# %%
for (trained_on, tested_on), result in results.items():
    print(f"trained on {trained_on}, tested on {tested_on}: {accuracy(result)}")
crossed = {pair: r for pair, r in results.items() if pair[0] != pair[1]} or results
figure = lab.plotting.estimates(
    {f"trained on {a}, tested on {b}": by_class(r) for (a, b), r in crossed.items()},
    list(map(str, range(10))),
    title="Accuracy by class",
    unit="share classified correctly",
)

# %%
found = []
for (trained_on, tested_on), result in crossed.items():
    shares = [interval.value for interval in by_class(result)]
    worst, best = (shares.index(bound(shares)) for bound in (min, max))
    found.append(
        f"The network trained on {trained_on} digits is least accurate on {tested_on} "
        f"{worst}s ({shares[worst]:.1%}) and most accurate on {best}s "
        f"({shares[best]:.1%})."
    )
lab.report.reading(" ".join(found))

# %%
# Do the misclassified digits look like no synthetic one?
# -------------------------------------------------------
# For each test digit we look up the nearest synthetic training digit of its own class,
# by L2 distance among 10,000 images. If the network errs where the drawings lack a way
# of writing, misclassified digits are farther from it than other digits of their class.
# Here is one misclassified digit of each class.
tested_on = list(kinds)[-1]
result, test = results["synthetic", tested_on], kinds[tested_on].test
wrong, references = ~result.correct, synthetic.train[:10_000]
nearest = nearest_images(test.images, references.images, references.labels)
own = nearest.distances[torch.arange(len(test)), test.labels]
farther = []  # for each misclassified digit, the share of the others that are nearer
for digit in range(10):
    mine = test.labels == digit
    others, missed = own[mine & result.correct], own[mine & wrong]
    farther += (others < missed[:, None]).double().mean(dim=1).tolist()

# %%
of_class = [(wrong & (test.labels == digit)).nonzero()[:1, 0] for digit in range(10)]
rows = torch.cat(of_class)
labels, predictions = result.labels[rows], result.predictions[rows]
neighbours = [nearest.indices[rows, each] for each in (labels, predictions)]
shown = [test.images[rows], *(references.images[each] for each in neighbours)]

# %%
figure = lab.plotting.montage(
    torch.cat(shown)[:, 0],
    title="Misclassified digits, and the nearest synthetic ones",
    unit="intensity",
    limits=(0, 255),
    columns=len(rows),
    captions=[f"{a} → {b}" for a, b in zip(labels, predictions, strict=True)],
    row_labels=["digit", "nearest\nof its class", "nearest of\nits prediction"],
)

# %%
share = lab.stats.mean_interval(farther)
if share.low > 0.5:
    why = "So the errors fall on digits that the synthetic ones resemble less"
else:
    why = "So a missing way of writing is not shown to be the reason"
lab.report.reading(
    f"A misclassified digit is farther from the synthetic digits of its class than "
    f"{share.value:.0%} of the correctly classified digits of that class (mean over "
    f"{len(farther)} digits, {share.confidence:.0%} interval {share.low:.0%} to "
    f"{share.high:.0%}); by chance it would be 50%. {why}. A distance between pixels "
    "does not say whether the way of writing or only the line's width differs."
)

# %%
# Try it
# ------
# * Change ``w`` and ``s`` in the first cell. Watch how much of a digit becomes grey.
# * Train on half of each kind: join ``synthetic.train[::2]`` and ``dataset.train[::2]``
#   with ``torch.cat`` into one :class:`mnist_lab.Split`. Watch which of the two
#   test accuracies falls.
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_4_beyond_plot_4_2_more_accurate.py` distorts real digits
# instead of rendering new ones. :doc:`/guide/data` says when the library uses synthetic
# digits, and how it tells you.

# %%
# The answer
# ----------
percent = {pair: f"{result.accuracy:.1%}" for pair, result in results.items()}
if len(kinds) > 1:
    learned, reverse = (
        accuracy(results[pair])
        for pair in (("synthetic", "real"), ("real", "synthetic"))
    )
    text = (
        f"A network that was trained on synthetic digits alone classifies "
        f"{learned.value:.1%} of the real test digits correctly ({learned.low:.1%} to "
        f"{learned.high:.1%}), one that was trained on real digits "
        f"{percent['real', 'real']}. The reverse, from real to synthetic digits, gives "
        f"{reverse.value:.1%} ({reverse.low:.1%} to {reverse.high:.1%}), against "
        f"{percent['synthetic', 'synthetic']}. So synthetic digits can stand in for "
        "MNIST where a page has to run, but what is measured on them is not a result "
        "on MNIST. (One network of each kind, the 95% intervals are over test images.)"
    )
else:
    text = (
        "MNIST is not on this machine, so the resemblance is not measured. A network "
        "that was trained on synthetic digits classifies "
        f"{percent['synthetic', 'synthetic']} of other synthetic ones correctly."
    )
lab.report.answer("4.1", text, dataset=dataset)

# %%

# sphinx_gallery_thumbnail_number = 2
# sphinx_gallery_tags = ["synthetic digits", "evaluation"]
lab.plotting.show()
