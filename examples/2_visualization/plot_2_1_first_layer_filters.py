"""
2.1 Filters of the first layer
==============================

The 32 filters of conv1 look at three by three pixels each. Are there interesting
patterns in them? Eyes find patterns in noise too, so we measure one, the oriented edge,
and ask the same of the very same filters before training.
"""

# %%
# What is measured
# ----------------
# A 3x3 filter is a sum of nine orthogonal masks (Frei and Chen, 1977): an average, two
# edges, two ripples, two lines, two spots. The *edge share* of a filter is the share of
# its sum of squared weights that the two edges hold; how the two are mixed gives the
# direction from dark to bright. Independent random weights have two ninths of edge on
# average.
import torch

import mnist_lab as lab
from mnist_lab.introspection.filters import EXPECTED, edge_direction, pattern_shares

dataset = lab.load_dataset()
model = lab.trained("plain", dataset=dataset).model
filters = lab.filters(model, "conv1")[:, 0]  # (32, 3, 3)
edge_share = pattern_shares(filters)["edge"]
order = edge_share.argsort(descending=True)

# %%
# All 32 filters
# --------------
# They are sorted by edge share, which stands above each with an arrow that points to
# the bright side. Red weights are positive, blue ones negative, and white is zero.
arrows = "→↘↓↙←↖↑↗"
sectors = (edge_direction(filters) / 45).round().int() % 8
figure = lab.plotting.montage(
    filters[order],
    title="The filters of conv1, by edge share",
    unit="weight",
    limits=(-float(filters.abs().max()), float(filters.abs().max())),
    cmap="RdBu_r",
    captions=[f"{edge_share[i]:.0%} {arrows[sectors[i]]}" for i in order],
)
top = order[:16]
print("directions among the 16 strongest:", len(sectors[top].unique()), "of 8")

# %%
# Compared with the same filters before training
# ----------------------------------------------
# Training began from random weights that the seed gives back. So every filter has
# itself as a control, and five networks tell what one seed could have given by luck.
seeds = range(5)
after = [lab.trained("plain", seed=seed, dataset=dataset).model for seed in seeds]
before = [lab.DigitCNN(seed=seed) for seed in seeds]
shares = {
    name: [pattern_shares(lab.filters(network, "conv1")[:, 0]) for network in networks]
    for name, networks in (("trained", after), ("before training", before))
}
figure = lab.plotting.distributions(
    {name: torch.cat([s["edge"] for s in by_seed]) for name, by_seed in shares.items()},
    title="Edge share of the conv1 filters of five networks",
    unit="edge share of a filter",
    marked=(EXPECTED["edge"], "mean of random filters"),
)

# %%
# How to read the figure
# ----------------------
# Each curve climbs from none of the filters to all of them; a curve further to the
# right has stronger edges. One number a network, the mean over its filters, makes five
# pairs, since the filters of one network are not independent of one another.
means = {name: [float(s["edge"].mean()) for s in by] for name, by in shares.items()}
effect = lab.stats.paired_comparison(means["before training"], means["trained"])
noise = torch.cat([s["edge"] for s in shares["before training"]]).quantile(0.95)
beyond = int((edge_share > noise).sum())
print(f"edge share: {effect.mean:+.3f} ({effect.low:+.3f} to {effect.high:+.3f})")
print(
    f"{beyond} of {len(filters)} filters have more edge than 95% of untrained filters"
)

# %%
# What else there is
# ------------------
# The other kinds of pattern in the same way, with the interval of the mean over five
# networks. What one kind gains another has to lose: the five shares add up to one.
figure = lab.plotting.estimates(
    {
        name: [
            lab.stats.mean_interval([float(s[kind].mean()) for s in by_seed])
            for kind in EXPECTED
        ]
        for name, by_seed in shares.items()
    },
    list(EXPECTED),
    title="What the conv1 filters are made of",
    unit="share of a filter, mean",
    limits=(0, None),
    marked=list(EXPECTED.values()),
)

# %%
# What the filters make of a digit
# --------------------------------
# The activations of conv1 for one test digit, in the order of the filters above. What
# a filter has of an edge answers where the image turns brighter along the arrow: on one
# side of a stroke, and least along strokes that run the arrow's way.
digit = dataset.test.images[:1]
maps = lab.activations(model, digit, "conv1")[0, order]
figure = lab.plotting.montage(
    maps,
    title=f"Activations of conv1 for a {dataset.test.labels[0]}, by edge share",
    unit="activation",
    limits=(0, float(maps.max())),
    cmap="viridis",
    captions=[f"{edge_share[i]:.0%} {arrows[sectors[i]]}" for i in order],
    gap=2,
)

# %%
# The answer
# ----------
# The verdict is the paired comparison's: there is a pattern to speak of if training has
# made edges stronger than the luck of the initial weights can explain.
verdict = (
    "Yes: training turns noise into oriented edges"
    if effect.low > 0
    else "Not measurably: the filters have no more of an oriented edge than noise has"
)
mean_after = sum(means["trained"]) / len(seeds)
mean_before = sum(means["before training"]) / len(seeds)
lab.report.answer(
    "2.1",
    f"{verdict}. Edges hold {mean_after:.0%} of a conv1 filter on average, and "
    f"{mean_before:.0%} of the same filters before training: a difference of "
    f"{100 * effect.mean:.1f} points, {effect.confidence:.0%} interval "
    f"{100 * effect.low:.1f} to {100 * effect.high:.1f} ({len(seeds)} networks). "
    f"In the network shown, {beyond} of {len(filters)} filters have more edge than "
    f"{0.95:.0%} of untrained ones; the others look like noise by this measure.",
    dataset=dataset,
)
lab.plotting.show()
