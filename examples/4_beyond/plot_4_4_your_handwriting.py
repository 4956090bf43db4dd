r"""
4.4 Your own handwriting
========================

And my own digit? Here the network reads a photo: yours, if you name one in the
environment variable ``MNIST_LAB_PICTURE``, and otherwise a sheet that this page renders
from the library's pen strokes, with a shadow, noise and squared paper, slightly turned.
Then one of these digits goes through the experiments of problems 2 and 3: what hiding
a part of it costs, and what small changes make the network read something else.

A network can only read what looks like its training images. MNIST's digits were fitted
into 20×20 pixels and put into 28×28 pixels so that their centre of mass lies in the
middle :cite:p:`lecun1998`:

.. math::

   \frac{\sum_{ij} (i + \tfrac{1}{2}) \, x_{ij}}{\sum_{ij} x_{ij}} \approx
   \frac{\sum_{ij} (j + \tfrac{1}{2}) \, x_{ij}}{\sum_{ij} x_{ij}} \approx 14

Here :math:`x_{ij}` is the intensity in row :math:`i` and column :math:`j`, 0 to 255,
bright ink on black.
"""

# %%
# The picture
# -----------
# The network was trained by the accurate recipe of page 4.2. To read a photo of your
# own, write digits that do not touch, and start this page with the photo's path in
# ``MNIST_LAB_PICTURE``.
import os

import torch

import mnist_lab as lab
from mnist_lab.data.synthetic.sheets import render_sheet
from mnist_lab.plotting.style import percent

seed = 0
dataset = lab.load_dataset()
model = lab.trained("plain", recipe=lab.Recipe.accurate(), dataset=dataset).model

# %%
generator = torch.Generator().manual_seed(seed)
labels = torch.randint(10, (30,), generator=generator)
sheet = render_sheet(
    labels, generator, light="shadow", noise=6, blur=1, rotation=4, paper="squared"
)
own = os.environ.get("MNIST_LAB_PICTURE")
found = lab.read_picture(own or sheet.picture.numpy())
print(found)

# %%
# What is read
# ------------
# :func:`mnist_lab.read_picture` estimates the paper, divides its light out, removes
# printed lines, levels the sheet and joins strokes that belong to one digit. The boxes
# show what it found. The network says what each is.
probabilities = model.probabilities(found.images)
confidence, readings = probabilities.max(dim=1)
figure = lab.plotting.reading(found, probabilities)

# %%
count = len(found)
unsure = int((confidence < 0.7).sum())
least = int(confidence.argmin())
digits_found = f"{count} digit{'s' if count > 1 else ''}"
if own:
    right = None
    score = "Whether the readings are right, only you can tell"
elif count == len(labels):
    right = int((readings == labels).sum())
    score = (
        f"Of the {len(labels)} digits on the rendered sheet, {right} are read correctly"
    )
else:
    right = None
    score = f"The rendered sheet has {len(labels)} digits, so the finding went wrong"
lab.report.reading(
    f"{digits_found} found, and read with a median probability of "
    f"{percent(float(confidence.median()))}. {unsure or 'None'} of the readings "
    f"{'have' if unsure > 1 else 'has'} a probability below 70%. {score}. The lowest "
    f"probability is that of a {readings[least]}: {percent(float(confidence[least]))}."
)

# %%
# What the network sees
# ---------------------
# Each digit as the network gets it, below its reading and the probability: 28×28
# pixels, bright ink, no paper. If its pen is about as wide as those of the training
# images, about as many pixels are bright.
captions = [
    f"{reading}: {sure:.0%}" for reading, sure in zip(readings, confidence, strict=True)
]
figure = lab.plotting.montage(
    found.images[:30, 0],
    title="The digits as MNIST would have them",
    unit="intensity",
    limits=(0, 255),
    captions=captions[:30],
)

# %%
ink = found.images[:, 0].double()
middles = torch.arange(28).double() + 0.5
mass = ink.sum((1, 2))
centres = torch.stack([ink.sum(axis) @ middles / mass for axis in (2, 1)])
inked = (ink > 127).double().mean((1, 2))
typical = (dataset.train.images[:1000] > 127).double().mean()
lab.report.reading(
    f"The longer side of each digit is 20 pixels, and its centre of mass is at most "
    f"{(centres - 14).abs().max():.1f} pixels off the middle. Of the pixels, "
    f"{inked.mean():.0%} are brighter than 127. In the training images "
    f"{typical:.0%} are."
)

# %%
# What hiding a part costs
# ------------------------
# We take the digit that the network reads with the highest probability and slide a grey
# 5×5 patch over it, as page 2.4 does.
chosen = int(confidence.argmax())
digit, reading, patch = found.images[chosen][None], int(readings[chosen]), 5
hidden = lab.occluded_probabilities(model, digit, patch, fill=128)[0]  # (28, 28, 10)
figure = lab.plotting.beside_digits(
    digit,
    hidden[None, None, ..., reading],
    title=f"The probability of {reading} under a grey {patch}×{patch} patch",
    unit="probability, by position of the patch's centre",
)

# %%
lowest = hidden[..., reading].min()
changed = hidden.argmax(dim=2) != reading
others = sorted(set(hidden.argmax(dim=2)[changed].tolist()))
if others:
    effect = (
        f"At {int(changed.sum())} of the 784 positions the patch changes the reading, "
        f"to {', '.join(map(str, others))}"
    )
else:
    effect = "At no position does the patch change the reading"
lab.report.reading(
    f"Without a patch the {reading} has a probability of "
    f"{percent(float(confidence[chosen]))}. At the worst position it is "
    f"{percent(float(lowest))}. {effect}."
)

# %%
# The same digit, read as something else
# --------------------------------------
# The attack of page 3.2.1 searches, for each of the nine other classes, the smallest
# change of this digit with which the network reads that class. The weights never
# change.
targets = torch.tensor([label for label in range(10) if label != reading])
attack = lab.targeted_attack(model, digit.repeat(9, 1, 1, 1), targets, start="image")

# %%
read_as = [reading, *attack.rounded_probabilities.argmax(dim=1).tolist()]
figure = lab.plotting.montage(
    torch.cat([digit[0], attack.rounded[:, 0]]),
    title=f"A {reading}, and the smallest changes found that are read otherwise",
    unit="intensity",
    limits=(0, 255),
    columns=5,
    captions=[f"read as {label}" for label in read_as],
)

# %%
success = attack.success
changes = attack.l2 / 255
reached = {0: "none", 9: "all"}.get(int(success.sum()), str(int(success.sum())))
if success.any():
    nearest = int(torch.where(success, changes, torch.inf).argmin())
    outcome = (
        f"Of the nine targets, {reached} are reached. The smallest change, "
        f"to {targets[nearest]}, has an L2 norm of {changes[nearest]:.2f} in units of "
        f"the full intensity. The digit itself has {digit.double().norm() / 255:.2f}"
    )
else:
    outcome = "The search reaches none of the nine targets"
lab.report.reading(f"{outcome}.")

# %%
# Try it
# ------
# * Write ten digits on paper, take a photo, and set ``MNIST_LAB_PICTURE`` to its path.
#   Which digits does the network misread? Compare them with those of page 1.2.
# * Pass ``pen=0.4`` to ``render_sheet``. Watch the probabilities, and the share of
#   bright pixels: thin strokes are rare in MNIST.
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_2_visualization_plot_2_4_occlusion.py` tests what a patch
# shows, and
# :ref:`sphx_glr_auto_examples_3_adversarial_plot_3_2_1_targeted_attack.py` judges such
# changes.

# %%
# The answer
# ----------
if own:
    read = " ".join(map(str, readings[:60].tolist())) + (" ..." if count > 60 else "")
    what = (
        f"In your picture the library finds {digits_found}, and the network reads, row "
        f"by row: {read}"
    )
elif right is not None:
    interval = lab.stats.proportion_interval(right, count)
    what = (
        f"On a rendered sheet, which is nobody's handwriting, the library finds all "
        f"{count} digits, and the network reads {right} of them correctly "
        f"({interval.low:.0%} to {interval.high:.0%})"
    )
else:
    what = f"On a rendered sheet of {len(labels)} digits the library finds {count}"
lab.report.answer(
    "4.4",
    f"{what}. The digit that it reads with the highest probability, a {reading}, "
    f"{'does not keep' if others else 'keeps'} this reading under a grey "
    f"{patch}×{patch} patch at every position. The attack reaches {reached} of the "
    "nine other classes"
    + (
        f", by changes of an L2 norm of {float(changes[success].min()):.2f} to "
        f"{float(changes[success].max()):.2f} in units of the full intensity."
        if success.any()
        else "."
    ),
    dataset=dataset,
)

# %%

# sphinx_gallery_tags = ["handwriting", "extension"]
lab.plotting.show()
