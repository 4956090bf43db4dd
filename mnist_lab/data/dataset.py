"""The data set: images and labels, split once by a fixed seed and kept whole in memory."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import torch
from torch import Tensor

from mnist_lab._utils.checks import CLASSES, check_labels, describe, is_dense
from mnist_lab._utils.contracts import ClassIndices, FilePath, NotBlank, Per, StoredImages, checked
from mnist_lab._utils.messages import warn
from mnist_lab.data import mnist
from mnist_lab.data.mnist import DataError

__all__ = ["DataError", "Dataset", "Split", "SyntheticDataWarning", "class_indices", "load_dataset", "one_hot"]


class SyntheticDataWarning(UserWarning):
    """Synthetic digits stand in for MNIST, which cannot be had."""


@checked
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
        If a shape, a type or a value differs from this.

    Examples
    --------
    >>> split = Split(torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.tensor([5, 0, 4]))
    >>> split
    Split(3 images, uint8 (3, 1, 28, 28))
    >>> split[1:].labels
    tensor([0, 4])
    """

    images: StoredImages
    labels: Annotated[Tensor, ClassIndices(), Per("images")]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> "Split":
        """The split of the chosen images: a slice, a tensor of positions (M,) or a boolean mask (N,)."""
        expected = f"index: expected a slice, positions (M,) among {len(self)} images, or {len(self)} booleans"
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


@checked
@dataclass(frozen=True, eq=False)
class Dataset:
    """Training, validation and test images.

    Parameters
    ----------
    name
        ``"mnist"`` or ``"synthetic"``, or a name of your own.
    train, validation, test
        The three splits. Validation chooses; the test images only measure.

    Raises
    ------
    TypeError, ValueError
        If `name` is not a text, or one of the others is not a :class:`Split`.
    """

    name: Annotated[str, NotBlank()]
    train: Split
    validation: Split
    test: Split

    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of every image and label in order, in hexadecimal digits."""
        digest = hashlib.sha256()
        for split in self.splits().values():
            digest.update(split.images.cpu().numpy().tobytes())
            digest.update(split.labels.cpu().numpy().tobytes())
        return digest.hexdigest()

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(split):,}" for name, split in self.splits().items())
        return f"Dataset({self.name}: {sizes})"


@checked
def load_dataset(source: Literal["auto", "mnist", "synthetic"] = "auto", root: FilePath | None = None) -> Dataset:
    """Load the digits: 50,000 training, 10,000 validation and 10,000 test images.

    MNIST's four files are read from `root`, or from the folder in the environment variable ``MNIST_LAB_DATA``, or from
    the user's cache. Files that the cache lacks are downloaded; a folder that was named has to hold all of them. Their
    content is verified by checksum.

    A sixth of the 60,000 training images, drawn once by a fixed seed and stratified by class, is set aside for
    validation.

    ``"auto"`` gives synthetic digits (:func:`mnist_lab.data.synthetic.rendering.digits`), with a warning, if no folder
    was named, the cache holds none of the files and the download fails. It tries to download once per process.

    Parameters
    ----------
    source
        ``"auto"``; ``"mnist"``, which never gives synthetic digits; or ``"synthetic"``, which always does.
    root
        The folder that holds ``MNIST/raw/train-images-idx3-ubyte`` and the other three files.

    Returns
    -------
    Dataset
        With `.train`, `.validation` and `.test`, each a :class:`Split`; `.name` is ``"mnist"`` or ``"synthetic"``.

    Raises
    ------
    ValueError
        If `source` is none of the above, or `root` is given with ``"synthetic"``.
    DataError
        If the files are missing and cannot be downloaded, cannot be read, or are not MNIST's.

    Warns
    -----
    SyntheticDataWarning
        If ``"auto"`` gives synthetic digits.

    Examples
    --------
    >>> dataset = load_dataset()  # doctest: +SKIP
    >>> dataset  # doctest: +SKIP
    Dataset(mnist: train 50,000, validation 10,000, test 10,000)
    """
    if source == "synthetic":
        if root is not None:
            raise ValueError(f"root: expected None where source is 'synthetic', got {str(root)!r}")
        return _synthetic()
    try:
        images, labels, test_images, test_labels = mnist.load(root, retry=source == "mnist")
    except mnist.UnavailableError as error:
        if source == "mnist":
            raise
        warn(
            f"SYNTHETIC DIGITS stand in for MNIST. They are rendered from strokes, and nothing measured on them is a "
            f"result on MNIST. {error}",
            SyntheticDataWarning,
        )
        return _synthetic()
    validation = validation_mask(labels)
    return Dataset(
        name="mnist",
        train=Split(images[~validation], labels[~validation]),
        validation=Split(images[validation], labels[validation]),
        test=Split(test_images, test_labels),
    )


def _synthetic() -> Dataset:
    """The synthetic digits, in splits as large as MNIST's."""
    from mnist_lab.data.synthetic.rendering import digits  # noqa: PLC0415 - not needed where MNIST is

    images, labels = digits()
    sizes = [len(labels) * part // 7 for part in (5, 1, 1)]
    return Dataset("synthetic", *map(Split, images.split(sizes), labels.split(sizes)))


def validation_mask(labels: Tensor, seed: int = 0) -> Tensor:
    """Choose the validation images: a sixth of each class, to within one image, drawn by `seed`.

    Parameters
    ----------
    labels
        Class indices, integers (N,).
    seed
        Seed of the draw.

    Returns
    -------
    Tensor
        Booleans (N,), ceil(N / 6) of them True.

    Examples
    --------
    >>> labels = torch.arange(10).repeat(12)
    >>> labels[validation_mask(labels)].bincount()
    tensor([2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    """
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    mask = torch.zeros(len(labels), dtype=torch.bool)
    mask[by_class[::6]] = True
    return mask


@checked
def class_indices(labels: object) -> Tensor:
    """Class indices from labels in either form: one-hot rows or class indices.

    Parameters
    ----------
    labels
        One-hot rows (N, 10) of numbers or booleans, or integer class indices 0..9 (N,): a tensor, an array or a list.

    Returns
    -------
    Tensor
        int64 class indices (N,).

    Raises
    ------
    TypeError
        If `labels` is not an array of numbers, or is (N,) but not of integers.
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


@checked
def one_hot(indices: object) -> Tensor:
    """One-hot rows from class indices.

    Parameters
    ----------
    indices
        Integer class indices 0..9 (N,): a tensor, an array or a list.

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


def _indices(labels: object, name: str, *, rows: bool) -> Tensor:
    """Class indices from an array of them or, where `rows` is set, from one-hot rows."""
    expected = f"{name}: expected {f'one-hot rows (N, {CLASSES}) or ' if rows else ''}class indices (N,)"
    try:
        values = labels if isinstance(labels, Tensor) else torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{expected}, got {describe(labels)}") from error
    if not is_dense(values) or values.is_complex():
        raise TypeError(f"{expected} in a dense tensor of numbers, got {describe(labels)}")
    if values.ndim == 1:
        # as_tensor() makes a float tensor of an empty list.
        return check_labels(values.long() if values.shape == (0,) else values, name)
    if not rows or values.ndim != 2 or values.shape[1] != CLASSES:
        raise ValueError(f"{expected}, got {describe(values)}")
    ones = values == 1
    wrong = ~((ones | (values == 0)).all(dim=1) & (ones.sum(dim=1) == 1))
    if wrong.any():
        row = int(wrong.nonzero()[0])
        found = ", ".join(f"{float(value):g}" for value in values[row])
        raise ValueError(f"{name}: expected one-hot rows, each a single 1 and nine 0s, got [{found}] as row {row}")
    return ones.int().argmax(dim=1)
