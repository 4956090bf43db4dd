"""What the accurate recipe reaches, and what each part of it gives: ``python -m benchmarks.accuracy``.

The recipe is :meth:`mnist_lab.Recipe.accurate`, but for 20 epochs, twice as long, in float32. It trains plain networks
and ones with batch normalization. Every variant of it trains plain networks from the same seeds, and is compared with
it seed by seed, on the validation images. The test images choose nothing: at the end they measure the networks of the
long recipe. Networks are kept in the cache, so a run that was stopped goes on where it was, and one with more seeds
trains those alone. An epoch takes some seconds on two cores, and the whole takes more than an hour. Other seeds and
networks give another table:

    python -m benchmarks.accuracy --ablation-seeds 3 --ablation-networks plain batch_norm
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import mean, stdev
from typing import Literal

import mnist_lab as lab
from benchmarks.measure import environment, told, write
from mnist_lab.stats import mean_interval, paired_comparison
from mnist_lab.training.zoo import NAMES

RECIPE = "20 epochs"
LONG = replace(lab.Recipe.accurate(), epochs=20, precision="float32")
# What of the recipe each variant changes.
CHANGES: dict[str, dict[str, object]] = {
    "in bfloat16": {"precision": "bfloat16"},
    "without distorted images": {"augment": False},
    "without smoothed labels": {"label_smoothing": 0.0},
    "10 epochs": {"epochs": lab.Recipe.accurate().epochs},
    "the default recipe": asdict(lab.Recipe()),
}
PAGE = """
Accuracy
========

These figures were measured before the site was built, since many networks have to be trained for them.
``python -m benchmarks.accuracy`` trains :class:`mnist_lab.DigitCNN` by a long recipe and by variants of it, from the
same seeds. The long recipe is :meth:`mnist_lab.Recipe.accurate` with 20 epochs instead of 10, in float32. Every other
variant changes one part of the long recipe; the default recipe changes all of them.

The variants are compared on the validation images. ``std`` is the standard deviation of the accuracy over the ``n``
networks, which differ in their seed. A difference is that to the long recipe, the mean over the seeds that both were
trained from, with its 95 % interval (Student's *t*) in brackets. It holds for these validation images; others would
give other differences. Nothing was chosen by the test images. At the end they measure the networks of the long recipe.
"""


@dataclass(frozen=True)
class Result:
    """A variant's accuracies, a value a seed.

    Parameters
    ----------
    variant
        Its name.
    network
        ``"plain"`` or ``"batch_norm"``.
    validation
        Validation accuracy from each seed, 0..1.
    test
        Test accuracy from each seed; empty but for the long recipe.
    """

    variant: str
    network: Literal["plain", "batch_norm"]
    validation: tuple[float, ...]
    test: tuple[float, ...] = ()


def main() -> None:
    """Train what is not trained yet, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="of the long recipe (default: %(default)s)")
    parser.add_argument("--ablation-seeds", type=int, default=5, help="of each variant (default: %(default)s)")
    parser.add_argument(
        "--ablation-networks",
        choices=NAMES,
        nargs="+",
        default=["plain"],
        help="which the variants are trained as (default: plain)",
    )
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds: expected at least 1, got {options.seeds}")
    where = environment()
    dataset = lab.load_dataset()

    results: list[Result] = []
    trainings = [(RECIPE, name, options.seeds) for name in NAMES]
    trainings += [(variant, name, options.ablation_seeds) for name in options.ablation_networks for variant in CHANGES]
    for variant, name, count in trainings:
        if networks := _networks(dataset, name, variant, count):
            results.append(Result(variant, name, tuple(network.validation_accuracy for network in networks)))
            keep(results, where)  # so that what was stopped has its table too
    # Nothing is chosen any more.
    for number, result in enumerate(results):
        if result.variant == RECIPE:
            networks = _networks(dataset, result.network, RECIPE, options.seeds)
            test = tuple(lab.evaluate(network.model, dataset.test).accuracy for network in networks)
            results[number] = replace(result, test=test)
    keep(results, where)
    print("\n".join([*lines(results), told(where)]))


def keep(results: list[Result], where: dict[str, str]) -> None:
    """Write what is known, as JSON and as a table."""
    values = {
        "environment": where,
        "recipe": asdict(LONG),
        "results": [asdict(result) for result in results],
    }
    write("accuracy", values, table(results, where))


def _networks(
    dataset: lab.Dataset, name: Literal["plain", "batch_norm"], variant: str, count: int
) -> list[lab.TrainedNetwork]:
    recipe = replace(LONG, **CHANGES.get(variant, {}))  # type: ignore[arg-type]
    return lab.trained_many(name, range(count), recipe=recipe, dataset=dataset)


def points(values: Sequence[float]) -> str:
    """Accuracies as text: the mean in per cent, the standard deviation over the seeds in points, and their number.

    >>> points([0.995, 0.997])
    '99.60 % (std 0.14, n = 2)'
    """
    std = f"std {100 * stdev(values):.2f}, " if len(values) > 1 else ""
    return f"{100 * mean(values):.2f} % ({std}n = {len(values)})"


def given(result: Result, recipe: Result) -> str:
    """What is lost without a part, in points with its interval, from the seeds that both were trained from."""
    count = min(len(result.validation), len(recipe.validation))
    if result is recipe or count < 2:
        return ""
    comparison = paired_comparison(recipe.validation[:count], result.validation[:count])
    low, value, high = (100 * number for number in (comparison.low, comparison.mean, comparison.high))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def rows(results: list[Result]) -> list[tuple[str, str, str, str]]:
    """Variant, network, validation accuracy and difference of every result."""
    recipes = {result.network: result for result in results if result.variant == RECIPE}
    return [
        (result.variant, result.network, points(result.validation), given(result, recipes[result.network]))
        for result in results
    ]


def tested(results: list[Result]) -> list[str]:
    """A sentence for each kind of network: what it reaches on the test images."""
    sentences = []
    for result in results:
        if len(result.test) > 1:
            interval = mean_interval(result.test)
            low, high = 100 * interval.low, 100 * interval.high
            seeds = ", ".join(f"{100 * accuracy:.2f}" for accuracy in result.test)
            sentences.append(
                f"Test accuracy of the long recipe, {result.network}: {points(result.test)}, 95 % interval of the mean "
                f"{low:.2f} to {high:.2f} %; seed by seed {seeds}."
            )
    return sentences


def lines(results: list[Result]) -> list[str]:
    """The table for a terminal."""
    return [f"{a:26s} {b:11s} {c:26s} {d}" for a, b, c, d in rows(results)] + tested(results)


def table(results: list[Result], where: dict[str, str]) -> list[str]:
    """The page for the site."""
    text = PAGE.strip().splitlines()
    text += ["", ".. list-table::", "   :header-rows: 1", "   :widths: 30 16 28 26", ""]
    for cells in [("variant", "network", "validation accuracy", "difference, points"), *rows(results)]:
        text += [f"   {'* -' if number == 0 else '  -'} {cell}".rstrip() for number, cell in enumerate(cells)]
    for sentence in [*tested(results), told(where)]:
        text += ["", sentence]
    return text


if __name__ == "__main__":
    main()
