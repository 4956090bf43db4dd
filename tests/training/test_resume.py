"""Training that was stopped continues bit for bit; a damaged resume file, or that of another run, is rejected."""

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
from mnist_lab._utils.tensor_files import read_tensors, write_tensors
from mnist_lab.training.resume import FORMAT
from tests.conftest import bars, no_trace, same

RECIPE = lab.Recipe(epochs=3, batch_size=64)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="stops forked processes with signals")
def test_kills_and_interrupts_at_random_moments_change_nothing(tmp_path: Path) -> None:
    """Forty SIGKILLs and fifteen Ctrl-C: same weights, same history, every file whole, no partial file left."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.training.stopping", str(tmp_path), "10", "5", "0"],
        cwd=Path(__file__).parents[2],
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
    # Not all kills were in the first epoch.
    assert max(max(case.get("epochs", [0])) for case in report.values()) >= 2


class Stopped(nn.Module):
    """A network that is interrupted in training pass number `at`."""

    def __init__(self, network: nn.Module, at: int) -> None:
        super().__init__()
        self.network, self.at, self.passes = network, at, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.passes += self.training
        if self.passes == self.at:
            raise KeyboardInterrupt
        logits: torch.Tensor = self.network(images)
        return logits


def test_a_repeated_call_gives_the_result_of_one_that_was_not_interrupted(
    bar_dataset: lab.Dataset, tmp_path: Path
) -> None:
    whole = Stopped(lab.DigitCNN(batch_norm=True), at=0)
    expected = lab.fit(whole, bar_dataset, RECIPE, progress=False)
    model, file = Stopped(lab.DigitCNN(batch_norm=True), at=12), tmp_path / "größe und mehr" / "run"
    with pytest.raises(KeyboardInterrupt):
        lab.fit(model, bar_dataset, RECIPE, resume=file, progress=False)
    history = lab.fit(model, bar_dataset, RECIPE, resume=file, progress=False)
    assert same(whole.state_dict(), model.state_dict())
    assert replace(history, seconds=expected.seconds) == expected
    assert model.passes == 12 + 16  # only the four steps of the interrupted epoch are repeated
    # The run has ended: the same network, and a new one, get its weights without a step.
    for again in (model, Stopped(lab.DigitCNN(batch_norm=True), at=1)):
        assert lab.fit(again, bar_dataset, RECIPE, resume=file, progress=False) == history
        assert same(whole.state_dict(), again.state_dict())
    assert [path.name for path in file.parent.iterdir()] == ["run"]


def test_an_interrupt_in_the_first_epoch_leaves_no_trace(bar_dataset: lab.Dataset) -> None:
    first = Stopped(lab.DigitCNN(batch_norm=True), at=3)
    with no_trace(first), pytest.raises(KeyboardInterrupt):
        lab.fit(first, bar_dataset, RECIPE, progress=False)


def test_resuming_is_logged(bar_dataset: lab.Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, file = Stopped(lab.DigitCNN(), at=12), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        lab.fit(model, bar_dataset, RECIPE, resume=file)
    caplog.clear()
    lab.fit(model, bar_dataset, RECIPE, resume=file)
    assert caplog.messages[0] == f"training: continuing after epoch 1 of 3 from {file}"


class Labelled(nn.Sequential):
    """A network whose repr holds memory addresses."""

    def __init__(self) -> None:
        super().__init__(lab.DigitCNN(), nn.Dropout(0.1))
        self.function = lambda images: images

    def extra_repr(self) -> str:
        return f"function={self.function}, owner={object.__repr__(self)}"


def test_a_network_whose_repr_holds_a_memory_address_is_resumed(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
    whole, interrupted, fresh = Labelled(), Labelled(), Labelled()
    assert repr(interrupted) != repr(fresh)  # as in another process
    lab.fit(whole, bar_dataset, RECIPE, progress=False)
    passes = iter(range(11))

    def stop(module: nn.Module, _: object) -> None:
        if module.training and next(passes, None) is None:
            raise KeyboardInterrupt

    interrupted.register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        lab.fit(interrupted, bar_dataset, RECIPE, resume=tmp_path / "run", progress=False)
    lab.fit(fresh, bar_dataset, RECIPE, resume=tmp_path / "run", progress=False)
    assert same(whole.state_dict(), fresh.state_dict())


def test_the_file_of_another_run_is_rejected_before_any_work(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
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
        (lab.DigitCNN(seed=1), bar_dataset, RECIPE, "the network has different weights here"),
    ):
        message = f"resume: .* belongs to another run: {difference}"
        with no_trace(model), pytest.raises(lab.CheckpointError, match=message):
            lab.fit(model, dataset, recipe, resume=file, progress=False)
    assert file.read_bytes() == before


def test_a_damaged_file_is_rejected_before_any_work(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
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
    write_tensors(file, {}, {"format": "mnist_lab network 3"})
    with pytest.raises(lab.CheckpointError, match="has the format 'mnist_lab network 3'"):
        lab.fit(model, bar_dataset, RECIPE, resume=file, progress=False)


def test_a_file_that_cannot_be_created_is_an_error_before_any_work(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = Stopped(lab.DigitCNN(), at=1)
    with no_trace(model), pytest.raises(OSError, match="file"):
        lab.fit(model, bar_dataset, RECIPE, resume=tmp_path / "file" / "run", progress=False)
    assert model.passes == 0


def test_a_disk_that_fills_up_later_does_not_stop_training(
    bar_dataset: lab.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
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
    (told,) = caplog.messages
    assert "epoch 2 is not in the resume file" in told
    assert "No space left on device" in told
    assert same(expected.state_dict(), model.state_dict())
    assert len(read_tensors(file, FORMAT)[1]["history"]["seconds"]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_frozen_weights_and_non_persistent_buffers_are_stored_too(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
    class Counting(nn.Module):
        """A frozen layer, and a buffer that changes the logits and is in no state_dict."""

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
