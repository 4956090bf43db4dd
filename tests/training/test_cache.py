"""The cache of trained networks under faults: each is logged, training succeeds, and no partial file is left."""

import ctypes
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

import mnist_lab as lab
from mnist_lab._utils.cache import one_at_a_time
from mnist_lab._utils.files import ABANDONED, user_cache, written_whole
from mnist_lab._utils.messages import log
from mnist_lab.training import zoo
from tests.conftest import bars, same

RECIPE = lab.Recipe(epochs=1, batch_size=64)
OTHER = lab.Recipe(epochs=1, batch_size=64, seed=5)


class Payload:
    """A pickle that creates a file when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("executed"),)  # type: ignore[return-value]


@pytest.fixture
def get(bar_dataset: lab.Dataset) -> Callable[..., lab.TrainedNetwork]:
    def trained(recipe: lab.Recipe = RECIPE) -> lab.TrainedNetwork:
        return lab.trained("plain", recipe=recipe, dataset=bar_dataset, progress=False)

    return trained


def networks(cache: Path) -> list[str]:
    return sorted(path.suffix for path in (cache / "networks").iterdir())


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1  # within a weight: still a safetensors file
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def a_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Payload()))


def torch_saved(path: Path) -> None:
    torch.save(Payload(), path)


def of_an_older_format(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"mnist_lab network 3", b"mnist_lab network 2"))


FAULTS = [truncated, altered, empty, a_pickle, torch_saved, of_an_older_format]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_network_is_reported_and_trained_again(
    fault: Callable[[Path], None],
    get: Callable[..., lab.TrainedNetwork],
    own_cache: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    first = get()
    (path,) = (own_cache / "networks").glob("*.safetensors")
    whole = path.read_bytes()
    fault(path)
    with pytest.raises(lab.CheckpointError, match=path.name):
        lab.load(path)
    assert caplog.messages == []
    again = get()
    (told,) = caplog.messages
    assert told.startswith(f"training plain, seed 0: {path} ")
    assert told.endswith("It is made anew.")
    assert same(first.model.state_dict(), again.model.state_dict())
    assert lab.load(path).recipe == RECIPE
    assert len(path.read_bytes()) == len(whole) or path.stat().st_size > 0
    assert networks(own_cache) == [".lock", ".safetensors"]
    assert not Path("executed").exists()


def test_a_network_under_the_name_of_another_is_reported_and_trained_again(
    get: Callable[..., lab.TrainedNetwork], own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = get()
    (path,) = (own_cache / "networks").glob("*.safetensors")
    get(OTHER)
    (other,) = set((own_cache / "networks").glob("*.safetensors")) - {path}
    path.write_bytes(other.read_bytes())
    again = get()
    assert "does not hold the network of its name but TrainedNetwork(plain, seed 0" in caplog.text
    assert again.recipe == RECIPE
    assert same(first.model.state_dict(), again.model.state_dict())


@pytest.mark.parametrize("fault", [truncated, altered, a_pickle])
def test_a_damaged_resume_file_is_reported_and_training_starts_again(
    fault: Callable[[Path], None],
    get: Callable[..., lab.TrainedNetwork],
    own_cache: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(zoo, "save", killed)
        get()
    assert networks(own_cache) == [".lock", ".resume"]
    (path,) = (own_cache / "networks").glob("*.resume")
    fault(path)
    assert get().recipe == RECIPE
    (told,) = caplog.messages
    assert str(path) in told
    assert "training plain, seed 0 from the start" in told
    assert networks(own_cache) == [".lock", ".safetensors"]


def test_a_network_that_was_trained_but_not_saved_is_not_trained_again(
    get: Callable[..., lab.TrainedNetwork],
    own_cache: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the disk is full when the network is saved, the resume file holds it and the next call saves it."""
    whole = zoo.save

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zoo, "save", full)
    first = get()
    (told,) = caplog.messages
    assert "cannot be kept for the next time ([Errno 28] No space left on device)" in told
    monkeypatch.setattr(zoo, "save", whole)
    again = get()
    assert first.history.seconds == again.history.seconds  # those of the first training
    assert same(first.model.state_dict(), again.model.state_dict())
    assert networks(own_cache) == [".lock", ".safetensors"]


def test_a_resume_file_beside_a_saved_network_is_deleted(
    get: Callable[..., lab.TrainedNetwork], own_cache: Path
) -> None:
    """A process that is killed right after it has saved the network leaves the file."""
    get()
    (path,) = (own_cache / "networks").glob("*.safetensors")
    path.with_suffix(".resume").touch()
    get()
    assert networks(own_cache) == [".lock", ".safetensors"]


def test_what_a_killed_process_had_begun_to_write_is_deleted_with_the_network_saved(
    get: Callable[..., lab.TrainedNetwork], own_cache: Path
) -> None:
    get()
    (path,) = (own_cache / "networks").glob("*.safetensors")
    path.unlink()
    for suffix in ("resume", "safetensors"):
        (path.parent / f".{path.stem}.{suffix}.0123456789abcdef.part").touch()
    other = path.parent / ".plain-1-0123456789abcdef.resume.0123456789abcdef.part"
    other.touch()
    get()
    assert list(path.parent.glob(".*.part")) == [other]


@pytest.mark.parametrize("variable", ["/dev/null/cache", "/proc/no such folder"])
def test_a_cache_that_cannot_be_created_does_not_stop_training(
    variable: str,
    get: Callable[..., lab.TrainedNetwork],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MNIST_LAB_CACHE", variable)
    assert len(get().history) == 1
    (told,) = caplog.messages
    assert told.startswith("training plain, seed 0: the result cannot be kept for the next time (")
    assert variable in told


def test_without_a_home_folder_networks_are_not_kept_and_the_data_error_says_what_to_do(
    get: Callable[..., lab.TrainedNetwork],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MNIST_LAB_DATA", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as it does where there is no home
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    for value in ("~/networks", ""):
        monkeypatch.setenv("MNIST_LAB_CACHE", value)
        assert len(get().history) == 1
        assert "set MNIST_LAB_CACHE to a folder that can be written" in caplog.text
        caplog.clear()
        with pytest.raises(lab.DataError, match="To supply MNIST, .*set MNIST_LAB_CACHE"):
            lab.load_dataset("mnist")
    assert list(tmp_path.iterdir()) == []  # no folder of the name ~ in particular


def test_the_cache_may_have_spaces_and_non_ascii_letters_in_its_path(
    get: Callable[..., lab.TrainedNetwork], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = tmp_path / "größe und mehr" / "数字 [1]*"
    monkeypatch.setenv("MNIST_LAB_CACHE", str(cache))
    assert same(get().model.state_dict(), get().model.state_dict())
    assert networks(cache) == [".lock", ".safetensors"]


PREAMBLE = """
import os, resource, sys
import mnist_lab as lab
from mnist_lab.training import zoo
from tests.conftest import bars
from tests.training.test_cache import RECIPE
import torch
torch.set_num_threads(1)
dataset = lab.Dataset("bars", train=bars(512, 0), validation=bars(128, 1), test=bars(128, 2))
"""


def run(code: str, cache: Path, prepare: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PREAMBLE + code],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "MNIST_LAB_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=prepare,
    )


def without_privileges() -> None:
    """Make read-only folders read-only for root too, in the program that this process becomes."""
    if os.geteuid() == 0:
        library = ctypes.CDLL(None, use_errno=True)
        bounding_set_drop, override_permissions = 24, 1
        assert library.prctl(bounding_set_drop, override_permissions, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())


def test_a_read_only_cache_is_read_and_missing_networks_are_trained(
    get: Callable[..., lab.TrainedNetwork], own_cache: Path
) -> None:
    get()
    before = networks(own_cache)
    (own_cache / "networks").chmod(0o555)
    code = """
fit = zoo.fit
zoo.fit = None
lab.trained("plain", recipe=RECIPE, dataset=dataset)
zoo.fit = fit
print("read")
print(lab.trained("batch_norm", recipe=RECIPE, dataset=dataset, progress=False).name)
"""
    result = run(code, own_cache, without_privileges)
    assert result.stdout == "read\nbatch_norm\n", result.stderr
    assert "training batch_norm, seed 0: the result cannot be kept for the next time ([Errno 13]" in result.stderr
    assert networks(own_cache) == before
    (own_cache / "networks").chmod(0o755)


@pytest.mark.parametrize("room", [1_000_000, 5_000_000])  # bytes: enough for no file, or for the network only
def test_a_full_disk_does_not_stop_training_and_leaves_no_partial_file(room: int, own_cache: Path) -> None:
    code = f"""
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
print(lab.trained("plain", recipe=RECIPE, dataset=dataset, progress=False).name)
"""
    result = run(code, own_cache)
    assert result.stdout == "plain\n", result.stderr
    assert "File too large" in result.stderr
    assert ("cannot be kept for the next time" in result.stderr) == (room < 3_000_000)
    assert [suffix for suffix in networks(own_cache) if suffix != ".lock"] == [".safetensors"] * (room > 3_000_000)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != room


def _train_in_a_process(cache: str, lines: str) -> None:
    os.environ["MNIST_LAB_CACHE"] = cache
    torch.set_num_threads(1)
    dataset = lab.Dataset("bars", train=bars(512, 0), validation=bars(128, 1), test=bars(128, 2))
    original = lab.fit

    def counted(*args: object, **kwargs: object) -> lab.History:
        with Path(lines).open("a") as file:
            file.write("trained\n")
        return original(*args, **kwargs)  # type: ignore[arg-type]

    setattr(zoo, "fit", counted)  # noqa: B010 - imported by the module, not exported
    lab.trained("plain", recipe=RECIPE, dataset=dataset, progress=False)


def test_four_processes_that_ask_for_the_same_network_train_it_once(tmp_path: Path) -> None:
    context = get_context("spawn")
    arguments = (str(tmp_path / "shared"), str(tmp_path / "lines"))
    processes = [context.Process(target=_train_in_a_process, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "lines").read_text() == "trained\n"


def _hold(path: str, name: str) -> None:
    with one_at_a_time(Path(path) / "lock", "holding"), written_whole(Path(path) / name) as partial:
        partial.write_text("half")
        (Path(path) / "held").touch()
        time.sleep(600)


def test_a_dead_process_leaves_no_lock_and_its_partial_file_is_deleted_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    holder = get_context("spawn").Process(target=_hold, args=(str(tmp_path), "file [1].txt"))
    holder.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    # While the holder lives, its partial file is left alone, also by another writer of the same file.
    with written_whole(tmp_path / "file [1].txt") as partial:
        partial.write_text("whole")
    (abandoned,) = tmp_path.glob(".*.part")
    assert holder.pid is not None
    waiting = get_context("spawn").Process(target=_wait, args=(str(tmp_path),))
    waiting.start()
    while not (tmp_path / "told").exists():
        time.sleep(0.01)
    assert not (tmp_path / "entered").exists()
    os.kill(holder.pid, signal.SIGKILL)
    waiting.join(60)
    assert waiting.exitcode == 0
    assert (tmp_path / "entered").exists()
    assert (tmp_path / "told").read_text() == "waiting: another process is doing it; waiting until it has finished"
    long_ago = time.time() - ABANDONED - 1
    os.utime(abandoned, (long_ago, long_ago))
    with written_whole(tmp_path / "file [1].txt") as partial:
        partial.write_text("again")
    assert list(tmp_path.glob(".*.part")) == []
    assert (tmp_path / "file [1].txt").read_text() == "again"
    assert caplog.messages == []


def _wait(path: str) -> None:
    def told(message: str, *values: object) -> None:
        (Path(path) / "told").write_text(message % values)

    setattr(log, "info", told)  # noqa: B010 - a method of an object
    with one_at_a_time(Path(path) / "lock", "waiting"):
        (Path(path) / "entered").touch()


def test_a_folder_without_locks_is_an_os_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(OSError, match="does not appear to support flock"), one_at_a_time(tmp_path / "lock", "counting"):
        pass
    assert user_cache("networks").name == "networks"
