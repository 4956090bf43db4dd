r"""
2.1 Filters of the first layer
==============================

The 32 filters of conv1 have three by three weights each. Are there interesting patterns
in them? People see patterns in noise too. So we measure which patterns the filters
hold, compare them with the same filters before training, and look at what training
added.

A filter is a weighted sum of nine orthogonal masks :cite:p:`frei1977`:

.. math::

    w = \sum_{k=1}^{9} c_k \, m_k, \qquad s_k = \frac{c_k^2}{\sum_{j=1}^{9} c_j^2}

:math:`w` is the filter, :math:`m_k` is a mask of unit length, and :math:`c_k` says how
much of this mask the filter holds. :math:`s_k` is the share of the mask in the sum of
the squared weights. The nine shares add up to one. Independent random weights have a
share of one ninth of each mask on average.
"""

# %%
# The nine masks
# --------------
# Red weights are positive, blue ones are negative, and white is zero. The two *edge*
# masks respond where the image gets brighter in one direction: to the right and
# downwards. Mixed, they give an edge of any direction.
import torch

import mnist_lab as lab
from mnist_lab.introspection.filters import (
    center_of_mass,
    edge_direction,
    pattern_shares,
)
from mnist_lab.plotting._pages import filters as figures

figure = figures.pattern_masks()

# %%
# All 32 filters
# --------------
# The filters are sorted by their edge share, the sum of the shares of the two edge
# masks. It stands above each filter. The arrow points from the dark side of the edge to
# the bright side.
seed = 0
dataset = lab.load_dataset()
model = lab.trained("plain", seed=seed, dataset=dataset).model
filters = lab.filters(model, "conv1")[:, 0]  # (32, 3, 3)
start = lab.filters(lab.DigitCNN(seed=seed), "conv1")[:, 0]  # before training
figure = figures.filters_by_edge(filters, title="The filters of conv1, by edge share")

# %%
counts = {
    name: {kind: int((share > 0.5).sum()) for kind, share in pattern_shares(w).items()}
    for name, w in (("trained", filters), ("untrained", start))
}
held = ", ".join(f"{kind} in {n}" for kind, n in counts["trained"].items() if n)
lab.report.reading(
    f"One kind of pattern holds more than half of {sum(counts['trained'].values())} of "
    f"the {len(filters)} filters: {held}. No kind holds more than half of the others. "
    f"In the same filters before training, edges hold more than half of "
    f"{counts['untrained']['edge']}."
)

# %%
# What training added
# -------------------
# Training starts from random weights, which the seed gives back. The difference between
# a filter after and before training is what training added.
change = filters - start
figure = figures.filters_by_edge(change, title="What training added, by edge share")
cosine = torch.cosine_similarity(filters.flatten(1), start.flatten(1))
print(f"cosine of a filter before and after training: {cosine.mean():.2f} on average")

# %%
edgy = int((pattern_shares(change)["edge"] > 0.5).sum())
lab.report.reading(
    f"Edges hold more than half of what training added to {edgy} of the "
    f"{len(filters)} filters. All additions together are "
    f"{change.norm() / start.norm():.2f} times as long as the random weights that they "
    "were added to."
)

# %%
# Five networks
# -------------
# The filters of one network depend on each other, and another seed gives others. So one
# network gives one number, the mean over its filters, and we compare five networks with
# themselves before training.
seeds = range(5)
networks = lab.trained_many("plain", seeds, dataset=dataset)
after = [lab.filters(network.model, "conv1")[:, 0] for network in networks]
before = [lab.filters(lab.DigitCNN(seed=seed), "conv1")[:, 0] for seed in seeds]
additions = [last - first for last, first in zip(after, before, strict=True)]
weights = {"before training": before, "trained": after, "added": additions}
figure = figures.mean_pattern_shares(weights)

# %%
edges = {
    name: [pattern_shares(w)["edge"] for w in each] for name, each in weights.items()
}
means = {name: [float(share.mean()) for share in each] for name, each in edges.items()}
effect = lab.stats.paired_comparison(means["before training"], means["trained"])
addition = lab.stats.mean_interval(means["added"])
level = 0.95
limit = torch.cat(edges["before training"]).quantile(level)
chance = (1 - level) * len(filters)
beyond = [int((share > limit).sum()) for share in edges["trained"]]
turned = [
    float(torch.cosine_similarity(a.flatten(1), b.flatten(1)).mean())
    for a, b in zip(weights["before training"], weights["trained"], strict=True)
]
if effect.low > 0:
    common = "Edges hold more of the trained filters than of the same ones before"
elif effect.high < 0:
    common = "Edges hold less of the trained filters than of the same ones before"
else:
    common = "Training does not measurably change how much edges hold of the filters"
lab.report.reading(
    f"{common}. In what training added, edges hold {addition.value:.0%} "
    f"({addition.confidence:.0%} interval {addition.low:.0%} to {addition.high:.0%}), "
    f"where random weights would hold {2 / 9:.0%}. By network, {min(beyond)} to "
    f"{max(beyond)} of the {len(filters)} filters hold more edge than {level:.0%} of "
    f"the untrained filters do; chance would give {chance:.0f}."
)

# %%
# What an edge filter responds to
# -------------------------------
# The columns are the eight filters with the strongest edges, under their arrows. The
# activation for a black image is subtracted, so what is left is the response to ink.
digits = dataset.test.images[:200]
strongest = pattern_shares(filters)["edge"].argsort(descending=True)[:8]
black = lab.activations(model, torch.zeros(1, 1, 28, 28), "conv1")
responses = (lab.activations(model, digits, "conv1") - black).clamp(min=0)
responses = responses[:, strongest]  # (200, 8, 28, 28)
figure = figures.edge_responses(digits[:4], responses[:4], filters[strongest])

# %%
angles = edge_direction(filters[strongest]).deg2rad()
arrows = torch.stack([angles.cos(), angles.sin()], dim=1)  # (8, 2)
shift = center_of_mass(responses) - center_of_mass(digits.float())  # (200, 8, 2)
along = (shift * arrows).sum(dim=-1).nanmean(dim=0)
behind = int((along < 0).sum())
side = "behind" if along.mean() < 0 else "ahead of"
lab.report.reading(
    "An arrow points to where the image gets brighter. Over "
    f"{len(digits)} test digits, {behind} of the {len(along)} filters respond more on "
    "the side of the strokes that the arrow comes from. The centre of a response lies "
    f"{abs(along.mean()):.1f} pixels {side} the centre of the ink along the arrow "
    f"(mean of the {len(along)} filters)."
)

# %%
# Your own digit
# --------------
# What does each filter make of a digit of your own? Choose a map to see its filter. The
# :doc:`live lab </live>` has more.
#
# .. live:: maps

# %%
# Try it
# ------
# * Change ``"plain"`` to ``"batch_norm"`` and ``lab.DigitCNN(seed=seed)`` to
#   ``lab.DigitCNN(batch_norm=True, seed=seed)``. Watch whether edges gain as much.
# * Choose the eight filters by another kind: ``["line"]`` in place of ``["edge"]``.
#   Watch which parts of a stroke they respond to.
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_2_visualization_plot_2_2_second_layer_filters.py`
# compares these filters with those of conv2, and
# :ref:`sphx_glr_auto_examples_2_visualization_plot_2_3_activations.py` shows what both
# layers respond to.

# %%
# The answer
# ----------
share_before, share_after = (
    sum(means[n]) / len(seeds) for n in ("before training", "trained")
)
alike = sum(turned) / len(seeds)
verdict = "Yes, oriented edges" if effect.low > 0 else "None that can be measured"
rest = (
    "Most of a filter is still its random start"
    if alike**2 > 0.5  # the share of its squared weights
    else "Most of a filter is the work of training"
)
lab.report.answer(
    "2.1",
    f"{verdict}: edges hold {share_after:.0%} of a conv1 filter on average and "
    f"{share_before:.0%} of the same filter before training, a difference of "
    f"{100 * effect.mean:.1f} points ({effect.confidence:.0%} interval "
    f"{100 * effect.low:.1f} to {100 * effect.high:.1f}, {len(seeds)} networks). "
    f"{rest}: the cosine between the two is {alike:.2f} on average. By network, "
    f"{min(beyond)} to {max(beyond)} of {len(filters)} filters hold more edge than "
    f"{level:.0%} of untrained ones, where chance would give {chance:.0f}.",
    dataset=dataset,
)

# %%

# sphinx_gallery_thumbnail_number = 2
# sphinx_gallery_tags = ["filters"]
lab.plotting.show()
