"""The zoo: the networks that the pages share, each trained once and kept in the user's cache."""

import hashlib
import json
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch

from mnist_lab._utils.cache import kept
from mnist_lab._utils.contracts import FilePath, Seed, checked
from mnist_lab._utils.files import user_cache
from mnist_lab._utils.fingerprint import fingerprint
from mnist_lab._utils.messages import log
from mnist_lab._utils.tensor_files import CheckpointError, read_tensors, write_tensors
from mnist_lab.data.dataset import Dataset, load_dataset
from mnist_lab.model import DigitCNN
from mnist_lab.training.device import best_device, computing_on, free_threads
from mnist_lab.training.loop import fit
from mnist_lab.training.recipe import History, Recipe

Name = Literal["plain", "batch_norm", "robust"]
NAMES: tuple[Literal["plain"], Literal["batch_norm"]] = ("plain", "batch_norm")
SEEDS = range(5)  # problem 1 trains a network of each name from each of these
FORMAT = "mnist_lab network 3"
# The modules whose code determines the weights.
CODE = (
    "mnist_lab._utils.network",
    "mnist_lab._utils.random_state",
    "mnist_lab.data.augmentation",
    "mnist_lab.model",
    "mnist_lab.training.adversarial",
    "mnist_lab.training.evaluation",
    "mnist_lab.training.loop",
    "mnist_lab.training.recipe",
)


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network, with the record of its training.

    Parameters
    ----------
    model
        The network, in evaluation mode.
    history
        The measurements during training.
    recipe
        The hyper-parameters.
    seed
        Seed of its initial weights.
    dataset, data_checksum
        Name and checksum of the data that it was trained on.
    versions
        Versions of Python and torch, the processor, the kind of device and the number of threads used in training.
    """

    model: DigitCNN
    history: History
    recipe: Recipe
    seed: int
    dataset: str
    data_checksum: str
    versions: dict[str, str]

    @property
    def name(self) -> Name:
        """``"plain"``, ``"batch_norm"``, or ``"robust"`` after adversarial training."""
        if self.recipe.adversarial_radius > 0:
            return "robust"
        return "batch_norm" if self.model.batch_norm else "plain"

    @property
    def validation_accuracy(self) -> float:
        """Fraction of the validation images classified correctly after the last epoch, 0..1."""
        return self.history.validation_accuracy[-1]

    def __repr__(self) -> str:
        return (
            f"TrainedNetwork({self.name}, seed {self.seed}, {len(self.history)} epochs on {self.dataset}, "
            f"validation accuracy {self.validation_accuracy:.2%})"
        )


@checked
def save(network: TrainedNetwork, path: FilePath) -> None:
    """Write a network to a file: tensors and JSON in the safetensors format, whole or not at all.

    Parameters
    ----------
    network
        What :func:`trained`, :func:`best` or :func:`load` returned.
    path
        The file; its folder is made where it is missing.

    Raises
    ------
    TypeError
        If `network` is not a :class:`TrainedNetwork`.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> save(trained("plain"), "plain.safetensors")  # doctest: +SKIP
    """
    about = {
        "format": FORMAT,
        "batch_norm": network.model.batch_norm,
        "seed": network.seed,
        "recipe": asdict(network.recipe),
        "history": asdict(network.history),
        "dataset": network.dataset,
        "data_checksum": network.data_checksum,
        "versions": network.versions,
    }
    write_tensors(path, network.model.state_dict(), about)


@checked
def load(path: FilePath) -> TrainedNetwork:
    """Read a network that :func:`save` wrote. Nothing in the file is executed: it holds only tensors and JSON.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    TrainedNetwork
        With its weights bit for bit as they were saved, in evaluation mode, on the CPU.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If the file cannot be read.
    CheckpointError
        If the file is truncated or altered, of an older format, or not one of this library's.

    Examples
    --------
    >>> load("plain.safetensors").validation_accuracy  # doctest: +SKIP
    0.9916
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: expected a file that mnist_lab.save() wrote, got {path}, which does not exist")
    tensors, about = read_tensors(path, FORMAT)
    try:
        model = DigitCNN(batch_norm=about["batch_norm"], seed=about["seed"])
        model.load_state_dict(tensors, assign=True)  # with the file's dtypes
        model.to(memory_format=torch.channels_last)  # a file holds plain row-major arrays
        return TrainedNetwork(
            model=model.eval(),
            history=History.from_dict(about["history"]),
            recipe=Recipe(**about["recipe"]),
            seed=about["seed"],
            dataset=about["dataset"],
            data_checksum=about["data_checksum"],
            versions=about["versions"],
        )
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged, or is not a network that mnist_lab.save() wrote: {error}") from error


@checked
def trained(
    name: Name = "plain",
    *,
    seed: Seed = 0,
    recipe: Recipe | None = None,
    dataset: Dataset | None = None,
    progress: bool = True,
) -> TrainedNetwork:
    """One of the networks of problem 1, or a robust one, read from the user's cache, or trained and stored first.

    The cache is keyed by everything that determines the weights: architecture, seed, recipe, the data's checksum, the
    kind of device, torch's version and default type, and the code that trains. Processes that ask for the same network
    at the same time train it once. Training that was killed continues after its last epoch when the network is asked
    for again.

    A cached file that is damaged, or does not hold the network of its name, is reported and replaced. If the cache
    cannot be written, the network is trained and returned, and a warning says that it is not kept.

    A CPU trains on torch's number of threads. While other programs compute, it leaves them their cores, up to half of
    all: threads that share their cores wait for each other most of the time.

    Parameters
    ----------
    name
        ``"plain"``, ``"batch_norm"``, or ``"robust"``: the plain architecture after adversarial training.
    seed
        Seed of the initial weights and, unless `recipe` is given, of the order of the images.
    recipe
        The hyper-parameters; ``Recipe.standard(seed)`` by default, for ``"robust"`` ``Recipe.robust(seed)``. Only a
        robust network has an `adversarial_radius` above 0.
    dataset
        The data to train on; :func:`load_dataset` by default.
    progress
        Whether to show progress during training.

    Returns
    -------
    TrainedNetwork
        The network in evaluation mode, on the CPU, with its history and recipe.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    DataError
        If no data set is given and MNIST cannot be read.

    Examples
    --------
    >>> trained("plain")  # doctest: +SKIP
    TrainedNetwork(plain, seed 0, 4 epochs on mnist, validation accuracy 99.16%)
    """
    recipe = recipe_of(name, seed, recipe)
    return kept_network(name, seed, recipe, load_dataset() if dataset is None else dataset, progress=progress)


def recipe_of(name: Name, seed: int, recipe: Recipe | None) -> Recipe:
    """The recipe by which a network is trained: the given one, if it fits the name, or the default of its name."""
    if recipe is None:
        recipe = Recipe.robust(seed) if name == "robust" else Recipe.standard(seed)
    if (name == "robust") != (recipe.adversarial_radius > 0):
        wanted_radius = "above 0" if name == "robust" else "of 0"
        raise ValueError(
            f"recipe: expected an adversarial_radius {wanted_radius} for {name!r}, got {recipe.adversarial_radius:g}"
        )
    return recipe


def kept_network(
    name: Name,
    seed: int,
    recipe: Recipe,
    dataset: Dataset,
    *,
    progress: bool = True,
    made: TrainedNetwork | None = None,
    threads: int | None = None,
) -> TrainedNetwork:
    """The network from the cache. If it is not there, keep `made`, or train it, on so many threads or the free ones."""
    title = f"training {name}, seed {seed}"
    wanted = (name, seed, recipe, dataset.checksum)

    def read(path: Path) -> TrainedNetwork:
        network = load(path)
        if (network.name, network.seed, network.recipe, network.data_checksum) != wanted:
            raise CheckpointError(f"{path} does not hold the network of its name but {network}, {network.recipe}")
        with suppress(OSError):  # left by a process that was killed after it had saved the network
            path.with_suffix(".resume").unlink(missing_ok=True)
        return network

    def train(resume: Path | None) -> TrainedNetwork:
        model = DigitCNN(batch_norm=name == "batch_norm", seed=seed)
        count = threads or free_threads()
        if threads is None and count < torch.get_num_threads():
            log.info("%s: on %d of %d threads, since other programs compute", title, count, torch.get_num_threads())
        with computing_on(count):
            history = fit(model, dataset, recipe, resume=resume, title=title, progress=progress)
            return TrainedNetwork(model.eval(), history, recipe, seed, dataset.name, dataset.checksum, _versions())

    def make(path: Path | None) -> TrainedNetwork:
        if made is not None:
            return made
        return train(None) if path is None else _resumed(train, path.with_suffix(".resume"), title)

    def write(network: TrainedNetwork, path: Path) -> None:
        save(network, path)
        # This process alone may write here now. A killed one may have left its state, or a part of it.
        for left in (path.with_suffix(".resume"), *path.parent.glob(f".{path.stem}.*.part")):
            left.unlink(missing_ok=True)

    return kept("networks", _file(name, seed, recipe, dataset), read=read, make=make, write=write, title=title)


def is_kept(name: Name, seed: int, recipe: Recipe, dataset: Dataset) -> bool:
    """Whether the cache has a file for the network."""
    try:
        return (user_cache("networks") / _file(name, seed, recipe, dataset)).is_file()
    except OSError:
        return False


def _resumed(train: Callable[[Path | None], TrainedNetwork], resume: Path, title: str) -> TrainedNetwork:
    """Train a network, continuing from the resume file of a process that was killed, if it is usable."""
    try:
        try:
            return train(resume)
        except CheckpointError as error:
            log.warning("%s from the start, since its resume file cannot be used: %s", title, error)
            resume.unlink()
            return train(resume)
    except OSError as error:
        # fit() raises OSError only before any work.
        log.warning("%s: it cannot be resumed if it is interrupted (%s)", title, error)
        return train(None)


def _file(name: Name, seed: int, recipe: Recipe, dataset: Dataset) -> str:
    return f"{name}-{seed}-{_key(name, seed, recipe, dataset)}.safetensors"


def _key(name: str, seed: int, recipe: Recipe, dataset: Dataset) -> str:
    """A short digest of everything that determines the weights."""
    parts = {
        "name": name,
        "seed": seed,
        "recipe": asdict(recipe),
        "data": dataset.checksum,
        **circumstances(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def circumstances() -> dict[str, str]:
    """What determines the weights besides the arguments."""
    return {
        "device": best_device().type,
        "dtype": str(torch.get_default_dtype()),
        "torch": torch.__version__,
        "code": fingerprint(*CODE),
    }


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": platform.machine(),
        "device": best_device().type,
        "threads": str(torch.get_num_threads()),
    }
