"""Confidence intervals and paired tests for measured proportions, means and differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy import stats
from torch import Tensor

from mnist_lab._utils.contracts import AtLeast, Confidence, Count, Per, Sized, TensorOf, checked

Sample = Annotated[Sequence[float], Sized(2)]
Crossed = Annotated[Tensor, TensorOf(("pairs", "items"))]


@dataclass(frozen=True)
class Interval:
    """A measured value with its confidence interval.

    Parameters
    ----------
    value, low, high
        The measured value and the bounds of the interval.
    confidence
        The probability that such an interval contains the true value, between 0 and 1.

    Examples
    --------
    >>> print(Interval(value=0.9921, low=0.9902, high=0.9936, confidence=0.95))
    99.21% (95% interval 99.02% to 99.36%)
    """

    value: float
    low: float
    high: float
    confidence: float

    def __str__(self) -> str:
        return f"{self.value:.2%} ({self.confidence:.0%} interval {self.low:.2%} to {self.high:.2%})"


@checked
def proportion_interval(
    successes: Annotated[int, AtLeast(0)], trials: Count, confidence: Confidence = 0.95
) -> Interval:
    """Wilson's score interval for a proportion, such as an accuracy.

    Parameters
    ----------
    successes, trials
        The number of successes and the number of trials.
    confidence
        The probability that such an interval contains the true proportion, between 0 and 1.

    Returns
    -------
    Interval
        The measured proportion and its bounds, in 0..1.

    Raises
    ------
    TypeError, ValueError
        If `successes` is not in 0..trials, `trials` is less than 1, or `confidence` is not between 0 and 1.

    References
    ----------
    Wilson, *Probable inference, the law of succession, and statistical inference*, 1927.

    Examples
    --------
    >>> proportion_interval(9_910, 10_000)
    Interval(value=0.991, low=0.988..., high=0.992..., confidence=0.95)
    """
    if successes > trials:
        raise ValueError(f"successes: expected an integer in 0..{trials}, got {successes}")
    bounds = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(successes / trials, float(bounds.low), float(bounds.high), confidence)


@checked
def mean_interval(values: Sample, confidence: Confidence = 0.95) -> Interval:
    """Student's t interval for a mean.

    Parameters
    ----------
    values
        At least two finite, independent values.
    confidence
        The probability that such an interval contains the true mean, between 0 and 1.

    Returns
    -------
    Interval
        The mean and its bounds, in the unit of the values.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two values, one is not a finite number, or `confidence` is not between 0 and 1.

    References
    ----------
    Student, *The probable error of a mean*, 1908.

    Examples
    --------
    >>> mean_interval([1.0, 2.0, 3.0])
    Interval(value=2.0, low=-0.48..., high=4.48..., confidence=0.95)
    """
    mean, _, margin = _estimate(np.array(values), confidence)
    return Interval(mean, mean - margin, mean + margin, confidence)


@dataclass(frozen=True)
class PairedComparison:
    """The differences between two methods that were measured in pairs, for example with the same seeds.

    Parameters
    ----------
    differences
        Second minus first, one per pair.
    mean, std
        The mean and the sample standard deviation of the differences.
    low, high
        The bounds of Student's t interval for the mean difference.
    p_value
        The two-sided p-value of the paired t-test.
    confidence
        The probability that such an interval contains the true mean difference, between 0 and 1.
    """

    differences: tuple[float, ...]
    mean: float
    std: float
    low: float
    high: float
    p_value: float
    confidence: float

    @property
    def significant(self) -> bool:
        """True if the interval excludes zero."""
        return self.low > 0 or self.high < 0


@checked
def paired_comparison(
    first: Sample, second: Annotated[Sample, Per("first")], confidence: Confidence = 0.95
) -> PairedComparison:
    """Compare two methods that were measured in pairs, with a paired t-test.

    Pairing removes the variation that the two runs of a pair share, such as that of their seed and their data.

    Parameters
    ----------
    first, second
        The measured values in the same order, at least two of each.
    confidence
        The probability that the interval contains the true mean difference, between 0 and 1.

    Returns
    -------
    PairedComparison
        The differences, second minus first.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two pairs, the lengths differ, or one value is not a finite number.

    References
    ----------
    Student, *The probable error of a mean*, 1908.

    Examples
    --------
    >>> comparison = paired_comparison([0.990, 0.991, 0.992], [0.991, 0.993, 0.993])
    >>> round(comparison.mean, 6), comparison.significant
    (0.001333, False)
    """
    differences = np.subtract(second, first)
    mean, std, margin = _estimate(differences, confidence)
    # If all differences are equal the t statistic is infinite, or undefined where they are zero.
    t = np.inf if std == 0 else abs(mean) / (std / np.sqrt(len(differences)))
    p_value = 1.0 if mean == 0 else float(2 * stats.t.sf(t, len(differences) - 1))
    return PairedComparison(tuple(differences.tolist()), mean, std, mean - margin, mean + margin, p_value, confidence)


@checked
def crossed_comparison(
    first: Crossed, second: Annotated[Crossed, Per("first")], confidence: Confidence = 0.95
) -> PairedComparison:
    """Compare two methods whose pairs were all measured on the same items, such as networks on the same images.

    Both the pairs (the seeds, say) and the items (the images) are a sample, and another sample of either would give
    another mean difference. The interval covers both. That of :func:`paired_comparison` covers the pairs alone.

    Parameters
    ----------
    first, second
        The measured values (pairs, items), in the same order; at least two pairs and two items.
    confidence
        The probability that the interval contains the true mean difference, between 0 and 1.

    Returns
    -------
    PairedComparison
        The differences, second minus first, one mean per pair.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two pairs or items, the shapes differ, or one value is not a finite number.

    References
    ----------
    Clark, *The language-as-fixed-effect fallacy*, 1973. Satterthwaite, *An approximate distribution of estimates of
    variance components*, 1946.

    Examples
    --------
    >>> import torch
    >>> plain = torch.tensor([[1, 0, 1, 0], [1, 0, 0, 1]])  # two seeds, four images
    >>> other = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    >>> comparison = crossed_comparison(plain, other)
    >>> comparison.differences, comparison.mean, comparison.significant
    ((0.5, 0.25), 0.375, False)
    """
    if min(first.shape) < 2:
        raise ValueError(f"first: expected at least two pairs and two items, got shape {tuple(first.shape)}")
    if first.shape != second.shape:
        raise ValueError(f"second: expected shape {tuple(first.shape)}, that of first, got {tuple(second.shape)}")
    table = (second.detach().double() - first.detach().double()).cpu().numpy()
    pairs, items = table.shape
    by_pair, by_item, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    residual = table - by_pair[:, None] - by_item + mean
    # The variance of the mean that each of the three contributes, with its degrees of freedom.
    free = np.array([pairs - 1, items - 1, (pairs - 1) * (items - 1)])
    parts = np.array([by_pair.var(), by_item.var(), residual.var()]) / free
    variance = max(parts[0] + parts[1] - parts[2], *parts[:2])
    if variance == 0:
        degrees, t = float(pairs - 1), np.inf
    else:
        degrees = float(variance**2 / (parts**2 / free).sum())
        t = abs(mean) / np.sqrt(variance)
    margin = float(stats.t.isf((1 - confidence) / 2, degrees) * np.sqrt(variance))
    p_value = 1.0 if mean == 0 else float(2 * stats.t.sf(t, degrees))
    std = float(by_pair.std(ddof=1))
    low, high = float(mean) - margin, float(mean) + margin
    return PairedComparison(tuple(by_pair.tolist()), float(mean), std, low, high, p_value, confidence)


def _estimate(values: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """The mean, the sample standard deviation and half the width of the t interval."""
    std = float(values.std(ddof=1))
    # The upper tail, because (1 + confidence) / 2 loses digits near 1.
    margin = float(stats.t.isf((1 - confidence) / 2, len(values) - 1)) * std / np.sqrt(len(values))
    return float(values.mean()), std, float(margin)
