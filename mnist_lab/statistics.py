"""How sure a measured share or difference is."""

from dataclasses import dataclass

from scipy import stats

from mnist_lab.checks import check_integer, check_number


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
