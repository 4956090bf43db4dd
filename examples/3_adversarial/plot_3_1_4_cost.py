"""
3.1.4 The cost, step by step
============================

Gradient ascent is meant to raise the cost, here the target's logit. Does it, for every
class and from every noise, and in every single step? The cost is drawn for intensities
that are clipped to 0..255 and for the literal formula without clipping. Then smaller
steps show where the steps come from that let it fall.
"""

# %%
# The ascent, with clipping
# -------------------------
# Ten starts a class; the classes share the noises. The line is the mean over starts,
# the dark band one standard deviation, the light one reaches from the lowest start to
# the highest. The first value is that of the noise itself.
import torch

import mnist_lab as lab
from mnist_lab.plotting._pages import adversarial as figures

dataset = lab.load_dataset()
network = lab.best(dataset=dataset)
weights = {name: value.clone() for name, value in network.model.state_dict().items()}
starts, seed, size, steps = 10, 0, 2000, 300
targets = torch.arange(10).repeat(starts)
clipped = lab.maximize_logit(network.model, targets, seed, step_size=size, steps=steps)
figure = figures.cost_by_step(
    clipped.cost, targets, title="Clipped to 0..255: mean and spread over starts"
)

# %%
# The literal formula
# -------------------
# The same noises and the same steps, but nothing stops a pixel at black or white. The
# scale of this figure is its own. What such a cost is worth, the last line says: an
# image with intensities out of range cannot be stored or shown.
literal = lab.maximize_logit(
    network.model, targets, seed, step_size=size, steps=steps, clip=None
)
figure = figures.cost_by_step(
    literal.cost, targets, title="Not clipped: mean and spread over starts"
)
outside = float(((literal.images < 0) | (literal.images > 255)).float().mean())
lowest, highest = literal.images.min(), literal.images.max()
print(
    f"pixels outside 0..255 at the end: {outside:.0%}, {lowest:,.0f} to {highest:,.0f}"
)

# %%
# Rising or falling
# -----------------
# The curves end above their start if the cost rose over the whole way. A single step
# may fall all the same, so these are counted too: of all steps of all images, those
# after which the cost was lower than before.
runs = {"clipped": clipped.cost, "not clipped": literal.cost}
rose = {name: int((cost[-1] > cost[0]).sum()) for name, cost in runs.items()}
fell = {name: cost.diff(dim=0) < 0 for name, cost in runs.items()}
falling = {name: float(steps.double().mean()) for name, steps in fell.items()}
print("target  start  clipped: end  fell   not clipped: end  fell")
for label in range(10):
    own = targets == label
    cells = [f"{label:6d}  {float(clipped.cost[0, own].mean()):5.1f}"]
    for name, width in (("clipped", 12), ("not clipped", 17)):
        end = float(runs[name][-1, own].mean())
        share = float(fell[name][:, own].double().mean())
        cells.append(f"{end:{width}.1f}  {share:4.1%}")
    print("  ".join(cells))

# %%
# How fast it rises
# -----------------
# A network of ReLUs and max-pools is linear in pieces. Without clipping an image can
# move far out, so the cost should go on climbing; with clipping, pixels that have
# reached black or white have no room left, so the rise should slow down. The slopes of
# the first and of the last fifth say whether it is so.
last = len(clipped.cost) // 5
for name, cost in runs.items():
    slopes = [float((cost[k + last] - cost[k]).mean()) / last for k in (0, -last - 1)]
    print(f"{name:>11}: {slopes[0]:.2f} a step at first, {slopes[1]:.2f} at the end")
at_the_bounds = ((clipped.images == 0) | (clipped.images == 255)).float().mean()
print(f"pixels at black or white after clipping: {float(at_the_bounds):.0%}")

# %%
# Why a step can fall
# -------------------
# The gradient promises a rise for a step that is short enough. A long one passes a
# kink, where another piece of the function begins, and lands lower: the image jumps
# back and forth across it. If that is the reason, falls must be shallower the shorter
# the steps are. So a tenth of the step size goes the same way in ten times as many
# steps, from one start a class.
long_steps, parts = clipped.cost[:, :10], 10
short = lab.maximize_logit(
    network.model, range(10), seed, step_size=size / parts, steps=steps * parts
)
sizes = {f"step size {size}": long_steps, f"step size {size // parts}": short.cost}
deepest = []
for name, cost in sizes.items():
    change = cost.diff(dim=0)
    deepest.append(max(0.0, -float(change.min())))
    share = float((change < 0).double().mean())
    print(f"{name}: {share:.2%} of the steps fell, the deepest by {deepest[-1]:.3f}")
figure = figures.cost_decreases(sizes)

# %%
# The answer
# ----------
# The weights are those from before, bit for bit: only images moved.
after = network.model.state_dict()
assert all(torch.equal(after[name], value) for name, value in weights.items())
count = len(targets)
if all(risen == count for risen in rose.values()):
    verdict = (
        f"It rises: in all {count} images, clipped or not, it ends above its start"
    )
elif all(risen > count / 2 for risen in rose.values()):
    verdict = (
        f"It mostly rises: of {count} images {rose['clipped']} clipped and "
        f"{rose['not clipped']} unclipped ones end above their start"
    )
else:
    verdict = (
        f"It does not reliably rise: of {count} images {rose['clipped']} clipped and "
        f"{rose['not clipped']} unclipped ones end above their start"
    )
ends = {name: (cost[-1].mean(), cost[-1].std()) for name, cost in runs.items()}
if deepest[0] == 0:
    depth = "no step of the first start fell"
else:
    depth = (
        f"the deepest fall of the first start, {deepest[0]:.3f}, becomes "
        f"{deepest[1]:.3f} with steps a tenth as long"
    )
lab.report.answer(
    "3.1.4",
    f"{verdict}. On average it goes from {float(clipped.cost[0].mean()):.1f} to "
    f"{ends['clipped'][0]:.0f} ± {ends['clipped'][1]:.0f} with clipping and to "
    f"{ends['not clipped'][0]:,.0f} ± {ends['not clipped'][1]:,.0f} without (mean ± "
    f"deviation; {len(clipped.cost) - 1} steps, {starts} starts a class, seed {seed}, "
    f"{network.name} network of seed {network.seed}). It fell in "
    f"{falling['clipped']:.1%} of the clipped steps and {falling['not clipped']:.1%} "
    f"of the others; {depth}.",
    dataset=dataset,
)
lab.plotting.show()
