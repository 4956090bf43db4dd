"""Resemblance: against brute force, closed forms and Parseval's theorem."""

import math

import pytest
import torch
from torch import Tensor

import mnist_lab as lab
from mnist_lab.attacks.similarity import low_frequency_share, nearest_images, total_variation


def drawn(count: int, seed: int) -> Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(seed)).byte()


@pytest.mark.parametrize("at_once", [1, 7, 2048])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float64])
def test_the_nearest_images_are_those_of_brute_force(at_once: int, kind: torch.dtype) -> None:
    images, references = drawn(9, 0).to(kind), drawn(40, 1)
    labels = torch.arange(40) % 9  # no image of class 9
    nearest = nearest_images(images, references, labels, at_once=at_once)
    every = (images.double()[:, None] - references.double()).flatten(2).norm(dim=2)
    for label in range(9):
        members = (labels == label).nonzero().flatten()
        distance, place = every[:, members].min(dim=1)
        torch.testing.assert_close(nearest.distances[:, label], distance, rtol=1e-12, atol=0)
        assert torch.equal(nearest.indices[:, label], members[place])
    assert bool(nearest.distances[:, 9].isinf().all())
    assert bool((nearest.indices[:, 9] == -1).all())
    assert torch.equal(nearest.index, every.argmin(dim=1))
    assert torch.equal(nearest.label, labels[every.argmin(dim=1)])
    torch.testing.assert_close(nearest.distance, every.amin(dim=1), rtol=1e-12, atol=0)


def test_small_distances_of_bright_images_are_exact() -> None:
    # Squared norms beyond 2**24, where single precision has no place for a difference of one intensity.
    bright = torch.full((1, 1, 28, 28), 255, dtype=torch.uint8)
    references = bright.repeat(2, 1, 1, 1)
    references[0, 0, 5, 5] = 253
    references[1, 0, 9, 9] = 254
    nearest = nearest_images(bright, references, torch.tensor([0, 0]))
    assert nearest.index.item() == 1
    assert nearest.distance.item() == 1
    again = nearest_images(references, references, torch.tensor([3, 4]))
    assert again.distance.tolist() == [0, 0]
    assert again.label.tolist() == [3, 4]
    assert again.distances[0, 4].item() == pytest.approx(math.sqrt(5), abs=0)


def test_no_image_has_no_neighbour() -> None:
    nearest = nearest_images(drawn(0, 0), drawn(2, 1), torch.tensor([0, 1]))
    assert nearest.distances.shape == (0, 10)
    assert nearest.label.shape == nearest.index.shape == nearest.distance.shape == (0,)
    assert repr(nearest) == "NearestImages(0 images)"


def test_the_search_leaves_its_arguments_alone() -> None:
    images, references = drawn(3, 0).float().requires_grad_(), drawn(5, 1)
    before = references.clone()
    assert not nearest_images(images, references, torch.arange(5)).distances.requires_grad
    assert torch.equal(references, before)
    assert images.grad is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((drawn(1, 0)[0], drawn(2, 1), torch.tensor([0, 1])), "images: expected shape"),
        ((drawn(1, 0), drawn(0, 1), torch.tensor([], dtype=torch.long)), "references: expected at least one image"),
        ((drawn(1, 0), drawn(2, 1), torch.tensor([0])), "labels: expected 2 of them"),
        ((drawn(1, 0), drawn(2, 1), torch.tensor([0, 10])), "labels: expected class indices in 0..9"),
        ((torch.full((1, 1, 28, 28), math.nan), drawn(2, 1), torch.tensor([0, 1])), "images: expected pixel"),
    ],
)
def test_what_cannot_be_searched_is_refused(arguments: tuple[Tensor, Tensor, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nearest_images(*arguments)


def test_total_variation_in_closed_form() -> None:
    place = torch.arange(28)
    checkerboard = 255.0 * ((place[:, None] + place) % 2)
    stripes = (255.0 * (place % 2)).expand(28, 28)
    step = torch.where(place < 10, 0.0, 100.0).expand(28, 28)
    images = torch.stack([torch.full((28, 28), 77.0), checkerboard, stripes, step])[:, None]
    expected = torch.tensor([0, 255, 127.5, 100 * 28 / (2 * 28 * 27)])
    torch.testing.assert_close(total_variation(images), expected)
    torch.testing.assert_close(total_variation(images.mT), expected)
    torch.testing.assert_close(total_variation(images - 1000), expected)  # of any range
    torch.testing.assert_close(total_variation(images.byte()), expected)  # uint8 must not wrap around
    tall = total_variation(torch.arange(6.0).view(1, 1, 3, 2))  # 3 pairs across differ by 1, 4 down by 2
    torch.testing.assert_close(tall, torch.tensor([11 / 7]))


def test_total_variation_passes_gradients() -> None:
    images = drawn(2, 0).double().requires_grad_()
    assert torch.autograd.gradcheck(total_variation, images)


def test_total_variation_as_a_penalty_makes_an_image_smoother() -> None:
    model = lab.DigitCNN(seed=0)
    rough = lab.maximize_logit(model, [3], steps=20)
    smooth = lab.maximize_logit(model, [3], steps=20, penalty=lambda images: 2 * total_variation(images))
    assert total_variation(smooth.images) < total_variation(rough.images)


@pytest.mark.parametrize(("across", "down"), [(0, 3), (3, 0), (3, 4), (14, 14), (1, 0)])
def test_a_wave_has_all_its_energy_at_its_frequency(across: int, down: int) -> None:
    place = torch.arange(28, dtype=torch.float64)
    wave = 50 + torch.cos(2 * torch.pi * (across * place + down * place[:, None]) / 28)[None, None]
    frequency = math.hypot(across, down)
    assert low_frequency_share(wave, frequency - 0.01).item() == pytest.approx(0, abs=1e-12)
    assert low_frequency_share(wave, frequency + 0.01).item() == pytest.approx(1)


def test_energies_of_the_waves_add_up() -> None:
    place = torch.arange(28, dtype=torch.float64)
    low, high = (torch.cos(2 * torch.pi * k * place / 28).expand(28, 28) for k in (2, 9))
    share = low_frequency_share((128 + 3 * low + 4 * high)[None, None])
    assert share.item() == pytest.approx(9 / 25)


def test_the_mean_is_no_contrast() -> None:
    images = drawn(3, 0).double()
    torch.testing.assert_close(low_frequency_share(images), low_frequency_share(images / 2 + 60))
    even = torch.stack([torch.zeros(1, 28, 28), torch.full((1, 28, 28), 77.7)])
    assert low_frequency_share(even).tolist() == [1, 1]


def test_white_noise_has_its_energy_everywhere_alike() -> None:
    noise = torch.randn(400, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    inside = sum(0 < a * a + b * b <= 16 for a in range(-14, 14) for b in range(-14, 14))
    assert low_frequency_share(noise).mean().item() == pytest.approx(inside / (28 * 28 - 1), rel=0.02)


@pytest.mark.parametrize("measure", [total_variation, low_frequency_share])
def test_measures_take_no_image_and_refuse_what_is_none(measure: object) -> None:
    assert callable(measure)
    assert measure(torch.zeros(0, 1, 28, 28)).shape == (0,)
    with pytest.raises(TypeError, match="images: expected a dense uint8 or floating-point tensor"):
        measure([1, 2])
    with pytest.raises(TypeError, match="images: expected a dense uint8 or floating-point tensor"):
        measure(torch.zeros(1, 1, 28, 28, dtype=torch.long))
    with pytest.raises(ValueError, match="images: expected shape"):
        measure(torch.zeros(28, 28))


def test_a_negative_cutoff_is_refused() -> None:
    with pytest.raises(ValueError, match="cutoff: expected a finite number of at least 0"):
        low_frequency_share(torch.zeros(1, 1, 28, 28), -1)
