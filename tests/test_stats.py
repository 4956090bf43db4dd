"""Intervals and comparisons, against closed forms and scipy's own tests."""

import math
import statistics

import numpy as np
import pytest
import torch
from scipy import stats

from mnist_lab.stats import Interval, crossed_comparison, mean_interval, paired_comparison, proportion_interval


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (9_931, 10_000), (3, 7)])
def test_the_interval_of_a_proportion_is_wilsons(successes: int, trials: int) -> None:
    interval = proportion_interval(successes, trials)
    z, p, n = stats.norm.ppf(0.975), successes / trials, trials
    middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert interval.value == p
    assert interval.low == pytest.approx((middle - half) / (1 + z**2 / n), abs=1e-12)
    assert interval.high == pytest.approx((middle + half) / (1 + z**2 / n), abs=1e-12)


def test_a_proportion_is_at_most_1() -> None:
    with pytest.raises(ValueError, match="^trials: expected an integer of at least 1, got 0"):
        proportion_interval(0, 0)
    with pytest.raises(ValueError, match=r"^successes: expected an integer in 0\.\.5, got 6"):
        proportion_interval(6, 5)


def test_the_interval_of_a_mean_is_students() -> None:
    interval = mean_interval([1.0, 2.0, 4.0, 5.0])
    half = 3.182446305 * np.std([1, 2, 4, 5], ddof=1) / 2  # Student's t with three degrees of freedom
    assert interval.value == 3
    assert interval.low == pytest.approx(3 - half)
    assert interval.high == pytest.approx(3 + half)


def test_an_interval_contains_the_true_mean_as_often_as_it_says() -> None:
    samples = np.random.default_rng(0).normal(7, 3, (2000, 5))
    intervals = [mean_interval(sample.tolist(), confidence=0.9) for sample in samples]
    hits = sum(interval.low <= 7 <= interval.high for interval in intervals)
    assert hits / len(samples) == pytest.approx(0.9, abs=0.02)


def test_a_mean_needs_two_finite_values() -> None:
    for wrong in ([], [1.0], [1.0, float("nan")]):
        with pytest.raises(ValueError, match=r"^values(\[1\])?: expected (at least (two|2)|a finite number)"):
            mean_interval(wrong)


def test_values_may_be_an_array_or_a_tensor() -> None:
    expected = mean_interval([1.0, 2.0, 4.0])
    assert mean_interval(np.array([1.0, 2.0, 4.0])) == expected  # type: ignore[arg-type]  # accepted, not advertised
    assert mean_interval(torch.tensor([1.0, 2.0, 4.0])) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_confidence_lies_between_0_and_1(confidence: float) -> None:
    for call in (
        lambda: proportion_interval(1, 2, confidence),
        lambda: mean_interval([1.0, 2.0], confidence),
        lambda: paired_comparison([1.0, 2.0], [2.0, 2.5], confidence),
    ):
        with pytest.raises(ValueError, match="^confidence: expected a finite number above 0 and below 1, got"):
            call()


def test_bounds_stay_finite_for_the_highest_confidence() -> None:
    highest = math.nextafter(1, 0)
    interval = mean_interval([1.0, 2.0, 4.0], highest)
    margin = float(stats.t.isf((1 - highest) / 2, 2)) * statistics.stdev([1, 2, 4]) / math.sqrt(3)
    assert interval.high - interval.value == pytest.approx(margin)


def test_an_interval_is_printed_in_per_cent() -> None:
    assert str(Interval(0.5, 0.25, 0.75, 0.9)) == "50.00% (90% interval 25.00% to 75.00%)"


def test_a_paired_comparison_is_the_t_test_of_the_differences() -> None:
    random = np.random.default_rng(0)
    first = random.normal(0, 1, 12)
    second = first + random.normal(0.3, 0.5, 12)
    comparison = paired_comparison(first.tolist(), second.tolist())
    reference = stats.ttest_rel(second, first)
    interval = reference.confidence_interval(0.95)
    assert comparison.p_value == pytest.approx(reference.pvalue)
    assert (comparison.low, comparison.high) == pytest.approx((interval.low, interval.high))
    assert comparison.differences == pytest.approx((second - first).tolist())
    assert comparison.mean == pytest.approx(statistics.fmean(second - first))
    assert comparison.std == pytest.approx(statistics.stdev(second - first))
    assert comparison.significant == (reference.pvalue < 0.05)


def test_equal_differences_are_significant_unless_they_are_zero() -> None:
    none, some = paired_comparison([1, 2], [1, 2]), paired_comparison([1, 2], [2, 3])
    assert (none.p_value, none.significant) == (1, False)
    assert (some.p_value, some.significant) == (0, True)
    worse = paired_comparison([2, 3], [1, 2])
    assert (worse.high, worse.significant) == (-1, True)


def test_swapping_the_methods_flips_the_sign() -> None:
    there, back = paired_comparison([1, 2, 4], [3, 3, 3]), paired_comparison([3, 3, 3], [1, 2, 4])
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert (there.p_value, there.std) == pytest.approx((back.p_value, back.std))


def test_a_comparison_needs_two_pairs_of_finite_values() -> None:
    for first, second, message in (
        ([1.0], [2.0], "^first: expected at least 2 entries, got 1"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "^second: expected 2, one for each of first, got 3"),
        ([1.0, float("nan")], [1.0, 1.0], r"^first\[1\]: expected a finite number, got nan"),
    ):
        with pytest.raises(ValueError, match=message):
            paired_comparison(first, second)


def crossed(pairs: int, items: int, spreads: tuple[float, float, float], seed: int) -> torch.Tensor:
    """Differences (pairs, items) of mean zero, from an effect of each pair, of each item, and of both together."""
    random = np.random.default_rng(seed)
    by_pair, by_item, rest = (
        spread * random.normal(size=shape)
        for spread, shape in zip(spreads, [(pairs, 1), (1, items), (pairs, items)], strict=True)
    )
    return torch.from_numpy(by_pair + by_item + rest)


def test_where_items_do_not_matter_a_crossed_comparison_is_the_paired_one() -> None:
    second = torch.tensor([1.0, 2.0, 4.0, 5.0])
    found = crossed_comparison(torch.zeros(4, 9), second[:, None].expand(4, 9))
    expected = paired_comparison([0.0] * 4, second.tolist())
    assert (found.mean, found.low, found.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert (found.std, found.p_value) == pytest.approx((expected.std, expected.p_value))
    assert found.differences == pytest.approx(expected.differences)


def test_where_pairs_do_not_matter_a_crossed_comparison_is_of_the_items() -> None:
    values = torch.tensor([1.0, 2.0, 4.0, 5.0])
    found = crossed_comparison(torch.zeros(6, 4), values.expand(6, 4))
    expected = mean_interval(values.tolist())
    assert (found.mean, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_a_crossed_interval_contains_the_true_difference_as_often_as_it_says() -> None:
    for spreads in ((1.0, 1.0, 1.0), (0.3, 2.0, 3.0)):
        tables = [crossed(5, 40, spreads, seed) for seed in range(600)]
        found = [crossed_comparison(torch.zeros_like(table), table, confidence=0.9) for table in tables]
        alone = [paired_comparison([0.0] * 5, table.mean(dim=1).tolist(), confidence=0.9) for table in tables]
        hits, fewer = (sum(each.low <= 0 <= each.high for each in kind) / len(tables) for kind in (found, alone))
        assert hits == pytest.approx(0.9, abs=0.04)
        assert fewer < hits, "an interval over the pairs alone leaves out that other items might have been measured"


def test_a_crossed_comparison_needs_tables_of_one_shape() -> None:
    zeros = torch.zeros(2, 3)
    for first, second, message in (
        (zeros[:1], zeros[:1], r"^first: expected at least two pairs and two items, got shape \(1, 3\)"),
        (zeros[:, :1], zeros[:, :1], r"^first: expected at least two pairs and two items, got shape \(2, 1\)"),
        (zeros, zeros[:, :2], r"^second: expected shape \(2, 3\), that of first, got \(2, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            crossed_comparison(first, second)
    none = crossed_comparison(zeros, zeros)
    assert (none.low, none.high, none.p_value, none.significant) == (0, 0, 1, False)
