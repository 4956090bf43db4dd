"""Networks trained side by side equal those trained one by one, also if a worker dies or Ctrl-C strikes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path

import joblib
import pytest
import torch

import mnist_lab as lab
from mnist_lab.training import many, zoo
from tests.conftest import bars, same

RECIPE = lab.Recipe(epochs=1, batch_size=64)
LONG = lab.Recipe(epochs=3, batch_size=4)
DATASET = lab.Dataset("bars", train=bars(256, 0), validation=bars(64, 1), test=bars(10, 2))


def alone(seed: int, recipe: lab.Recipe, dataset: lab.Dataset) -> dict[str, torch.Tensor]:
    """The weights that training on one thread gives, in this process."""
    threads, model = torch.get_num_threads(), lab.DigitCNN(seed=seed)
    torch.set_num_threads(1)
    lab.fit(model, dataset, replace(recipe, seed=seed), progress=False)
    torch.set_num_threads(threads)
    return model.state_dict()


def files(cache: Path, suffix: str) -> list[Path]:
    return sorted((cache / "networks").glob(f"*{suffix}"))


def until(path: Path, pattern: str) -> None:
    """Wait for a file."""
    end = time.monotonic() + 120
    while not list(path.glob(pattern)):
        assert time.monotonic() < end, f"no {pattern} in {path}"
        time.sleep(0.01)


def test_networks_side_by_side_are_those_that_are_trained_one_by_one(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.trained("plain", seed=3, recipe=replace(RECIPE, seed=3), dataset=DATASET, progress=False)
    (kept,) = files(own_cache, ".safetensors")
    content, threads, state = kept.read_bytes(), torch.get_num_threads(), torch.get_rng_state()
    networks = lab.trained_many("plain", [5, 3, 4, 5], recipe=RECIPE, dataset=DATASET, progress=False)
    assert [network.seed for network in networks] == [network.recipe.seed for network in networks] == [5, 3, 4, 5]
    for network in (networks[0], networks[2], networks[3]):
        assert same(network.model.state_dict(), alone(network.seed, RECIPE, DATASET))
        assert network.versions["threads"] == "1"
        assert not network.model.training
    assert kept.read_bytes() == content
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert multiprocessing.active_children() == []
    assert len(files(own_cache, ".safetensors")) == 3
    assert files(own_cache, ".resume") == []
    # What is cached is only read.
    monkeypatch.setattr(many, "_trained", lambda *_, **__: pytest.fail("trained again"))
    again = lab.trained_many("plain", range(3, 6), recipe=RECIPE, dataset=DATASET)
    assert same(again[1].model.state_dict(), networks[2].model.state_dict())
    assert lab.trained_many("plain", [], dataset=DATASET) == []


class AllAtOnce(joblib.parallel.LokyBackend):  # type: ignore[misc]  # joblib has no types
    """A backend that returns all results at the end, as Ray's does."""

    supports_return_generator = False


@pytest.mark.usefixtures("own_cache")
def test_a_backend_that_returns_all_results_at_once_trains_the_same_networks() -> None:
    with joblib.parallel_config(backend=AllAtOnce(), n_jobs=2):
        networks = lab.trained_many("plain", [3, 4], recipe=RECIPE, dataset=DATASET, progress=False)
    for network in networks:
        assert same(network.model.state_dict(), alone(network.seed, RECIPE, DATASET))


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_number_of_jobs_and_the_default_dtype_are_those_of_the_caller(jobs: int, own_cache: Path) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with joblib.parallel_config(n_jobs=jobs):
            first, second = lab.trained_many("batch_norm", [0, 1], recipe=RECIPE, dataset=DATASET, progress=False)
        assert torch.get_default_dtype() == torch.float64
        assert first.model.fc2.weight.dtype == second.model.fc2.weight.dtype == torch.float64
        assert first.name == second.name == "batch_norm"
    finally:
        torch.set_default_dtype(before)
    assert len(files(own_cache, ".safetensors")) == 2


def test_a_worker_with_other_code_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The joblib of a cluster may run what was installed there long ago."""
    here = zoo.circumstances()
    monkeypatch.setattr(many, "circumstances", iter([here, {**here, "torch": "0.0"}]).__next__)
    with joblib.parallel_config(n_jobs=1), pytest.raises(RuntimeError, match=r"worker: expected .*'torch': '2.*0\.0'"):
        lab.trained_many("plain", [0], recipe=RECIPE, dataset=DATASET, progress=False)


def test_a_network_whose_process_was_killed_is_trained_by_another(
    own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed = []

    def kill() -> None:
        until(own_cache / "networks", "*.resume")
        process = multiprocessing.active_children()[0]
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        killed.append(process.pid)

    thread = threading.Thread(target=kill)
    thread.start()
    networks = lab.trained_many("plain", range(3), recipe=LONG, dataset=DATASET, progress=False)
    thread.join()
    assert killed
    assert "a worker that trained networks died, so others train the rest" in caplog.text
    for network in networks:
        assert same(network.model.state_dict(), alone(network.seed, LONG, DATASET))
    assert len(files(own_cache, ".safetensors")) == 3
    assert multiprocessing.active_children() == []


def test_workers_that_always_die_are_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def dying(*_: object, **__: object) -> None:
        raise BrokenExecutor("SIGKILL")

    monkeypatch.setattr(many, "_trained", dying)
    with pytest.raises(BrokenExecutor, match="SIGKILL"):
        lab.trained_many("plain", range(2), recipe=RECIPE, dataset=DATASET, progress=False)
    assert len(caplog.messages) == many.DEATHS - 1


INTERRUPTED = """
import signal

import mnist_lab as lab
from tests.training.test_many import DATASET, LONG

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore Ctrl-C
lab.trained_many("plain", range(6), recipe=LONG, dataset=DATASET, progress=False)
"""


def test_ctrl_c_leaves_no_process_and_loses_no_network(own_cache: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        cwd=Path(__file__).parents[2],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(own_cache / "networks", "*.safetensors")
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to every process of the group
    _, error = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT, error
    assert "KeyboardInterrupt" in error
    end = time.monotonic() + 10
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < end:
            os.killpg(process.pid, 0)
            time.sleep(0.01)
    before = {path: path.read_bytes() for path in files(own_cache, ".safetensors")}
    assert 1 <= len(before) < 6
    networks = lab.trained_many("plain", range(6), recipe=LONG, dataset=DATASET, progress=False)
    assert all(path.read_bytes() == content for path, content in before.items())
    assert same(networks[5].model.state_dict(), alone(5, LONG, DATASET))
    assert files(own_cache, ".resume") == list((own_cache / "networks").glob(".*.part")) == []


def test_a_cluster_of_two_workers_trains_although_one_of_them_is_killed(own_cache: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    there = tmp_path / "cache of the workers"
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", env={"MNIST_LAB_CACHE": str(there)}
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        worker = cluster.workers[0].process.pid

        def kill() -> None:
            until(there / "networks", "*.resume")
            os.kill(worker, signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        networks = lab.trained_many("plain", range(4), recipe=LONG, dataset=DATASET, progress=False)
        thread.join()
        assert cluster.workers[0].process.pid != worker
    for network in networks:
        assert same(network.model.state_dict(), alone(network.seed, LONG, DATASET))
    assert len(files(own_cache, ".safetensors")) == 4
    assert files(own_cache, ".resume") == []
