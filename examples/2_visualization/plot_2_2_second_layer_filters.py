"""
2.2 Filters of the second layer
===============================

Each of conv2's 32 filters has a 3x3 kernel for every one of conv1's 32 maps: 1,024
kernels, all shown. We compare them with conv1's in numbers, and then by what they
respond to, since a filter of the second layer looks at maps and not at pixels.
"""

# %%
# All 1,024 kernels
# -----------------
# A row is a filter of conv2, a column the map of conv1 that it reads. All kernels share
# one symmetric scale: red is positive, blue negative, white zero. It ends at the 99th
# percentile, since a few large weights would leave all others pale.
import mnist_lab as lab
from mnist_lab.introspection.filters import describe_filters
from mnist_lab.introspection.probing import agreement, top_activating_patches

dataset = lab.load_dataset()
model = lab.trained("plain", dataset=dataset).model
kernels = lab.filters(model, "conv2")  # (32, 32, 3, 3)
end = float(kernels.abs().flatten().quantile(0.99))
figure = lab.plotting.montage(
    kernels.flatten(0, 1),
    title="Kernels of conv2: one row per filter, one column per input map",
    unit="weight (clipped at the 99th percentile)",
    limits=(-end, end),
    cmap="RdBu_r",
    columns=32,
)

# %%
# A layer in numbers
# ------------------
# *Smoothness* is how alike neighbouring weights are (0 for random ones). *Edge share*
# and *average share* are how much of a kernel is an oriented edge or a plain average
# (two ninths and one ninth for random ones). *Similarity* is the absolute cosine
# between two filters, *norm* the length of a filter. A filter with 288 weights differs
# from one with 9 without having learned anything, so each number stands beside its
# value in the same networks before training.
seeds = range(5)
numbers = {}
for layer in ("conv1", "conv2"):
    trained = [lab.trained("plain", seed=s, dataset=dataset).model for s in seeds]
    for state, networks in (
        ("before", [lab.DigitCNN(seed=s) for s in seeds]),
        ("after", trained),
    ):
        rows = [describe_filters(lab.filters(network, layer)) for network in networks]
        numbers[layer, state] = {name: [row[name] for row in rows] for name in rows[0]}
print("mean of", len(seeds), "networks", *(f"{a} {b}".rjust(13) for a, b in numbers))
for name in numbers["conv1", "after"]:
    means = [sum(values[name]) / len(seeds) for values in numbers.values()]
    print(f"{name:18}", *(f"{mean:13.3f}" for mean in means))

# %%
# What training changed
# ---------------------
# The difference that training made, network by network, with the interval of its mean.
# Where two intervals of a column lie apart, the two layers have learned differently.
changes = {
    layer: {
        name: lab.stats.paired_comparison(
            numbers[layer, "before"][name], numbers[layer, "after"][name]
        )
        for name in ("smoothness", "edge share", "average share", "similarity")
    }
    for layer in ("conv1", "conv2")
}
figure = lab.plotting.estimates(
    {
        layer: [lab.stats.mean_interval(c.differences) for c in change.values()]
        for layer, change in changes.items()
    },
    list(changes["conv1"]),
    title="What training changed in the filters",
    unit="after minus before training",
    marked=[0] * len(changes["conv1"]),
    marked_as="no change",
)

# %%
# What the filters respond to
# ---------------------------
# A neuron of conv2 sees 8x8 pixels. Here are, for eight of its filters, the test
# patches that excite each most, all from different images; black is what lies outside
# of the image. The eight are those whose strongest response varies most from image to
# image.
images = dataset.test.images[:3000]
maps = lab.activations(model, images, "conv2")
patches = top_activating_patches(images, maps, size=8, stride=2, start=-3, count=8)
units = maps.amax((2, 3)).std(dim=0).topk(8).indices.sort().values
figure = lab.plotting.montage(
    patches.pixels[units].flatten(0, 1),
    title="The test patches that excite a conv2 filter most",
    unit="pixel intensity",
    limits=(0, 255),
    row_labels=[f"filter {unit}" for unit in units],
)

# %%
# Whether a filter's patches look alike
# -------------------------------------
# A filter that stands for a pattern finds patches that resemble each other more than
# they resemble those of other filters. Any filter does so to some extent, a random one
# too, so the networks before training are asked as well.
fields = {
    "conv1": {"size": 3, "start": -1},
    "conv2": {"size": 8, "stride": 2, "start": -3},
}
own = {}
for layer, field in fields.items():
    for state, network in (("before", lab.DigitCNN(seed=0)), ("after", model)):
        answers = lab.activations(network, images, layer)
        within, between = agreement(
            top_activating_patches(images, answers, count=8, **field)
        )
        own[layer, state] = (within - between).tolist()
        print(f"{layer} {state:6}  within {within.mean():5.2f}", end=", ")
        print(f"between {between.mean():5.2f}")
sharper = {
    layer: lab.stats.paired_comparison(own[layer, "before"], own[layer, "after"])
    for layer in fields
}

# %%
# The answer
# ----------
# Which layer is smoother, and which holds more edge, follows from the numbers of the
# trained networks, pair by pair.
words = {"smoothness": ("smoother", "rougher"), "edge share": ("edgier", "less edgy")}
differs = []
for name, (more, less) in words.items():
    difference = lab.stats.paired_comparison(
        numbers["conv1", "after"][name], numbers["conv2", "after"][name]
    )
    direction = more if difference.low > 0 else less
    if not difference.significant:
        direction = f"neither {more} nor {less}"
    differs.append(
        f"{direction} ({name} {difference.mean:+.2f}, "
        f"{difference.confidence:.0%} interval "
        f"{difference.low:+.2f} to {difference.high:+.2f})"
    )
response = sharper["conv2"]
learned = (
    "Training has made the conv2 filters more specific"
    if response.low > 0
    else "Training has not measurably made the conv2 filters more specific"
)
alike = {
    state: sum(own["conv2", state]) / len(kernels) for state in ("before", "after")
}
lab.report.answer(
    "2.2",
    f"conv2's kernels are {' and '.join(differs)} than conv1's filters, "
    f"in {len(seeds)} networks. {learned}: the patches that excite one most correlate "
    f"with each other by {alike['after']:.2f} more than with those of other filters, "
    f"against {alike['before']:.2f} before training (difference {response.mean:+.2f}, "
    f"{response.low:+.2f} to {response.high:+.2f}; {len(kernels)} filters, "
    f"{len(images):,} test images).",
    dataset=dataset,
)
# sphinx_gallery_thumbnail_number = 3
lab.plotting.show()
