"""A network comes back from its file bit for bit; the cache trains once; no file can execute code."""

import errno
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import mnist_lab as lab
from mnist_lab import checkpoints
from mnist_lab._utils.tensor_files import digest, write_tensors
from tests.conftest import bars, same

RECIPE = lab.Recipe(epochs=1, batch_size=64)


@pytest.fixture
def network(bar_dataset: lab.Dataset) -> lab.TrainedNetwork:
    return lab.trained("batch_norm", recipe=RECIPE, dataset=bar_dataset, progress=False)


def test_a_network_comes_back_bit_for_bit(network: lab.TrainedNetwork, tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "größe.safetensors"
    lab.save(network, path)
    loaded = lab.load(path)
    assert same(network.model.state_dict(), loaded.model.state_dict())
    assert loaded.history == network.history
    assert loaded.recipe == network.recipe
    assert (loaded.name, loaded.seed, loaded.dataset) == ("batch_norm", 0, "bars")
    assert loaded.versions["torch"] == torch.__version__
    assert not any(module.training for module in loaded.model.modules())
    images = bars(20, 9).images
    assert torch.equal(network.model(images), loaded.model(images))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_the_second_time_is_read_from_the_cache(bar_dataset: lab.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lab.trained("plain", recipe=RECIPE, dataset=bar_dataset, progress=False)
    monkeypatch.setattr(checkpoints, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = lab.trained("plain", recipe=RECIPE, dataset=bar_dataset)
    assert same(first.model.state_dict(), again.model.state_dict())
    assert again.history == first.history


def test_what_decides_the_weights_decides_the_key(bar_dataset: lab.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    other_data = lab.Dataset("bars", bars(512, 3), bar_dataset.validation, bar_dataset.test)
    keys = [
        checkpoints._key("plain", 0, RECIPE, bar_dataset),
        checkpoints._key("batch_norm", 0, RECIPE, bar_dataset),
        checkpoints._key("plain", 1, RECIPE, bar_dataset),
        checkpoints._key("plain", 0, lab.Recipe(epochs=1, batch_size=65), bar_dataset),
        checkpoints._key("plain", 0, RECIPE, other_data),
    ]
    monkeypatch.setattr(torch, "__version__", "0.0")
    keys.append(checkpoints._key("plain", 0, RECIPE, bar_dataset))
    monkeypatch.setattr(checkpoints, "_code", lambda source: source.replace("zero_grad", "step"))
    keys.append(checkpoints._key("plain", 0, RECIPE, bar_dataset))
    assert len(set(keys)) == len(keys)


def test_the_best_network_is_chosen_by_validation(bar_dataset: lab.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {
        name: lab.trained(name, recipe=RECIPE, dataset=bar_dataset, progress=False) for name in checkpoints.NAMES
    }
    for winner in checkpoints.NAMES:
        for name, network in networks.items():
            accuracy = 0.99 if name == winner else 0.98
            # The last epoch's accuracy counts.
            measured = dict.fromkeys(vars(network.history), (0.5, 0.5)) | {"validation_accuracy": (0.5, accuracy)}
            history = lab.History(**measured)
            object.__setattr__(network, "history", history)
        monkeypatch.setattr(checkpoints, "trained", lambda name, **_: networks[name])
        assert lab.best(dataset=bar_dataset).name == winner


def test_a_failed_write_leaves_what_was_there(
    network: lab.TrainedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.safetensors"
    lab.save(network, path)
    before = path.read_bytes()

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)  # where a file system says so that takes what it cannot keep
    with pytest.raises(OSError, match="No space left"):
        lab.save(network, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == [path.name]


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("executed"),)  # type: ignore[return-value]


def test_a_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "network.safetensors"
    for content in (pickle.dumps(Payload()), b"", b"\x00" * 100):
        path.write_bytes(content)
        with pytest.raises(
            lab.CheckpointError, match="network.safetensors is damaged, or is not a file that mnist_lab wrote"
        ):
            lab.load(path)
    torch.save(Payload(), path)
    with pytest.raises(lab.CheckpointError):
        lab.load(path)
    assert not Path("executed").exists()


def test_damaged_and_foreign_files_are_named(network: lab.TrainedNetwork, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    lab.save(network, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(lab.CheckpointError, match="damaged"):
        lab.load(path)
    path.write_bytes(whole)
    # Copies: some versions map the file into memory, and here it is written over.
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    save_file(tensors, path)  # no metadata
    with pytest.raises(lab.CheckpointError, match="damaged, or is not"):
        lab.load(path)
    for form in ("mnist_lab network 1", "mnist_lab training 1"):  # an older one, and a resume file
        write_tensors(path, tensors, {"format": form})
        with pytest.raises(lab.CheckpointError, match=f"has the format '{form}', expected 'mnist_lab network 2'"):
            lab.load(path)
    write_tensors(path, tensors, {"format": checkpoints.FORMAT})
    with pytest.raises(lab.CheckpointError, match="damaged, or is not a network .*'batch_norm'"):
        lab.load(path)
    write_tensors(path, {}, {"format": checkpoints.FORMAT, "batch_norm": True, "seed": 0})
    with pytest.raises(lab.CheckpointError, match="damaged, or is not a network (?s:.*)Missing key"):
        lab.load(path)
    for text in ("[]", "null", "{", "[" * 100_000):
        save_file(tensors, path, metadata={"mnist_lab": text, "sha256": digest(tensors, text)})
        with pytest.raises(lab.CheckpointError, match="damaged, or is not"):
            lab.load(path)
    with pytest.raises(FileNotFoundError, match=r"path: expected a file that mnist_lab.save\(\) wrote"):
        lab.load(tmp_path / "nowhere")
    with pytest.raises(TypeError, match="network: expected a TrainedNetwork"):
        lab.save(network.model, path)  # type: ignore[arg-type]


def test_names_and_seeds_are_checked_before_any_data_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "load_dataset", lambda: pytest.fail("data was read"))
    with pytest.raises(ValueError, match="name: expected one of 'plain', 'batch_norm', got str 'resnet'"):
        lab.trained("resnet")
    with pytest.raises(ValueError, match="seed: expected an integer"):
        lab.trained("plain", seed=-1)
    with pytest.raises(TypeError, match="recipe: expected a Recipe"):
        lab.trained("plain", recipe="accurate")  # type: ignore[arg-type]
