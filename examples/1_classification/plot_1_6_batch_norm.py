"""
1.6 Batch normalization
=======================

Batch normalization rescales every feature map to the same mean and deviation while the
network trains. Does it raise the test accuracy, and what does it cost in time? One run
of each would answer with luck, so networks with and without it are trained in pairs
that share their seed, and the verdict follows from the differences.
"""

# %%
# Pairs of networks
# -----------------
# Both networks of a pair are trained with the same recipe and see the same images in
# the same order. Each batch normalization adds a scale and a shift for every feature
# map; its running statistics are learned in training mode and used in evaluation mode.
import statistics

import mnist_lab as lab
from mnist_lab.plotting._pages import classification as figures

dataset = lab.load_dataset()
seeds = range(5)
plain = [lab.trained("plain", seed=seed, dataset=dataset) for seed in seeds]
normalized = [lab.trained("batch_norm", seed=seed, dataset=dataset) for seed in seeds]
for network in (plain[0], normalized[0]):
    parameters = sum(parameter.numel() for parameter in network.model.parameters())
    print(
        f"{network.name:>10}: {parameters:,} parameters, {network.recipe.epochs} epochs"
    )
assert all(a.recipe == b.recipe for a, b in zip(plain, normalized, strict=True))

# %%
# As training progresses
# ----------------------
# The band reaches from the lowest run to the highest: where the bands overlap, the luck
# of a seed can exceed the effect of batch normalization.
histories = {
    "plain": [network.history for network in plain],
    "batch normalization": [network.history for network in normalized],
}
figure = figures.validation_errors(histories)

# %%
# Test accuracy, pair by pair
# ---------------------------
# Every network reads the test images once. The difference of a pair leaves out what its
# two networks share, and Student's interval says how far five such differences can be
# trusted: if it includes zero, no effect can be shown.
accuracy = {
    name: [lab.evaluate(network.model, dataset.test).accuracy for network in networks]
    for name, networks in (("plain", plain), ("normalized", normalized))
}
print("seed    plain  normalized  difference")
for seed, before, after in zip(seeds, *accuracy.values(), strict=True):
    print(f"{seed:4d}  {before:7.2%}  {after:10.2%}  {100 * (after - before):+10.2f}")
effect = lab.stats.paired_comparison(accuracy["plain"], accuracy["normalized"])
print(f"mean difference {100 * effect.mean:+.3f} points, p = {effect.p_value:.3f}")
figure = figures.paired_differences(
    effect,
    title="Test accuracy with batch normalization minus without",
    unit="percentage points",
    scale=100,
)

# %%
# Time for an epoch
# -----------------
# A machine's speed drifts, so the two kinds take turns in one run, on part of the
# images, after a turn of each that is not counted. The quotient of two turns in a row
# is what the machine's drift spares.
part = lab.Dataset(
    dataset.name, dataset.train[:10_000], dataset.validation[:500], dataset.test[:0]
)


def epoch_seconds(batch_norm: bool) -> float:
    """Seconds of an epoch of a new network on part of the images, as for all."""
    model = lab.DigitCNN(batch_norm=batch_norm)
    seconds = lab.fit(model, part, lab.Recipe(epochs=1), progress=False).seconds[0]
    return seconds * len(dataset.train) / len(part.train)


turns = [(epoch_seconds(False), epoch_seconds(True)) for _ in range(6)][1:]
ratios = [with_it / without for without, with_it in turns]
slower = statistics.median(ratios)
epoch = [statistics.median(times) for times in zip(*turns, strict=True)]
print(f"seconds an epoch: {epoch[0]:.1f} plain, {epoch[1]:.1f} normalized (medians)")
print(f"quotient: {slower:.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")

# %%
# Time to a good network
# ----------------------
# An epoch that takes longer may still pay, if fewer of them are needed. So we count the
# epochs until the validation accuracy reaches 99 % for the first time, and take them at
# the measured seconds an epoch.
TARGET = 0.99


def epochs_needed(history: lab.History) -> float:
    """How many epochs it took to reach the target; infinite if it was not reached."""
    reached = [value >= TARGET for value in history.validation_accuracy]
    return reached.index(True) + 1 if any(reached) else float("inf")


for (name, runs), seconds in zip(histories.items(), epoch, strict=True):
    needed = [epochs_needed(run) for run in runs]
    typical = statistics.median(needed)
    print(f"{name:>20}: {needed} epochs, median {typical:g},", end=" ")
    print(f"about {typical * seconds:.0f} s")

# %%
# The verdict
# -----------
# Both answers follow from the measurements above, whatever they turn out to be.
if effect.significant:
    verdict = "raises" if effect.mean > 0 else "lowers"
    verdict = f"Batch normalization {verdict} the test accuracy"
else:
    verdict = "No effect of batch normalization on the test accuracy can be shown"
needed = [statistics.median(map(epochs_needed, runs)) for runs in histories.values()]
lab.report.answer(
    "1.6",
    f"{verdict}: {100 * effect.mean:+.2f} points on average over {len(seeds)} paired "
    f"seeds ({effect.confidence:.0%} interval {100 * effect.low:+.2f} to "
    f"{100 * effect.high:+.2f}, p = {effect.p_value:.2f}). An epoch takes {slower:.2f} "
    f"times as long; {TARGET:.0%} validation accuracy takes {needed[1]:g} epochs "
    f"instead of {needed[0]:g} (medians).",
    dataset=dataset,
)
lab.plotting.show()
