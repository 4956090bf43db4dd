"""Distortions are what their names say."""

import math

import pytest
import torch

from mnist_lab.data.augmentation import distort

STILL = {"shift": 0.0, "rotation": 0.0, "scale": 0.0, "shear": 0.0, "elastic": 0.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blob(row: float, column: float) -> torch.Tensor:
    rows, columns = torch.arange(28.0).view(28, 1), torch.arange(28.0)
    return 255 * torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8).view(1, 1, 28, 28)


def centre(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mass = images.sum(dim=(1, 2, 3))
    rows, columns = torch.arange(28.0).view(28, 1), torch.arange(28.0)
    return (images * rows).sum(dim=(1, 2, 3)) / mass, (images * columns).sum(dim=(1, 2, 3)) / mass


def test_without_distortion_nothing_changes() -> None:
    images = torch.randint(256, (3, 1, 28, 28), generator=generator()).byte()
    torch.testing.assert_close(distort(images, generator(), **STILL), images.float(), rtol=0, atol=1e-3)


def test_shifts_reach_their_bound_and_do_not_pass_it() -> None:
    moved = distort(blob(13.5, 13.5).repeat(500, 1, 1, 1), generator(), **{**STILL, "shift": 2.0})
    for coordinate in centre(moved):
        offsets = coordinate - 13.5
        assert offsets.abs().max() <= 2.01
        assert offsets.max() > 1.8
        assert offsets.min() < -1.8


def test_rotations_keep_the_radius_and_reach_their_bound() -> None:
    moved = distort(blob(13.5, 20.5).repeat(500, 1, 1, 1), generator(), **{**STILL, "rotation": 20.0})
    rows, columns = centre(moved)
    radius = ((rows - 13.5) ** 2 + (columns - 13.5) ** 2).sqrt()
    assert (radius - 7).abs().max() < 0.05
    angles = torch.atan2(rows - 13.5, columns - 13.5) * 180 / math.pi
    assert 19 < angles.abs().max() < 20.1


def test_every_image_is_distorted_in_its_own_way_and_the_seed_decides() -> None:
    images = blob(12, 15).repeat(2, 1, 1, 1)
    one, again, other = distort(images, generator(3)), distort(images, generator(3)), distort(images, generator(4))
    assert torch.equal(one, again)
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one, other)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_pixels_stay_in_their_range_and_the_input_is_left_alone(dtype: torch.dtype) -> None:
    images = torch.randint(256, (50, 1, 28, 28), generator=generator()).to(dtype)
    before = images.clone()
    out = distort(images, generator())
    assert out.dtype == torch.float32
    assert out.shape == images.shape
    assert out.min() >= 0
    assert out.max() <= 255.001
    assert torch.equal(images, before)


def test_torchs_default_type_changes_nothing() -> None:
    images = torch.randint(256, (3, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    before = distort(images, torch.Generator().manual_seed(1))
    torch.set_default_dtype(torch.float64)
    try:
        again = distort(images, torch.Generator().manual_seed(1))
    finally:
        torch.set_default_dtype(torch.float32)
    assert again.dtype == torch.float32
    assert torch.equal(before, again)
