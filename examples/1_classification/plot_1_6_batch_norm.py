r"""
1.6 Batch normalization
=======================

Does batch normalization raise the test accuracy, and what does it cost in time? Two
single networks could differ by chance. So we compare five pairs that share their seed,
on 10,000 test images and on 10,000 other images, and we time both kinds in turns.

Batch normalization shifts and scales each feature map. While the network trains, it
computes

.. math::

    y = \gamma \, \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

:math:`x` is a value of the feature map and :math:`y` the value that replaces it.
:math:`\mu` and :math:`\sigma^2` are the mean and the variance of this map over the
images of the batch and over all positions. :math:`\gamma` and :math:`\beta` are a scale
and a shift that training learns, and :math:`\epsilon` is a small constant against
division by zero. In evaluation mode, running averages from training replace
:math:`\mu` and :math:`\sigma^2`.

:cite:t:`ioffe2015` proposed it to train deep networks with high learning rates.
:cite:t:`santurkar2018` explain its effect by a smoother loss. Our network is shallow,
and both kinds use the same learning rates.
"""

# %%
# Where it sits, and what it computes
# -----------------------------------
# Each convolution is followed by batch normalization, before its pooling and its ReLU.
# The layer gives what the formula says.
import math
import statistics
from dataclasses import replace

import torch

import mnist_lab as lab
from mnist_lab.plotting._pages import classification as figures

model = lab.DigitCNN(batch_norm=True)
print(" > ".join(name for name, _ in model.named_children()))
x = torch.randn(128, 32, 28, 28, generator=torch.Generator().manual_seed(0)) * 3 + 1
mean = x.mean((0, 2, 3), keepdim=True)
variance = x.var((0, 2, 3), keepdim=True, correction=0)
gamma, beta = (
    values.view(1, 32, 1, 1) for values in (model.bn1.weight, model.bn1.bias)
)
# sphinx_gallery_exercise = "by_hand: the normalized x, of the same shape"
by_hand = gamma * (x - mean) / (variance + model.bn1.eps).sqrt() + beta
torch.testing.assert_close(model.bn1.train()(x), by_hand, atol=1e-4, rtol=0)

# %%
# Five pairs of networks
# ----------------------
# The two networks of a pair start from the same weights. They are trained by the same
# recipe, on the same images in the same order. The band of each curve reaches from the
# lowest to the highest of its five networks.
seeds = range(5)
dataset = lab.load_dataset()
plain = lab.trained_many("plain", seeds, dataset=dataset)
normalized = lab.trained_many("batch_norm", seeds, dataset=dataset)
assert all(a.recipe == b.recipe for a, b in zip(plain, normalized, strict=True))
kinds = {"plain": plain, "batch normalization": normalized}
runs = {name: [network.history for network in each] for name, each in kinds.items()}
figure = figures.validation_errors(runs)

# %%
falls = []
for name, each in runs.items():
    first, last = (
        statistics.mean(history.validation_error[epoch] for history in each)
        for epoch in (0, -1)
    )
    falls.append(f"from {first:.2%} to {last:.2%} ({name})")
earlier = 0
for before, after in zip(*runs.values(), strict=True):
    goal = before.validation_accuracy[-1]
    earlier += any(accuracy >= goal for accuracy in after.validation_accuracy[:-1])
histories = [history for each in runs.values() for history in each]
at_end = sum(h.validation_accuracy[-1] == max(h.validation_accuracy) for h in histories)
lab.report.reading(
    f"Between the first and the last epoch the mean validation error changes "
    f"{' and '.join(falls)}. The network with batch normalization needs fewer epochs "
    "to reach the final validation accuracy of its plain partner in "
    f"{earlier or 'none'} of the {len(seeds)} pairs. The last epoch, in which the "
    f"learning rate falls to zero, is the best one of {at_end} of the "
    f"{len(histories)} networks."
)

# %%
# Which images each network classifies correctly
# ----------------------------------------------
# The question is about the test images. The validation images are a second sample. No
# choice on this page was made on either of them.


def correct(networks: list[lab.TrainedNetwork], split: lab.Split) -> torch.Tensor:
    """1 where a network classifies an image correctly, else 0: (networks, images)."""
    found = [lab.evaluate(network.model, split).correct for network in networks]
    return torch.stack(found).double()


right = {}
for name, split in (("test", dataset.test), ("validation", dataset.validation)):
    right[name] = [correct(plain, split), correct(normalized, split)]
right["both"] = [torch.cat(parts, dim=1) for parts in zip(*right.values(), strict=True)]

# %%
# The difference, pair by pair
# ----------------------------
# Other seeds would give other differences, and so would other images. The interval of
# the mean difference covers both.
effects = {name: lab.stats.crossed_comparison(a, b) for name, (a, b) in right.items()}
figure = figures.accuracy_differences(effects)

# %%
accuracy = {name: [each.mean(dim=1) for each in pair] for name, pair in right.items()}
print("seed   test: plain  normalized   validation: plain  normalized")
for row, seed in enumerate(seeds):
    values = [each[row] for name in ("test", "validation") for each in accuracy[name]]
    print("{:4d}  {:12.2%}  {:10.2%}  {:18.2%}  {:10.2%}".format(seed, *values))


def points(effect: lab.stats.PairedComparison) -> str:
    """A mean difference with its interval, in percentage points."""
    return (
        f"{100 * effect.mean:+.2f} points ({effect.confidence:.0%} interval "
        f"{100 * effect.low:+.2f} to {100 * effect.high:+.2f}, "
        f"p = {effect.p_value:.3f})"
    )


test, validation, both = effects.values()
between = lab.stats.paired_comparison(test.differences, validation.differences)
if test.significant == validation.significant:
    agree = "Both sets of images lead to the same verdict."
elif between.significant:
    agree = "The two sets of images differ by more than the seeds explain."
else:
    agree = (
        "Only one of the two differences is significant, but they do not contradict "
        f"each other: they differ by {points(between)}."
    )
lab.report.reading(
    "Batch normalization changes the accuracy on the test images by "
    f"{points(test)}, on the validation images by {points(validation)}, and on both "
    f"together by {points(both)}. {agree}"
)

# %%
# Time per epoch
# --------------
# The speed of a machine drifts, so the two kinds take turns, each first in every second
# turn. We train new networks on a tenth of the images and do not count the first turn.
part = replace(dataset, train=dataset.train[::10], validation=dataset.validation[:500])
once = replace(lab.Recipe.standard(), epochs=1)


def seconds(batch_norm: bool) -> float:
    """Seconds of an epoch, scaled to all training images."""
    model = lab.DigitCNN(batch_norm)
    return 10 * lab.fit(model, part, once, progress=False).seconds[0]


orders = [(False, True), (True, False)] * 3
turns = [{kind: seconds(kind) for kind in order} for order in orders][1:]
times = [[turn[kind] for turn in turns] for kind in (False, True)]
figure = figures.seconds_by_turn(dict(zip(kinds, times, strict=True)))

# %%
ratios = [slow / fast for fast, slow in zip(*times, strict=True)]
logs = lab.stats.mean_interval([math.log(ratio) for ratio in ratios])
low, high = math.exp(logs.low), math.exp(logs.high)
ratio = statistics.median(ratios)
typical = [statistics.median(each) for each in times]
lab.report.reading(
    f"An epoch takes {typical[0]:.1f} s without batch normalization and "
    f"{typical[1]:.1f} s with it (medians of {len(turns)} turns). Within a turn, the "
    f"median ratio is {ratio:.2f}, the lowest {min(ratios):.2f} and the highest "
    f"{max(ratios):.2f}. The geometric mean has a {logs.confidence:.0%} interval of "
    f"{low:.2f} to {high:.2f}."
)

# %%
# Try it
# ------
# * Give ``lab.Recipe`` a ``learning_rate`` of 0.03, ten times the default, and train
#   both kinds with ``lab.trained(..., recipe=recipe)``. Watch which kind still learns.
# * Train the plain network for one epoch more: ``lab.Recipe(epochs=5)``. Watch whether
#   any difference is left when both kinds have had about the same time.
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_1_classification_plot_1_1_training_curves.py` shows the
# training of one network, and
# :ref:`sphx_glr_auto_examples_1_classification_plot_1_4_parameter_counts.py` counts the
# parameters that batch normalization adds.

# %%
# The answer
# ----------
without, with_it = (f"{float(each.mean()):.2%}" for each in accuracy["test"])
if not test.significant and not both.significant:
    lead = "Not measurably"
elif not test.significant:
    lead = (
        "Not measurably on the test images alone; on all images that no network was "
        f"trained on, {'yes, slightly' if both.mean > 0 else 'the accuracy falls'}"
    )
elif not both.significant:
    lead = "On these test images only: on both sets of images it can be chance"
else:
    lead = "Yes" if test.mean > 0 else "No, the test accuracy falls"
if low <= 1 <= high:
    time = "No effect on the time per epoch is measurable"
else:
    time = "Training takes longer" if ratio > 1 else "Training takes less time"


def interval(effect: lab.stats.PairedComparison) -> str:
    """A mean difference in percentage points, with its interval."""
    change, least, most = (100 * x for x in (effect.mean, effect.low, effect.high))
    return f"{change:+.2f} points ({least:+.2f} to {most:+.2f})"


lab.report.answer(
    "1.6",
    f"{lead}. The test accuracy is {without} without batch normalization and {with_it} "
    f"with it, a difference of {interval(test)} over {len(seeds)} pairs of networks, "
    f"with {test.confidence:.0%} intervals in brackets. On the validation images the "
    f"difference is {interval(validation)}, and on both sets together {interval(both)}"
    f"{'' if both.significant else ', which can be chance'}. {time}: "
    f"an epoch takes {ratio:.2f} times as long (median; {min(ratios):.2f} to "
    f"{max(ratios):.2f} in {len(ratios)} turns). Reaching the final validation "
    f"accuracy of the plain partner takes fewer epochs in {earlier or 'none'} of the "
    f"{len(seeds)} pairs.",
    dataset=dataset,
)

# %%

# sphinx_gallery_thumbnail_number = 2
# sphinx_gallery_tags = ["training", "paired comparison"]
lab.plotting.show()
