"""Train once, reuse everywhere: networks in files, and a cache of those that the pages share."""

import ast
import hashlib
import inspect
import json
import os
import platform
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mnist_lab import augmentation, evaluation, training
from mnist_lab import model as model_module
from mnist_lab.checks import SEED_MAX, check_choice, check_flag, check_integer, check_path, check_text, check_type
from mnist_lab.data import Dataset, load_dataset
from mnist_lab.model import DigitCNN
from mnist_lab.progress import notice
from mnist_lab.storage import one_at_a_time, user_cache
from mnist_lab.tensor_files import CheckpointError, read_tensors, write_tensors
from mnist_lab.training import History, Recipe, fit

NAMES = ("plain", "batch_norm")
FORMAT = "mnist_lab network 2"


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network with all that is known of how it came to be.

    Parameters
    ----------
    model
        The network, in evaluation mode.
    history
        What was measured as it was trained.
    recipe
        How it was trained.
    seed
        Seed of its initial weights.
    dataset, data_checksum
        Name and checksum of the data that it learned.
    versions
        What it was made with: Python, torch, processor, number of threads.
    """

    model: DigitCNN
    history: History
    recipe: Recipe
    seed: int
    dataset: str
    data_checksum: str
    versions: dict[str, str]

    def __post_init__(self) -> None:
        check_type(self.model, "model", DigitCNN, "a DigitCNN")
        if not len(check_type(self.history, "history", History, "a History")):
            raise ValueError("history: expected at least one epoch, got none")
        check_type(self.recipe, "recipe", Recipe, "a Recipe")
        object.__setattr__(self, "seed", check_integer(self.seed, "seed", low=0, high=SEED_MAX))
        check_text(self.dataset, "dataset")
        check_text(self.data_checksum, "data_checksum")
        check_type(self.versions, "versions", dict, "a dictionary of versions by name")

    @property
    def name(self) -> str:
        """``"plain"`` or ``"batch_norm"``."""
        return "batch_norm" if self.model.batch_norm else "plain"

    @property
    def validation_accuracy(self) -> float:
        """Share of the validation images classified correctly after the last epoch, 0..1."""
        return self.history.validation_accuracy[-1]

    def __repr__(self) -> str:
        return (
            f"TrainedNetwork({self.name}, seed {self.seed}, {len(self.history)} epochs on {self.dataset}, "
            f"validation accuracy {self.validation_accuracy:.2%})"
        )


def save(network: TrainedNetwork, path: str | os.PathLike[str]) -> None:
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
    check_type(network, "network", TrainedNetwork, "a TrainedNetwork")
    check_path(path, "path")
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


def load(path: str | os.PathLike[str]) -> TrainedNetwork:
    """Read a network that :func:`save` wrote. Nothing in the file is executed: it holds tensors and JSON alone.

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
    0.9915
    """
    path = check_path(path, "path")
    if not path.is_file():
        raise FileNotFoundError(f"path: expected a file that mnist_lab.save() wrote, found none at {path}")
    tensors, about = read_tensors(path, FORMAT)
    try:
        model = DigitCNN(batch_norm=about["batch_norm"], seed=about["seed"])
        model.load_state_dict(tensors)
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


def trained(
    name: str = "plain",
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    dataset: Dataset | None = None,
    progress: bool = True,
) -> TrainedNetwork:
    """One of problem 1's networks: read from the user's cache, trained first where it is not there yet.

    The cache is keyed by all that decides the weights: architecture, seed, recipe, the data's checksum, torch's
    version and the code that trains. Processes that want the same network at the same time train it once, and training
    that is killed goes on where its last epoch ended when the network is asked for again.

    A file in the cache that is damaged, or is not what its name says, is named on standard error and replaced. Where
    the cache cannot be written, the network is trained and returned all the same, and the user is told that it is not
    kept.

    Parameters
    ----------
    name
        ``"plain"`` or ``"batch_norm"``.
    seed
        Seed of the initial weights and, unless `recipe` is given, of the order of the images.
    recipe
        How to train; ``Recipe(seed=seed)`` by default.
    dataset
        What to learn; :func:`load_dataset` by default.
    progress
        Whether to show progress while it trains.

    Returns
    -------
    TrainedNetwork
        The network in evaluation mode, on the CPU, with its history and recipe.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be.
    DataError
        If MNIST is not there.

    Examples
    --------
    >>> trained("plain")  # doctest: +SKIP
    TrainedNetwork(plain, seed 0, 4 epochs on mnist, validation accuracy 99.15%)
    """
    check_choice(name, "name", NAMES)
    seed = check_integer(seed, "seed", low=0, high=SEED_MAX)
    recipe = Recipe(seed=seed) if recipe is None else check_type(recipe, "recipe", Recipe, "a Recipe")
    check_flag(progress, "progress")
    if dataset is not None:
        check_type(dataset, "dataset", Dataset, "a Dataset, as load_dataset() returns it")
    dataset = load_dataset() if dataset is None else dataset

    def train(resume: Path | None) -> TrainedNetwork:
        model = DigitCNN(batch_norm=name == "batch_norm", seed=seed)
        history = fit(model, dataset, recipe, resume=resume, title=title, progress=progress)
        return TrainedNetwork(
            model=model.eval(),
            history=history,
            recipe=recipe,
            seed=seed,
            dataset=dataset.name,
            data_checksum=dataset.checksum,
            versions=_versions(),
        )

    title = f"training {name}, seed {seed}"
    file = f"{name}-{seed}-{_key(name, seed, recipe, dataset)}.safetensors"
    wanted = (name, seed, recipe, dataset.checksum)
    with ExitStack() as stack:
        try:
            path = user_cache("networks") / file
            network = _kept(path, wanted)  # without a lock: a cache may be shared, and read-only
            if network is not None:
                return network
            stack.enter_context(one_at_a_time(path.with_suffix(".lock"), title))
        except OSError as error:
            notice(f"{title}: the network cannot be kept for the next time ({error})")
            return train(None)
        # Another process may have trained it meanwhile.
        return _kept(path, wanted, tell=False) or _train_and_keep(path, train, title)


def _kept(path: Path, wanted: tuple[object, ...], *, tell: bool = True) -> TrainedNetwork | None:
    """The network in the cache, if it is there, whole, and what its name says; else the user may be told."""
    if not path.is_file():
        return None
    try:
        network = load(path)
    except (CheckpointError, OSError) as error:
        fault = str(error)
    else:
        if (network.name, network.seed, network.recipe, network.data_checksum) == wanted:
            with suppress(OSError):
                _resume_file(path).unlink(missing_ok=True)  # of a process that was killed when it had just saved
            return network
        fault = f"{path} holds another network than its name says: {network}, {network.recipe}"
    if tell:
        notice(f"{fault}. It is trained anew.")
    return None


def _train_and_keep(path: Path, train: Callable[[Path | None], TrainedNetwork], title: str) -> TrainedNetwork:
    """Train a network, from where a process that was killed has left it, and keep it as well as can be."""
    resume = _resume_file(path)
    try:
        try:
            network = train(resume)
        except CheckpointError as error:
            notice(f"{error} It is done here: {title} from the start.")
            resume.unlink()
            network = train(resume)
    except OSError as error:
        # fit() says so before it has done anything: where the file cannot be written later, it goes on.
        notice(f"{title}: if it is stopped, it starts anew ({error})")
        network = train(None)
    try:
        save(network, path)
        resume.unlink(missing_ok=True)
    except OSError as error:
        notice(f"{title}: the network cannot be kept for the next time ({error})")
    return network


def _resume_file(path: Path) -> Path:
    return path.with_suffix(".resume")


def best(*, seed: int = 0, dataset: Dataset | None = None, progress: bool = True) -> TrainedNetwork:
    """Problem 1's network with the highest validation accuracy: the one that problem 3 attacks.

    Parameters
    ----------
    seed, dataset, progress
        As in :func:`trained`.

    Returns
    -------
    TrainedNetwork
        ``trained("plain")`` or ``trained("batch_norm")``; the plain one where they are equal.

    Examples
    --------
    >>> best().name  # doctest: +SKIP
    'batch_norm'
    """
    seed = check_integer(seed, "seed", low=0, high=SEED_MAX)
    check_flag(progress, "progress")
    if dataset is not None:
        check_type(dataset, "dataset", Dataset, "a Dataset, as load_dataset() returns it")
    dataset = load_dataset() if dataset is None else dataset
    networks = [trained(name, seed=seed, dataset=dataset, progress=progress) for name in NAMES]
    return max(networks, key=lambda network: network.validation_accuracy)


def _key(name: str, seed: int, recipe: Recipe, dataset: Dataset) -> str:
    """A short digest of all that decides the weights."""
    parts = {
        "name": name,
        "seed": seed,
        "recipe": asdict(recipe),
        "data": dataset.checksum,
        "torch": torch.__version__,
        "code": [_code(inspect.getsource(module)) for module in (model_module, training, augmentation, evaluation)],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _code(source: str) -> str:
    r"""What a module does, without its comments and docstrings: mending those retrains nothing.

    >>> _code("def f():\n    '''Say so.'''\n    return 1  # one") == _code("def f():\n    return 1")
    True
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": platform.machine(),
        "threads": str(torch.get_num_threads()),
    }
