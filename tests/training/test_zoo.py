"""A saved network is loaded bit for bit; the cache trains it once; no file can execute code."""

import ast
import errno
import functools
import os
import pickle
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

import mnist_lab as lab
from mnist_lab._utils.tensor_files import digest, write_tensors
from mnist_lab.training import many, zoo
from mnist_lab.training.device import best_device
from tests.conftest import bars, same

RECIPE = lab.Recipe(epochs=1, batch_size=64)


@pytest.fixture
def network(bar_dataset: lab.Dataset) -> lab.TrainedNetwork:
    return lab.trained("batch_norm", recipe=RECIPE, dataset=bar_dataset, progress=False)


@pytest.fixture
def default_dtype() -> Iterator[Callable[[torch.dtype], None]]:
    before = torch.get_default_dtype()
    yield torch.set_default_dtype
    torch.set_default_dtype(before)


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


def test_a_second_call_reads_the_cache(bar_dataset: lab.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lab.trained("plain", recipe=RECIPE, dataset=bar_dataset, progress=False)
    monkeypatch.setattr(zoo, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = lab.trained("plain", recipe=RECIPE, dataset=bar_dataset)
    assert same(first.model.state_dict(), again.model.state_dict())
    assert again.history == first.history


def test_everything_that_determines_the_weights_changes_the_key(
    bar_dataset: lab.Dataset, monkeypatch: pytest.MonkeyPatch, default_dtype: Callable[[torch.dtype], None]
) -> None:
    other_data = lab.Dataset("bars", bars(512, 3), bar_dataset.validation, bar_dataset.test)
    keys = [
        zoo._key("plain", 0, RECIPE, bar_dataset),
        zoo._key("batch_norm", 0, RECIPE, bar_dataset),
        zoo._key("plain", 1, RECIPE, bar_dataset),
        zoo._key("plain", 0, lab.Recipe(epochs=1, batch_size=65), bar_dataset),
        zoo._key("plain", 0, RECIPE, other_data),
    ]
    for device in {"cpu", "cuda", "mps"} - {best_device().type}:
        with monkeypatch.context() as patch:
            patch.setattr(zoo, "best_device", functools.partial(torch.device, device))
            keys.append(zoo._key("plain", 0, RECIPE, bar_dataset))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "0.0")
        keys.append(zoo._key("plain", 0, RECIPE, bar_dataset))
    default_dtype(torch.float64)
    keys.append(zoo._key("plain", 0, RECIPE, bar_dataset))
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("module", zoo.CODE)
def test_code_changes_the_key_but_comments_and_docstrings_do_not(
    module: str, bar_dataset: lab.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key_after(edit: Callable[[str], str]) -> str:
        def edited(self: SourceFileLoader, name: str) -> str:
            source = source_of(self, name)
            assert source is not None
            return edit(source) if name == module else source

        with monkeypatch.context() as patch:
            patch.setattr(SourceFileLoader, "get_source", edited)
            return zoo._key("plain", 0, RECIPE, bar_dataset)

    def rewritten(source: str) -> str:
        return "# A comment.\n\n" + re.sub('"""(.*?)"""', r'"""Changed: \1"""', source, flags=re.DOTALL)

    source_of = SourceFileLoader.get_source
    key = zoo._key("plain", 0, RECIPE, bar_dataset)
    assert key_after(rewritten) == key
    assert key_after(lambda source: f"{source}\nCHANGED = True\n") != key


# Modules that training imports although they cannot change the weights, with the reason.
WITHOUT_INFLUENCE = {
    "mnist_lab._utils.cache": "a file in the cache is verified when it is read",
    "mnist_lab._utils.checkers": "arguments are rejected or converted to equal ones",
    "mnist_lab._utils.checks": "arguments are rejected or converted to equal ones",
    "mnist_lab._utils.constraints": "arguments are rejected or converted to equal ones",
    "mnist_lab._utils.contracts": "arguments are rejected or converted to equal ones",
    "mnist_lab._utils.files": "a file has the content that was written to it",
    "mnist_lab._utils.fingerprint": "it names the files in the cache",
    "mnist_lab._utils.messages": "messages and progress bars are output only",
    "mnist_lab._utils.tensor_files": "a digest in each file verifies that it holds what was written",
    "mnist_lab.data.dataset": "the checksum of the images and labels is in the key",
    "mnist_lab.data.mnist": "the checksum of the images and labels is in the key",
    "mnist_lab.data.synthetic": "the checksum of the images and labels is in the key",
    "mnist_lab.training.allocator": "the addresses of memory blocks do not change results",
    "mnist_lab.training.device": "the device and the precision that it chooses are in the key",
    "mnist_lab.training.resume": "training that was resumed gives the same weights, as test_resume checks",
}


def test_the_key_covers_the_code_of_every_module_that_training_imports() -> None:
    root = Path(lab.__file__).parent
    files = {
        ".".join(("mnist_lab", *path.relative_to(root).with_suffix("").parts)): path for path in root.rglob("*.py")
    }
    files |= {name.removesuffix(".__init__"): path for name, path in files.items()}

    def imported_by(module: str) -> set[str]:
        found = set()
        for node in ast.walk(ast.parse(files[module].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: a relative import"
                for name in (f"{node.module}.{alias.name}" for alias in node.names):
                    found.add(name if name in files else str(node.module))
        return found & files.keys()

    reached, new = set[str](), {"mnist_lab.training.loop", "mnist_lab.model"}
    while new:
        reached |= new
        new = set().union(*map(imported_by, new)) - reached
    assert set(zoo.CODE) <= reached
    others = reached - set(zoo.CODE)
    assert {name for name in others if not name.startswith(tuple(WITHOUT_INFLUENCE))} == set()
    assert {name for name in WITHOUT_INFLUENCE if not any(other.startswith(name) for other in others)} == set()


def test_a_network_of_another_default_dtype_has_its_own_place_in_the_cache(
    bar_dataset: lab.Dataset, own_cache: Path, default_dtype: Callable[[torch.dtype], None]
) -> None:
    single = lab.trained("plain", recipe=RECIPE, dataset=bar_dataset, progress=False)
    default_dtype(torch.float64)
    double = lab.trained("plain", recipe=RECIPE, dataset=bar_dataset, progress=False)
    assert single.model.fc2.weight.dtype == torch.float32
    assert double.model.fc2.weight.dtype == torch.float64
    assert double.validation_accuracy > 0.9
    assert len(list((own_cache / "networks").glob("*.safetensors"))) == 2
    again = lab.trained("plain", recipe=RECIPE, dataset=bar_dataset, progress=False)
    assert same(again.model.state_dict(), double.model.state_dict())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_network_of_another_precision_comes_back_bit_for_bit(
    network: lab.TrainedNetwork, dtype: torch.dtype, tmp_path: Path
) -> None:
    path, model = tmp_path / "network.safetensors", network.model.to(dtype)
    with torch.no_grad():
        model.fc2.weight.mul_(1 + torch.finfo(dtype).eps)  # not representable in float32 where dtype is float64
    lab.save(network, path)
    loaded = lab.load(path)
    assert same(loaded.model.state_dict(), model.state_dict())
    images = bars(20, 9).images
    assert torch.equal(loaded.model(images), model(images))


def test_the_accuracy_of_a_network_is_that_of_its_last_epoch(network: lab.TrainedNetwork) -> None:
    measured = dict.fromkeys(vars(network.history), (0.5, 0.5)) | {"validation_accuracy": (0.99, 0.98)}
    assert replace(network, history=lab.History(**measured)).validation_accuracy == 0.98


TEN = [(name, seed) for name in zoo.NAMES for seed in zoo.SEEDS]


@pytest.mark.parametrize(
    ("best", "winner"),
    [
        *(([one], one) for one in TEN),
        ([("batch_norm", 0), ("plain", 3), ("plain", 4)], ("plain", 3)),
        ([("batch_norm", 4), ("batch_norm", 2)], ("batch_norm", 2)),
        (TEN, ("plain", 0)),
    ],
)
def test_the_best_of_the_ten_networks_is_chosen_by_validation_accuracy(
    best: list[tuple[str, int]],
    winner: tuple[str, int],
    bar_dataset: lab.Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, int]] = []

    def train_missing(orders: list[many.Order], *, progress: bool) -> list[SimpleNamespace]:
        assert progress is False
        assert all(dataset is bar_dataset for *_, dataset in orders)
        assert all(recipe == lab.Recipe.standard(recipe.seed) for _, recipe, _ in orders)
        asked.extend((name, recipe.seed) for name, recipe, _ in orders)
        accuracy = [0.99 if order in best else 0.98 for order in asked]
        return [
            SimpleNamespace(name=name, seed=seed, validation_accuracy=value)
            for (name, seed), value in zip(asked, accuracy, strict=True)
        ]

    monkeypatch.setattr(many, "train_missing", train_missing)
    network = lab.best(dataset=bar_dataset, progress=False)
    assert (network.name, network.seed) == winner
    assert len(TEN) == 10
    assert asked == TEN


def test_a_failed_write_leaves_the_old_file(
    network: lab.TrainedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.safetensors"
    lab.save(network, path)
    before = path.read_bytes()

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)  # the file system reports here what it accepted before
    with pytest.raises(OSError, match="No space left"):
        lab.save(network, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == [path.name]


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("executed"),)  # type: ignore[return-value]


def test_a_pickle_is_rejected_and_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_damaged_and_foreign_files_raise_an_error_that_names_them(network: lab.TrainedNetwork, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    lab.save(network, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(lab.CheckpointError, match="damaged"):
        lab.load(path)
    path.write_bytes(whole)
    # Copies, since some versions map the file into memory, and it is overwritten here.
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    save_file(tensors, path)  # no metadata
    with pytest.raises(lab.CheckpointError, match="damaged, or is not"):
        lab.load(path)
    for form in ("mnist_lab network 2", "mnist_lab training 2"):  # an older format, and a resume file
        write_tensors(path, tensors, {"format": form})
        with pytest.raises(lab.CheckpointError, match=f"has the format '{form}', expected 'mnist_lab network 3'"):
            lab.load(path)
    write_tensors(path, tensors, {"format": zoo.FORMAT})
    with pytest.raises(lab.CheckpointError, match="damaged, or is not a network .*'batch_norm'"):
        lab.load(path)
    write_tensors(path, {}, {"format": zoo.FORMAT, "batch_norm": True, "seed": 0})
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
    for module in (zoo, many):
        monkeypatch.setattr(module, "load_dataset", lambda: pytest.fail("data was read"))
    with pytest.raises(ValueError, match="name: expected one of 'plain', 'batch_norm', 'robust', got str 'resnet'"):
        lab.trained("resnet")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seed: expected an integer"):
        lab.trained("plain", seed=-1)
    with pytest.raises(TypeError, match="recipe: expected a Recipe"):
        lab.trained("plain", recipe="accurate")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"seeds\[1\]: expected an integer"):
        lab.trained_many("plain", [0, -1])
