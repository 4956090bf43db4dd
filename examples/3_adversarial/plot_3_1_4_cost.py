r"""
3.1.4 The cost, step by step
============================

Gradient ascent is meant to raise the cost. Does it rise or fall? You will plot it for
every class, with the intensities clipped to 0..255 and without, and count the single
steps that lower it. Then you will look closely at one step and see why a step along the
gradient can lead down.

The cost is the logit of the target, :math:`C(X) = z_t(X)`. A step changes the image
:math:`X` by :math:`\Delta`, and the gradient promises a rise of

.. math::

   C(X + \Delta) - C(X) \approx \sum_i g_i \, \Delta_i , \qquad
   g_i = \frac{\partial C}{\partial x_i}, \qquad
   \Delta_i = \operatorname{clip}(x_i + \eta \, g_i) - x_i ,

where :math:`x_i` is the intensity of pixel :math:`i` and :math:`\eta` the step size.
Every pixel moves the way its derivative points, or stays where it is at black or white.
So no term of the sum is negative, with clipping or without. But the network is built of
ReLUs and max-pools: its logit is linear in pieces :cite:p:`hein2019`, and the promise
holds as long as the step stays on one piece.
"""

# %%
# The ascent, with clipping
# -------------------------
# Five noise images, and from each an ascent to every class. The line is the mean over
# the noise images, the dark band one standard deviation, and the light band reaches
# from the lowest to the highest. The first value is that of the noise itself.
import copy
import math
from functools import partial

import torch

import mnist_lab as lab
from mnist_lab._utils.network import unchanged
from mnist_lab.plotting._pages import adversarial as figures

dataset = lab.load_dataset()
network = lab.best(dataset=dataset)
print(network)
model = network.model
starts, steps, step_size = 5, 300, 2000.0
seed = 0

# %%
targets = torch.arange(10).repeat(starts)
ascent = partial(lab.maximize_logit, model, targets, seed, step_size=step_size)
path: list[torch.Tensor] = []  # of the ten images from the first noise image
with unchanged(model):
    clipped = ascent(steps=steps, callback=lambda _, images: path.append(images[:10]))
figure = figures.cost_by_step(
    clipped.cost, targets, title="Clipped to 0..255: mean and spread over noise images"
)


# %%
def mean_and_std(cost: torch.Tensor) -> str:
    """The mean of some costs over the images, with their standard deviation."""
    return f"{cost.mean():,.0f} (standard deviation {cost.std():,.0f})"


def slope(cost: torch.Tensor, last: bool) -> float:
    """The mean rise per step in the first or the last fifth of the steps."""
    part = cost[-len(cost) // 5 :] if last else cost[: len(cost) // 5]
    return float((part[-1] - part[0]).mean()) / (len(part) - 1)


def risen(cost: torch.Tensor) -> str:
    """How many images end above their start."""
    count = int((cost[-1] > cost[0]).sum())
    return f"{'all' if count == len(targets) else f'{count} of'} {len(targets)} images"


lab.report.reading(
    f"The cost ends above its start in {risen(clipped.cost)}. On average it goes from "
    f"{clipped.cost[0].mean():.1f} to {mean_and_std(clipped.cost[-1])}. It rises by "
    f"{slope(clipped.cost, last=False):.2f} per step in the first fifth of the steps "
    f"and by {slope(clipped.cost, last=True):.2f} in the last."
)

# %%
# The formula without clipping
# ----------------------------
# The same noise and the same steps, but nothing stops a pixel at black or white.
free_path: list[torch.Tensor] = []
free = ascent(
    steps=steps, clip=None, callback=lambda _, images: free_path.append(images[:10])
)
figure = figures.cost_by_step(
    free.cost, targets, title="Not clipped: mean and spread over noise images"
)

# %%
outside = float(((free.images < 0) | (free.images > 255)).float().mean())
lab.report.reading(
    f"The cost ends above its start in {risen(free.cost)}, on average at "
    f"{mean_and_std(free.cost[-1])}. It rises by {slope(free.cost, last=False):.2f} "
    f"per step in the first fifth and by {slope(free.cost, last=True):.2f} in the "
    f"last. Such a cost has a price: {outside:.0%} of the intensities lie outside "
    f"0..255, between {free.images.min():,.0f} and {free.images.max():,.0f}, and no "
    "file can store them."
)

# %%
# Promised and delivered
# ----------------------
# Does the cost rise in every single step? For the ten images from the first noise image
# we compare what the gradient promises with what the step delivers.
classes = torch.arange(10)


def cost_and_gradient(
    network: torch.nn.Module, images: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The cost of ten images, one of each class, and its gradient."""
    x = images.clone().requires_grad_()
    cost = network(x).gather(1, classes[:, None])[:, 0]
    (gradient,) = torch.autograd.grad(cost.sum(), x)
    return cost.detach(), gradient


# %%
paths = {"clipped": path, "not clipped": free_path}
promised, delivered = {}, {}
for name, images in paths.items():
    pairs = [cost_and_gradient(model, each) for each in images]
    costs, gradients = (torch.stack(values) for values in zip(*pairs, strict=True))
    moves = torch.stack(images).diff(dim=0)
    promised[name] = (gradients[:-1] * moves).sum((2, 3, 4))  # (steps, 10)
    delivered[name] = costs.diff(dim=0)
    assert bool((promised[name] >= 0).all())

# %%
panels = {
    name: {
        "promised by the gradient": (torch.arange(steps), promised[name].mean(dim=1)),
        "delivered by the step": (torch.arange(steps), delivered[name].mean(dim=1)),
    }
    for name in paths
}
title = "Rise of the cost per step, mean of ten images"
figure = figures.curves(panels, title=title, xlabel="step", ylabel="logits")


# %%
def turn(images: list[torch.Tensor]) -> float:
    """Mean cosine between a step and the one before it, in the last fifth."""
    moves = torch.stack(images[-steps // 5 :]).flatten(2).diff(dim=0)
    return float(torch.cosine_similarity(moves[1:], moves[:-1], dim=2).mean())


_, gradient = cost_and_gradient(model, path[-1])
out = ((path[-1] == 0) & (gradient < 0)) | ((path[-1] == 255) & (gradient > 0))
pushed_out = float((gradient.square() * out).sum() / gradient.square().sum())

# %%
late = slice(-steps // 5, None)
kept = {
    name: float(delivered[name][late].mean() / promised[name][late].mean())
    for name in paths
}
share = {
    name: float((run.cost.diff(dim=0) < 0).float().mean())
    for name, run in (("clipped", clipped), ("not clipped", free))
}
turns = {name: turn(images) for name, images in paths.items()}
lab.report.reading(
    f"{share['clipped']:.2%} of the clipped steps lower the cost, and "
    f"{share['not clipped']:.2%} of the others. In the last fifth, a clipped step is "
    f"promised {promised['clipped'][late].mean():.2f} logits and delivers "
    f"{kept['clipped']:.0%} of that; without clipping it is promised "
    f"{promised['not clipped'][late].mean():.2f} and delivers "
    f"{kept['not clipped']:.0%}. Clipping holds back {pushed_out:.0%} of "
    "the squared gradient, which pushes black and white pixels further out. "
    f"{'What is left leads back and forth: two' if turns['clipped'] < 0 else 'Two'} "
    f"successive clipped steps have a mean cosine of {turns['clipped']:+.2f}, without "
    f"clipping it is {turns['not clipped']:+.2f}."
)

# %%
# One step, seen closely
# ----------------------
# This is the clipped step that lowers the cost most, or raises it least. We follow the
# cost from its beginning, at 0, to its end, at 1.
worst = int(delivered["clipped"].argmin())
step, image = divmod(worst, 10)
begin, end = path[step][image], path[step + 1][image]
way = torch.linspace(0, 1, 201)
between = begin + way[:, None, None, None] * (end - begin)
along = model(between)[:, image].detach()

# %%
change = along - along[0]
straight = way * promised["clipped"][step, image]
lines = {"promised by the gradient": (way, straight), "the cost": (way, change)}
figure = figures.curves(
    {f"target {image}, step {step + 1}": lines},
    title="The cost along one step",
    xlabel="fraction of the step",
    ylabel="change of the cost (logits)",
)

# %%
summit = float(way[change.argmax()])
apart = ((change - straight).abs() > 0.05 * straight[-1]).nonzero()
leaves = float(way[apart[0, 0]]) if len(apart) else 1.0
lab.report.reading(
    f"The cost follows the straight line at first and has left it by {leaves:.0%} of "
    f"the step. It is highest after {summit:.0%} of the step, and the step ends "
    f"{'below' if change[-1] < 0 else 'above'} its beginning, by "
    f"{change[-1].abs():.3f} logits instead of the promised +{straight[-1]:.2f}. "
    + (
        "The step crosses one kink after another, where linear pieces of the logit "
        "meet. So it passes over a ridge and goes down on the other side."
        if change[-1] < 0
        else "No step goes down here, but the kinks take away most of this one."
    )
)

# %%
# Smaller steps, and the resolution of float32
# --------------------------------------------
# If kinks are the reason, shorter steps should fall less often. From the ten images at
# the end of the clipped ascent we go on for 20 steps, with ever smaller step sizes, in
# single and in double precision, and count the steps that do not raise the cost.
sizes = [step_size * 10.0**power for power in range(1, -7, -1)]
precisions = {"single precision": torch.float32, "double precision": torch.float64}


def rises(kind: torch.dtype, size: float) -> torch.Tensor:
    """The rise of the cost in each of 20 steps of a size, (20, 10)."""
    network, x, costs = copy.deepcopy(model).to(kind), path[-1].to(kind), []
    for _ in range(21):
        cost, gradient = cost_and_gradient(network, x)
        x = (x + size * gradient).clamp(0, 255)
        costs.append(cost)
    return torch.stack(costs).diff(dim=0)


# %%
rise = {
    name: torch.stack([rises(kind, size) for size in sizes])  # (sizes, 20, 10)
    for name, kind in precisions.items()
}
flat = {name: (r <= 0).float().mean(dim=(1, 2)) for name, r in rise.items()}
lines = {name: (torch.tensor(sizes), fraction) for name, fraction in flat.items()}

# %%
figure = figures.curves(
    {"": lines},
    title="Steps that do not raise the cost, by their size",
    xlabel="step size (squared intensities per logit)",
    ylabel="fraction of the steps",
    log_x=True,
)

# %%
single, double = flat.values()
value = float(clipped.cost[-1, :10].median())
spacing = torch.finfo(torch.float32).eps * 2 ** math.floor(math.log2(value))
rounded = [k for k in range(len(sizes)) if single[k] > double[k] + 0.02]
by_kinks = double[1] > 2 * double[2]
lab.report.reading(
    f"After {steps} steps, {double[1]:.1%} of the steps of the same size do not raise "
    f"the cost (of all steps of the ascent it was {share['clipped']:.2%}), at a tenth "
    f"of the size {double[2]:.1%}, and at a hundredth {double[3]:.1%}"
    f"{': the shorter the steps, the fewer of them fall' if by_kinks else ''}. "
    + (
        f"From a step size of {sizes[rounded[0]]:g} down, steps fail in single "
        f"precision that rise in double precision. There a step raises the cost by "
        f"{float(rise['double precision'][rounded[0]].mean()):.0e}, and near a logit "
        f"of {value:.0f} neighbouring float32 numbers are {spacing:.0e} apart. The "
        f"steps of this page are far above that resolution."
        if rounded
        else "Single and double precision hardly differ at these sizes."
    )
)

# %%
# Try it
# ------
# - Set ``step_size = 20_000.0``: how many steps lower the cost now, and does it still
#   end above its start?
# - Set ``clip=(-255.0, 510.0)`` in the first ascent: does the cost keep on rising for
#   longer?
#
# See also
# --------
# :ref:`sphx_glr_auto_examples_3_adversarial_plot_3_1_2_confidence.py` says what such a
# logit means as a probability.
# :ref:`sphx_glr_auto_examples_3_adversarial_plot_3_2_1_targeted_attack.py` adds a term
# to the cost that keeps the image close to a digit.

# %%
# The answer
# ----------
every = bool((clipped.cost[-1] > clipped.cost[0]).all())
every_free = bool((free.cost[-1] > free.cost[0]).all())
if every and every_free:
    verdict = f"It rises: in all {len(targets)} images, clipped or not,"
else:
    verdict = (
        f"It mostly rises: in {risen(clipped.cost)} with clipping, and in "
        f"{risen(free.cost)} without,"
    )
lab.report.answer(
    "3.1.4",
    f"{verdict} it ends above its start. On average it goes from "
    f"{clipped.cost[0].mean():.1f} to {clipped.cost[-1].mean():.0f} in {steps} steps "
    f"with clipping, and to {free.cost[-1].mean():,.0f} without. Of the single steps, "
    f"{share['clipped']:.2%} of the clipped ones and {share['not clipped']:.2%} of the "
    f"others fall. The gradient promises a rise in every step, but a step crosses "
    f"kinks of the piecewise linear logit. In the last fifth (ten images), a clipped "
    f"step is promised {promised['clipped'][late].mean():.2f} logits and delivers "
    f"{kept['clipped']:.0%} of them; without clipping it is "
    f"{promised['not clipped'][late].mean():.2f} and {kept['not clipped']:.0%}.",
    dataset=dataset,
)

# %%

# sphinx_gallery_thumbnail_number = 1
# sphinx_gallery_tags = ["gradient ascent"]
lab.plotting.show()
