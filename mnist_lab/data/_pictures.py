"""What may be read as a picture, and how it becomes an upright grey one of a bounded size."""

import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from mnist_lab._utils.checks import PIXEL_MAX, check_path, describe

MOST = 2_000_000  # pixels that are looked at; a larger picture is reduced
LEAST = 256  # pixels of the longer side; a smaller picture is enlarged


@dataclass(frozen=True)
class IsPicture:
    """The path of a picture, an image of Pillow, or an array."""

    def __call__(self, value: Any, name: str, /) -> Path | Image.Image | NDArray[Any]:
        """Check a value; a file is not opened yet."""
        if isinstance(value, str | os.PathLike):
            return check_path(value, name)
        if isinstance(value, Image.Image):
            if 0 in value.size:
                raise ValueError(f"{name}: expected at least one pixel, got an image of size {value.size}")
            return value
        if not isinstance(value, np.ndarray) or not (value.dtype == np.uint8 or value.dtype.kind == "f"):
            raise TypeError(f"{name}: expected {self}, got {describe(value)}")
        if not (value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (3, 4))) or value.size == 0:
            raise ValueError(f"{name}: expected shape (H, W), (H, W, 3) or (H, W, 4), got {describe(value)}")
        if not (value.min() >= 0 and value.max() <= PIXEL_MAX):  # false for NaN
            raise ValueError(f"{name}: expected intensities in 0..255, got {value.min():g} to {value.max():g}")
        return value

    def __str__(self) -> str:
        return "the path of a picture, an image of Pillow, or an array (H, W), (H, W, 3) or (H, W, 4), uint8 or float"


@dataclass(frozen=True, eq=False)
class Opened:
    """An upright grey picture, uint8 (h, w), and the size of the picture that it was made of, (width, height)."""

    grey: NDArray[np.uint8]
    size: tuple[int, int]


def opened(picture: str | os.PathLike[str] | Image.Image | NDArray[Any]) -> Opened:
    """Decode a picture, turn it upright, put it on white where it is transparent, and reduce or enlarge it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a file is no picture, is damaged, or has more pixels than Pillow decodes.
    """
    if isinstance(picture, np.ndarray):
        image = Image.fromarray(_bytes(picture))
        return Opened(_grey(image), image.size)
    if isinstance(picture, Image.Image):
        return Opened(_grey(picture), _upright_size(picture))
    if not Path(picture).exists():
        raise FileNotFoundError(f"picture: expected the path of a file, got {str(picture)!r}, which does not exist")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its pixels are bounded all the same
            image = Image.open(picture)
        with image:
            size = _upright_size(image)
            factor = _reduction(image.size)
            image.draft(None, (image.width // factor, image.height // factor))  # a JPEG is decoded no larger
            return Opened(_grey(image), size)
    except Exception as error:  # decoders raise errors of many types
        raise ValueError(f"picture: expected a file that Pillow can read, got {str(picture)!r}: {error}") from error


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    image = ImageOps.exif_transpose(image)
    if image.mode[0] in "IF":  # 16 or 32 bits
        image = Image.fromarray(_bytes(np.asarray(image)))
    image = image.convert("RGBA" if image.has_transparency_data else "L")
    image = image.reduce(_reduction(image.size))
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L")
    enlargement = math.ceil(LEAST / max(image.size))
    if enlargement > 1:
        image = image.resize([side * enlargement for side in image.size], Image.Resampling.BICUBIC)
    return np.asarray(image)


def _reduction(size: tuple[int, int]) -> int:
    return math.ceil(math.sqrt(size[0] * size[1] / MOST))


def _upright_size(image: Image.Image) -> tuple[int, int]:
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    return (image.height, image.width) if turned else image.size


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Intensities 0..255 of an array that holds 0..1, 0..255 or 0..65535."""
    if array.dtype == np.uint8:
        return array
    highest = 1 if array.max() <= 1 else PIXEL_MAX if array.max() <= PIXEL_MAX else 65535
    return (np.clip(array / highest, 0, 1) * PIXEL_MAX + 0.5).astype(np.uint8)
