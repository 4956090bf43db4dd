"""Charts of measurements show the numbers that they were given."""

import numpy as np
import pytest
import torch
from matplotlib.container import ErrorbarContainer

import mnist_lab as lab
from mnist_lab.stats import Interval


def test_distributions_are_cumulative_shares() -> None:
    figure = lab.plotting.distributions({"a": torch.tensor([1.0, 2, 3, 4])}, title="T", unit="u", marked=(2, "two"))
    places, shares = (np.asarray(data) for data in figure.axes[0].lines[0].get_data())
    for value in (1, 2, 3, 4):
        assert shares[places <= value].max() == value / 4
    assert [line.get_label() for line in figure.axes[0].lines] == ["a (4)", "two"]


def test_the_band_is_the_middle_of_the_first_group() -> None:
    groups = {"real": torch.arange(101.0), "made": torch.arange(101.0) + 300}
    axes = lab.plotting.measured_groups(groups, title="Distance", unit="intensities").axes[0]
    band = axes.patches[-1].get_extents().transformed(axes.transData.inverted())
    assert (band.x0, band.x1) == (pytest.approx(1), pytest.approx(99))
    medians = [line.get_xdata()[0] for line in axes.lines if line.get_linewidth() == 2]  # type: ignore[index]
    assert medians == [50, 350]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["real", "made"]


def test_estimates_show_their_intervals() -> None:
    low, high = Interval(0.2, 0.1, 0.4, 0.9), Interval(0.6, 0.5, 0.65, 0.9)
    figure = lab.plotting.estimates(
        {"one": [low, high], "two": [high, low]}, ["x", "y"], title="T", unit="u", marked=[0.3, 0.3]
    )
    axes = figure.axes[0]
    container = axes.containers[0]
    assert figure.legends[0].get_title().get_text() == "with 90% intervals"
    assert isinstance(container, ErrorbarContainer)
    bars = container.lines[2][0].get_segments()
    np.testing.assert_allclose([bar[:, 1] for bar in bars], [[0.1, 0.4], [0.5, 0.65]])


def test_the_legend_of_estimates_is_no_wider_than_the_figure() -> None:
    one, heights = Interval(0.2, 0.1, 0.4, 0.9), []
    for name in ("real", "trained on synthetic digits, tested on real ones"):
        series = {f"{name}, {number}": [one] for number in range(3)}
        figure = lab.plotting.estimates(series, ["x"], title="T", unit="u")
        figure.draw_without_rendering()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert len(legend.get_texts()) == 3
        heights.append(box.height)
    assert heights[1] > heights[0], "short names share a row"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ["x", "y", "z"]}, r"series\['one'\]: expected 3 intervals, one per name, got 2"),
        ({"marked": [0.5]}, "marked: expected 2 values, one per name, or none, got 1"),
        ({"limits": (1, None), "marked": [0.5]}, "marked: .*"),
        ({"limits": (1, 0)}, "limits: expected the lower value first, got 1 and 0"),
    ],
)
def test_estimates_that_do_not_fit_are_an_error(arguments: dict[str, object], message: str) -> None:
    one = Interval(0.2, 0.1, 0.4, 0.9)
    good: dict[str, object] = {"series": {"one": [one, one]}, "names": ["x", "y"], "title": "T", "unit": "u"}
    with pytest.raises(ValueError, match=f"^{message}$"):
        lab.plotting.estimates(**good | arguments)  # type: ignore[arg-type]


def test_intervals_of_different_confidence_are_an_error() -> None:
    series = {"one": [Interval(0.2, 0.1, 0.4, 0.9), Interval(0.2, 0.1, 0.4, 0.95)]}
    with pytest.raises(ValueError, match=r"^series: expected intervals of one confidence, got \[0\.9, 0\.95\]$"):
        lab.plotting.estimates(series, ["x", "y"], title="T", unit="u")
