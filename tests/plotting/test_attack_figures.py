"""Figures of attacks show all that they were given, on scales that do not follow the values."""

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn

import mnist_lab as lab
from mnist_lab._utils.network import unchanged


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(256, (*shape, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()


@pytest.fixture(scope="module")
def result() -> lab.AttackResult:
    return lab.maximize_logit(lab.DigitCNN(), list(range(10)) * 2, steps=3)


def test_every_generated_image_is_drawn_with_what_the_network_makes_of_it(result: lab.AttackResult) -> None:
    panels = lab.plotting.generated_images(result).axes
    assert len(panels) == 20
    predictions = result.rounded_probabilities.argmax(dim=1)
    for axes, image, target, predicted in zip(panels, result.rounded, result.targets, predictions, strict=True):
        assert np.array_equal(np.asarray(axes.images[0].get_array()), image[0].numpy())
        assert axes.images[0].get_clim() == (0, 255)
        assert axes.get_title().startswith(f"target {int(target)}\n→ {int(predicted)}, ")


def test_a_table_holds_each_image_in_its_place() -> None:
    images = noise(2, 3)
    names = {"title": "a", "rows": "ab", "columns": "xyz", "row_name": "r", "column_name": "c"}
    (axes,) = lab.plotting.image_table(images, **names).axes
    picture = np.asarray(axes.images[0].get_array())
    for row, column in np.ndindex(2, 3):
        place = picture[row * 28 : (row + 1) * 28, column * 28 : (column + 1) * 28]
        assert np.array_equal(place, images[row, column, 0].numpy())
    assert axes.images[0].get_clim() == (0, 255)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y", "z"]


def test_the_table_of_pairs_has_the_digits_on_its_diagonal() -> None:
    originals, attacked = (
        torch.full((10, 1, 28, 28), 255).byte(),
        torch.arange(90).view(-1, 1, 1, 1).expand(90, 1, 28, 28).byte(),
    )
    (axes,) = lab.plotting.attacked_pairs(originals, attacked).axes
    corners = np.asarray(axes.images[0].get_array())[::28, ::28]
    assert (corners.diagonal() == 255).all()
    assert corners[~np.eye(10, dtype=bool)].tolist() == list(range(90))
    assert len(axes.patches) == 10


def test_a_difference_has_a_symmetric_scale() -> None:
    original, generated = noise(2)
    panels = lab.plotting.perturbation(original, generated, title="a").axes
    assert panels[2].images[0].get_clim() == (-255, 255)
    drawn = np.asarray(panels[2].images[0].get_array())
    assert np.array_equal(drawn, generated[0].double().numpy() - original[0].double().numpy())


def test_doubt_is_what_the_target_lacks_of_certainty(result: lab.AttackResult) -> None:
    (axes,) = lab.plotting.doubts(result).axes
    points = [line.get_ydata() for line in axes.lines if line.get_marker() == "o"]
    drawn = np.stack([np.asarray(values) for values in points])
    lacking = 1 - result.rounded_target_probability.unflatten(0, (2, 10)).T
    np.testing.assert_allclose(drawn, lacking.numpy(), rtol=1e-4)


def test_shares_lie_on_a_fixed_scale() -> None:
    steps = torch.tensor([0, 10])
    for axes in (
        lab.plotting.shares_by_step(steps, {"a": torch.tensor([0.4, 0.5])}).axes[0],
        lab.plotting.success_by_beta(torch.tensor([0.1, 1.0]), {"a": torch.tensor([0.4, 0.5])}, steps).axes[0],
    ):
        low, high = axes.get_ylim()
        assert low == pytest.approx(-high + 1)
        assert high > 1


def test_values_by_pair_leave_the_diagonal_blank() -> None:
    values = torch.arange(100.0).view(10, 10)
    axes = lab.plotting.values_by_pair(values, title="a", label="b").axes[0]
    assert len(axes.texts) == 90
    assert axes.images[0].get_clim() == (0, 98)


def test_the_animation_shows_the_frames() -> None:
    frames = list(noise(3, 10).float())
    with mpl.rc_context({"animation.embed_limit": 5}):
        animation = lab.plotting.ascent_animation(frames, [0, 5, 9])
        page = animation.to_jshtml()
    assert page.count("data:image/png") == 3
    axes = plt.gcf().axes[4]
    assert np.array_equal(np.asarray(axes.images[0].get_array()), frames[2][4, 0].numpy())


def test_a_changed_weight_does_not_go_unnoticed() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with unchanged(model):
        model.eval()(torch.ones(1, 2))
    with (
        pytest.raises(AssertionError, match=r"changed: 1\.running_mean, 1\.running_var, 1\.num"),
        unchanged(model),
    ):
        model.train()(torch.rand(4, 2))
    bias = model[0].bias
    assert isinstance(bias, nn.Parameter)
    with pytest.raises(AssertionError, match=r"changed: 0\.bias$"), unchanged(model), torch.no_grad():
        bias.neg_()
