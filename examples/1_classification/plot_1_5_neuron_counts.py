"""
1.5 Number of neurons
=====================

How many neurons the network has depends on what is called one. We state the
definition, count, put the other common count beside it, and then ask the trained
network how many of its neurons do anything on the test images.
"""

# %%
# Counted
# -------
# A neuron is a weighted sum with its own inputs and its own output. So each output of
# a convolution is one, at every position and for every filter, and each output of a
# fully connected layer. A pool takes the largest of four numbers and weighs nothing:
# its outputs are no neurons here. Some count them all the same; that is the last line.
import torch

import mnist_lab as lab
from mnist_lab.plotting._pages import classification as figures

dataset = lab.load_dataset()
network = lab.trained("plain", dataset=dataset)
counts = lab.neuron_counts(network.model)
print(counts)

# %%
# Derived
# -------
# Filters × positions. The convolutions hold nearly all neurons and hardly any of the
# parameters, for the neurons of a filter share their weights.
by_hand = {"conv1": 32 * 28 * 28, "conv2": 32 * 14 * 14, "fc1": 500, "fc2": 10}
pooled = 32 * 14 * 14 + 32 * 7 * 7
assert by_hand == counts.by_layer
assert counts.with_pooling == sum(by_hand.values()) + pooled
print(f"{sum(by_hand.values()):,} neurons, {pooled:,} pooling outputs")

# %%
# How many of them fire
# ---------------------
# A ReLU lets a neuron through if its sum is above 0: it *fires*. We count for each
# neuron in how many test images it does. The ten logits have no ReLU, so firing means
# nothing for them, and they are left out.
rates = lab.firing_rates(network.model, dataset.test.images)
for name, rate in rates.items():
    dead, active = int((rate == 0).sum()), float(rate.mean())
    print(f"{name}: {dead:,} of {rate.numel():,} never fire; {active:.1%} on average")
figure = figures.activation_rates(rates)

# %%
# How to read the figure
# ----------------------
# The neurons of each layer are lined up from the most silent to the busiest. Where a
# line lies on the floor stand neurons that fire in no test image; where it lies at
# the top, neurons that fire in every one and so tell no two images apart. The area
# below it is the share of neurons that fire in an average image.
always = {name: float((rate == 1).float().mean()) for name, rate in rates.items()}
print("fire in every image:", {name: f"{share:.1%}" for name, share in always.items()})

# %%
# Where the silent ones are
# -------------------------
# A filter is the same at every position. A neuron of it that never fires is one to
# which the filter's pattern never comes: at a position where digits rarely reach, say.
# Where no image has any ink, a neuron does the same in all of them: it is silent, or it
# fires always.
figure = figures.inactive_neurons(rates)
ink = dataset.test.images.amax(dim=0).float()  # the most that any image has there
blank = torch.nn.functional.max_pool2d(ink, 3, stride=1, padding=1)[0] == 0
never = rates["conv1"] == 0
print(
    f"positions of conv1 that see no ink in any image: {blank.sum()} of {blank.numel()}"
)
print(f"neurons that never fire there: {never[:, blank].float().mean():.1%}")
print(f"neurons that never fire elsewhere: {never[:, ~blank].float().mean():.1%}")
print(f"filters that never fire at any position: {never.flatten(1).all(dim=1).sum()}")

# %%
# The answer
# ----------
every = torch.cat([rate.flatten() for rate in rates.values()])
silent = int((every == 0).sum())
lab.report.answer(
    "1.5",
    f"Counting each output of a convolution or of a fully connected layer, the network "
    f"has {counts.total:,} neurons: {counts.convolutional:,} convolutional and "
    f"{counts.fully_connected} fully connected. With pooling outputs it would be "
    f"{counts.with_pooling:,}. Of the {len(every):,} with a ReLU, {silent:,} "
    f"({silent / len(every):.1%}) fire in none of the {len(dataset.test):,} test "
    f"images, and on average {float(every.mean()):.1%} fire in an image; "
    f"one network, seed {network.seed}.",
    dataset=dataset,
)
# sphinx_gallery_thumbnail_number = 2
lab.plotting.show()
