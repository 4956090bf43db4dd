"""The pages of what was measured: they say what the runs have written down, and nothing else."""

import doctest
import json
from types import ModuleType

import pytest

from benchmarks import accuracy, measure, page, robustness
from benchmarks.accuracy import Result
from benchmarks.measure import RESULTS, Distortion, Row


@pytest.mark.parametrize("module", [accuracy, measure], ids=lambda module: module.__name__)
def test_examples(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_the_page_of_speeds_is_made_of_what_was_measured() -> None:
    entries = json.loads((RESULTS / "speed.json").read_text(encoding="utf-8"))
    assert (RESULTS / "speed.rst").read_text(encoding="utf-8").splitlines() == page.table(entries)


def test_the_page_of_accuracies_is_made_of_what_was_measured() -> None:
    measured = json.loads((RESULTS / "accuracy.json").read_text(encoding="utf-8"))
    lines = accuracy.table([Result(**result) for result in measured["results"]], measured["environment"])
    assert (RESULTS / "accuracy.rst").read_text(encoding="utf-8").splitlines() == lines


def test_the_page_of_robustness_is_made_of_what_was_measured() -> None:
    measured = json.loads((RESULTS / "robustness.json").read_text(encoding="utf-8"))
    results = [robustness.Result(**result) for result in measured["results"]]
    lines = robustness.table(results, measured["lengths"], measured["environment"])
    assert (RESULTS / "robustness.rst").read_text(encoding="utf-8").splitlines() == lines


def test_a_ratio_is_the_median_of_the_turns_own() -> None:
    row = Row("an epoch", "s", "a loop", ours=(1, 2, 4), theirs=(3, 4, 20), note="On paper.")
    assert row.cells == (
        "an epoch, 3 turns. On paper.",
        "3.00 times ours (2.00 to 5.00)",
        "2.00 s (1.00 to 4.00)",
        "a loop: 4.00 s (3.00 to 20.0)",
    )


def test_a_share_is_ours_of_the_reference() -> None:
    assert Row("rate", "GFLOP/s", "products", ours=(50,), theirs=(200,), share=True).cells == (
        "rate",
        "ours is 25% of it (25% to 25%)",
        "50.0 GFLOP/s",
        "products: 200 GFLOP/s",
    )


def test_a_distortion_has_the_digits_in_which_attacks_differ() -> None:
    row = Distortion(1000, "an attack", seconds=12.345, median=1.6543, mean=1.6549, failures=2)
    assert row.cells == ("1,000", "an attack", "12.3 s", "1.654", "1.655", "2")
    assert len(row.cells) == len(Distortion.HEADER)
    assert page.text([row])[1].startswith("    an attack; 12.3 s")
