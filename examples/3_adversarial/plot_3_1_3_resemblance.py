"""
3.1.3 Do the generated images look like digits?
===============================================

Looking is a matter of taste, so it is measured: what other networks read, how far the
images are from any training image, how rough they are. Real test digits are the
yardstick. Then the likely reason is put to the test: if the ascent leaves in an image
whatever the logit does not mind, asking for less of it must change the image.
"""

# %%
# What is compared
# ----------------
# Five images a class, generated from noise and rounded as they would be stored. The
# first of each class is shown over its target, and below it the training image that is
# nearest to it in L2 distance.
from collections.abc import Callable

import torch

import mnist_lab as lab
from mnist_lab.attacks import similarity
from mnist_lab.plotting._pages import adversarial as figures

dataset = lab.load_dataset()
train, real = dataset.train, dataset.test[:1000]
network = lab.best(dataset=dataset)
weights = {name: value.clone() for name, value in network.model.state_dict().items()}
starts, seed = 5, 0
targets = torch.arange(10).repeat(starts)
generated = lab.maximize_logit(network.model, targets, seed)


def near(images: torch.Tensor) -> similarity.NearestImages:
    """The nearest training images."""
    return similarity.nearest_images(images, train.images, train.labels)


nearest = near(generated.rounded)
figure = figures.image_rows(
    {
        "generated": generated.rounded[:10],
        "nearest training image": train.images[nearest.index[:10]],
    },
    column_labels="0123456789",
    title="Generated images and their nearest training images",
)

# %%
# What other judges read
# ----------------------
# Networks that were trained from other seeds have no part in the ascent. If they read
# the target too, an image holds something of it that is no quirk of one network. The
# nearest training image is a judge of another kind: it weighs all pixels alike. Guesses
# would hit a tenth.
others = [
    lab.trained(name, seed=other, dataset=dataset)
    for name in ("plain", "batch_norm")
    for other in (1, 2, 3)
]


def read_as_target(images: torch.Tensor) -> list[int]:
    """For each other network, how many images it takes for their targets."""
    logits = [other.model.probabilities(images) for other in others]
    return [int((values.argmax(dim=1) == targets).sum()) for values in logits]


agreeing = read_as_target(generated.rounded)
for other, hits in zip(others, agreeing, strict=True):
    share = lab.stats.proportion_interval(hits, len(targets))
    print(f"{other.name:>10}, seed {other.seed}: {share}")
by_neighbour = int((nearest.label == targets).sum())
neighbours = lab.stats.proportion_interval(by_neighbour, len(targets))
print(f"nearest training image: {neighbours}, n = {len(targets)}")

# %%
# Far from every digit
# --------------------
# The distance to the nearest training image, in intensities: of the first thousand
# test images, of the noise that the ascent starts from, and of what it makes of it. The
# grey band holds 98 % of the test images. An empty image is the caution: it is no
# digit, and yet it may be near to a thin one. So no measure speaks alone.
generator = torch.Generator().manual_seed(seed)
noise = 128 + 40 * torch.randn(50, 1, 28, 28, generator=generator)
groups = {
    "test digits": real.images,
    "noise": noise.clamp(0, 255).round(),
    "generated": generated.rounded,
}
distance = {name: near(images).distance for name, images in groups.items()}
figure = lab.plotting.measured_groups(
    distance, title="Distance to the nearest training image", unit="intensities (L2)"
)
empty = float(near(torch.zeros(1, 1, 28, 28)).distance)
for name, values in distance.items():
    print(f"{name:>11}: median {values.median():5.0f}, n = {len(values):,}")
print(f"an empty image: {empty:.0f}")

# %%
# Rough, where strokes are smooth
# -------------------------------
# The total variation is the mean difference between neighbouring pixels. The printed
# share of low frequencies says what part of the contrast is coarse: waves of at least
# seven pixels. Strokes are a few pixels wide and have smooth sides.
roughness = {
    name: similarity.total_variation(images) for name, images in groups.items()
}
figure = lab.plotting.measured_groups(
    roughness,
    title="Roughness of generated images and of digits",
    unit="total variation (intensities per pair of pixels)",
)
for name, images in groups.items():
    low = similarity.low_frequency_share(images).median()
    dark = (images < 26).float().mean()
    print(f"{name:>11}: low frequencies {low:.0%}, dark pixels {dark:.0%}")

# %%
# Why
# ---
# An image is a point in a cube of 784 intensities. The logit rewards evidence anywhere
# in that cube, but training has visited only the part of it where digits are. Nothing
# asks for a dark background or a whole stroke. Two signs of it: how much more evidence
# the ascent piles up than any real digit has, and how sure the network is of noise.
with torch.no_grad():
    logits = network.model(real.images)
own = logits.gather(1, real.labels[:, None]).squeeze(1)
beyond = generated.logit[-1] > own.max()
sure_of_noise = network.model.probabilities(groups["noise"]).amax(dim=1)
print(f"largest logit of {len(real):,} test digits: {own.max():.1f}")
print(f"generated images beyond it: {beyond.sum()} of {len(beyond)}")
print(f"median probability of what noise is taken for: {sure_of_noise.median():.1%}")

# %%
# With a prior
# ------------
# If that is the reason, then what the logit does not mind can be had almost for
# nothing. We subtract from the cost what real digits have little of: roughness (total
# variation), brightness (the mean square: a pull to the black background), or both.
# All else stays: noises, steps, step size.
Prior = Callable[[torch.Tensor], torch.Tensor]


def prior(rough: float, bright: float) -> Prior:
    """A penalty in logits, from its weights."""
    return lambda images: (
        rough * similarity.total_variation(images)
        + bright * images.square().mean(dim=(1, 2, 3))
    )


priors = {"smooth": (0.3, 0.0), "dark": (0.0, 0.003), "smooth and dark": (0.3, 0.003)}
shaped = {
    name: lab.maximize_logit(network.model, targets, seed, penalty=prior(*strength))
    for name, strength in priors.items()
}
results = {"no prior": generated, **shaped}
figure = figures.image_rows(
    {name: result.rounded[:10] for name, result in results.items()},
    column_labels="0123456789",
    title="With a prior",
)

# %%
# In the direction foretold
# -------------------------
# The explanation foretells: images with the smooth prior are smoother, those with the
# dark one are darker, those with both are nearer to real digits, and more than 90 % are
# still taken for their targets. Each is compared start by start (means over the ten
# classes, which share a noise), with a 95 % interval.
measures: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "total variation": similarity.total_variation,
    "mean intensity": lambda images: images.double().mean(dim=(1, 2, 3)),
    "distance": lambda images: near(images).distance,
}
foretold = {"smooth": "total variation", "dark": "mean intensity"}
foretold["smooth and dark"] = "distance"
held = []
for name, quantity in foretold.items():
    before, after = (
        measures[quantity](result.rounded).view(starts, 10).mean(dim=1).tolist()
        for result in (generated, shaped[name])
    )
    change = lab.stats.paired_comparison(before, after)
    hits = int(shaped[name].success.sum())
    held.append(change.mean < 0 and change.significant and hits > 0.9 * len(targets))
    print(f"{name}: {quantity} {change.mean:+.0f}", end=" ")
    print(f"({change.low:+.0f} to {change.high:+.0f})")
    print(f"   taken for their targets: {hits} of {len(targets)}")
    print(f"   by the other networks: {read_as_target(shaped[name].rounded)}")

# %%
# How near they come
# ------------------
# The same distances as above, now with the priors. To be near is not enough, since an
# empty image is near to something too. So the printed lines tell how often the nearest
# training image is one of the target class.
neighbours_of = {name: near(result.rounded) for name, result in results.items()}
figure = lab.plotting.measured_groups(
    {
        "test digits": distance["test digits"],
        **{name: found.distance for name, found in neighbours_of.items()},
    },
    title="Distance to the nearest training image, with priors",
    unit="intensities (L2)",
)
for name, found in neighbours_of.items():
    same = int((found.label == targets).sum())
    print(f"{name}: nearest image of the target class for {same} of {len(targets)}")

# %%
# The answer
# ----------
# Verdicts follow from the measurements: a group is unlike digits where its median lies
# outside the middle 98 % of the real ones. The weights are as before, bit for bit.
state = network.model.state_dict()
assert all(torch.equal(state[name], value) for name, value in weights.items())
made = {"distance": nearest.distance, "roughness": roughness["generated"]}
digits = {"distance": distance["test digits"], "roughness": roughness["test digits"]}
unlike = [
    name
    for name, values in made.items()
    if not digits[name].quantile(0.01) <= values.median() <= digits[name].quantile(0.99)
]
ratio = {name: float(made[name].median() / digits[name].median()) for name in made}
verdict = {
    0: "They measure like digits in distance and roughness",
    1: f"Not quite: they are unlike digits in {''.join(unlike)}",
    2: "No: they are unlike digits in distance and in roughness",
}[len(unlike)]
reason = (
    "every change foretold by that reason was found"
    if all(held)
    else f"{sum(held)} of {len(held)} changes foretold by that reason were found"
)
fewest, most = min(agreeing) / len(targets), max(agreeing) / len(targets)
lab.report.answer(
    "3.1.3",
    f"{verdict}. To the nearest training image they are {ratio['distance']:.1f} times "
    f"as far as test digits, and {ratio['roughness']:.1f} times as rough (medians, "
    f"{len(targets)} images, {len(real):,} digits), though {len(others)} independent "
    f"networks take {fewest:.0%} to {most:.0%} for their targets. Why: the logit "
    f"rewards evidence anywhere in the cube of images, and training visited only the "
    f"part where digits are; with priors for smoothness and darkness, {reason} "
    f"({network.name} network of seed {network.seed}, noise of seed {seed}).",
    dataset=dataset,
)
# sphinx_gallery_thumbnail_number = 4
lab.plotting.show()
