"""Figures of predictions show the numbers that they were given."""

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation

import mnist_lab as lab

IMAGES = torch.zeros(5, 1, 28, 28, dtype=torch.uint8)


@pytest.fixture
def result() -> lab.Evaluation:
    labels = torch.tensor([3, 3, 4, 9, 9])
    predictions = torch.tensor([3, 5, 9, 4, 4])
    confidence = torch.tensor([0.9996, 0.75, 0.5, 0.6, 0.7])
    probabilities = ((1 - confidence) / 9)[:, None].repeat(1, 10)
    probabilities[range(5), predictions] = confidence
    return lab.Evaluation(0.2, 1.0, predictions, probabilities, labels)


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


def test_a_result_of_other_images_is_an_error(result: lab.Evaluation) -> None:
    for draw in (lab.plotting.predictions, lab.plotting.mistakes):
        with pytest.raises(ValueError, match="^images: expected 5, one per label of result, got 4$"):
            draw(IMAGES[:4], result)


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


def test_every_generated_image_is_drawn_with_its_prediction() -> None:
    result = lab.maximize_logit(lab.DigitCNN(), list(range(10)) * 2, steps=3)
    panels = lab.plotting.generated_images(result).axes
    assert len(panels) == 20
    predictions = result.rounded_probabilities.argmax(dim=1)
    for axes, image, target, predicted in zip(panels, result.rounded, result.targets, predictions, strict=True):
        assert np.array_equal(np.asarray(axes.images[0].get_array()), image[0].numpy())
        assert axes.images[0].get_clim() == (0, 255)
        assert axes.get_title().startswith(f"target {int(target)}\n→ {int(predicted)}, ")


def test_readings_stand_at_their_digits() -> None:
    paper = np.full((100, 200), 255, np.uint8)
    paper[20:70, 40:46] = paper[20:70, 140:146] = 0
    found = lab.read_picture(paper)
    probabilities = torch.tensor([[0.0, 0.95, 0.05], [0.3, 0.2, 0.5]])
    figure = lab.plotting.reading(found, torch.nn.functional.pad(probabilities, (0, 7)))
    (axes,) = figure.axes
    assert tuple(axes.images[0].get_extent()) == (0, 200, 100, 0)
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [list(box.get_bbox().extents) for box in boxes] == found.boxes.tolist()
    assert [patch.get_linestyle() for patch in axes.patches] == ["-", "--"]
    captions = [text for text in axes.texts if isinstance(text, Annotation)]
    assert [(text.get_text(), *text.xy) for text in captions] == [("1", 40, 20), ("2", 140, 20)]
