"""
3.1.2 Confidence in the generated images
========================================

Noise has been turned into images that the network should take for a chosen digit. Does
it always, and how sure is it? We count over many starts of every class, also after the
images were rounded to what a file can store, and watch the certainty grow.
"""

# %%
# Many starts of every class
# --------------------------
# The share of successes of a class is only worth what it is counted on, so every class
# is started from many noises. The probability that matters is the *target's*: that of
# the predicted class would hide every failure. It is counted twice, for the images as
# they came out of the ascent, and rounded to whole intensities 0..255.
import torch

import mnist_lab as lab
from mnist_lab._utils.network import unchanged
from mnist_lab.plotting._pages import adversarial as figures

dataset = lab.load_dataset()
network = lab.best(dataset=dataset)
starts, seed, threshold = 24, 1, 0.99
moments: list[tuple[int, torch.Tensor]] = []


def keep(step: int, images: torch.Tensor) -> None:
    """Keep the images of every tenth step."""
    if step % 10 == 0:
        moments.append((step, images))


with unchanged(network.model):
    result = lab.maximize_logit(
        network.model, list(range(10)) * starts, seed=seed, callback=keep
    )
print(result)

# %%
# How sure it is
# --------------
# Probabilities near 1 cannot be told apart on an axis from 0 to 1. Drawn is what they
# lack: the probability that is left to the nine other classes, a point an image. What
# lies below the dashed line counts as high confidence.
figure = figures.remaining_probability(result, threshold=threshold)
interval = lab.stats.proportion_interval


def sure(probability: torch.Tensor, predictions: torch.Tensor) -> torch.Tensor:
    """Which images are predicted as their target with high confidence."""
    return (predictions == result.targets) & (probability > threshold)


as_made = sure(result.target_probability, result.predictions)
stored = sure(
    result.rounded_target_probability, result.rounded_probabilities.argmax(dim=1)
)
count = len(stored)
print(f"as generated: {interval(int(as_made.sum()), count)}")
print(f"rounded:      {interval(int(stored.sum()), count)}")
for target in range(10):
    mine = result.targets == target
    least = float(result.rounded_target_probability[mine].min())
    print(f"target {target}: {int(stored[mine].sum())} of {starts}, least {least:.6f}")

# %%
# Noise itself, for comparison
# ----------------------------
# What does the network say of the noise before anything was changed? It has no class
# for "no digit", so its ten probabilities add up to 1 here too.
step, noise = moments[0]
assert step == 0
before = network.model.probabilities(noise[::10])  # the classes share their starts
favourite = int(before.argmax(dim=1).mode().values)
share = float((before.argmax(dim=1) == favourite).float().mean())
print(f"{share:.0%} of {len(before)} noises are taken for a {favourite},")
print(f"with a median probability of {float(before.amax(dim=1).median()):.2f}")

# %%
# The certainty grows
# -------------------
# Every tenth step the network was asked about all images. A high logit of the target
# alone does not make it the largest one: for a while the others may rise with it.
steps = torch.tensor([step for step, _ in moments])
taken, confident = [], []
for _, images in moments:
    probabilities = network.model.probabilities(images)
    mine = probabilities.gather(1, result.targets[:, None]).squeeze(1)
    taken.append((probabilities.argmax(dim=1) == result.targets).float().mean())
    confident.append(sure(mine, probabilities.argmax(dim=1)).float().mean())
figure = figures.target_shares(
    steps,
    {
        "classified as the target": torch.stack(taken),
        f"with more than {threshold:.0%} probability": torch.stack(confident),
    },
)
by_half = [int(step) for step in steps[torch.stack(confident) >= 0.5]]
half = f"after {by_half[0]}" if by_half else "after none"
print(f"half of the images are sure {half} steps")

# %%
# Is it always so?
# ----------------
# The share above holds for these step sizes and this number of steps. With other
# noise, and without the clipping (the literal formula), the same is counted again on
# fewer starts.
for name, sigma, clip in (
    ("noise of deviation 10", 10.0, (0.0, 255.0)),
    ("noise of deviation 80", 80.0, (0.0, 255.0)),
    ("without clipping", 40.0, None),
):
    other = lab.maximize_logit(
        network.model, list(range(10)) * 3, seed, sigma=sigma, clip=clip
    )
    high = other.success & (other.rounded_target_probability > threshold)
    print(f"{name}: {int(high.sum())} of {len(high)} rounded images are sure")

# %%
# The answer
# ----------
lab.report.answer(
    "3.1.2",
    ("Yes, in every case tried: " if bool(stored.all()) else "Not always: ")
    + f"of {count} images ({starts} starts for each class, seed {seed}), "
    f"{int(as_made.sum())} are predicted as their target with a probability above "
    f"{threshold}, and {int(stored.sum())} after rounding to uint8, "
    f"{interval(int(stored.sum()), count)}; the smallest is "
    f"{float(result.rounded_target_probability.min()):.4f}. Half of them are that sure "
    f"{half} of {len(result.cost) - 1} steps.",
    dataset=dataset,
)
# sphinx_gallery_thumbnail_number = 2
lab.plotting.show()
