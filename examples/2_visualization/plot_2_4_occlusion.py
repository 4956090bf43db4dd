r"""
2.4 Occlusion: digit or background?
===================================

Does the network look at the digit, or at the background? You will slide a square patch
over ten digits and map what it costs the network. Then you will test on hundreds of
digits whether the cost follows the strokes of the digit at hand, or only the middle of
the image.

A map gives the probability of the true class as a function of the patch's position:

.. math::

   M(r, c) = p_y\left(\tilde{x}^{(r,c)}\right), \qquad
   \tilde{x}^{(r,c)}_{ij} = \begin{cases}
   f & \text{if the patch centred on } (r, c) \text{ covers } (i, j) \\
   x_{ij} & \text{otherwise} \end{cases}

Here :math:`x_{ij}` is the intensity of the image in row :math:`i` and column :math:`j`,
0 to 255, :math:`f` is the intensity of the patch, :math:`y` the true class, and
:math:`p_y` its probability according to the network. The method is due to
:cite:t:`zeiler2014`.
"""

# %%
# A digit of every class
# ----------------------
# For each class, this is the first test digit that the network classifies correctly.
import torch

import mnist_lab as lab
from mnist_lab.introspection.occlusion.faithfulness import (
    ink_under_patch,
    log_odds,
    measure_faithfulness,
    other_class_partners,
    rank_correlations,
)
from mnist_lab.introspection.saliency import randomize_parameters, saliency_map
from mnist_lab.plotting._pages.visualization import predictions_by_position

seed, patch = 0, 5
dataset = lab.load_dataset()
model = lab.trained("plain", seed=seed, dataset=dataset).model
right = dataset.test[lab.evaluate(model, dataset.test).correct]
first = torch.stack([(right.labels == label).nonzero()[0, 0] for label in range(10)])
digits = right[first]

# %%
# The loop, in plain PyTorch
# --------------------------
# The patch is painted on a copy of the image at each of the 28×28 positions in turn.
# It is clipped at the border. :func:`mnist_lab.occlusion_map` gives the same values,
# and is faster: it computes only what the patch can change :cite:p:`nakandala2019`.
image, label = digits.images[3], 3
# sphinx_gallery_exercise = "by_hand: the map of this digit for a grey 5×5 patch"
by_hand = torch.zeros(28, 28)
for row in range(28):
    for column in range(28):
        top, left = row - patch // 2, column - patch // 2
        hidden = image.clone()
        hidden[:, max(top, 0) : top + patch, max(left, 0) : left + patch] = 128
        by_hand[row, column] = model.probabilities(hidden[None])[0, label].item()
by_library = lab.occlusion_map(model, image, label, patch, fill=128)
torch.testing.assert_close(by_library, by_hand, rtol=0, atol=1e-4)

# %%
# The probability of the true class
# ---------------------------------
# The patch is grey (128), with a side of 1 to 5 pixels. The position in a map is the
# position of the patch's centre.
sizes = range(1, 6)
by_size = [lab.occlusion_map(model, digits.images, digits.labels, p) for p in sizes]
figure = lab.plotting.beside_digits(
    digits.images,
    torch.stack(by_size, dim=1),
    title="Probability of the true class under a grey patch",
    unit="probability, by position of the patch's centre",
    column_labels=[f"{p}×{p}" for p in sizes],
)

# %%
lowest = by_size[-1].amin((1, 2))
weakest = int(lowest.argmin())
half, flat = int((lowest < 0.5).sum()), int((lowest > 0.95).sum())
lab.report.reading(
    f"Under the {patch}×{patch} patch, {flat} of the ten maps stay above 95% at every "
    f"position and look flat. {half or 'None'} of the ten "
    f"{'fall' if half > 1 else 'falls'} below one half at some position. The "
    f"{weakest} loses most: its probability falls to {lowest[weakest]:.1%} at the "
    f"worst position."
)

# %%
# Log-odds, and three patches
# ---------------------------
# The softmax saturates: 99.99% and 99.9999% have the same colour above. Their log-odds,
# :math:`\log \frac{p_y}{1 - p_y}`, are 9.2 and 13.8 nats. At 0 the true class is as
# probable as all others together. A black patch only hides ink, a white patch only adds
# ink, and a grey patch does both.
fills, few = {"black": 0, "grey": 128, "white": 255}, digits[::2]
shown = [
    lab.occluded_probabilities(model, few.images, patch, f) for f in fills.values()
]
odds = [log_odds(probabilities, few.labels) for probabilities in shown]

# %%
figure = lab.plotting.beside_digits(
    few.images,
    torch.stack(odds, dim=1),
    title=f"Log-odds of the true class, {patch}×{patch} patches",
    unit="log-odds of the true class (nats)",
    limits=(-20, 20),
    cmap="RdBu",
    column_labels=list(fills),
)

# %%
spans = [(values.amax((1, 2)) - values.amin((1, 2))).mean() for values in odds]
empty = ink_under_patch(few.images, patch) == 0
clean = log_odds(model.probabilities(few.images), few.labels)[:, None, None]
off_ink = [float(((values - clean).abs() * empty).max()) for values in odds]
assert off_ink[0] < 0.01
lab.report.reading(
    f"From its highest to its lowest value, a map spans on average {spans[0]:.0f} nats "
    f"with black, {spans[1]:.0f} with grey and {spans[2]:.0f} with white patches. "
    f"Black patches change the log-odds only where they touch the strokes. The others "
    f"change them in empty places too: grey ones by up to {off_ink[1]:.0f} nats, white "
    f"ones by up to {off_ink[2]:.0f}."
)

# %%
# A control: the ink of another digit
# -----------------------------------
# Digits lie in the middle of the image. A cost that goes with the ink of a digit may
# only go with the middle. So each digit gets a control: another test digit, of another
# class. If the network needs the strokes of *this* digit, the cost of hiding them
# follows its own ink more closely than the ink of the other digit.
order = torch.randperm(len(right), generator=torch.Generator().manual_seed(seed))
sample, pool = right[order[:200]], right[order[200:]]
others = pool[other_class_partners(sample.labels, pool.labels, seed)]
images, labels, controls = sample.images, sample.labels, others.images
results = {
    name: [measure_faithfulness(model, images, labels, controls, patch, fill)]
    for name, fill in fills.items()
}

# %%
# Two more controls use black patches: the four plain networks that were trained with
# other seeds, and four copies of this network with each layer's parameters in random
# order. Each network gets a quarter of the digits.
seeds = [(seed + step) % 5 for step in range(1, 5)]
trained = [n.model for n in lab.trained_many("plain", seeds, dataset=dataset)]
randomized = [randomize_parameters(model, s) for s in seeds]
for name, networks in (("other seeds", trained), ("randomized", randomized)):
    results[name] = [
        measure_faithfulness(n, images[i::4], labels[i::4], controls[i::4], patch)
        for i, n in enumerate(networks)
    ]


# %%
# Whose ink does the cost follow?
# -------------------------------
# The cost is the drop of the log-odds. For each digit we compute its rank correlation
# with the ink under the patch, over the positions where the patch touches the digit.
# Elsewhere a black patch changes nothing. Counting these positions would favour the
# digit's own ink for any network.
def mean(values: torch.Tensor) -> lab.stats.Interval:
    """The mean over digits, with its interval; undefined values are left out."""
    return lab.stats.mean_interval(values[values.isfinite()].tolist())


names = {"its own ink": "own", "other digit's ink": "control", "centrality": "central"}
values = {
    label: [torch.cat([getattr(r, name) for r in parts]) for parts in results.values()]
    for label, name in names.items()
}

# %%
figure = lab.plotting.estimates(
    {label: [mean(v) for v in columns] for label, columns in values.items()},
    ["black", "grey", "white", "black,\nother seeds", "black,\nrandomized"],
    title="What the cost of a patch goes with",
    unit="rank correlation, mean over digits",
)

# %%
own, control, central = (
    {name: mean(v) for name, v in zip(results, columns, strict=True)}
    for columns in values.values()
)
pairwise = zip(results, *list(values.values())[:2], strict=True)
excess = {name: mean(first - second) for name, first, second in pairwise}


def signed(value: float) -> str:
    """A correlation with its sign; 0.00 has none."""
    return f"{value:+.2f}".replace("+0.00", "0.00").replace("-0.00", "0.00")


def against(name: str) -> str:
    """The correlations with the digit's own ink and with the other digit's."""
    return f"{signed(own[name].value)} against {signed(control[name].value)}"


follows = excess["black"].low > 0 and own["black"].low > 0
if excess["grey"].low > 0:
    of_grey = "Grey patches show it too"
elif excess["grey"].high < 0:
    of_grey = "Grey patches do not show it: their cost goes more with the other's ink"
else:
    of_grey = "Grey patches cannot tell the two digits apart"
if excess["randomized"].low > 0:
    of_random = "Randomized networks show some of it too"
else:
    of_random = "Randomized networks, which have learned nothing, do not show it"
lab.report.reading(
    f"With black patches the cost {'follows' if follows else 'does not follow'} the "
    f"digit's own ink beyond that of another digit: {against('black')}. {of_grey} "
    f"({against('grey')}, and {signed(central['grey'].value)} with closeness to the "
    f"centre). They hide ink and add ink at the same time. On networks with other "
    f"seeds, black patches give {against('other seeds')}. {of_random} "
    f"({against('randomized')})."
)

# %%
# Strokes, empty places and the margin
# ------------------------------------
# A black patch says nothing about the background, since it changes nothing there. So we
# compare three kinds of places: under this digit's strokes alone, under the other
# digit's strokes alone, which are empty here, and in the margin, at least three pixels
# from all ink of this digit.
ink, other_ink = results["black"][0].ink, results["black"][0].control_ink
places = {
    "its strokes": (ink > 0.2) & (other_ink == 0),
    "empty, strokes\nof the other": (other_ink > 0.2) & (ink == 0),
    "margin": ink_under_patch(sample.images, patch + 6) == 0,
}
drops = {
    fill: [mean(results[fill][0].mean_drop(place)) for place in places.values()]
    for fill in fills
}

# %%
figure = lab.plotting.estimates(
    {f"{fill} patches": intervals for fill, intervals in drops.items()},
    list(places),
    title="The cost of a patch, by place",
    unit="drop of the log-odds (nats)",
)

# %%
hide, add = drops["black"][0], drops["white"][1]
far, far_grey = drops["white"][2], drops["grey"][2]
assert abs(drops["black"][1].value) < 0.01
gaps = add.low > 0
little = far.high < add.low / 2
lab.report.reading(
    f"Hiding the digit's strokes in black costs {hide.value:.1f} nats. Painting white "
    f"where the other digit has strokes and this one has none costs "
    f"{add.value:.1f}: empty places are {'evidence too' if gaps else 'no evidence'}. "
    f"In the margin a white patch costs {far.value:.1f} nats, "
    f"{'' if little else 'not '}much less, and a grey one {far_grey.value:.1f}."
)

# %%
# Where a grey patch changes the prediction
# -----------------------------------------
# These are the digits of the sample whose prediction changes at the most positions. The
# colour is the class that the network predicts when the patch lies there.
result = results["grey"][0]
changed = result.predictions != sample.labels[:, None, None]
most = changed.sum((1, 2)).argsort(descending=True)[:5]
fragile = sample[most].images
classes = [
    lab.occluded_probabilities(model, fragile, p, fill=128).argmax(dim=3) for p in sizes
]
figure = predictions_by_position(fragile, sample.labels[most], classes, sizes)


# %%
def share(of: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
    """For each digit, the share of some positions among others; NaN without any."""
    return (of & among).sum((1, 2)) / among.sum((1, 2))


everywhere = torch.ones_like(changed)
inked, other_inked = result.ink > 0, result.control_ink > 0
affected = changed.any(2).any(1)
rate = lab.stats.proportion_interval(int(affected.sum()), len(sample))
in_margin = int((changed & places["margin"]).any(2).any(1).sum())
found = (
    f"At some position, a grey {patch}×{patch} patch changes the prediction of "
    f"{int(affected.sum())} of the {len(sample)} digits ({rate.value:.1%}, "
    f"{rate.low:.1%} to {rate.high:.1%}); at a position in the margin, that of "
    f"{in_margin or 'none'}. "
)
if int(affected.sum()) > 1:
    on_ink, on_other = share(inked, changed), share(other_inked, changed)
    base = share(inked, everywhere)
    above = mean(on_ink - base).low > 0
    beyond = mean(on_ink - on_other).low > 0
    place = (
        "lie on this digit" if beyond else "may as well mark the middle of the image"
    )
    found += (
        f"Of the positions that change it, {mean(on_ink).value:.0%} touch the digit's "
        f"ink (mean over these digits). Of all positions of these digits, "
        f"{mean(base[affected]).value:.0%} do, so this is "
        f"{'more' if above else 'not clearly more'} than the base rate. "
        f"{'Only' if beyond else 'But'} {mean(on_other).value:.0%} touch the ink of "
        f"the other digit: such positions {place}."
    )
lab.report.reading(found)

# %%
# A second opinion: the gradient
# ------------------------------
# The saliency map of :cite:t:`simonyan2014` is
# :math:`|\partial z_y / \partial x_{ij}|`, where :math:`z_y` is the logit of the true
# class. It says which pixels matter for *small* changes, and needs one backward pass
# instead of 784 forward passes. The check of :cite:t:`adebayo2018`: with randomized
# parameters, the map has to change. Each map is divided by its maximum.
compared = [model, trained[0], randomized[0]]
maps = [saliency_map(network, few.images, few.labels) for network in compared]
saliency = torch.stack(maps, dim=1)  # (5, 3, 28, 28)
figure = lab.plotting.beside_digits(
    few.images,
    saliency / saliency.amax((2, 3), keepdim=True),
    title="Saliency of the pixels",
    unit="|gradient of the true class's logit|, relative to the map's maximum",
    column_labels=["this network", "other seed", "randomized"],
)

# %%
this = saliency_map(model, sample.images, sample.labels)


def similarity(network: torch.nn.Module, split: lab.Split) -> lab.stats.Interval:
    """How much the maps of a network for other digits, or the same ones, agree."""
    return mean(rank_correlations(this, saliency_map(network, *vars(split).values())))


same_digit = similarity(trained[0], sample)
of_random_networks = [similarity(network, sample) for network in randomized]
other_digit = similarity(model, others)
passes = same_digit.low > max(interval.high for interval in of_random_networks)
agreements = [interval.value for interval in of_random_networks]
lowest_one, highest_one = min(agreements), max(agreements)
own_ink, other_digits_ink = (
    mean(rank_correlations(this, ink_under_patch(each, 1))).value
    for each in (images, controls)
)
lab.report.reading(
    f"Saliency {'passes' if passes else 'does not pass'} the check: the map agrees "
    f"{'more' if passes else 'not clearly more'} with that of a network of another "
    f"seed (mean rank correlation {same_digit.value:.2f}) than with those of four "
    f"randomized networks ({lowest_one:.2f} to {highest_one:.2f}). But the maps of a "
    f"digit and of its control agree by {other_digit.value:.2f}, although their "
    f"classes differ: a map shows the digit at hand only in part. Saliency has a "
    f"correlation of {own_ink:.2f} with the digit's own ink and of "
    f"{other_digits_ink:.2f} with the other digit's."
)

# %%
# Your own digit
# --------------
# Move a patch over a digit of your own. The map fills while you look. The :doc:`live
# lab </live>` has more.
#
# .. live:: occlusion

# %%
# Try it
# ------
# * Pass ``fill=0`` to ``lab.occlusion_map`` in the figure of the probabilities. Which
#   digits still look flat?
# * Set ``patch`` to 9. Hiding more ink costs more: watch whether the margin begins to
#   matter too, and how many predictions change.
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_2_visualization_plot_2_3_activations.py` shows what the
# layers make of a digit.
# :ref:`sphx_glr_auto_examples_3_adversarial_plot_3_2_1_targeted_attack.py` changes all
# pixels a little instead of a few pixels much.

# %%
# The answer
# ----------
confirmed = excess["other seeds"].low > 0
learned = excess["other seeds"].low > excess["randomized"].high
if follows and confirmed and learned:
    verdict = "The network looks at the digit, and the learning is meaningful"
elif follows and confirmed:
    verdict = "The network looks at the digit, but it is not shown that it learned to"
elif follows:
    verdict = "The network looks at the digit, but other networks do not confirm it"
else:
    verdict = "It is not shown that the network looks at the digit"
difference = excess["black"]
lab.report.answer(
    "2.4",
    f"{verdict}. The evidence (log-odds) that a black {patch}×{patch} patch takes "
    f"away has a rank correlation of {signed(own['black'].value)} with the digit's "
    f"ink that it hides, and of {signed(control['black'].value)} with the ink of "
    f"another digit (difference {signed(difference.value)}, "
    f"{difference.confidence:.0%} interval {signed(difference.low)} to "
    f"{signed(difference.high)}, {len(sample)} correctly classified test digits; "
    f"networks of other seeds {signed(excess['other seeds'].value)}, randomized "
    f"networks {signed(excess['randomized'].value)}). Of the background, empty places "
    f"where another digit has strokes {'count too' if gaps else 'do not count'} "
    f"(white paint there costs {add.value:.1f} nats, hiding the digit's strokes "
    f"{hide.value:.1f}), and the margin counts {'little' if little else 'as well'} "
    f"({far.value:.1f}). A grey patch alone "
    f"{'shows' if excess['grey'].low > 0 else 'cannot show'} this ({against('grey')}).",
    dataset=dataset,
)

# %%

# sphinx_gallery_thumbnail_number = 2
# sphinx_gallery_tags = ["attribution", "control"]
lab.plotting.show()
