"""Occlusion maps: the probability of a class as a function of where a patch hides the image."""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from mnist_lab._utils.contracts import (
    CLASSES,
    PIXEL_MAX,
    Between,
    ClassIndices,
    ImageBatch,
    Images,
    Network,
    Per,
    checked,
    describe,
)
from mnist_lab._utils.messages import progress as progress_bar
from mnist_lab._utils.network import Runner, check_logits, running
from mnist_lab.introspection.occlusion.incremental import Incremental, supported

SIDE = 28
COPIES = 112  # occluded copies per forward pass: enough to keep two cores busy, few enough to stay in their caches

Digits = Annotated[Tensor, ImageBatch(single=True)]
Class = Annotated[int, Between(0, CLASSES - 1)]
Classes = Annotated[Tensor, ClassIndices(single=True), Per("image")]
Side = Annotated[int, Between(1, SIDE)]
Fill = Annotated[float, Between(0, PIXEL_MAX)]


@checked
def occlusion_map(
    model: Network,
    image: Digits,
    label: Class | Classes,
    patch: Side = 3,
    fill: Fill | Digits = 128,
    *,
    progress: bool = True,
) -> Tensor:
    """The probability of a class as a function of the position of a patch that hides a part of the image.

    A square of `patch` pixels is painted over the image, centred on each of the 28 x 28 pixels in turn, and clipped at
    the border. Where the probability falls, the network needed what the patch hides.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits.
    image
        One image, (28, 28), (1, 28, 28) or (1, 1, 28, 28), or many, (N, 1, 28, 28); uint8 or float in 0..255.
    label
        The class of interest, 0..9, an integer or a tensor (); for many images a tensor (N,) of them.
    patch
        The side of the square in pixels, 1..28. The centre of an even patch is the lower right of its four middle
        pixels: a patch of 2 centred on row r covers the rows r - 1 and r.
    fill
        The intensity of the patch, 0..255; 128 is grey. Or an image that shows through the patch: one in any of the
        shapes above, or one for each image.
    progress
        Whether to show progress where there are many images.

    Returns
    -------
    Tensor
        Probabilities (28, 28), or (N, 28, 28) for a tensor of labels, on the CPU, by the position of the patch's
        centre.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; before any work.

    See Also
    --------
    occluded_probabilities : The probabilities of all classes.

    Notes
    -----
    Apart from the maps, memory does not grow with the number of images. A network that is a chain of convolutions,
    pooling and fully connected layers is evaluated only where the patch can change something, which is faster and equal
    but for rounding (``mnist_lab/introspection/occlusion/incremental.py``).

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
    labels = torch.as_tensor(label).reshape(-1).cpu()
    if len(image) != len(labels):
        raise ValueError(f"image: expected a single digit for a single label, got {describe(image)}")
    probabilities = occluded_probabilities(model, image, patch, fill, progress=progress)
    if len(labels) and int(labels.max()) >= probabilities.shape[3]:
        raise ValueError(
            f"label: expected a class of the network, below {probabilities.shape[3]}, got {int(labels.max())}"
        )
    maps = probabilities[torch.arange(len(labels)), :, :, labels]
    return maps if many else maps[0]


@checked
def occluded_probabilities(
    model: Network, images: Images, patch: Side = 3, fill: Fill | Digits = 128, *, progress: bool = True
) -> Tensor:
    """The probabilities of all classes as a function of the position of a patch on each image.

    Parameters
    ----------
    model, patch, fill, progress
        As for :func:`mnist_lab.occlusion_map`.
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.

    Returns
    -------
    Tensor
        Probabilities (N, 28, 28, 10) on the CPU, of each class by the position of the patch's centre.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; before any work.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> probabilities = occluded_probabilities(DigitCNN(), torch.zeros(2, 1, 28, 28))
    >>> probabilities.shape
    torch.Size([2, 28, 28, 10])
    >>> torch.allclose(probabilities.sum(dim=3), torch.ones(2, 28, 28))
    True
    """
    paint = fill if isinstance(fill, Tensor) else torch.full((1, 1, SIDE, SIDE), fill)
    if len(paint) not in (1, len(images)):
        raise ValueError(
            f"fill: expected one digit, or one for each of the {len(images)} images, got {describe(paint)}"
        )
    maps = []
    shown = progress and len(images) > 1
    with (
        running(model) as runner,
        progress_bar(len(images), f"occlusion, patch {patch}", shown=shown, unit="image") as bar,
    ):
        evaluate = _evaluation(runner, patch)
        # Copies: the caller's tensors are read once, and an in-place layer meets none of them.
        pixels = images.to(runner.device, runner.dtype, copy=True)
        paints = paint.to(runner.device, runner.dtype, copy=True).expand(len(images), -1, -1, -1)
        for index in range(len(images)):
            logits = evaluate(pixels[index : index + 1], paints[index : index + 1])
            maps.append(logits.softmax(dim=1).reshape(SIDE, SIDE, -1).cpu())
            bar.step()
        empty = torch.zeros(0, SIDE, SIDE, CLASSES, dtype=runner.dtype)
    return torch.stack(maps) if maps else empty


@checked
def patch_masks(patch: Side) -> Tensor:
    """The pixels that a patch covers, for each position of its centre, row by row.

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
    places = torch.arange(SIDE)
    starts = places[:, None] - patch // 2
    along = (places >= starts) & (places < starts + patch)  # (centre, pixel)
    return (along[:, None, :, None] & along[None, :, None, :]).flatten(0, 1)


def _evaluation(runner: Runner, patch: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A function from an image and what the patch shows to the logits of the occluded copies."""
    if supported(runner.model):
        starts = tuple(centre - patch // 2 for centre in range(SIDE))
        incremental = Incremental(runner.model, starts, starts, patch, (SIDE, SIDE))

        def where_it_changes(image: Tensor, paint: Tensor) -> Tensor:
            return check_logits(incremental.logits(image, paint), SIDE * SIDE, classes=None)

        return where_it_changes
    masks = patch_masks(patch).unsqueeze(1).to(runner.device).split(COPIES)

    def in_full(image: Tensor, paint: Tensor) -> Tensor:
        return torch.cat([runner.logits(torch.where(covered, paint, image), classes=None) for covered in masks])

    return in_full
