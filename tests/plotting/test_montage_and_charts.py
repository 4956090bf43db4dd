"""Figures of many small images and of estimates: the right pixels in the right place, on the scale that was asked."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.container import ErrorbarContainer
from matplotlib.text import Annotation

import mnist_lab as lab
from mnist_lab.stats import Interval, mean_interval


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_every_image_is_in_its_place_and_on_one_scale() -> None:
    images = torch.arange(7.0)[:, None, None].expand(7, 3, 3)
    figure = lab.plotting.montage(
        images, title="Seven", unit="number", limits=(0, 10), columns=4, captions=[str(i) for i in range(7)]
    )
    picture = figure.axes[0].images[0]
    assert picture.get_clim() == (0, 10)
    canvas: np.ndarray = np.ma.filled(np.ma.masked_invalid(np.ma.asarray(picture.get_array())), -1)
    order = [value for value in dict.fromkeys(canvas.flatten().tolist()) if value >= 0]
    assert order == list(range(7))
    assert all((canvas == value).sum() == 9 for value in range(7))
    assert figure.axes[0].get_title() == "Seven"
    assert figure.axes[1].get_xlabel() == "number"
    for caption in figure.axes[0].texts:
        assert isinstance(caption, Annotation)
        column, row = (round(float(value)) for value in caption.xy)
        assert canvas[row + 1, column] == int(caption.get_text())


@pytest.mark.parametrize("size", [28, 14])
def test_maps_stand_beside_their_digits(size: int) -> None:
    digits, maps = torch.zeros(3, 1, 28, 28), torch.rand(3, 5, size, size)
    figure = lab.plotting.beside_digits(digits, maps, title="Maps", unit="p", columns_named=list("abcde"))
    left, right, _ = figure.axes
    assert left.images[0].get_clim() == (0, 255)
    assert right.images[0].get_clim() == (0, 1)
    figure.canvas.draw()
    heights = [axes.get_window_extent().height for axes in (left, right)]
    assert heights[0] == pytest.approx(heights[1], rel=0.02)
    assert figure.get_suptitle() == "Maps"


def test_distributions_are_cumulative_shares() -> None:
    figure = lab.plotting.distributions({"a": torch.tensor([1.0, 2, 3, 4])}, title="T", unit="u", marked=(2, "two"))
    places, shares = (np.asarray(data) for data in figure.axes[0].lines[0].get_data())
    for value in (1, 2, 3, 4):
        assert shares[places <= value].max() == value / 4
    assert [line.get_label() for line in figure.axes[0].lines] == ["a (4)", "two"]


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


def test_students_interval_of_a_mean() -> None:
    interval = mean_interval([1.0, 2.0, 4.0, 5.0])
    half = 3.182446305 * np.std([1, 2, 4, 5], ddof=1) / 2  # Student's t with three degrees of freedom
    assert interval.value == 3
    assert interval.low == pytest.approx(3 - half)
    assert interval.high == pytest.approx(3 + half)
    for wrong in ([], [1.0], [1.0, float("nan")]):
        with pytest.raises(
            ValueError, match=r"^values(\[1\])?: expected (at least two finite values|a finite number), got"
        ):
            mean_interval(wrong)
