"""Similarity measures, against brute force, closed forms and Parseval's theorem."""

import math

import pytest
import torch
from torch import Tensor

import mnist_lab as lab
from mnist_lab.attacks.similarity import low_frequency_share, nearest_images, total_variation


def digits(count: int, seed: int) -> Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(seed)).byte()


@pytest.mark.parametrize("batch_size", [1, 7, 2048])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float64])
def test_nearest_images_equal_those_of_brute_force(batch_size: int, kind: torch.dtype) -> None:
    images, references = digits(9, 0).to(kind), digits(40, 1)
    labels = torch.arange(40) % 9  # no image of class 9
    nearest = nearest_images(images, references, labels, batch_size=batch_size)
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
    # The squared norms exceed 2**24, so single precision could not represent a difference of one intensity.
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


def test_the_distance_of_an_image_to_itself_is_a_number() -> None:
    # Rounding makes the squared distance of about half of these images slightly negative.
    images = 255 * torch.rand(50, 1, 28, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    nearest = nearest_images(images, images, torch.arange(50) % 10)
    assert torch.equal(nearest.index, torch.arange(50))
    assert float(nearest.distance.max()) < 1e-3


def test_an_empty_batch_has_no_neighbours() -> None:
    nearest = nearest_images(digits(0, 0), digits(2, 1), torch.tensor([0, 1]))
    assert nearest.distances.shape == (0, 10)
    assert nearest.label.shape == nearest.index.shape == nearest.distance.shape == (0,)
    assert repr(nearest) == "NearestImages(0 images)"


def test_the_search_does_not_change_its_arguments() -> None:
    images, references = digits(3, 0).float().requires_grad_(), digits(5, 1)
    before = references.clone()
    assert not nearest_images(images, references, torch.arange(5)).distances.requires_grad
    assert torch.equal(references, before)
    assert images.grad is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((digits(1, 0)[0], digits(2, 1), torch.tensor([0, 1])), "images: expected shape"),
        ((digits(1, 0), digits(0, 1), torch.tensor([], dtype=torch.long)), "references: expected at least one image"),
        ((digits(1, 0), digits(2, 1), torch.tensor([0])), "labels: expected 2, one for each of references, got 1"),
        ((digits(1, 0), digits(2, 1), torch.tensor([0, 10])), "labels: expected class indices in 0..9"),
        ((torch.full((1, 1, 28, 28), math.nan), digits(2, 1), torch.tensor([0, 1])), "images: expected pixel"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[Tensor, Tensor, Tensor], message: str) -> None:
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


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_total_variation_of_half_precision_neither_overflows_nor_rounds(kind: torch.dtype) -> None:
    images = digits(3, 0)
    torch.testing.assert_close(total_variation(images.to(kind)), total_variation(images.to(kind).double()).float())
    checkerboard = 255 * (torch.arange(28)[:, None] + torch.arange(28)).remainder(2)[None, None].to(kind)
    assert total_variation(checkerboard).tolist() == [255]


def test_total_variation_passes_gradients() -> None:
    images = digits(2, 0).double().requires_grad_()
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


def test_the_energies_of_waves_add_up() -> None:
    place = torch.arange(28, dtype=torch.float64)
    low, high = (torch.cos(2 * torch.pi * k * place / 28).expand(28, 28) for k in (2, 9))
    share = low_frequency_share((128 + 3 * low + 4 * high)[None, None])
    assert share.item() == pytest.approx(9 / 25)


def test_the_mean_intensity_is_not_counted() -> None:
    images = digits(3, 0).double()
    torch.testing.assert_close(low_frequency_share(images), low_frequency_share(images / 2 + 60))
    even = torch.stack([torch.zeros(1, 28, 28), torch.full((1, 28, 28), 77.7)])
    assert low_frequency_share(even).tolist() == [1, 1]


def test_the_energy_of_white_noise_is_uniform() -> None:
    noise = torch.randn(400, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    inside = sum(0 < a * a + b * b <= 16 for a in range(-14, 14) for b in range(-14, 14))
    assert low_frequency_share(noise).mean().item() == pytest.approx(inside / (28 * 28 - 1), rel=0.02)


@pytest.mark.parametrize("measure", [total_variation, low_frequency_share])
def test_measures_accept_an_empty_batch_and_name_bad_images(measure: object) -> None:
    assert callable(measure)
    assert measure(torch.zeros(0, 1, 28, 28)).shape == (0,)
    with pytest.raises(TypeError, match="images: expected a.* uint8 or floating-point tensor"):
        measure([1, 2])
    with pytest.raises(TypeError, match="images: expected a.* uint8 or floating-point tensor"):
        measure(torch.zeros(1, 1, 28, 28, dtype=torch.long))
    with pytest.raises(ValueError, match="images: expected shape"):
        measure(torch.zeros(28, 28))
    with pytest.raises(ValueError, match="images: expected at least 2 rows and 2 columns"):
        measure(torch.zeros(1, 1, 1, 28))


def test_a_negative_cutoff_is_named() -> None:
    with pytest.raises(ValueError, match="cutoff: expected a finite number of at least 0"):
        low_frequency_share(torch.zeros(1, 1, 28, 28), -1)
