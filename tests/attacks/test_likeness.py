"""The measures of digit-likeness are 1 for the references, know chance, and ignore brightness."""

import pytest
import torch

from mnist_lab.attacks.likeness import COMPONENTS, Likeness, digit_likeness
from tests.conftest import bars

REFERENCES = bars(400, 0)
LABELS = torch.arange(10)


def measured(images: torch.Tensor, labels: torch.Tensor = LABELS) -> Likeness:
    return digit_likeness({"group": images}, labels, REFERENCES.images, REFERENCES.labels)["group"]


def noise(count: int = 10) -> torch.Tensor:
    return (128 + 40 * torch.randn(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))).clamp(0, 255)


def one_each() -> torch.Tensor:
    split = bars(200, 1)
    return torch.stack([split.images[split.labels == label][0] for label in range(10)])


def test_digits_are_read_and_explained_and_noise_is_as_by_chance() -> None:
    digits = measured(one_each())
    assert digits.linear.all()
    assert digits.nearest.all()
    assert digits.explained.min() > 0.8
    chance = measured(noise(500), LABELS.repeat(50))
    assert float(chance.explained.mean()) == pytest.approx(COMPONENTS / 784, rel=0.1)
    # Every class has two rows of ink.
    assert float(chance.on_strokes.mean()) == pytest.approx(2 / 28, rel=0.05)
    for read in (chance.linear, chance.nearest):
        assert float(read.float().mean()) == pytest.approx(0.1, abs=0.05)


def test_the_wrong_label_is_not_read_and_its_strokes_are_elsewhere() -> None:
    right, wrong = measured(one_each()), measured(one_each(), (LABELS + 1) % 10)
    assert not wrong.linear.any()
    assert not wrong.nearest.any()
    assert torch.equal(right.explained, wrong.explained)
    assert (wrong.on_strokes < right.on_strokes).all()


def test_brightness_and_contrast_do_not_count() -> None:
    images = one_each().float()
    plain, grey = measured(images), measured(100 + images / 2)
    for name, values in vars(plain).items():
        torch.testing.assert_close(getattr(grey, name), values, rtol=0, atol=1e-4)


def test_a_uniform_image_has_no_pattern() -> None:
    uniform = measured(torch.full((10, 1, 28, 28), 128.0))
    assert not uniform.explained.any()
    assert not uniform.on_strokes.any()


def test_noise_that_is_mixed_in_lowers_what_is_explained() -> None:
    shares = [
        float(measured((1 - share) * one_each() + share * noise()).explained.mean()) for share in (0, 0.3, 0.7, 1)
    ]
    assert shares == sorted(shares, reverse=True)


def test_a_group_with_an_image_too_few_is_named() -> None:
    with pytest.raises(ValueError, match=r"groups\['group'\]: expected 10 images, one per label, got 9"):
        measured(one_each()[1:])
