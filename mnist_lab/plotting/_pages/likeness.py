"""Pages 3.1.3 and 4.3: measures of digit-likeness by noise seed, drawn, and compared in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from mnist_lab._utils.contracts import CLASSES
from mnist_lab.attacks.likeness import Likeness
from mnist_lab.plotting.charts import estimates
from mnist_lab.stats import PairedComparison, mean_interval, paired_comparison

Measured = Mapping[str, Sequence[float]]  # by measure, one mean per noise seed


def by_noise_seed(likeness: Likeness) -> dict[str, list[float]]:
    """By measure, the mean over the ten classes for each noise seed; the images are in the order seed, class."""
    return {
        name.replace("_", " "): values.float().unflatten(0, (-1, CLASSES)).mean(dim=1).tolist()
        for name, values in vars(likeness).items()
    }


def likeness_chart(groups: Mapping[str, Measured]) -> Figure:
    """The mean of each measure over the noise seeds with its interval, for each group of images."""
    return estimates(
        {name: [mean_interval(values) for values in measured.values()] for name, measured in groups.items()},
        list(next(iter(groups.values()))),
        title="How digit-like the images are",
        unit="share",
        limits=(0, 1.03),
    )


@dataclass(frozen=True)
class Compared:
    """How much more digit-like one group is than another, by measure: its value minus the other's."""

    differences: Mapping[str, PairedComparison]

    @property
    def more(self) -> list[str]:
        """The measures that are significantly higher."""
        return [name for name, each in self.differences.items() if each.significant and each.mean > 0]

    @property
    def less(self) -> list[str]:
        """The measures that are significantly lower."""
        return [name for name, each in self.differences.items() if each.significant and each.mean < 0]

    def __str__(self) -> str:
        level = [name for name, each in self.differences.items() if not each.significant]
        parts = [
            ("more like digits in", self.more),
            ("less like digits in", self.less),
            ("not shown to differ in", level),
        ]
        return ", and ".join(f"{words} {_listed(names)}" for words, names in parts if names)


def compared(group: Measured, other: Measured) -> Compared:
    """Compare a group of images with another in every measure, paired by noise seed."""
    return Compared({name: paired_comparison(other[name], values) for name, values in group.items()})


def _listed(names: Sequence[str]) -> str:
    names = [f'"{name}"' for name in names]
    return " and ".join([", ".join(names[:-1])] * (len(names) > 1) + list(names[-1:]))
