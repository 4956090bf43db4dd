"""Several networks trained side by side: on the cores of this machine, or on a cluster through joblib."""

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from dataclasses import replace

import numpy as np
import torch

from mnist_lab._utils.contracts import Seed, checked
from mnist_lab._utils.messages import log
from mnist_lab._utils.messages import progress as progress_bar
from mnist_lab.data.dataset import Dataset, Split, load_dataset
from mnist_lab.training.device import best_device
from mnist_lab.training.recipe import Recipe
from mnist_lab.training.zoo import (
    NAMES,
    SEEDS,
    Name,
    TrainedNetwork,
    circumstances,
    is_kept,
    kept_network,
    recipe_of,
)

DEATHS = 3  # of workers, until training gives up

Order = tuple[Name, Recipe, Dataset]  # a network that is wanted; its seed is the recipe's


@checked
def trained_many(
    name: Name,
    seeds: Sequence[Seed],
    *,
    recipe: Recipe | None = None,
    dataset: Dataset | None = None,
    progress: bool = True,
) -> list[TrainedNetwork]:
    """Networks from several seeds, read from the user's cache; those that are missing are trained side by side.

    By default every core trains one network at a time, in a process of its own. ``joblib.parallel_config(n_jobs=...)``
    sets another number of processes, and ``joblib.parallel_config(backend="dask")`` uses the workers of a cluster
    (:doc:`/guide/cluster`). On an accelerator the networks are trained one after another, unless joblib is configured.

    Each network is trained on one thread. So the same seed gives the same weights on like processors, however many
    networks are trained at once and wherever. :func:`trained` uses more threads where cores are free; its networks
    then differ from these by rounding, which grows during training. Both functions read whichever network the cache
    holds. Its `.versions` states the number of threads.

    Every network is kept in the cache as soon as it is trained. If a worker dies, its network is trained again. After
    Ctrl-C no process is left, and the next call continues where this one stopped.

    Parameters
    ----------
    name
        As in :func:`trained`.
    seeds
        The seeds of the networks.
    recipe
        The hyper-parameters, with the seed of each network in place of their own; by default that of :func:`trained`.
    dataset
        The data to train on; :func:`load_dataset` by default.
    progress
        Whether to show progress: a bar of networks on a terminal, and one line per trained network.

    Returns
    -------
    list
        A :class:`TrainedNetwork` for each seed, in the order of the seeds.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    DataError
        If no data set is given and MNIST cannot be read.
    RuntimeError
        If a worker of a cluster has another version of torch or of this library, or another kind of device.

    Examples
    --------
    >>> networks = trained_many("plain", seeds=range(5))  # doctest: +SKIP
    >>> [f"{network.validation_accuracy:.2%}" for network in networks]  # doctest: +SKIP
    ['99.16%', '99.23%', '99.11%', '99.22%', '99.22%']
    """
    recipes = [recipe_of(name, seed, None if recipe is None else replace(recipe, seed=seed)) for seed in seeds]
    dataset = load_dataset() if dataset is None else dataset
    return train_missing([(name, each, dataset) for each in recipes], progress=progress)


@checked
def best(*, dataset: Dataset | None = None, progress: bool = True) -> TrainedNetwork:
    """The network of problem 1 with the highest validation accuracy, which problem 3 attacks.

    All ten networks of problem 1 compete: plain and batch norm, seeds 0 to 4. Missing ones are trained side by side, as
    by :func:`trained_many`.

    Parameters
    ----------
    dataset, progress
        As in :func:`trained`.

    Returns
    -------
    TrainedNetwork
        The best network. Among equals a plain network comes first, then the lowest seed.

    Examples
    --------
    >>> best()  # doctest: +SKIP
    TrainedNetwork(batch_norm, seed 3, 4 epochs on mnist, validation accuracy 99.37%)
    """
    dataset = load_dataset() if dataset is None else dataset
    orders: list[Order] = [(name, recipe_of(name, seed, None), dataset) for name in NAMES for seed in SEEDS]
    return max(train_missing(orders, progress=progress), key=lambda network: network.validation_accuracy)


def train_missing(orders: Sequence[Order], *, progress: bool = True) -> list[TrainedNetwork]:
    """The networks that are wanted, in order; those that the cache does not hold are trained side by side."""
    missing = {_identity(order): order for order in orders if not is_kept(*_arguments(order))}
    made: dict[object, TrainedNetwork] = {}
    with progress_bar(len(missing), f"training {len(missing)} networks", shown=progress, unit="network") as bar:
        deaths = 0
        while len(made) < len(missing):
            rest = [order for identity, order in missing.items() if identity not in made]
            try:
                for network in _trained(rest, progress=progress):
                    identity = (network.name, network.recipe, network.data_checksum)
                    made[identity] = kept_network(*_arguments(missing[identity]), made=network)
                    bar.step()
                    bar.line(f"{len(made)} of {len(missing)}: {network}, {sum(network.history.seconds):.0f} s")
            except (BrokenExecutor, CancelledError) as error:  # what joblib and Dask raise
                deaths += 1
                if deaths == DEATHS:
                    raise
                log.warning("a worker that trained networks died, so others train the rest: %s", error)
    return [made.get(_identity(order)) or kept_network(*_arguments(order), progress=progress) for order in orders]


def _identity(order: Order) -> object:
    name, recipe, dataset = order
    return name, recipe, dataset.checksum


def _arguments(order: Order) -> tuple[Name, int, Recipe, Dataset]:
    name, recipe, dataset = order
    return name, recipe.seed, recipe, dataset


def _trained(orders: Sequence[Order], *, progress: bool) -> Iterator[TrainedNetwork]:
    """Train networks through joblib; each is given as soon as it is there."""
    import joblib  # noqa: PLC0415 - not needed where the cache is filled
    from joblib.externals.loky import get_reusable_executor  # noqa: PLC0415

    backend, jobs = joblib.parallel.get_active_backend()
    if jobs is None:  # not configured by the caller
        jobs = -1 if best_device().type == "cpu" else 1
    jobs = min(joblib.effective_n_jobs(jobs), len(orders))
    wanted = circumstances()
    tasks = (
        joblib.delayed(_train)(name, recipe, wanted, progress and jobs == 1, dataset.name, *_arrays(dataset))
        for name, recipe, dataset in orders
    )
    # Ray's backend cannot return results one by one.
    return_as = "generator_unordered" if backend.supports_return_generator else "list"
    try:
        yield from joblib.Parallel(jobs, batch_size=1, return_as=return_as)(tasks)
    finally:
        get_reusable_executor(reuse=True).shutdown()  # joblib would keep the processes for five minutes


def _arrays(dataset: Dataset) -> list[np.ndarray]:
    """The images and labels as arrays, which joblib shares between processes and sends to a cluster only once."""
    return [tensor.cpu().numpy() for split in dataset.splits().values() for tensor in (split.images, split.labels)]


def _train(
    name: Name, recipe: Recipe, wanted: dict[str, str], progress: bool, dataset: str, *arrays: np.ndarray
) -> TrainedNetwork:
    """Train a network on one thread, in a worker of joblib; it stays in the worker's cache too."""
    images_and_labels = [torch.tensor(array) for array in arrays]
    splits = map(Split, images_and_labels[::2], images_and_labels[1::2])
    torch.set_default_dtype(getattr(torch, wanted["dtype"].removeprefix("torch.")))
    if (here := circumstances()) != wanted:
        raise RuntimeError(f"worker: expected what the caller has, {wanted}, got {here}")
    return kept_network(name, recipe.seed, recipe, Dataset(dataset, *splits), progress=progress, threads=1)
