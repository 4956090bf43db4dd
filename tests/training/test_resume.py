"""Training that is stopped goes on bit for bit; a resume file of another run, or a damaged one, is refused by name."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import mnist_lab as lab
from mnist_lab import resumption
from mnist_lab._utils.tensor_files import read_tensors, write_tensors
from tests.conftest import bars, no_trace, same

RECIPE = lab.Recipe(epochs=3, batch_size=64)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="stops forked processes with signals")
def test_killed_or_interrupted_at_random_moments_nothing_is_lost(tmp_path: Path) -> None:
    """Forty SIGKILLs and fifteen Ctrl-C: same weights, same history, no half file left, and each file whole."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.stopping", str(tmp_path), "10", "5", "0"],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=600,
    )
    report = json.loads(result.stdout)
    assert report.pop("left") == {"files": [".lock", ".safetensors"]}
    assert sum(case.get("kills", 0) for case in report.values()) == 40
    assert sum(case.get("interrupts", 0) for case in report.values()) == 15
    assert all(case["outcomes"] and all(case["outcomes"]) for case in report.values()), report
    # The kills were not all of the first epoch.
    assert max(max(case.get("epochs", [0])) for case in report.values()) >= 2


class Stopped(nn.Module):
    """A network that is interrupted in the training pass of that number."""

    def __init__(self, network: nn.Module, at: int) -> None:
        super().__init__()
        self.network, self.at, self.passes = network, at, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.passes += self.training
        if self.passes == self.at:
            raise KeyboardInterrupt
        logits: torch.Tensor = self.network(images)
        return logits


def test_an_interrupted_call_made_again_ends_as_if_nothing_had_been(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
    whole = Stopped(lab.DigitCNN(batch_norm=True), at=0)
    expected = lab.fit(whole, bar_dataset, RECIPE, progress=False)
    model, file = Stopped(lab.DigitCNN(batch_norm=True), at=12), tmp_path / "größe und mehr" / "run"
    with pytest.raises(KeyboardInterrupt):
        lab.fit(model, bar_dataset, RECIPE, resume=file, progress=False)
    history = lab.fit(model, bar_dataset, RECIPE, resume=file, progress=False)
    assert same(whole.state_dict(), model.state_dict())
    assert replace(history, seconds=expected.seconds) == expected
    assert model.passes == 12 + 16  # the four steps of the epoch that was not whole are taken again, no more
    # The run has ended: the same network, and a new one, are brought there without a step.
    for again in (model, Stopped(lab.DigitCNN(batch_norm=True), at=1)):
        assert lab.fit(again, bar_dataset, RECIPE, resume=file, progress=False) == history
        assert same(whole.state_dict(), again.state_dict())
    assert [path.name for path in file.parent.iterdir()] == ["run"]


def test_training_that_ends_early_leaves_the_last_whole_epoch(bar_dataset: lab.Dataset) -> None:
    first = Stopped(lab.DigitCNN(batch_norm=True), at=3)
    with no_trace(first), pytest.raises(KeyboardInterrupt):
        lab.fit(first, bar_dataset, RECIPE, progress=False)


def test_what_goes_on_is_told(bar_dataset: lab.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, file = Stopped(lab.DigitCNN(), at=12), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        lab.fit(model, bar_dataset, RECIPE, resume=file)
    capsys.readouterr()
    lab.fit(model, bar_dataset, RECIPE, resume=file)
    assert f"training: epoch 1 of 3 had ended, says {file}; training goes on from there" in capsys.readouterr().err


def test_a_file_of_another_run_is_refused_before_anything_is_done(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
    file = tmp_path / "run"
    lab.fit(lab.DigitCNN(), bar_dataset, RECIPE, resume=file, progress=False)
    before = file.read_bytes()
    other_data = lab.Dataset("bars", bars(512, 3), bar_dataset.validation, bar_dataset.test)
    dropout = nn.Sequential(lab.DigitCNN(), nn.Dropout(0.5))
    for model, dataset, recipe, difference in (
        (lab.DigitCNN(), bar_dataset, replace(RECIPE, epochs=4), "recipe.epochs 3 there, 4 here"),
        (lab.DigitCNN(), bar_dataset, replace(RECIPE, augment=True), "recipe.augment False there, True here"),
        (lab.DigitCNN(), other_data, RECIPE, "data '.*' there, '.*' here"),
        (lab.DigitCNN(batch_norm=True), bar_dataset, RECIPE, "layers '.*' there, '.*' here"),
        (dropout, bar_dataset, RECIPE, "layers '.*' there, '.*' here"),
        (lab.DigitCNN(seed=1), bar_dataset, RECIPE, "the network's weights here are none that it had there"),
    ):
        with no_trace(model), pytest.raises(lab.CheckpointError, match=f"resume: .* of another run: {difference}"):
            lab.fit(model, dataset, recipe, resume=file, progress=False)
    assert file.read_bytes() == before


def test_a_damaged_file_is_refused_before_anything_is_done(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
    file, model = tmp_path / "run", lab.DigitCNN()
    lab.fit(model, bar_dataset, RECIPE, resume=file, progress=False)
    content = file.read_bytes()
    middle = len(content) // 2
    for damage in (
        content[:middle],
        content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        content.replace(b"seconds", b"sekunde", 1),
        b"",
        bytes(100),
    ):
        file.write_bytes(damage)
        with no_trace(model), pytest.raises(lab.CheckpointError, match="run is damaged"):
            lab.fit(model, bar_dataset, RECIPE, resume=file, progress=False)
    write_tensors(file, {}, {"format": "mnist_lab network 2"})
    with pytest.raises(lab.CheckpointError, match="has the format 'mnist_lab network 2'"):
        lab.fit(model, bar_dataset, RECIPE, resume=file, progress=False)


def test_a_file_that_cannot_be_made_is_an_error_before_any_work(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = Stopped(lab.DigitCNN(), at=1)
    with no_trace(model), pytest.raises(OSError, match="file"):
        lab.fit(model, bar_dataset, RECIPE, resume=tmp_path / "file" / "run", progress=False)
    assert model.passes == 0


def test_a_disk_that_fills_up_later_does_not_stop_training(
    bar_dataset: lab.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected, file, model = lab.DigitCNN(), tmp_path / "run", lab.DigitCNN()
    lab.fit(expected, bar_dataset, RECIPE, progress=False)
    written: list[int] = []
    whole = os.fsync

    def fills_up(handle: int) -> None:
        written.append(handle)
        if len(written) == 3:  # the start, the first epoch, and now the second
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(handle)

    monkeypatch.setattr(os, "fsync", fills_up)
    lab.fit(model, bar_dataset, RECIPE, resume=file, progress=False)
    assert len(written) == 4
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert "epoch 2 is not in the resume file" in told[0]
    assert "No space left on device" in told[0]
    assert same(expected.state_dict(), model.state_dict())
    assert len(read_tensors(file, resumption.FORMAT)[1]["history"]["seconds"]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_frozen_weights_and_buffers_that_are_not_saved_are_kept_too(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
    class Counting(nn.Module):
        """A frozen layer, and a buffer that decides the logits and is in no state_dict."""

        seen: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.network = lab.DigitCNN()
            self.network.conv1.requires_grad_(False)
            self.register_buffer("seen", torch.zeros(()), persistent=False)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.seen += self.training
            logits: torch.Tensor = self.network(images) * (1 + self.seen / 100)
            return logits

    whole, model = Stopped(Counting(), at=0), Stopped(Counting(), at=20)
    lab.fit(whole, bar_dataset, RECIPE, progress=False)
    with pytest.raises(KeyboardInterrupt):
        lab.fit(model, bar_dataset, RECIPE, resume=tmp_path / "run", progress=False)
    fresh = Stopped(Counting(), at=0)
    lab.fit(fresh, bar_dataset, RECIPE, resume=tmp_path / "run", progress=False)
    assert same(whole.state_dict(), fresh.state_dict())
    assert dict(fresh.named_buffers())["network.seen"] == 24
