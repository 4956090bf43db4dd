"""Laws that hold for every valid input: shapes, ranges, invariances, and no trace in the network.

Networks are small and in double precision, so that rounding errors are far smaller than a broken law.
"""

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

import mnist_lab as lab
from mnist_lab import stats
from mnist_lab.attacks import similarity
from mnist_lab.data.augmentation import distort
from mnist_lab.introspection.occlusion.maps import patch_masks
from mnist_lab.model import Standardize
from tests.conftest import no_trace

few = settings(max_examples=12)
seeds = st.integers(0, 2**31)
counts = st.integers(1, 7)


def digits(seed: int, count: int = 5, *, stored: bool = False) -> Tensor:
    """Images with black, white and mostly grey pixels."""
    generator = torch.Generator().manual_seed(seed)
    pixels = (torch.rand(count, 1, 28, 28, generator=generator) * 355 - 50).clamp(0, 255)
    return pixels.byte() if stored else pixels


def small_network(seed: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [Standardize(), nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Dropout(0.5)]
        network = nn.Sequential(
            *layers, nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(432, 10)
        )
    batch_norm = network[6]
    assert isinstance(batch_norm, nn.BatchNorm2d)
    batch_norm.running_mean = torch.tensor([0.1, -0.2, 0.3])
    return network.double()


NETWORK = small_network(0)
LABELS = st.lists(st.integers(0, 9), min_size=5, max_size=5).map(torch.tensor)


@few
@given(seeds, LABELS, st.integers(1, 9))
def test_an_evaluation_depends_neither_on_batches_nor_on_order(seed: int, labels: Tensor, batch_size: int) -> None:
    split = lab.Split(digits(seed, stored=True), labels)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    with no_trace(NETWORK):
        whole = lab.evaluate(NETWORK, split)
        parts = lab.evaluate(NETWORK, split[order], batch_size=batch_size)
    assert whole.accuracy == parts.accuracy
    assert parts.error == pytest.approx(1 - parts.accuracy)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)
    torch.testing.assert_close(parts.probabilities, whole.probabilities[order])
    assert parts.correct.equal(whole.correct[order])
    torch.testing.assert_close(whole.probabilities.sum(dim=1), torch.ones(5))


@few
@given(seeds, st.integers(1, 9), st.sampled_from(["1", "5", "9"]))
def test_activations_are_the_forward_pass_written_out(seed: int, batch_size: int, layer: str) -> None:
    images = digits(seed)
    with no_trace(NETWORK):
        found = lab.activations(NETWORK, images, layer, batch_size=batch_size)
    standardize, first, _, _, _, second, batch_norm, _, _, last = NETWORK
    with torch.no_grad():
        convolved = first(standardize(images))
        pooled = functional.max_pool2d(convolved, 2).relu()
        assert isinstance(batch_norm, nn.BatchNorm2d)
        assert batch_norm.running_mean is not None
        assert batch_norm.running_var is not None
        normalized = functional.batch_norm(
            second(pooled), batch_norm.running_mean, batch_norm.running_var, batch_norm.weight, batch_norm.bias
        ).relu()
        by_hand = {"1": convolved.relu(), "5": normalized, "9": last(normalized.flatten(1))}[layer]
    torch.testing.assert_close(found, by_hand)
    assert layer == "9" or float(found.min()) >= 0  # the last layer gives logits


@few
@given(seeds, counts, st.integers(1, 28), st.floats(0, 255), st.booleans())
def test_an_occlusion_map_does_not_depend_on_the_batch(
    seed: int, count: int, patch: int, fill: float, incremental: bool
) -> None:
    images = digits(seed, count)
    network = NETWORK if incremental else nn.Sequential(NETWORK)  # a nested chain is evaluated in full
    with no_trace(network):
        together = lab.occluded_probabilities(network, images, patch, fill, progress=False)
        alone = lab.occluded_probabilities(NETWORK, images[-1:], patch, fill, progress=False)
    assert together.shape == (count, 28, 28, 10)
    torch.testing.assert_close(together[-1:], alone)
    torch.testing.assert_close(together.sum(dim=3), torch.ones(count, 28, 28, dtype=torch.float64))
    row, column = seed % 28, seed // 28 % 28
    covered = patch_masks(patch)[row * 28 + column]
    with torch.no_grad():
        painted = network.eval()(torch.where(covered, fill, images).double()).softmax(dim=1)
    torch.testing.assert_close(together[:, row, column], painted)


@few
@given(seeds, st.integers(0, 9), st.floats(1e-3, 1e6), st.floats(0, 300))
def test_a_generated_image_stays_within_its_range(seed: int, target: int, step_size: float, sigma: float) -> None:
    with no_trace(NETWORK):
        result = lab.maximize_logit(NETWORK, [target], seed, step_size=step_size, sigma=sigma, steps=3, clip=(10, 240))
    assert float(result.images.min()) >= 10
    assert float(result.images.max()) <= 240
    assert result.cost.equal(result.logit)  # without a penalty
    with torch.no_grad():
        torch.testing.assert_close(result.logit[-1], NETWORK.eval()(result.images)[:, target])
        torch.testing.assert_close(result.probabilities, NETWORK.eval()(result.images).softmax(dim=1))


@few
@given(seeds, LABELS, st.sampled_from(["search", 0.0, 1e-3, 10.0]), st.sampled_from(["noise", "image"]))
def test_an_attack_stays_in_range_and_reports_consistent_numbers(
    seed: int, targets: Tensor, beta: float | Literal["search"], start: Literal["noise", "image"]
) -> None:
    images = digits(seed)
    with no_trace(NETWORK):
        result = lab.targeted_attack(NETWORK, images, targets, beta, start, steps=4)
    assert float(result.images.min()) >= 0
    assert float(result.images.max()) <= 255
    assert result.cost.shape == result.logit.shape == (5, 5)
    assert bool((result.mse * 784 - result.l2.square()).abs().max() <= 1e-6 * result.l2.square().max() + 1e-9)
    assert bool((result.linf <= result.l2 + 1e-9).all())
    with torch.no_grad():
        stored = NETWORK.eval()(result.rounded).softmax(dim=1)
    torch.testing.assert_close(result.rounded_probabilities, stored)
    assert result.success.equal(stored.argmax(dim=1) == targets)
    if beta != "search":
        penalty = torch.as_tensor(beta).double() * (result.images - images.double()).square().mean(dim=(1, 2, 3))
        torch.testing.assert_close(result.logit[-1] - penalty, result.cost[-1])


@few
@given(seeds, counts, st.integers(1, 9))
def test_a_firing_rate_is_a_fraction_of_the_images(seed: int, count: int, batch_size: int) -> None:
    images = digits(seed, count)
    with no_trace(NETWORK):
        rates = lab.firing_rates(NETWORK, images, batch_size=batch_size)
        backwards = lab.firing_rates(NETWORK, images.flip(0))
    assert list(rates) == ["1", "5"]
    for name, rate in rates.items():
        torch.testing.assert_close(rate, (lab.activations(NETWORK, images, name) > 0).double().mean(dim=0).float())
        assert rate.equal(backwards[name])


@few
@given(seeds, st.lists(st.integers(0, 4), min_size=1, max_size=9), st.lists(st.booleans(), min_size=5, max_size=5))
def test_an_index_selects_images_with_their_labels(seed: int, positions: list[int], mask: list[bool]) -> None:
    split = lab.Split(digits(seed, stored=True), torch.arange(5))
    assert split[torch.tensor(positions)].labels.tolist() == positions
    assert split[torch.tensor(positions)].images.equal(split.images[positions])
    assert split[torch.tensor(mask)].labels.tolist() == [place for place, chosen in enumerate(mask) if chosen]
    assert split[1:4].labels.tolist() == split[torch.tensor([1, 2, 3])].labels.tolist()
    assert len(split[:0]) == 0


@few
@given(seeds, st.floats(-3, 3), st.floats(-1000, 1000), st.floats(0, 20))
def test_smoothness_depends_neither_on_brightness_nor_on_direction(
    seed: int, scale: float, offset: float, cutoff: float
) -> None:
    images = digits(seed).double()
    rough = similarity.total_variation(images)
    assert bool((rough >= 0).all())
    for turned in (images.flip(-1), images.flip(-2), images.mT):
        torch.testing.assert_close(similarity.total_variation(turned), rough)
    torch.testing.assert_close(
        similarity.total_variation(images * scale + offset), abs(scale) * rough, atol=1e-9, rtol=1e-6
    )
    share = similarity.low_frequency_share(images, cutoff)
    assert bool(((share >= 0) & (share <= 1 + 1e-12)).all())
    assert bool((share <= similarity.low_frequency_share(images, cutoff + 1) + 1e-12).all())
    torch.testing.assert_close(similarity.low_frequency_share(3 * images + offset, cutoff), share)


@few
@given(seeds, counts, st.integers(1, 9), st.integers(1, 6))
def test_the_nearest_image_is_that_of_a_direct_search(seed: int, count: int, known: int, batch_size: int) -> None:
    images, references = digits(seed, count), digits(seed + 1, known, stored=True)
    labels = torch.arange(known) % 3
    nearest = similarity.nearest_images(images, references, labels, batch_size=batch_size)
    distances = torch.cdist(
        images.flatten(1).double(), references.flatten(1).double(), compute_mode="donot_use_mm_for_euclid_dist"
    )
    torch.testing.assert_close(nearest.distance, distances.amin(dim=1))
    assert nearest.index.equal(distances.argmin(dim=1))
    assert nearest.label.equal(labels[nearest.index])
    assert bool((nearest.indices[:, min(known, 3) :] == -1).all())


@few
@given(seeds, st.integers(0, 50), st.integers(1, 50), st.floats(0.01, 0.99))
def test_an_interval_contains_its_value_and_widens_with_confidence(
    seed: int, successes: int, failures: int, confidence: float
) -> None:
    trials = successes + failures
    interval = stats.proportion_interval(successes, trials, confidence)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    mirrored = stats.proportion_interval(failures, trials, confidence)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((interval.low, interval.high))
    wider = stats.proportion_interval(successes, trials, (1 + confidence) / 2)
    assert wider.low <= interval.low <= interval.high <= wider.high
    random = np.random.default_rng(seed)
    first, second = random.normal(size=(2, 6))
    there = stats.paired_comparison(list(first), list(second), confidence)
    back = stats.paired_comparison(list(second), list(first), confidence)
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert there.p_value == pytest.approx(back.p_value)
    assert there.significant == (there.p_value < 1 - confidence)


@few
@given(seeds, counts, st.floats(0, 5), st.floats(0, 40), st.floats(0, 0.3))
def test_a_distorted_image_has_valid_pixels(seed: int, count: int, shift: float, rotation: float, scale: float) -> None:
    images = digits(seed, count, stored=True)
    options = {"shift": shift, "rotation": rotation, "scale": scale}
    distorted, again = (distort(images, torch.Generator().manual_seed(seed), **options) for _ in range(2))
    assert distorted.shape == images.shape
    assert distorted.equal(again)
    assert float(distorted.min()) >= 0
    assert float(distorted.max()) <= 255 + 1e-3
    assert not distort(torch.zeros(count, 1, 28, 28), torch.Generator().manual_seed(seed), **options).any()


@few
@given(seeds, st.permutations(range(5)))
def test_probabilities_depend_on_their_own_image_only(seed: int, order: list[int]) -> None:
    model, images = lab.DigitCNN(batch_norm=True, seed=seed).double().train(), digits(seed)
    with no_trace(model):
        probabilities = model.probabilities(images)
    torch.testing.assert_close(model.probabilities(images[order]), probabilities[order])
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(5, dtype=torch.float64))
