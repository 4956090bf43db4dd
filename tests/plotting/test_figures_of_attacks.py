"""Figures of question 3 show the numbers that they were given."""

from collections.abc import Iterator

import pytest
import torch
from matplotlib import pyplot as plt

import mnist_lab as lab


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_rows_of_images_stand_under_their_names_on_a_fixed_scale() -> None:
    rows = {"dim": torch.full((3, 1, 28, 28), 9.0), "bright": torch.full((3, 1, 28, 28), 200.0)}
    figure = lab.plotting.image_rows(rows, columns="abc", title="Two kinds")
    names = [part.get_suptitle() for part in figure.subfigs]
    assert names == ["dim", "bright"]
    for part, level in zip(figure.subfigs, (9, 200), strict=True):
        assert [axes.get_xlabel() for axes in part.axes] == ["a", "b", "c"]
        for axes in part.axes:
            assert axes.images[0].get_clim() == (0, 255)
            assert bool((torch.as_tensor(axes.images[0].get_array()) == level).all())


def test_the_band_is_the_middle_of_the_first_group() -> None:
    groups = {"real": torch.arange(101.0), "made": torch.arange(101.0) + 300}
    axes = lab.plotting.measured_groups(groups, title="Distance", unit="intensities").axes[0]
    band = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert (band.x0, band.x1) == (pytest.approx(1), pytest.approx(99))
    medians = [line.get_xdata()[0] for line in axes.lines if line.get_linewidth() == 2]  # type: ignore[index]
    assert medians == [50, 350]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["real", "made"]


def test_cost_is_drawn_class_by_class() -> None:
    cost = torch.rand(6, 9, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([7, 2, 4, 7, 2, 4, 7, 2, 4])
    panels = lab.plotting.cost_by_step(cost, targets, title="Ascent").axes
    assert [axes.get_title() for axes in panels] == ["target 2", "target 4", "target 7"]
    for axes, label in zip(panels, (2, 4, 7), strict=True):
        own = cost[:, targets == label].double()
        torch.testing.assert_close(torch.as_tensor(axes.lines[0].get_ydata()), own.mean(dim=1))
        widest, _ = (torch.as_tensor(band.get_paths()[0].vertices) for band in axes.collections)
        assert float(widest[:, 1].max()) == pytest.approx(float(own.max()))


def test_every_fall_has_its_mark_and_no_rise_has() -> None:
    cost = torch.tensor([[0.0, 5.0], [1.0, 4.0], [0.5, 4.0], [2.0, 6.0]])
    marks = lab.plotting.falling_steps({"run": cost}).axes[0].lines[0]
    torch.testing.assert_close(torch.as_tensor(marks.get_xdata()), torch.tensor([1 / 3, 2 / 3]), check_dtype=False)
    torch.testing.assert_close(torch.as_tensor(marks.get_ydata()), torch.tensor([1, 0.5]), check_dtype=False)
    rising = lab.plotting.falling_steps({"run": torch.arange(4.0)[:, None]})
    rising.draw_without_rendering()  # a logarithmic axis without any point
