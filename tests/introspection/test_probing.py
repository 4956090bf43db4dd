"""Linear probes, class selectivity and top-activating patches, against definitions written out and closed forms."""

import pytest
import torch
from torch import Tensor

import mnist_lab as lab
from mnist_lab.introspection.probing import (
    STRENGTHS,
    TopPatches,
    agreement,
    class_selectivity,
    image_similarity,
    linear_probe,
    selectivity_above_chance,
    top_activating_patches,
)

LABELS = torch.arange(40) % 10
RECEPTIVE_FIELDS = {"conv1": {"size": 3, "stride": 1, "start": -1}, "conv2": {"size": 8, "stride": 2, "start": -3}}


def clusters(count: int, features: int, seed: int, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    """Points around one centre per class. The centres are the same for every seed."""
    centres = torch.randn(10, features, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(10, (count,), generator=generator)
    return centres[labels] + spread * torch.randn(count, features, generator=generator), labels


def digits(count: int = 12) -> Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()


def patches(pixels: Tensor) -> TopPatches:
    empty = torch.zeros(pixels.shape[:2])
    return TopPatches(pixels, empty, empty.long(), empty.long())


# Linear probes


@pytest.mark.parametrize("features", [7, 300])
@pytest.mark.parametrize("strength", [1e-2, 1.0])
def test_a_probe_is_the_ridge_solution(features: int, strength: float) -> None:
    """It equals the normal equations in the space of the features, in float64 and with an unpenalized bias."""
    known, labels = clusters(100, features, 0)
    probe = linear_probe(known, labels, *clusters(50, features, 1), strengths=[strength])
    points = known.double() - known.double().mean(dim=0)
    targets = torch.nn.functional.one_hot(labels, 10).double()
    ridge = strength * points.square().sum(dim=1).mean()
    normal = points.T @ points + ridge * torch.eye(features, dtype=torch.float64)
    weight = torch.linalg.solve(normal, points.T @ (targets - targets.mean(dim=0)))
    bias = targets.mean(dim=0) - known.double().mean(dim=0) @ weight
    torch.testing.assert_close(probe.weight.double(), weight, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(probe.bias.double(), bias, rtol=1e-3, atol=1e-5)


def test_validation_selects_the_regularization() -> None:
    known, held_out = clusters(60, 200, 0, spread=4), clusters(400, 200, 1, spread=4)
    probes = {strength: linear_probe(*known, *held_out, strengths=[strength]) for strength in STRENGTHS}
    best = max(probe.validation_accuracy for probe in probes.values())
    chosen = linear_probe(*known, *held_out)
    assert chosen.validation_accuracy == best
    assert chosen.strength == max(s for s, probe in probes.items() if probe.validation_accuracy == best)
    right = (chosen.predict(held_out[0]) == held_out[1]).float().mean()
    assert float(right) == pytest.approx(chosen.validation_accuracy)


def test_linearly_separable_classes_are_separated() -> None:
    known, held_out = clusters(300, 60, 0, 0.3), clusters(100, 60, 1, 0.3)
    assert all(linear_probe(*known, *held_out, strengths=[s]).validation_accuracy == 1 for s in (1e-3, 1e-2))
    probe = linear_probe(*known, *held_out, strengths=(1e-3, 1e-2))
    assert probe.strength == 1e-2, "ties go to the strongest regularization"
    features, labels = clusters(500, 60, 2, 0.3)
    assert (probe.predict(features) == labels).all()
    assert repr(probe).startswith("LinearProbe(60 features, strength ")


def test_features_of_any_shape() -> None:
    features, labels = clusters(80, 24, 0)
    flat = linear_probe(features, labels, features, labels)
    shaped = linear_probe(features.view(80, 2, 3, 4), labels, features.view(80, 2, 3, 4), labels)
    assert torch.equal(flat.weight, shaped.weight)


def test_constant_features_predict_the_most_frequent_class() -> None:
    labels = torch.tensor([3, 3, 3, 8])
    probe = linear_probe(torch.ones(4, 6), labels, torch.ones(4, 6), labels)
    assert not probe.weight.any()
    assert probe.predict(torch.ones(2, 6)).tolist() == [3, 3]
    assert probe.validation_accuracy == 0.75


def test_bad_arguments_of_a_probe_are_named() -> None:
    features, labels = clusters(20, 5, 0)
    with pytest.raises(ValueError, match="^labels: expected 3, one for each of features, got 20"):
        linear_probe(features[:3], labels, features, labels)
    with pytest.raises(ValueError, match="^validation_labels: expected 19, one for each of validation_features"):
        linear_probe(features, labels, features[1:], labels)
    with pytest.raises(ValueError, match=r"^validation_features: expected shape \(N, features, \.\.\.\)"):
        linear_probe(features, labels, features[:, 0], labels)
    with pytest.raises(ValueError, match="^validation_features: expected 5 features per image, got 4"):
        linear_probe(features, labels, features[:, 1:], labels)
    with pytest.raises(ValueError, match="^features: expected at least one value"):
        linear_probe(features[:0], labels[:0], features, labels)
    with pytest.raises(ValueError, match="^validation_labels: expected class indices"):
        linear_probe(features, labels, features, labels + 9)
    with pytest.raises(ValueError, match=r"^strengths\[1\]: expected a finite number above 0, got 0"):
        linear_probe(features, labels, features, labels, strengths=[1.0, 0.0])
    with pytest.raises(ValueError, match="^features: expected 5 features per image, got 4"):
        linear_probe(features, labels, features, labels).predict(features[:, 1:])


# Class selectivity


def test_selectivity_is_0_for_equal_classes_and_1_for_a_single_class() -> None:
    alike = torch.ones(40, 3)
    alone = (LABELS == 6).float()[:, None] * torch.tensor([1.0, 2.0, 30.0])
    assert class_selectivity(alike, LABELS).tolist() == [0, 0, 0]
    assert class_selectivity(alone, LABELS).tolist() == [1, 1, 1]
    assert class_selectivity(torch.zeros(40, 1), LABELS).isnan().all()


def test_selectivity_follows_its_definition() -> None:
    activations = torch.rand(40, 2, 3, generator=torch.Generator().manual_seed(0))
    selectivity = class_selectivity(activations, LABELS)
    assert selectivity.shape == (2, 3)
    means = sorted(float(activations[label == LABELS, 1, 2].mean()) for label in range(10))
    others = sum(means[:-1]) / 9
    assert float(selectivity[1, 2]) == pytest.approx((means[-1] - others) / (means[-1] + others), abs=1e-6)
    torch.testing.assert_close(class_selectivity(7 * activations, LABELS), selectivity)


def test_selectivity_counts_only_the_classes_that_are_present() -> None:
    activations = torch.tensor([[3.0], [1.0]])
    assert float(class_selectivity(activations, torch.tensor([2, 9]))) == pytest.approx(0.5)


def test_bad_arguments_of_selectivity_are_named() -> None:
    with pytest.raises(ValueError, match="^labels: expected 3, one for each of activations, got 40"):
        class_selectivity(torch.ones(3, 1), LABELS)
    with pytest.raises(ValueError, match="^activations: expected finite values of at least 0"):
        class_selectivity(-torch.ones(40, 1), LABELS)
    with pytest.raises(TypeError, match="^activations: expected a.* floating-point tensor"):
        class_selectivity(torch.ones(40, 1, dtype=torch.long), LABELS)
    with pytest.raises(ValueError, match="^labels: expected at least two different classes, got 1"):
        class_selectivity(torch.ones(2, 1), torch.tensor([4, 4]))


def test_selectivity_above_chance_is_the_index_less_that_of_shuffled_labels() -> None:
    activations = torch.rand(40, 2, 3, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(40, generator=torch.Generator().manual_seed(5))
    expected = class_selectivity(activations, LABELS) - class_selectivity(activations, LABELS[order])
    assert torch.equal(selectivity_above_chance(activations, LABELS, seed=5), expected)
    assert not torch.equal(selectivity_above_chance(activations, LABELS, seed=6), expected)


def test_units_that_know_nothing_have_no_selectivity_above_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    rare = torch.rand(40, 4000, generator=generator) * (torch.rand(40, 4000, generator=generator) < 0.1)
    assert float(class_selectivity(rare, LABELS).nanmean()) > 0.5
    assert abs(float(selectivity_above_chance(rare, LABELS).nanmean())) < 0.02


# Similarity to the image


def test_a_copy_of_the_image_is_similar_and_a_map_of_one_value_is_not() -> None:
    images = digits(3).float()
    smaller = torch.nn.functional.avg_pool2d(images, 2)
    maps = torch.cat([smaller, 255 - smaller, torch.ones_like(smaller)], dim=1)
    found = image_similarity(maps, images)
    torch.testing.assert_close(found[:, :2], torch.ones(3, 2))
    assert found[:, 2].isnan().all()
    torch.testing.assert_close(image_similarity(3 * images + 7, images, size=28), torch.ones(3, 1))


def test_similarity_is_the_correlation_of_the_pixels() -> None:
    images, maps = digits(4), torch.rand(4, 5, 7, 7, generator=torch.Generator().manual_seed(0))
    found = image_similarity(maps, images, size=7)
    pixels = torch.nn.functional.avg_pool2d(images.float(), 4)[:, 0]
    for image in range(4):
        for unit in range(5):
            pair = torch.stack([maps[image, unit].flatten(), pixels[image].flatten()])
            assert float(found[image, unit]) == pytest.approx(abs(float(pair.corrcoef()[0, 1])), abs=1e-5)
    with pytest.raises(ValueError, match="^size: expected at most that of the maps, 7, got 14"):
        image_similarity(maps, images)
    with pytest.raises(ValueError, match="^images: expected 4, one for each of activations, got 3"):
        image_similarity(maps, images[:3], size=7)


# Top-activating patches


@pytest.mark.parametrize("layer", RECEPTIVE_FIELDS)
def test_a_patch_is_all_that_its_unit_sees(layer: str) -> None:
    """Pasted into another image, a patch gives the same activation; with its first and last rows inverted, another."""
    model, images, field = lab.DigitCNN(seed=2).double(), digits(), RECEPTIVE_FIELDS[layer]
    size, stride, start = field["size"], field["stride"], field["start"]
    maps = lab.activations(model, images, layer)
    found = top_activating_patches(images, maps, size=size, stride=stride, start=start, count=5)
    torch.testing.assert_close(found.activations[:, 0], maps.amax((0, 2, 3)))
    changed = 0
    for unit in range(32):
        row, column = (int(position) for position in found.positions[unit, 0])
        top, left = row * stride + start, column * stride + start
        if min(top, left) < 0 or max(top, left) + size > 28:
            continue  # at the border the unit sees padding, which no image can contain
        other = torch.full((1, 1, 28, 28), 90.0)
        other[0, 0, top : top + size, left : left + size] = found.pixels[unit, 0]
        again = lab.activations(model, other, layer)[0, unit, row, column]
        torch.testing.assert_close(again, found.activations[unit, 0])
        for edge in (top, top + size - 1):
            other[0, 0, edge, left : left + size] = 255 - other[0, 0, edge, left : left + size]
        changed += int(lab.activations(model, other, layer)[0, unit, row, column] != again)
    assert changed > 4


def test_patches_are_sorted_and_come_from_different_images() -> None:
    images = digits(10)
    maps = lab.activations(lab.DigitCNN(seed=2), images, "conv2")
    found = top_activating_patches(images, maps, size=8, stride=2, start=-3, count=4)
    assert (found.activations.diff(dim=1) <= 0).all()
    assert all(len(set(row)) == 4 for row in found.images.tolist())
    for unit in (0, 31):
        by_image = maps[:, unit].amax((1, 2)).sort(descending=True)
        assert found.images[unit].tolist() == by_image.indices[:4].tolist()
    assert repr(found) == "TopPatches(4 of 8x8 pixels for each of 32 maps)"


def test_pixels_outside_the_image_are_black() -> None:
    images = torch.full((1, 1, 28, 28), 200, dtype=torch.uint8)
    maps = torch.zeros(1, 2, 14, 14)
    maps[0, 0, 0, 0] = maps[0, 1, 13, 13] = 1
    found = top_activating_patches(images, maps, size=8, stride=2, start=-3, count=1)
    assert (found.pixels[0, 0] > 0).sum() == 25  # three rows and columns lie outside
    assert (found.pixels[1, 0, :5, :5] == 200).all()
    assert (found.pixels[1, 0] > 0).sum() == 25


@pytest.mark.parametrize("start", [-40, -5, 2, 40])
def test_a_receptive_field_may_lie_anywhere(start: int) -> None:
    images, maps = digits(1), torch.zeros(1, 1, 10, 10)
    maps[0, 0, 4, 7] = 1
    found = top_activating_patches(images, maps, size=3, stride=2, start=start, count=1)
    for row in range(3):
        for column in range(3):
            y, x = 4 * 2 + start + row, 7 * 2 + start + column
            expected = float(images[0, 0, y, x]) if 0 <= y < 28 and 0 <= x < 28 else 0
            assert float(found.pixels[0, 0, row, column]) == expected


def test_agreement_is_the_mean_correlation() -> None:
    pixels = torch.rand(3, 4, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    within, between = agreement(patches(pixels))
    correlations = torch.corrcoef(pixels.flatten(0, 1).flatten(1)).reshape(3, 4, 3, 4)
    for unit in range(3):
        own = [correlations[unit, i, unit, j] for i in range(4) for j in range(4) if i != j]
        others = [
            correlations[unit, i, other, j] for other in range(3) if other != unit for i in range(4) for j in range(4)
        ]
        assert float(within[unit]) == pytest.approx(float(torch.stack(own).mean()))
        assert float(between[unit]) == pytest.approx(float(torch.stack(others).mean()))


def test_a_uniform_patch_correlates_with_none() -> None:
    within, between = agreement(patches(torch.ones(2, 2, 3, 3)))
    assert within.tolist() == between.tolist() == [0, 0]


def test_bad_arguments_of_patches_are_named() -> None:
    images, maps = digits(3), torch.zeros(3, 2, 28, 28)
    with pytest.raises(ValueError, match="^activations: expected 3, one for each of images, got 2"):
        top_activating_patches(images, maps[:2], size=3, count=1)
    with pytest.raises(ValueError, match=r"^activations: expected shape \(N, maps, height, width\)"):
        top_activating_patches(images, maps[:, 0], size=3, count=1)
    with pytest.raises(ValueError, match=r"^count: expected an integer in 1\.\.3, got 4"):
        top_activating_patches(images, maps, size=3, count=4)
    with pytest.raises(ValueError, match="^patches: expected at least two patches"):
        agreement(patches(torch.ones(1, 2, 3, 3)))


def test_selectivity_has_the_shape_of_the_units() -> None:
    activations = torch.rand(40, 2, 3, generator=torch.Generator().manual_seed(0))
    whole = class_selectivity(activations, LABELS)
    assert whole.shape == (2, 3)
    torch.testing.assert_close(class_selectivity(activations[:, 1, 2], LABELS), whole[1, 2])
    half = class_selectivity(60_000 * activations.half(), LABELS)  # whose sum over the images overflows
    torch.testing.assert_close(half.float(), whole, atol=2e-3, rtol=0)
