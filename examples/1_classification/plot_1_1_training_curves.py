r"""
1.1 Training curves and test accuracy
=====================================

You will see a network learn to classify digits: its error on images that it trains on,
its error on validation images, and its accuracy, four times per epoch. At the end, the
test images measure how well it does on digits that no decision has used.

Training lowers the cross-entropy loss :math:`L`. What we want to be low is the error,
the fraction of misclassified images:

.. math::

   L = -\frac{1}{N} \sum_{i=1}^{N} \log p_{i, y_i}, \qquad
   \mathrm{error} = \frac{1}{N} \sum_{i=1}^{N} [\hat{y}_i \neq y_i], \qquad
   \mathrm{accuracy} = 1 - \mathrm{error}

Here :math:`N` is the number of images, :math:`y_i` the true label of image :math:`i`,
:math:`\hat{y}_i` the predicted one, :math:`p_{i, y_i}` the probability that the network
gives to the true label, and :math:`[\cdot]` is 1 if the statement in it is true, else
0. The optimizer is AdamW (:cite:t:`loshchilov2019`). The learning rate rises and falls
once (:cite:t:`smith2018`).
"""

# %%
# The digits and their labels
# ---------------------------
# Of MNIST's 60,000 training images, 50,000 train the network and 10,000 validate it.
# Labels come in two forms: as class indices, or as one-hot rows with a single 1.
# PyTorch's cross-entropy takes class indices. :func:`mnist_lab.class_indices` accepts
# both forms and raises an error for everything else.
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pprint import pprint

import torch
from torch import Tensor, nn
from torch.nn import functional

import mnist_lab as lab
from mnist_lab.plotting._pages.training import errors_by_epoch, loss_by_epoch

seed = 0
dataset = lab.load_dataset()
print(dataset)
labels = dataset.train.labels
print(f"class indices: {labels.ndim} axis, {labels.min()} to {labels.max()}")
one_hot = lab.one_hot(labels)
print(f"the label {labels[0]} as a one-hot row: {one_hot[0].int().tolist()}")
assert torch.equal(lab.class_indices(one_hot), labels)

# %%
# The recipe
# ----------
# The recipe holds the hyper-parameters: what training needs to know and does not learn.
# Its precision is ``"bfloat16"``, numbers of 16 bits, if the processor can multiply
# matrices of them. Training then takes clearly less time
# (:doc:`/benchmarks/speed`). Otherwise the precision is ``"float32"``.
recipe = lab.Recipe.standard(seed)
pprint(recipe)
mixed = recipe.precision == "bfloat16"
Batches = list[Tensor]  # each is the indices of its images

# %%
# Batches
# -------
# An epoch visits every training image once, in a new random order. A batch is 128 of
# the random indices. The random generator first draws 10,000 training images on which
# the training error will be measured: as many as there are validation images, so that
# the two errors can be compared.


def plan(dataset: lab.Dataset, recipe: lab.Recipe) -> tuple[Tensor, Batches]:
    """Draw the images to measure on, and the batches of all epochs, as indices."""
    generator = torch.Generator().manual_seed(recipe.seed)
    count, size = len(dataset.train), len(dataset.validation)
    sample = torch.randperm(count, generator=generator)[:size]
    batches: Batches = []
    for _ in range(recipe.epochs):
        order = torch.randperm(count, generator=generator)
        batches += order.split(recipe.batch_size)
    return sample, batches


# %%
# The training loop
# -----------------
# Every step does the same: compute the loss of a batch, compute its gradient, and
# change the weights a little. In mixed precision, ``autocast`` computes convolutions
# and matrix products in 16 bits. The weights and the loss stay in 32.


def loss_of(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Compute the loss of a batch, in the precision of the recipe."""
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        logits = model(images)
    return functional.cross_entropy(logits.float(), labels)


# %%
# The learning rate scales the change. The loop yields after every step, so that the
# network can be measured in between.


def train(model: nn.Module, split: lab.Split, batches: Batches) -> Iterator[float]:
    """Train a network, and yield the loss of each batch."""
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    for step, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = recipe.learning_rate_at(step, len(batches))
        loss = loss_of(model, split.images[batch], split.labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


# %%
# The library does the same
# -------------------------
# :func:`mnist_lab.fit` runs this loop. On a part of the data, both give the same
# weights, bit for bit.
part = lab.Dataset("part", dataset.train[:2560], dataset.validation, dataset.test)
short = replace(recipe, epochs=1)
by_hand, by_library = lab.DigitCNN(seed=seed), lab.DigitCNN(seed=seed)
batches = plan(part, short)[1]
start, *_, end = train(by_hand, part.train, batches)
print(f"loss of the first batch {start:.2f}, of the last {end:.2f}")
lab.fit(by_library, part, short, device="cpu", progress=False)
weights = zip(by_hand.parameters(), by_library.parameters(), strict=True)
assert all(torch.equal(one, other) for one, other in weights)

# %%
# A whole run, measured four times per epoch
# ------------------------------------------
# Now the loop trains on all 50,000 images. :func:`mnist_lab.evaluate` measures the
# network without changing it.
model, losses, measured = lab.DigitCNN(seed=seed), [], []
sample, batches = plan(dataset, recipe)
quarters = range(1, 4 * recipe.epochs + 1)
marks = {round(len(batches) * quarter / len(quarters)) for quarter in quarters}
for loss in train(model, dataset.train, batches):
    losses.append(loss)
    if len(losses) in marks:
        splits = dataset.train[sample], dataset.validation
        measured.append([lab.evaluate(model, split) for split in splits])

# %%
# Error and accuracy
# ------------------
# The error is drawn on a logarithmic axis, so that small errors can be told apart. The
# accuracy is one minus the error.
epochs = [quarter / 4 for quarter in quarters]
rates = [recipe.learning_rate_at(step, len(batches)) for step in range(len(batches))]
on_train, on_validation = ([row[column] for row in measured] for column in (0, 1))
figure = errors_by_epoch(epochs, on_train, on_validation)

# %%
errors = [result.error for result in on_validation]
changes = [after - before for before, after in pairwise(errors)]
rises = [change for change in changes if change > 0]
words = "The validation error never rises from one measurement to the next."
if rises:
    at, end = changes.index(max(rises)) + 1, max(changes[-4:])
    rate = rates[round(epochs[at] * len(batches) / recipe.epochs) - 1] / max(rates)
    before, after = (
        torch.cat([on_train[place].correct, on_validation[place].correct])
        for place in (at - 1, at)
    )
    # This rise is the largest of many changes, so its test is stricter than usual.
    rise = lab.stats.paired_comparison(
        after.int().tolist(), before.int().tolist(), 1 - 0.05 / len(changes)
    )
    words = (
        f"The validation error does not fall steadily: {len(rises)} of {len(changes)} "
        f"changes are rises, the largest {100 * max(rises):.2f} points at epoch "
        f"{epochs[at]:g}, where the learning rate is {rate:.0%} of its peak. There the "
        "training error changes by "
        f"{100 * (on_train[at].error - on_train[at - 1].error):+.2f} points; on both "
        "sets of images together, the rise "
        + ("is more than chance" if rise.low > 0 else "can be chance")
        + ". In the last epoch, in which the learning rate falls to zero, "
        + (f"no rise exceeds {100 * end:.2f} points." if end > 0 else "none occurs.")
    )
lab.report.reading(
    f"The training error falls from {on_train[0].error:.2%} to "
    f"{on_train[-1].error:.2%}, the validation error from {errors[0]:.2%} to "
    f"{errors[-1]:.2%}. {words}"
)

# %%
# Loss and learning rate
# ----------------------
# The grey line is the loss of each training batch, which the loop yields for free. The
# markers are the loss on the same images as above.
figure = loss_by_epoch(
    epochs, on_train, on_validation, batch_loss=losses, learning_rate=rates
)

# %%
# Validation error minus training error is the *generalization gap*. A network
# *overfits* if it goes on improving on its training images while it gets worse on new
# ones.
at_end = [
    lab.stats.proportion_interval(int((~result.correct).sum()), len(result.labels))
    for result in (on_train[-1], on_validation[-1])
]
gap = at_end[1].value - at_end[0].value

# %%
lowest = errors.index(min(errors))
then, now = (on_validation[place].correct.int().tolist() for place in (lowest, -1))
worse = lab.stats.paired_comparison(now, then, 1 - 0.05 / len(changes)).significant
if errors[-1] == min(errors):
    trend = "The validation error is lowest at the end, so it shows no overfitting."
elif worse and on_train[-1].error < on_train[lowest].error:
    trend = (
        f"The network overfits: its validation error was lowest at epoch "
        f"{epochs[lowest]:g}, {min(errors):.2%}, and has risen by more than chance."
    )
else:
    trend = (
        f"The validation error was lowest at epoch {epochs[lowest]:g}, "
        f"{min(errors):.2%}. The difference can be chance, so it is no clear sign of "
        "overfitting."
    )
train_change, validation_change = (
    results[-1].loss / results[-5].loss - 1 for results in (on_train, on_validation)
)
lab.report.reading(
    f"In the last epoch, the training loss changes by {train_change:+.0%} and the "
    f"validation loss by {validation_change:+.0%}. The training error ends at "
    f"{at_end[0]}, the validation error at {at_end[1]}. The generalization gap is "
    f"{100 * gap:.2f} points"
    + (". " if at_end[0].high < at_end[1].low else ", which can be chance. ")
    + trend
)

# %%
# The test set, once
# ------------------
# Nothing so far has looked at the test images. A different test set would give a
# slightly different accuracy. How different, the interval tells (:cite:t:`wilson1927`).
result = lab.evaluate(model, dataset.test)
accuracy = lab.stats.proportion_interval(int(result.correct.sum()), len(dataset.test))
print(result)

# %%
# The network of the other pages
# ------------------------------
# The library trains each network once and keeps it in a cache. The other pages load
# their networks from there.
network = lab.trained("plain", seed=seed, recipe=recipe, dataset=dataset)
print(network)

# %%
history = network.history
lab.report.reading(
    f"The library's network had the same loss as ours in each of its {len(losses):,} "
    "steps, bit for bit."
    if losses == list(history.batch_loss)
    else "The library's network was trained under other conditions, such as another "
    f"number of threads, so rounding differs. Its validation error is "
    f"{history.validation_error[-1]:.2%}, ours {errors[-1]:.2%}."
)

# %%
# Try it
# ------
# * Train with ten times the learning rate, ``replace(recipe, learning_rate=0.03)``.
#   Watch the loss of the batches while the learning rate is high.
# * Train on few images for a long time, with ``replace(recipe, epochs=20)`` and
#   with ``dataset = part`` after the cell that makes it. Watch the generalization gap.
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_1_classification_plot_1_2_predictions.py` looks at the
# mistakes of this network.
# :ref:`sphx_glr_auto_examples_1_classification_plot_1_6_batch_norm.py` trains with
# other seeds, and with batch normalization.

# %%
# The answer
# ----------
lab.report.answer(
    "1.1",
    f"After {recipe.epochs} epochs the network classifies {accuracy} of the "
    f"{len(dataset.test):,} test images correctly (plain network, seed {seed}). The "
    f"training error ends at {on_train[-1].error:.2%} and the validation error at "
    f"{errors[-1]:.2%}, which is a validation accuracy of {1 - errors[-1]:.2%}. "
    f"{trend}",
    dataset=dataset,
)

# %%

# sphinx_gallery_tags = ["training", "evaluation"]
lab.plotting.show()
