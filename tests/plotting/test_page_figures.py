"""Figures of single pages show the numbers that they were given, on scales that do not follow the values."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

import mnist_lab as lab
from mnist_lab.attacks.likeness import Likeness
from mnist_lab.plotting._pages import adversarial, classification
from mnist_lab.plotting._pages.likeness import by_noise_seed, compared, likeness_chart
from mnist_lab.stats import paired_comparison


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(256, (*shape, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()


@pytest.fixture(scope="module")
def result() -> lab.AttackResult:
    return lab.maximize_logit(lab.DigitCNN(), list(range(10)) * 2, steps=3)


# Questions 3.1.3 and 4.3


def test_accuracy_is_drawn_by_radius_on_a_whole_axis() -> None:
    axes = adversarial.accuracy_by_radius([0.0, 1.0], {"plain": torch.tensor([0.9, 0.2])}).axes[0]
    assert np.asarray(axes.lines[0].get_xydata()).tolist() == [[0.0, pytest.approx(0.9)], [1.0, pytest.approx(0.2)]]
    assert axes.get_ylim() == (-0.03, 1.03)


def likeness_of(explained: list[float]) -> Likeness:
    """Two noise seeds of ten classes, with one value per seed in each measure."""
    values = torch.tensor(explained).repeat_interleave(10)
    return Likeness(values, 1 - values, values > 0.5, values > 0.5)


def test_likeness_is_the_mean_over_the_noise_seeds() -> None:
    figure = likeness_chart({"noise": by_noise_seed(likeness_of([0.1, 0.6]))})
    axes = figure.axes[0]
    assert np.asarray(axes.lines[0].get_ydata()).tolist() == pytest.approx([0.35, 0.65, 0.5, 0.5])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["explained", "on strokes", "linear", "nearest"]


def test_groups_are_compared_in_words_by_what_their_seeds_show() -> None:
    low, high = by_noise_seed(likeness_of([0.1, 0.2])), by_noise_seed(likeness_of([0.3, 0.4]))
    words = 'more like digits in "{}", and less like digits in "{}", and not shown to differ in "linear" and "nearest"'
    assert str(compared(high, low)) == words.format("explained", "on strokes")
    assert str(compared(low, high)) == words.format("on strokes", "explained")
    assert str(compared(low, low)) == 'not shown to differ in "explained", "on strokes", "linear" and "nearest"'


# Question 1


def test_receptive_fields_are_drawn_to_scale() -> None:
    shapes = lab.layer_shapes(lab.DigitCNN())
    axes = classification.receptive_fields(noise(1)[0], shapes, ["conv1", "pool2", "fc1"]).axes[0]
    squares = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [(square.get_width(), square.get_height()) for square in squares] == [(3, 3), (10, 10), (28, 28)]


def test_bars_are_shares_of_the_whole() -> None:
    model = lab.DigitCNN()
    figure = classification.parameters_and_multiply_adds(lab.parameter_counts(model), lab.layer_shapes(model))
    held, done = ([bar.get_width() for bar in container] for container in figure.axes[0].containers)
    assert held == pytest.approx([count / 799_078 for count in (320, 9_248, 784_500, 5_010)])
    assert done == pytest.approx([count / 2_821_128 for count in (225_792, 1_806_336, 784_000, 5_000)])
    assert "320 (<0.1%)" in [text.get_text() for text in figure.axes[0].texts]


def test_the_bars_divide_the_neurons_by_their_activity() -> None:
    rates = {"conv1": torch.tensor([0, 0, 0.01, 0.5, 0.985, 0.99, 1, 1]).view(2, 2, 2), "fc1": torch.tensor([0.2, 1.0])}
    axes = classification.activation_groups(rates).axes[0]
    drawn = np.array([[bar.get_width() for bar in group] for group in axes.containers])  # (groups, layers)
    assert drawn[:, 0].tolist() == [2 / 8, 1 / 8, 2 / 8, 1 / 8, 2 / 8]
    assert drawn[:, 1].tolist() == [0, 0, 1 / 2, 0, 1 / 2]
    starts = np.array([[bar.get_x() for bar in group] for group in axes.containers])
    assert np.allclose(starts, drawn.cumsum(axis=0) - drawn)


def test_inactive_neurons_have_their_place() -> None:
    rates = {"conv1": torch.rand(4, 6, 5, generator=torch.Generator().manual_seed(0)), "fc1": torch.rand(9)}
    rates["conv1"][:3, 2, 1] = 0
    inactive = classification.inactive_neurons(rates).axes[0].images[0]
    assert inactive.get_clim() == (0, 1)
    shares = torch.as_tensor(inactive.get_array())
    assert shares[2, 1] == 0.75
    assert shares.sum() == 0.75


def test_validation_errors_show_the_mean_and_the_range() -> None:
    one, other = (0.12, 0.04), (0.2, 0.08)
    runs = [lab.History(error, error, error, error, error, error, error, error) for error in (one, other)]
    axes = classification.validation_errors({"plain": runs, "other": runs[:1]}).axes[0]
    drawn = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in axes.lines}
    assert drawn["plain, mean of 2"] == pytest.approx([0.16, 0.06])
    assert drawn["other, mean of 1"] == pytest.approx([0.12, 0.04])
    band = axes.collections[0].get_paths()[0].vertices
    assert {round(float(y), 6) for y in np.asarray(band)[:, 1]} == {0.12, 0.2, 0.04, 0.08}


def test_accuracy_differences_show_every_pair_in_percentage_points() -> None:
    comparison = paired_comparison([0.99, 0.98, 0.97], [0.99, 0.99, 0.99])
    (axes,) = classification.accuracy_differences({"test": comparison, "other": comparison}).axes
    pairs = [line for line in axes.lines if len(np.asarray(line.get_xdata())) == 3]
    assert [np.asarray(line.get_xdata()).tolist() for line in pairs] == [pytest.approx([0, 1, 2])] * 2
    means = [line for line in axes.lines if line.get_marker() == "D"]
    assert [float(np.asarray(line.get_xdata())[0]) for line in means] == pytest.approx([1, 1])
    assert axes.get_xlabel() == "percentage points"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["test", "other"]


def test_seconds_are_drawn_turn_by_turn_from_zero() -> None:
    (axes,) = classification.seconds_by_turn({"plain": [2.0, 3.0], "other": [4.0, 5.0]}).axes
    drawn = {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axes.lines}
    assert drawn == {"plain": [[1, 2], [2, 3]], "other": [[1, 4], [2, 5]]}
    assert axes.get_ylim()[0] == 0


# Question 3


def test_the_table_of_pairs_has_the_digits_on_its_diagonal() -> None:
    originals = torch.full((10, 1, 28, 28), 255).byte()
    attacked = torch.arange(90).view(-1, 1, 1, 1).expand(90, 1, 28, 28).byte()
    (axes,) = adversarial.attacked_pairs(originals, attacked).axes
    corners = np.asarray(axes.images[0].get_array())[::29, ::29]
    assert (corners.diagonal() == 255).all()
    assert corners[~np.eye(10, dtype=bool)].tolist() == list(range(90))
    frames = [patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle)]
    assert frames == [(29 * digit - 0.5, 29 * digit - 0.5) for digit in range(10)]


def test_a_film_strip_has_a_row_per_step_and_a_column_per_target() -> None:
    frames = noise(2, 3)
    (axes,) = adversarial.film_strip(list(frames), [0, 50]).axes
    picture = np.asarray(axes.images[0].get_array())
    assert np.array_equal(picture[29:57, 58:86], frames[1, 2, 0].numpy())
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "50"]


def test_a_difference_has_a_symmetric_scale() -> None:
    original, generated = noise(2)
    panels = adversarial.perturbation(original, generated, title="a").axes
    assert panels[2].images[0].get_clim() == (-255, 255)
    drawn = np.asarray(panels[2].images[0].get_array())
    assert np.array_equal(drawn, generated[0].double().numpy() - original[0].double().numpy())


def test_the_remaining_probability_is_what_the_target_lacks_of_certainty(result: lab.AttackResult) -> None:
    (axes,) = adversarial.remaining_probability(result, threshold=0.99).axes
    points = [line.get_ydata() for line in axes.lines if line.get_marker() == "o"]
    drawn = np.stack([np.asarray(values) for values in points])
    lacking = 1 - result.rounded_target_probability.unflatten(0, (2, 10)).T
    np.testing.assert_allclose(drawn, lacking.numpy(), rtol=1e-4)


def test_shares_lie_on_a_fixed_scale() -> None:
    steps = torch.tensor([0, 10])
    for axes in (
        adversarial.target_shares(steps, {"a": torch.tensor([0.4, 0.5])}).axes[0],
        adversarial.success_by_beta(torch.tensor([0.1, 1.0]), {"a": torch.tensor([0.4, 0.5])}, steps).axes[0],
    ):
        low, high = axes.get_ylim()
        assert low == pytest.approx(-high + 1)
        assert high > 1


def test_rows_of_images_stand_under_their_names_on_a_fixed_scale() -> None:
    rows = {"dim": torch.full((3, 1, 28, 28), 9.0), "bright": torch.full((3, 1, 28, 28), 200.0)}
    figure = adversarial.image_rows(rows, column_labels="abc", title="Two kinds")
    names = [part.get_suptitle() for part in figure.subfigs]
    assert names == ["dim", "bright"]
    for part, level in zip(figure.subfigs, (9, 200), strict=True):
        assert [axes.get_xlabel() for axes in part.axes] == ["a", "b", "c"]
        for axes in part.axes:
            assert axes.images[0].get_clim() == (0, 255)
            assert bool((torch.as_tensor(axes.images[0].get_array()) == level).all())


def test_cost_is_drawn_class_by_class() -> None:
    cost = torch.rand(6, 9, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([7, 2, 4, 7, 2, 4, 7, 2, 4])
    panels = adversarial.cost_by_step(cost, targets, title="Ascent").axes
    assert [axes.get_title() for axes in panels] == ["target 2", "target 4", "target 7"]
    for axes, label in zip(panels, (2, 4, 7), strict=True):
        own = cost[:, targets == label].double()
        torch.testing.assert_close(torch.as_tensor(axes.lines[0].get_ydata()), own.mean(dim=1))
        widest, _ = (torch.as_tensor(band.get_paths()[0].vertices) for band in axes.collections)
        assert float(widest[:, 1].max()) == pytest.approx(float(own.max()))


def test_curves_are_drawn_panel_by_panel_on_one_scale() -> None:
    places, values = torch.tensor([1.0, 10.0]), torch.tensor([[2.0, 4.0], [3.0, 9.0]])
    panels = {"left": {"a": (places, values[0])}, "right": {"a": (places, values[1])}}
    left, right = adversarial.curves(panels, title="t", xlabel="x", ylabel="y").axes
    assert [left.get_title(), right.get_title()] == ["left", "right"]
    assert np.asarray(right.lines[0].get_xydata()).tolist() == [[1, 3], [10, 9]]
    assert left.get_ylim() == right.get_ylim()
    (axes,) = adversarial.curves({"": panels["left"]}, title="t", xlabel="x", ylabel="y", log_x=True).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")


def test_the_animation_shows_the_frames() -> None:
    frames = list(noise(3, 10).float())
    with mpl.rc_context({"animation.embed_limit": 5}):
        animation = adversarial.ascent_animation(frames, [0, 5, 9])
        page = animation.to_jshtml()
    assert page.count("data:image/png") == 3
    axes = plt.gcf().axes[4]
    assert np.array_equal(np.asarray(axes.images[0].get_array()), frames[2][4, 0].numpy())
