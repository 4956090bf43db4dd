"""Figures of predictions and of a network's size show the numbers that they were given."""

from collections.abc import Iterator

import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

import mnist_lab as lab


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def result() -> lab.Evaluation:
    labels = torch.tensor([3, 3, 4, 9, 9])
    predictions = torch.tensor([3, 5, 9, 4, 4])
    sure = torch.tensor([0.9996, 0.75, 0.5, 0.6, 0.7])
    probabilities = ((1 - sure) / 9)[:, None].repeat(1, 10)
    probabilities[range(5), predictions] = sure
    return lab.Evaluation(0.2, 1.0, predictions, probabilities, labels)


IMAGES = torch.zeros(5, 1, 28, 28, dtype=torch.uint8)


def test_right_and_wrong_differ_by_more_than_colour(result: lab.Evaluation) -> None:
    panels = lab.plotting.predictions(IMAGES, result).axes
    assert [axes.get_title() for axes in panels[:2]] == [
        "true 3, predicted 3\n✓ >99.9%",
        "true 3, predicted 5\n✗ 75.0%",
    ]
    frames = [{(spine.get_linewidth(), spine.get_linestyle()) for spine in axes.spines.values()} for axes in panels]
    assert frames == [{(1, "-")}] + [{(3.5, "--")}] * 4


def test_mistakes_stand_in_the_order_given(result: lab.Evaluation) -> None:
    titles = [axes.get_title() for axes in lab.plotting.mistakes(IMAGES, result).axes]
    assert titles == ["3 → 3\n>99.9%", "3 → 5\n75.0%", "4 → 9\n50.0%", "9 → 4\n60.0%", "9 → 4\n70.0%"]


def test_images_have_a_fixed_scale(result: lab.Evaluation) -> None:
    for axes in lab.plotting.mistakes(IMAGES, result).axes:
        assert axes.images[0].get_clim() == (0, 255)


def test_confusions_stand_in_the_row_of_the_true_label(result: lab.Evaluation) -> None:
    axes = lab.plotting.confusion_matrix(result).axes[0]
    texts = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
    assert {place: text for place, text in texts.items() if text != "0"} == {
        (3, 3): "1",
        (3, 5): "1",
        (4, 9): "1",
        (9, 4): "2",
    }
    assert axes.images[0].get_clim() == (0, 2)
    shades = torch.as_tensor(axes.images[0].get_array())
    assert shades.diag().sum() == 0
    assert shades.sum() == 4


def test_a_network_without_mistakes_has_a_confusion_matrix_too() -> None:
    labels = torch.arange(10)
    result = lab.Evaluation(1.0, 0.0, labels, torch.eye(10), labels)
    assert len(lab.plotting.confusion_matrix(result).axes[0].texts) == 10


def test_receptive_fields_are_drawn_to_scale() -> None:
    shapes = lab.layer_shapes(lab.DigitCNN())
    axes = lab.plotting.receptive_fields(IMAGES[0], shapes, ["conv1", "pool2", "fc1"]).axes[0]
    squares = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [(square.get_width(), square.get_height()) for square in squares] == [(3, 3), (10, 10), (28, 28)]


def test_bars_are_shares_of_the_whole() -> None:
    model = lab.DigitCNN()
    figure = lab.plotting.parameters_and_arithmetic(lab.parameter_counts(model), lab.layer_shapes(model))
    held, done = ([bar.get_width() for bar in container] for container in figure.axes[0].containers)
    assert held == pytest.approx([count / 799_078 for count in (320, 9_248, 784_500, 5_010)])
    assert done == pytest.approx([count / 2_821_128 for count in (225_792, 1_806_336, 784_000, 5_000)])
    assert "320 (<0.1%)" in [text.get_text() for text in figure.axes[0].texts]


def test_firing_rates_rise_from_left_to_right_and_silence_has_its_place() -> None:
    generator = torch.Generator().manual_seed(0)
    rates = {"conv1": torch.rand(4, 6, 5, generator=generator), "fc1": torch.rand(9, generator=generator)}
    rates["conv1"][:3, 2, 1] = 0
    for line, rate in zip(lab.plotting.firing_rates(rates).axes[0].lines, rates.values(), strict=True):
        drawn = torch.as_tensor(line.get_ydata())
        assert torch.equal(drawn, rate.flatten().sort().values)
    silent = lab.plotting.silent_neurons(rates).axes[0].images[0]
    assert silent.get_clim() == (0, 1)
    shares = torch.as_tensor(silent.get_array())
    assert shares[2, 1] == 0.75
    assert shares.sum() == 0.75
