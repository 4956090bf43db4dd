"""Images in other units or other colours than MNIST's: a warning by name, and none where nothing is wrong."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import mnist_lab as lab

MODEL = lab.DigitCNN()
CALLS: dict[str, Callable[[Tensor], object]] = {
    "probabilities": MODEL.probabilities,
    "activations": lambda images: lab.activations(MODEL, images, "conv1"),
    "occlusion": lambda images: lab.occlusion_map(MODEL, images[0], 3),
    "attack": lambda images: lab.targeted_attack(MODEL, images, [3] * len(images), steps=1),
}


def digits() -> Tensor:
    """Bright strokes on black."""
    images = torch.zeros(4, 1, 28, 28)
    images[:, :, 6:22, 12:15] = 200.0
    return images


@pytest.mark.parametrize("call", CALLS)
def test_images_scaled_to_one_are_warned_of_at_the_callers_line(call: str) -> None:
    with pytest.warns(
        UserWarning, match=r"^images?: expected pixel intensities in 0..255, got values that all lie in 0..1"
    ) as seen:
        CALLS[call](digits() / 255)
    assert seen[0].filename == __file__


@pytest.mark.parametrize("call", CALLS)
def test_dark_ink_on_white_paper_is_warned_of(call: str) -> None:
    with pytest.warns(UserWarning, match="^images?: expected bright ink on black, as in MNIST"):
        CALLS[call](255 - digits())


def test_a_split_of_white_paper_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="^images: expected bright ink on black"):
        lab.Split(255 - digits().byte(), torch.arange(4))


@pytest.mark.parametrize(
    "images",
    [
        digits(),
        (digits() > 0).float(),  # all 0 or 1: nobody forgot anything that could be told
        torch.zeros(2, 1, 28, 28),
        torch.full((2, 1, 28, 28), 255.0),
        128 + 40 * torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0)).clamp(-3, 3),
        torch.zeros(0, 1, 28, 28),
        torch.randint(256, (4, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte(),
    ],
    ids=["digits", "binary", "black", "white", "noise", "none", "bytes"],
)
def test_no_warning_without_a_cause(images: Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MODEL.probabilities(images)
