"""
1.1 Training curves and test accuracy
=====================================

A small convolutional network learns to read handwritten digits. We watch its errors
fall, epoch by epoch, on the images that it learns from and on images that it does not;
then, once, we count how many of the 10,000 test images it reads correctly.
"""

# %%
# The digits and their labels
# ----------------------------
# Labels come in two forms: as class indices, one whole number an image, or as one-hot
# rows of a single 1 and nine 0s. Here they are indices, which is what the cross-entropy
# loss is given; :func:`mnist_lab.class_indices` turns either form into indices and
# refuses everything else.
from pprint import pprint

import torch

import mnist_lab as lab

dataset = lab.load_dataset()
print(dataset)
print("the first labels:", dataset.train.labels[:8])
one_hot = lab.one_hot(dataset.train.labels)
print("the first one-hot:", one_hot[0].int().tolist())
assert torch.equal(lab.class_indices(one_hot), dataset.train.labels)

# %%
# The network and its training
# ----------------------------
# Two convolutions and two fully connected layers, ten logits at the end. The recipe
# is the library's default: every training image is seen a few times, undistorted. The
# finished network is kept in a cache, so that no other page has to train it again; by
# hand it would be ``model = lab.DigitCNN(seed=0)`` and ``lab.fit(model, dataset,
# lab.Recipe())``.
network = lab.trained("plain", dataset=dataset)
pprint(network.recipe)

# %%
# Loss, error, accuracy
# ---------------------
# Three curves are easily confused, so each has a panel and its own name. The *loss*
# is the cross-entropy that training lowers; the *error* is the share of images that
# are misclassified; the *accuracy* is what remains of it. Training and validation are
# measured alike at the end of each epoch, with the same weights and on the same
# number of images.
print(network.history)
figure = lab.plotting.training_curves(network.history)

# %%
# How to read the figure
# ----------------------
# The points compare training and validation like with like. The grey lines follow
# training batch by batch, on images that the network meets for the first time in the
# first epoch and again in every later one. The distance between the two errors at the
# end is what the network knows about its training images alone.
history = network.history
first, last = history.validation_error[0], history.validation_error[-1]
lowest = min(range(len(history)), key=history.validation_error.__getitem__) + 1
print(f"validation error: {first:.2%} after one epoch, {last:.2%} at the end")
print(f"lowest validation error: after epoch {lowest} of {len(history)}")
print(f"training error at the end: {history.train_error[-1]:.2%}")
print(f"distance: {100 * (last - history.train_error[-1]):.2f} points")

# %%
# The test set, once
# ------------------
# Nothing so far has looked at the test images: the network and its recipe were chosen
# on the validation images. Other 10,000 digits would have given a slightly other
# accuracy, so the measured one comes with its interval.
result = lab.evaluate(network.model, dataset.test)
accuracy = lab.stats.proportion_interval(int(result.correct.sum()), len(result.labels))
print(result)

lab.report.answer(
    "1.1",
    f"After {len(history)} epochs the training error is {history.train_error[-1]:.2%} "
    f"and the validation error {history.validation_error[-1]:.2%}. The accuracy on the "
    f"{len(result.labels):,} test images is {accuracy}; "
    f"one network, seed {network.seed}.",
    dataset=dataset,
)
lab.plotting.show()
