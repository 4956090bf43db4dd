"""How sure a measured share or difference is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
from scipy import stats
from torch import Tensor

from mnist_lab._utils.checks import check_integer, check_number, check_sequence, check_tensor, check_type


@dataclass(frozen=True)
class Interval:
    """A measured value with its confidence interval.

    Examples
    --------
    >>> print(Interval(value=0.9921, low=0.9902, high=0.9936, confidence=0.95))
    99.21% (95% interval 99.02% to 99.36%)
    """

    value: float
    low: float
    high: float
    confidence: float

    def __post_init__(self) -> None:
        check_number(self.value, "value", low=-math.inf)
        check_number(self.low, "low", low=-math.inf, high=self.value)
        check_number(self.high, "high", low=self.value)
        check_number(self.confidence, "confidence", low=0, high=1, above=True)

    def __str__(self) -> str:
        return f"{self.value:.2%} ({self.confidence:.0%} interval {self.low:.2%} to {self.high:.2%})"


def share_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's interval for a share, such as an accuracy on so many images.

    Parameters
    ----------
    successes, trials
        How many of how many.
    confidence
        How often such an interval holds the true share, 0..1.

    Returns
    -------
    Interval
        The measured share with its bounds, all in 0..1.

    References
    ----------
    Wilson, *Probable inference, the law of succession, and statistical inference*, 1927.

    Examples
    --------
    >>> share_interval(9_910, 10_000)
    Interval(value=0.991, low=0.988..., high=0.992..., confidence=0.95)
    """
    check_integer(trials, "trials", low=1)
    check_integer(successes, "successes", low=0, high=trials)
    check_number(confidence, "confidence", low=0, high=1, above=True)
    bounds = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(successes / trials, float(bounds.low), float(bounds.high), confidence)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Student's interval for a mean, such as that of a quantity measured on so many images.

    Parameters
    ----------
    values
        At least two finite values, independent of one another.
    confidence
        How often such an interval holds the true mean, 0..1.

    Returns
    -------
    Interval
        The mean of the values with its bounds, in the unit of the values.

    References
    ----------
    Student, *The probable error of a mean*, 1908.

    Examples
    --------
    >>> mean_interval([1.0, 2.0, 3.0])
    Interval(value=2.0, low=-0.48..., high=4.48..., confidence=0.95)
    """
    check_number(confidence, "confidence", low=0, high=1, above=True)
    array = np.array(_values(values, "values"))
    if len(array) < 2:
        raise ValueError(f"values: expected at least two finite values, got {len(array)}")
    half = stats.t.ppf((1 + confidence) / 2, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return Interval(float(array.mean()), float(array.mean() - half), float(array.mean() + half), confidence)


@dataclass(frozen=True)
class PairedComparison:
    """How two methods differ that were run in pairs, on the same seeds say.

    Parameters
    ----------
    differences
        Second minus first, pair by pair.
    mean, deviation
        Their mean and sample standard deviation.
    low, high
        Bounds of Student's interval for the mean difference.
    p_value
        Of the paired t-test: how often a mean difference at least as large would be seen if there were none.
    confidence
        How often such an interval holds the true mean difference.
    """

    differences: tuple[float, ...]
    mean: float
    deviation: float
    low: float
    high: float
    p_value: float
    confidence: float

    def __post_init__(self) -> None:
        _values(check_type(self.differences, "differences", tuple, "a tuple of numbers"), "differences")
        for name in ("mean", "low", "high"):
            check_number(getattr(self, name), name, low=-math.inf)
        check_number(self.deviation, "deviation", low=0)
        check_number(self.p_value, "p_value", low=0, high=1)
        check_number(self.confidence, "confidence", low=0, high=1, above=True)

    @property
    def shown(self) -> bool:
        """Whether the interval excludes no difference at all."""
        return self.low > 0 or self.high < 0


def paired_comparison(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> PairedComparison:
    """Compare two methods that were measured in pairs.

    Pairing takes out what the two runs of a pair share, such as their seed and their data.

    Parameters
    ----------
    first, second
        The measured values, in the same order; at least two pairs.
    confidence
        Of the interval, 0..1.

    Returns
    -------
    PairedComparison
        Of second minus first.

    References
    ----------
    Student, *The probable error of a mean*, 1908.

    Examples
    --------
    >>> comparison = paired_comparison([0.990, 0.991, 0.992], [0.991, 0.993, 0.993])
    >>> round(comparison.mean, 6), comparison.shown
    (0.001333, False)
    """
    before, after = _values(first, "first"), _values(second, "second")
    if len(before) != len(after) or len(before) < 2:
        raise ValueError(f"first, second: expected at least two pairs of values, got {len(before)} and {len(after)}")
    check_number(confidence, "confidence", low=0, high=1, above=True)
    differences = np.subtract(after, before)
    mean, deviation, n = differences.mean(), differences.std(ddof=1), len(differences)
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * deviation / np.sqrt(n)
    # Differences that are all alike leave the test nothing to divide by: certain if they are not zero.
    t = np.inf if deviation == 0 else abs(mean) / (deviation / np.sqrt(n))
    p_value = 1.0 if mean == 0 else float(2 * stats.t.sf(t, n - 1))
    return PairedComparison(
        tuple(differences.tolist()),
        float(mean),
        float(deviation),
        float(mean - half),
        float(mean + half),
        p_value,
        confidence,
    )


def _values(values: object, name: str) -> list[float]:
    """Finite values; an array or a tensor of them will do."""
    if isinstance(values, Tensor):
        values = check_tensor(values, name, "N").tolist()
    check_sequence(values, name, partial(check_number, low=-math.inf))
    return [float(value) for value in cast("Sequence[float]", values)]
