"""The data set is split as promised, comes from where it should, and labels in either form become class indices."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mnist_lab as lab
from mnist_lab.data.dataset import validation_mask
from tests.conftest import needs_mnist


def test_loading_agrees_with_torchvision(small_mnist: Path) -> None:
    from torchvision.datasets import MNIST

    dataset = lab.load_dataset(root=small_mnist)
    reference = MNIST(small_mnist, train=False)
    assert torch.equal(dataset.test.images[:, 0], reference.data)
    assert torch.equal(dataset.test.labels, reference.targets)
    reference = MNIST(small_mnist, train=True)
    validation = validation_mask(reference.targets)
    assert torch.equal(dataset.validation.images[:, 0], reference.data[validation])
    assert torch.equal(dataset.train.images[:, 0], reference.data[~validation])
    assert torch.equal(dataset.train.labels, reference.targets[~validation])


def test_the_variable_names_the_folder_and_the_argument_comes_first(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_LAB_DATA", str(small_mnist))
    assert len(lab.load_dataset("mnist").train) == 50
    with pytest.raises(lab.DataError, match="root: expected a folder"):
        lab.load_dataset(root=tmp_path)


def test_without_mnist_and_network_synthetic_digits_stand_in(no_network: list[Path], own_cache: Path) -> None:
    with pytest.warns(lab.SyntheticDataWarning, match=r"SYNTHETIC DIGITS .* could not be downloaded.* To supply MNIST"):
        dataset = lab.load_dataset()
    assert dataset.name == "synthetic"
    assert [len(split) for split in dataset.splits().values()] == [50, 10, 10]
    assert dataset.checksum == lab.load_dataset("synthetic").checksum
    with pytest.warns(lab.SyntheticDataWarning):
        lab.load_dataset("auto")
    assert no_network == [own_cache / "data" / "MNIST" / "raw"], "the download is tried once"


@pytest.mark.usefixtures("no_network", "own_cache")
def test_the_warning_points_at_the_caller() -> None:
    with pytest.warns(lab.SyntheticDataWarning) as warned:
        lab.load_dataset()
    assert warned[0].filename == __file__


@pytest.mark.usefixtures("no_network")
def test_without_a_home_folder_synthetic_digits_stand_in_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as it does where there is no home
    monkeypatch.setenv("MNIST_LAB_CACHE", "~/networks")
    with pytest.warns(lab.SyntheticDataWarning, match="MNIST cannot be looked for. To supply MNIST, .*no home folder"):
        assert lab.load_dataset().name == "synthetic"
    assert list(tmp_path.iterdir()) == []


def test_only_mnist_will_do_where_mnist_is_asked_for(no_network: list[Path]) -> None:
    for _ in range(2):
        with pytest.raises(lab.DataError, match="it could not be downloaded"):
            lab.load_dataset("mnist")
    assert len(no_network) == 2


@pytest.mark.usefixtures("no_network")
def test_a_damaged_mnist_is_not_replaced_by_synthetic_digits(
    small_mnist: Path, own_cache: Path, tmp_path: Path
) -> None:
    (own_cache / "data").mkdir(parents=True)
    (small_mnist / "MNIST").rename(own_cache / "data" / "MNIST")
    assert lab.load_dataset().name == "mnist"
    path = own_cache / "data" / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(lab.DataError, match="is not MNIST's file"):
        lab.load_dataset()
    path.unlink()  # a part of it is there
    with pytest.raises(lab.DataError, match="it could not be downloaded"):
        lab.load_dataset()
    with pytest.raises(lab.DataError, match="root: expected a folder"):
        lab.load_dataset(root=tmp_path)


def test_synthetic_digits_are_not_read_from_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="root: expected None"):
        lab.load_dataset("synthetic", root=tmp_path)


def test_an_unknown_source_is_an_error() -> None:
    with pytest.raises(ValueError, match="source: expected one of 'auto', 'mnist', 'synthetic', got str 'fashion'"):
        lab.load_dataset("fashion")  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 9), max_size=300), st.integers(0, 2**31))
def test_the_split_is_stratified(values: list[int], seed: int) -> None:
    labels = torch.tensor(values, dtype=torch.int64)
    mask = validation_mask(labels, seed=seed)
    assert int(mask.sum()) == -(-len(values) // 6)
    for label in range(10):
        share = (labels == label).sum() / 6
        assert abs(int(mask[labels == label].sum()) - share) < 1


@needs_mnist
def test_the_split_of_mnist_is_what_it_always_was(mnist: lab.Dataset) -> None:
    assert mnist.name == "mnist"
    assert [len(split) for split in mnist.splits().values()] == [50_000, 10_000, 10_000]
    for split in mnist.splits().values():
        assert split.images.dtype == torch.uint8
        assert split.labels.dtype == torch.int64
    assert mnist.checksum == "06579cd5baf3d9cd9764abb310aa5e04254227a3b97b14097338395227e4c2c3"


@needs_mnist
def test_the_networks_constants_are_mnists_own(mnist: lab.Dataset) -> None:
    pixels = torch.cat([mnist.train.images, mnist.validation.images]).double() / 255
    assert round(float(pixels.mean()), 4) == 0.1307
    assert round(float(pixels.std()), 4) == 0.3081


def test_the_checksum_follows_the_content(bar_dataset: lab.Dataset) -> None:
    again = lab.Dataset("other name", *(split[:] for split in bar_dataset.splits().values()))
    assert again.checksum == bar_dataset.checksum
    images = bar_dataset.test.images.clone()
    images[0, 0, 0, 0] += 1
    altered = lab.Dataset("bars", bar_dataset.train, bar_dataset.validation, lab.Split(images, bar_dataset.test.labels))
    assert altered.checksum != bar_dataset.checksum


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(2, 28, 28, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), "images: expected shape"),
        (torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64), "images: expected uint8"),
        (torch.full((2, 1, 28, 28), torch.nan), torch.zeros(2, dtype=torch.int64), "images: expected uint8"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.tensor([1, 12]), "labels: .* got 12 at position 1"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.eye(10)[:2], "labels: expected an integer tensor"),
        (
            torch.zeros(2, 1, 28, 28, dtype=torch.uint8),
            torch.tensor([1]),
            "labels: expected 2, one for each of images, got 1",
        ),
    ],
)
def test_a_split_is_checked_when_it_is_made(images: torch.Tensor, labels: torch.Tensor, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        lab.Split(images, labels)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=50))
def test_one_hot_and_back(values: list[int]) -> None:
    indices = torch.tensor(values)
    rows = lab.one_hot(indices)
    assert rows.shape == (len(values), 10)
    assert torch.equal(rows.sum(dim=1), torch.ones(len(values)))
    for form in (rows, rows.bool(), rows.long(), rows.numpy(), rows.tolist(), indices, indices.byte(), values):
        found = lab.class_indices(form)
        assert found.dtype == torch.int64
        assert torch.equal(found, indices)


def test_no_label_at_all() -> None:
    assert lab.class_indices([]).shape == (0,)
    assert lab.class_indices(torch.zeros(0, 10)).shape == (0,)
    assert lab.one_hot([]).shape == (0, 10)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.full((1, 10), 0.1), r"\[0.1, 0.1.* as row 0"),
        (torch.zeros(2, 10), "as row 0"),
        (torch.cat([torch.eye(10)[:1], torch.ones(1, 10)]), "as row 1"),
        (torch.cat([torch.eye(10)[:1], torch.full((1, 10), 0.1)]), r"\[0.1, 0.1.* as row 1"),
        (torch.eye(10)[:1] * 2, "as row 0"),
        (torch.tensor([[float("nan")] + [0.0] * 9]), "as row 0"),
        (torch.tensor([[2.0, -1.0] + [0.0] * 8]), "as row 0"),
        (torch.zeros(2, 9), r"expected one-hot rows \(N, 10\)"),
        (torch.zeros(2, 2, 2), r"expected one-hot rows \(N, 10\) or class indices \(N,\)"),
        (torch.tensor([1.0, 2.0]), "expected an integer tensor"),
        (torch.tensor([10]), "got 10 at position 0"),
        ("five", "got str 'five'"),
        ([1, "two"], "expected one-hot rows"),
    ],
)
def test_labels_in_neither_form_are_an_error(labels: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"labels: .*{message}"):
        lab.class_indices(labels)


def test_one_hot_takes_no_rows() -> None:
    with pytest.raises(ValueError, match="indices: expected class indices"):
        lab.one_hot(torch.eye(10))


def test_a_split_of_floats_is_an_error_that_says_what_was_given() -> None:
    with pytest.raises(TypeError, match=r"images: expected uint8 .*, got a float32 tensor of shape \(2, 1, 28, 28\)"):
        lab.Split(torch.zeros(2, 1, 28, 28), torch.tensor([0, 1]))


def test_a_dataset_names_the_argument_that_is_not_a_split() -> None:
    split = lab.Split(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.tensor([0, 1]))
    with pytest.raises(TypeError, match=r"validation: expected a Split, got list \[\]"):
        lab.Dataset("mine", split, [], split)  # type: ignore[arg-type]


def test_a_dataset_says_how_many_images_it_has() -> None:
    split = lab.Split(torch.zeros(1_200, 1, 28, 28, dtype=torch.uint8), torch.zeros(1_200).long())
    assert repr(lab.Dataset("mine", split, split[:7], split[:1])) == "Dataset(mine: train 1,200, validation 7, test 1)"
