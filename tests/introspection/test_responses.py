"""The patches that excite a unit most: found where they are, and all that the unit sees."""

import pytest
import torch

import mnist_lab as lab
from mnist_lab.introspection.responses import Patches, agreement, strongest_patches

FIELDS = {"conv1": {"size": 3, "stride": 1, "start": -1}, "conv2": {"size": 8, "stride": 2, "start": -3}}


def digits(count: int = 12) -> torch.Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()


@pytest.mark.parametrize("layer", FIELDS)
def test_a_patch_is_all_that_its_neuron_sees(layer: str) -> None:
    """Painted back into another image, a patch excites the neuron as it did: nothing else counts, and all of it is
    needed."""
    model, images, field = lab.DigitCNN(seed=2).double(), digits(), FIELDS[layer]
    size, stride, start = field["size"], field["stride"], field["start"]
    answers = lab.activations(model, images, layer)
    found = strongest_patches(images, answers, size=size, stride=stride, start=start, count=5)
    torch.testing.assert_close(found.activations[:, 0], answers.amax((0, 2, 3)))
    checked = 0
    for unit in range(32):
        row, column = (int(place) for place in found.places[unit, 0])
        top, left = row * stride + start, column * stride + start
        if min(top, left) < 0 or max(top, left) + size > 28:
            continue  # at the border the neuron sees padding, which no image can hold
        other = torch.full((1, 1, 28, 28), 90.0)
        other[0, 0, top : top + size, left : left + size] = found.pixels[unit, 0]
        again = lab.activations(model, other, layer)[0, unit, row, column]
        torch.testing.assert_close(again, found.activations[unit, 0])
        other[0, 0, top, left : left + size] = 255 - other[0, 0, top, left : left + size]
        other[0, 0, top + size - 1, left : left + size] = 255 - other[0, 0, top + size - 1, left : left + size]
        checked += int(lab.activations(model, other, layer)[0, unit, row, column] != again)
    assert checked > 4


def test_strongest_first_and_one_an_image() -> None:
    images = digits(10)
    answers = lab.activations(lab.DigitCNN(seed=2), images, "conv2")
    found = strongest_patches(images, answers, size=8, stride=2, start=-3, count=4)
    assert (found.activations.diff(dim=1) <= 0).all()
    assert all(len(set(row)) == 4 for row in found.images.tolist())
    for unit in (0, 31):
        by_image = answers[:, unit].amax((1, 2)).sort(descending=True)
        assert found.images[unit].tolist() == by_image.indices[:4].tolist()
    assert repr(found) == "Patches(4 of 8x8 pixels for each of 32 maps)"


def test_outside_of_the_image_is_black() -> None:
    images = torch.full((1, 1, 28, 28), 200, dtype=torch.uint8)
    answers = torch.zeros(1, 2, 14, 14)
    answers[0, 0, 0, 0] = answers[0, 1, 13, 13] = 1
    found = strongest_patches(images, answers, size=8, stride=2, start=-3, count=1)
    assert (found.pixels[0, 0] > 0).sum() == 25  # three rows and columns lie outside
    assert (found.pixels[1, 0, :5, :5] == 200).all()
    assert (found.pixels[1, 0] > 0).sum() == 25


def patches(pixels: torch.Tensor) -> Patches:
    empty = torch.zeros(pixels.shape[:2])
    return Patches(pixels, empty, empty.long(), empty.long())


def test_agreement_by_hand() -> None:
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


def test_a_flat_patch_is_like_no_other() -> None:
    within, between = agreement(patches(torch.ones(2, 2, 3, 3)))
    assert within.tolist() == between.tolist() == [0, 0]


def test_what_does_not_fit_is_refused() -> None:
    images, answers = digits(3), torch.zeros(3, 2, 28, 28)
    with pytest.raises(ValueError, match="^activations: expected shape \\(3, maps"):
        strongest_patches(images, answers[:2], size=3, count=1)
    with pytest.raises(ValueError, match=r"^count: expected an integer in 1\.\.3"):
        strongest_patches(images, answers, size=3, count=4)
    with pytest.raises(ValueError, match="^patches: expected at least two"):
        agreement(patches(torch.ones(1, 2, 3, 3)))
