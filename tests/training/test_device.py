"""A network is trained on the threads that other programs leave free."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import mnist_lab as lab
from mnist_lab.training import device, zoo

RECIPE = lab.Recipe(epochs=1, batch_size=64)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.skipif(not Path("/proc/loadavg").is_file(), reason="Linux alone tells what runs")
def test_programs_that_compute_are_counted() -> None:
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        assert device.other_programs() >= 3
    finally:
        for program in programs:
            program.kill()
            program.wait()


@pytest.mark.parametrize("content", [None, "", "0.1 0.2 0.3", "0.1 0.2 0.3 x/y 1"])
def test_no_program_is_counted_where_the_system_does_not_say(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "loadavg"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(device, "Path", lambda _: file)
    assert device.other_programs() == 0


def test_the_thread_that_looks_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "loadavg"
    monkeypatch.setattr(device, "Path", lambda _: file)
    for running, others in ((0, 0), (1, 0), (4, 3)):
        file.write_text(f"0.1 0.2 0.3 {running}/200 1\n")
        assert device.other_programs() == others


@pytest.mark.parametrize(
    ("cores", "threads", "others", "free"),
    [
        (2, 2, 0, 2),
        (2, 2, 1, 1),
        (2, 2, 2, 1),
        (2, 1, 0, 1),
        (1, 1, 5, 1),
        (16, 16, 3, 13),
        (16, 16, 40, 8),
        (16, 4, 3, 4),
        (None, 4, 1, 1),
    ],
)
def test_threads_leave_other_programs_their_cores_up_to_half_of_all(
    cores: int | None, threads: int, others: int, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "best_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(device, "other_programs", lambda: others)
    assert device.free_threads() == free


def test_other_programs_do_not_matter_to_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "best_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(device, "other_programs", lambda: pytest.fail("looked at other programs"))
    assert device.free_threads() == torch.get_num_threads()


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("free", [1, 2])
def test_a_network_is_trained_on_the_free_threads_and_says_so(
    free: int, bar_dataset: lab.Dataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(zoo, "free_threads", lambda: free)
    network = lab.trained("plain", seed=free, recipe=RECIPE, dataset=bar_dataset, progress=False)
    assert network.versions["threads"] == str(free)
    assert torch.get_num_threads() == 2
    said = "training plain, seed 1: on 1 of 2 threads, since other programs compute" in caplog.text
    assert said == (free == 1)
