"""Occlusion: what a network makes of a digit when a patch hides a part of it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mnist_lab._utils.checks import (
    CLASSES,
    PIXEL_MAX,
    check_flag,
    check_images,
    check_integer,
    check_labels,
    check_logits,
    check_network,
    check_number,
    describe,
    is_dense,
)
from mnist_lab.introspection.occlusion.windows import Patches
from mnist_lab.introspection.occlusion.incremental import Footprints, supported
from mnist_lab._utils.network import device_of, dtype_of, observed
from mnist_lab._utils.messages import progress as progress_bar

SIDE = 28
BATCH = 112  # occluded images at once: enough to keep two cores busy, few enough to stay in their caches


def occlusion_map(
    model: nn.Module,
    image: Tensor,
    label: int | Tensor,
    patch: int = 3,
    fill: float | Tensor = 128,
    *,
    progress: bool = True,
) -> Tensor:
    """The probability of a class as a function of where a patch hides the image.

    A square of `patch` pixels is painted over the image, centred on each of the 28 x 28 pixels in turn; what would
    lie outside of the image is cut off. Where the probability falls, the network had needed what the patch hides.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits.
    image
        One image, (28, 28), (1, 28, 28) or (1, 1, 28, 28), or many, (N, 1, 28, 28); uint8 or float in 0..255.
    label
        The class of interest, 0..9; for many images a tensor (N,) of them.
    patch
        The side of the square in pixels, 1..28. An odd patch has a central pixel. Of an even one it is the lower
        right of the four in its middle: a patch of 2 centred on row r covers the rows r - 1 and r.
    fill
        The intensity that the patch is painted with, 0..255; 128 is grey. Or an image of which the patch shows its
        part: one in any of the shapes above, or one for each image.
    progress
        Whether to show progress where there are many images.

    Returns
    -------
    Tensor
        Probabilities (28, 28), or (N, 28, 28) for a tensor of labels, on the CPU. The place in the map is the place
        of the patch's centre.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be; nothing has been computed then.

    See Also
    --------
    occluded_probabilities : The probabilities of all classes.

    Notes
    -----
    Memory does not grow with the number of images, but for the maps themselves. A network that is a chain of
    convolutions, poolings and fully connected layers is evaluated only where the patch can change it
    (``mnist_lab/introspection/occlusion/incremental.py``), which is faster and equal but for rounding.

    References
    ----------
    Zeiler and Fergus, *Visualizing and understanding convolutional networks*, 2014.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> image = torch.zeros(28, 28, dtype=torch.uint8)
    >>> occlusion_map(DigitCNN(), image, label=7, patch=5).shape
    torch.Size([28, 28])
    >>> painted_black = occlusion_map(DigitCNN(), image, label=7, fill=0)
    >>> bool(painted_black.std() < 1e-6)
    True
    """
    many = isinstance(label, Tensor) and label.ndim > 0
    if not isinstance(label, Tensor):
        label = check_integer(label, "label", low=0, high=CLASSES - 1)
    images = check_images(image, "image") if many else _digits(image, "image")
    if isinstance(label, Tensor):
        labels = check_labels(label if many else label[None], "label", count=len(images)).cpu()
    else:
        labels = torch.tensor([label])
    probabilities = occluded_probabilities(model, images, patch, fill, progress=progress)
    if len(labels) and int(labels.max()) >= probabilities.shape[3]:
        raise ValueError(
            f"label: expected a class of the network, below {probabilities.shape[3]}, got {int(labels.max())}"
        )
    maps = probabilities[torch.arange(len(labels)), :, :, labels]
    return maps if many else maps[0]


def occluded_probabilities(
    model: nn.Module, images: Tensor, patch: int = 3, fill: float | Tensor = 128, *, progress: bool = True
) -> Tensor:
    """The probabilities of all classes as a function of where a patch hides each image.

    Parameters
    ----------
    model, patch, fill, progress
        As for :func:`mnist_lab.occlusion_map`.
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.

    Returns
    -------
    Tensor
        Probabilities (N, 28, 28, 10), on the CPU: of each class, for each place of the patch's centre.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be; nothing has been computed then.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> probabilities = occluded_probabilities(DigitCNN(), torch.zeros(2, 1, 28, 28))
    >>> probabilities.shape
    torch.Size([2, 28, 28, 10])
    >>> torch.allclose(probabilities.sum(dim=3), torch.ones(2, 28, 28))
    True
    """
    check_network(model)
    check_images(images)
    patch = check_integer(patch, "patch", low=1, high=SIDE)
    if isinstance(fill, Tensor):
        paint = _digits(fill, "fill", count=len(images))
    else:
        paint = torch.tensor(check_number(fill, "fill", low=0, high=PIXEL_MAX)).expand(1, 1, SIDE, SIDE)
    check_flag(progress, "progress")

    device, dtype = device_of(model), dtype_of(model)
    paints = paint.to(device, dtype).expand(len(images), -1, -1, -1)
    maps = []
    shown = progress and len(images) > 1
    with (
        observed(model),
        torch.no_grad(),
        progress_bar(len(images), f"occlusion, patch {patch}", shown=shown, unit="image") as bar,
    ):
        evaluate = _evaluation(model, patch, device)
        for index in range(len(images)):
            pixels = images[index : index + 1].to(device, dtype)
            logits = evaluate(pixels, paints[index : index + 1])
            maps.append(logits.softmax(dim=1).reshape(SIDE, SIDE, -1).cpu())
            bar.step()
    return torch.stack(maps) if maps else torch.zeros(0, SIDE, SIDE, CLASSES, dtype=dtype)


def patch_masks(patch: int) -> Tensor:
    """Which pixels a patch covers, for each place of its centre, row by row.

    Parameters
    ----------
    patch
        The side of the square in pixels, 1..28; :func:`mnist_lab.occlusion_map` says where its centre is.

    Returns
    -------
    Tensor
        Booleans (784, 28, 28).

    Examples
    --------
    >>> masks = patch_masks(3)
    >>> masks[0].sum(), masks[1].sum(), masks[28 + 1].sum()  # in the corner, at the border, inside
    (tensor(4), tensor(6), tensor(9))
    """
    check_integer(patch, "patch", low=1, high=SIDE)
    places = torch.arange(SIDE)
    starts = places[:, None] - patch // 2
    along = (places >= starts) & (places < starts + patch)  # (centre, pixel)
    return (along[:, None, :, None] & along[None, :, None, :]).flatten(0, 1)


def _evaluation(model: nn.Module, patch: int, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """How to get from an image and what the patch shows to the logits of its occluded copies."""
    if supported(model):
        starts = tuple(centre - patch // 2 for centre in range(SIDE))
        return Footprints(model, Patches(starts, starts, patch), (SIDE, SIDE)).logits
    masks = patch_masks(patch).unsqueeze(1).to(device).split(BATCH)

    def in_full(image: Tensor, paint: Tensor) -> Tensor:
        batches = (torch.where(covered, paint, image) for covered in masks)
        return torch.cat([check_logits(model(batch), len(batch), classes=None) for batch in batches])

    return in_full


def _digits(images: object, name: str, *, count: int = 1) -> Tensor:
    """One digit in any of its shapes, or `count` of them, as (N, 1, 28, 28)."""
    if is_dense(images) and 2 <= images.ndim < 4:
        if tuple(images.shape) not in ((SIDE, SIDE), (1, SIDE, SIDE)):
            raise ValueError(f"{name}: expected a digit of shape (28, 28) or (1, 28, 28), got {describe(images)}")
        images = images.reshape(1, 1, SIDE, SIDE)
    digits = check_images(images, name)
    if len(digits) not in (1, count):
        expected = "a single digit" if count == 1 else f"one digit, or one for each of the {count} images"
        raise ValueError(f"{name}: expected {expected}, got {describe(images)}")
    return digits
