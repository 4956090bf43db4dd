"""Where digits come from: MNIST, verified, split once and for all, and kept whole in memory."""

import hashlib
import os
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mnist_lab._utils.checks import (
    CLASSES,
    check_choice,
    check_images,
    check_labels,
    check_path,
    check_text,
    check_type,
    describe,
    is_dense,
)
from mnist_lab._utils.files import user_cache

# md5 of the four files as torchvision unpacks them. torchvision verifies what it downloads, not what it unpacked.
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
SPLIT_SEED = 0
HOW_TO_SUPPLY = (
    "To supply MNIST, put its four unpacked files into FOLDER/MNIST/raw (the layout that torchvision uses) and "
    "set the environment variable MNIST_LAB_DATA to FOLDER, or call load_dataset(root=FOLDER)."
)


class DataError(RuntimeError):
    """MNIST is not there, or what is there is not MNIST."""


class SyntheticDataWarning(UserWarning):
    """Digits drawn from strokes stand in for MNIST, which is nowhere to be had."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels.

    Parameters
    ----------
    images
        Pixel intensities, uint8 (N, 1, 28, 28).
    labels
        Class indices 0..9, int64 (N,); other integer types are converted.

    Raises
    ------
    TypeError, ValueError
        If a shape, a type or a value is not as said above.

    Examples
    --------
    >>> split = Split(torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.tensor([5, 0, 4]))
    >>> split
    Split(3 images, uint8 (3, 1, 28, 28))
    >>> split[1:].labels
    tensor([0, 4])
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        check_images(self.images)
        if self.images.dtype != torch.uint8:
            raise TypeError(
                f"images: expected uint8 pixel intensities, as MNIST stores them, got {describe(self.images)}"
            )
        object.__setattr__(self, "labels", check_labels(self.labels, count=len(self.images)))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> "Split":
        """The split of the chosen images: a slice, a tensor of positions or a boolean mask (N,)."""
        expected = f"index: expected a slice, positions (M,) among {len(self)} images or as many booleans"
        if not isinstance(index, slice) and not (
            is_dense(index) and index.ndim == 1 and index.dtype in (torch.bool, torch.int32, torch.int64)
        ):
            raise TypeError(f"{expected}, got {describe(index)}")
        try:
            return Split(self.images[index], self.labels[index])
        except IndexError as error:
            raise IndexError(f"{expected}, got {describe(index)}: {error}") from error

    def __repr__(self) -> str:
        return f"Split({len(self):,} images, uint8 {tuple(self.images.shape)})"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training, validation and test images.

    Parameters
    ----------
    name
        ``"mnist"`` or ``"synthetic"``, or a name of your own.
    train, validation, test
        The three splits. Validation chooses; the test set is read once, at the end.

    Raises
    ------
    TypeError, ValueError
        If `name` is no name, or one of the others no :class:`Split`.
    """

    name: str
    train: Split
    validation: Split
    test: Split

    def __post_init__(self) -> None:
        if not check_text(self.name, "name").strip():
            raise ValueError(f"name: expected a name of the data, got {self.name!r}")
        for name, split in self.splits().items():
            check_type(split, name, Split, "a Split(images, labels)")

    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of every image and label in order, as hexadecimal digits: the same data have the same checksum."""
        digest = hashlib.sha256()
        for split in self.splits().values():
            digest.update(split.images.numpy().tobytes())
            digest.update(split.labels.numpy().tobytes())
        return digest.hexdigest()

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(split):,}" for name, split in self.splits().items())
        return f"Dataset({self.name}: {sizes})"


def load_dataset(source: str = "auto", root: str | os.PathLike[str] | None = None) -> Dataset:
    """Load the digits: 50,000 images to train on, 10,000 to validate, 10,000 to test.

    The four files are looked for in `root`, else in the folder that the environment variable ``MNIST_LAB_DATA``
    names, else in the user's cache, into which they are downloaded where they are not there yet. A folder that
    was named has to hold them: nothing is downloaded in its stead. Their content is verified, so a truncated or
    altered file is an error and never a strange accuracy.

    The 60,000 training images are split once and for all, by a fixed seed and stratified by class: every sixth image
    of each class validates.

    Where no folder was named, none of the files is in the user's cache and the download fails, ``"auto"`` gives
    digits drawn from strokes (:func:`mnist_lab.data.synthetic.rendering.digits`), with a warning. The download is tried once in a
    process.

    Parameters
    ----------
    source
        ``"auto"``; ``"mnist"``, and nothing else will do; or ``"synthetic"``, the drawn digits without a warning.
    root
        The folder that holds ``MNIST/raw/train-images-idx3-ubyte`` and the other three files.

    Returns
    -------
    Dataset
        With `.train`, `.validation` and `.test`, each a :class:`Split`; `.name` is ``"mnist"`` or ``"synthetic"``.

    Raises
    ------
    ValueError
        If `source` is none of the above, or `root` is given for digits that come from no folder.
    DataError
        If the files are not there and cannot be downloaded, or if their content is not MNIST's.

    Warns
    -----
    SyntheticDataWarning
        If ``"auto"`` gives drawn digits.

    Examples
    --------
    >>> dataset = load_dataset()  # doctest: +SKIP
    >>> dataset  # doctest: +SKIP
    Dataset(mnist: train 50,000, validation 10,000, test 10,000)
    """
    check_choice(source, "source", ("auto", "mnist", "synthetic"))
    if root is not None:
        check_path(root, "root")
    if source == "synthetic":
        if root is not None:
            raise ValueError(f"root: expected None, since synthetic digits come from no folder, got {str(root)!r}")
        return _synthetic()
    if source == "auto" and root is None and (reason := _unreachable()):
        warnings.warn(
            f"SYNTHETIC DIGITS stand in for MNIST: they are drawn from strokes, and nothing that is measured on them "
            f"is a result on MNIST. {reason}",
            SyntheticDataWarning,
            stacklevel=2,
        )
        return _synthetic()
    raw = _locate(root) / "MNIST" / "raw"
    images, labels, test_images, test_labels = (_read(raw / name) for name in MD5)
    validation = validation_mask(labels)
    return Dataset(
        name="mnist",
        train=Split(images[~validation], labels[~validation]),
        validation=Split(images[validation], labels[validation]),
        test=Split(test_images, test_labels),
    )


def validation_mask(labels: Tensor, *, one_in: int = 6, seed: int = SPLIT_SEED) -> Tensor:
    """Which images validate: one in `one_in` of each class, drawn by `seed`.

    Parameters
    ----------
    labels
        Class indices, int64 (N,).
    one_in
        One image in this many.
    seed
        Seed of the draw.

    Returns
    -------
    Tensor
        Booleans (N,), of which ceil(N / one_in) are set, and of each class a like share to within one image.

    Examples
    --------
    >>> labels = torch.arange(10).repeat(12)
    >>> labels[validation_mask(labels)].bincount()
    tensor([2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    """
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    mask = torch.zeros(len(labels), dtype=torch.bool)
    mask[by_class[::one_in]] = True
    return mask


def class_indices(labels: object) -> Tensor:
    """Class indices from labels of either form: one-hot rows, or class indices already.

    Parameters
    ----------
    labels
        One-hot rows (N, 10) of any numeric type or of booleans, or integer class indices (N,) in 0..9; a tensor, or
        what :func:`torch.as_tensor` makes one of.

    Returns
    -------
    Tensor
        int64 class indices (N,).

    Raises
    ------
    TypeError
        If `labels` is no array of numbers, or (N,) but not of integers.
    ValueError
        If a row is not one-hot, an index is not in 0..9, or the shape is neither of the two.

    Examples
    --------
    >>> class_indices(torch.tensor([[0, 0, 0, 0, 0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]]))
    tensor([5, 0])
    >>> class_indices([5, 0, 4])
    tensor([5, 0, 4])
    >>> class_indices(torch.full((1, 10), 0.1))
    Traceback (most recent call last):
    ...
    ValueError: labels: expected one-hot rows, each a single 1 and nine 0s, got [0.1, 0.1, ...] as row 0
    """
    return _indices(labels, "labels", rows=True)


def _indices(labels: object, name: str, *, rows: bool) -> Tensor:
    expected = f"{name}: expected {f'one-hot rows (N, {CLASSES}) or ' if rows else ''}class indices (N,)"
    try:
        values = labels if isinstance(labels, Tensor) else torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{expected}, got {describe(labels)}") from error
    if not is_dense(values) or values.is_complex():
        raise TypeError(f"{expected} in a dense tensor of numbers, got {describe(labels)}")
    labels = values
    if labels.ndim == 1:
        # An empty list becomes a float tensor; that there is no label in it is no mistake.
        return check_labels(labels.long() if labels.shape == (0,) else labels, name)
    if not rows or labels.ndim != 2 or labels.shape[1] != CLASSES:
        raise ValueError(f"{expected}, got {describe(labels)}")
    ones = labels == 1
    wrong = ~((ones | (labels == 0)).all(dim=1) & (ones.sum(dim=1) == 1))
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"{name}: expected one-hot rows, each a single 1 and nine 0s, got {_shortened(labels[row])} as row {row}"
        )
    return ones.int().argmax(dim=1)


def one_hot(indices: object) -> Tensor:
    """One-hot rows from class indices.

    Parameters
    ----------
    indices
        Integer class indices (N,) in 0..9; a tensor, or what :func:`torch.as_tensor` makes one of.

    Returns
    -------
    Tensor
        float32 one-hot rows (N, 10).

    Raises
    ------
    TypeError, ValueError
        If `indices` is anything else.

    Examples
    --------
    >>> one_hot([2]).tolist()
    [[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    return torch.nn.functional.one_hot(_indices(indices, "indices", rows=False), CLASSES).float()


def _shortened(row: Tensor) -> str:
    values = [f"{float(value):g}" for value in row]
    return f"[{', '.join(values)}]"


def _synthetic() -> Dataset:
    """The drawn digits, in splits as large as MNIST's."""
    from mnist_lab import synthetic  # noqa: PLC0415 - not needed where MNIST is

    images, labels = synthetic.digits()
    sizes = [len(labels) * part // 7 for part in (5, 1, 1)]
    return Dataset("synthetic", *map(Split, images.split(sizes), labels.split(sizes)))


_tried: dict[Path, str] = {}  # folders into which a download failed, and what it said


def _unreachable() -> str:
    """Why MNIST is nowhere to be had, or nothing if it is there, or if a part of it is: that is for _locate() to judge.

    A page of the report asks many times, and a download that fails may take its time: it is tried once.
    """
    if os.environ.get("MNIST_LAB_DATA"):
        return ""
    try:
        folder = user_cache("data")
    except OSError as error:
        return f"MNIST cannot be looked for. {HOW_TO_SUPPLY} ({error})"
    if any((folder / "MNIST" / "raw" / name).exists() for name in MD5):
        return ""
    if folder not in _tried:
        try:
            _locate(None)
        except DataError as error:
            _tried[folder] = str(error)
    return _tried.get(folder, "")


def _locate(root: str | os.PathLike[str] | None) -> Path:
    """The folder that holds MNIST: the one that was named, else the user's cache, filled by a download if it must."""
    named, by = (root, "root") if root is not None else (os.environ.get("MNIST_LAB_DATA"), "MNIST_LAB_DATA")
    try:
        folder = Path(named).expanduser() if named else user_cache("data")
    except (OSError, RuntimeError) as error:  # there is no home folder
        raise DataError(f"MNIST cannot be looked for. {HOW_TO_SUPPLY} ({error})") from None
    missing = [name for name in MD5 if not (folder / "MNIST" / "raw" / name).is_file()]
    if not missing:
        return folder
    if named:
        raise DataError(
            f"{by}={str(named)!r} does not hold MNIST: expected the file {folder / 'MNIST' / 'raw' / missing[0]}. "
            f"{HOW_TO_SUPPLY}"
        )
    _download(folder)
    return folder


def _download(folder: Path) -> None:
    """Fetch MNIST into `folder`, one process at a time."""
    from mnist_lab.data.mnist import download  # noqa: PLC0415 - needed once in a user's life

    try:
        download(folder / "MNIST" / "raw", MD5)
    except OSError as error:
        raise DataError(f"MNIST is not in {folder}, nor could it be downloaded. {HOW_TO_SUPPLY} ({error})") from None


def _read(path: Path) -> Tensor:
    """Images (N, 1, 28, 28) or labels (N,), uint8, from a file whose content is MNIST's byte for byte."""
    content = path.read_bytes()
    expected, found = MD5[path.name], hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != expected:
        raise DataError(
            f"{path} is not MNIST's file of that name: expected md5 {expected}, got {found} ({len(content):,} bytes). "
            "It is truncated, altered or swapped: delete it and supply it again."
        )
    # The checksum vouches for the header: 16 bytes before images, 8 before labels. Reading here, and not through
    # torchvision, saves every script the seconds that importing it takes; it serves for the download alone.
    images = "images" in path.name
    values = np.frombuffer(content, np.uint8, offset=16 if images else 8).copy()
    return torch.from_numpy(values.reshape(-1, 1, 28, 28) if images else values)
