"""Figures of many images: the right pixels in the right place, on the scale that was asked for."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.text import Annotation

import mnist_lab as lab


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


def test_rows_and_columns_have_their_labels() -> None:
    axes = lab.plotting.montage(
        torch.zeros(6, 3, 3),
        title="Six",
        unit="number",
        limits=(0, 1),
        columns=3,
        row_labels=["a", "b"],
        column_labels=["x", "y", "z"],
    ).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y", "z"]
    assert np.diff(axes.get_xticks()).tolist() == np.diff(axes.get_yticks()).tolist() * 2 == [4, 4]


@pytest.mark.parametrize("size", [28, 14])
def test_maps_stand_beside_their_digits(size: int) -> None:
    digits, maps = torch.zeros(3, 1, 28, 28), torch.rand(3, 5, size, size)
    figure = lab.plotting.beside_digits(digits, maps, title="Maps", unit="p", column_labels=list("abcde"))
    left, right, _ = figure.axes
    assert left.images[0].get_clim() == (0, 255)
    assert right.images[0].get_clim() == (0, 1)
    figure.canvas.draw()
    heights = [axes.get_window_extent().height for axes in (left, right)]
    assert heights[0] == pytest.approx(heights[1], rel=0.02)
    assert figure.get_suptitle() == "Maps"


def test_a_table_holds_each_image_in_its_place() -> None:
    images = torch.randint(256, (2, 3, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    (axes,) = lab.plotting.image_table(
        images, title="a", row_labels=[0, 1], column_labels=["x", "y", "z"], xlabel="c", ylabel="r"
    ).axes
    picture = np.asarray(axes.images[0].get_array())
    for row, column in np.ndindex(2, 3):
        place = picture[row * 29 : row * 29 + 28, column * 29 : column * 29 + 28]
        assert np.array_equal(place, images[row, column, 0].numpy())
    assert axes.images[0].get_clim() == (0, 255)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y", "z"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "1"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("c", "r")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"captions": ["a"] * 3}, "captions: expected at most 2, one per image, got 3"),
        ({"limits": (1, 0)}, "limits: expected the lower value first, got 1 and 0"),
        ({"cmap": "rainbows"}, "cmap: expected the name of a Matplotlib colour map, got str 'rainbows'"),
    ],
)
def test_what_does_not_fit_is_an_error_before_there_is_a_figure(arguments: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"title": "a", "unit": "b", "limits": (0, 1)}
    with pytest.raises(ValueError, match=f"^{message}$"):
        lab.plotting.montage(torch.zeros(2, 3, 3), **good | arguments)  # type: ignore[arg-type]
    assert plt.get_fignums() == []


def test_a_table_needs_a_label_for_every_row_and_column() -> None:
    names = {"title": "a", "xlabel": "c", "ylabel": "r"}
    for rows, columns, name in ((1, 3, "row_labels: expected 2, got 1"), (2, 4, "column_labels: expected 3, got 4")):
        with pytest.raises(ValueError, match=f"^{name}$"):
            lab.plotting.image_table(
                torch.zeros(2, 3, 1, 28, 28), row_labels=range(rows), column_labels=range(columns), **names
            )


def test_a_global_colour_map_stays_as_it_was() -> None:
    before = mpl.colormaps["gray"].get_bad().tolist()
    lab.plotting.montage(torch.zeros(2, 3, 3), title="a", unit="b", limits=(0, 1))
    assert mpl.colormaps["gray"].get_bad().tolist() == before
