"""Intervals agree with their closed forms."""

import numpy as np
import pytest

from mnist_lab.stats import mean_interval


def test_students_interval_of_a_mean() -> None:
    interval = mean_interval([1.0, 2.0, 4.0, 5.0])
    half = 3.182446305 * np.std([1, 2, 4, 5], ddof=1) / 2  # Student's t with three degrees of freedom
    assert interval.value == 3
    assert interval.low == pytest.approx(3 - half)
    assert interval.high == pytest.approx(3 + half)


def test_a_mean_has_an_interval_from_two_finite_values_on() -> None:
    for wrong in ([], [1.0], [1.0, float("nan")]):
        with pytest.raises(ValueError, match=r"^values(\[1\])?: expected (at least (two|2)|a finite number)"):
            mean_interval(wrong)
