"""A recipe is checked, and its learning rate follows torch's one-cycle schedule; a history prints as a table."""

import functools

import pytest
import torch

import mnist_lab as lab
from mnist_lab import training
from mnist_lab.training.device import Precision


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs: expected an integer of at least 1, got 0"),
        ({"epochs": 2.5}, "epochs: expected an integer"),
        ({"batch_size": -1}, "batch_size"),
        ({"learning_rate": 0}, "learning_rate: expected a finite number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"warmup": 1.5}, "warmup: .* at most 1, got 1.5"),
        ({"augment": "yes"}, "augment: expected True or False"),
        ({"label_smoothing": 1.1}, "label_smoothing: .* at most 1, got 1.1"),
        ({"adversarial_radius": -1.0}, "adversarial_radius: expected a finite number of at least 0, got -1"),
        ({"adversarial_steps": 0}, "adversarial_steps: expected an integer of at least 1, got 0"),
        ({"precision": "float16"}, "precision: expected one of 'float32', 'bfloat16'"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_recipe_is_checked_when_it_is_created(changes: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        lab.Recipe(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.15, 0.5, 0.85])
@pytest.mark.parametrize("steps", [13, 400])
def test_the_learning_rate_is_that_of_torchs_one_cycle_schedule(warmup: float, steps: int) -> None:
    recipe = lab.Recipe(warmup=warmup)
    optimizer = torch.optim.SGD([torch.zeros(1)], recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        recipe.learning_rate,
        total_steps=steps,
        pct_start=warmup,
        anneal_strategy="linear",
        cycle_momentum=False,
    )
    expected = []
    for _ in range(steps):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        if len(expected) < steps:
            schedule.step()
    assert [recipe.learning_rate_at(step, steps) for step in range(steps)] == expected


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 10, 49, 98, 103, 1000])
def test_every_warmup_has_a_finite_learning_rate(steps: int) -> None:
    for warmup in (0.0, 1 / steps, 0.5, 1.0):  # torch's schedule divides by zero where warmup * steps is 1
        recipe = lab.Recipe(warmup=warmup)
        rates = [recipe.learning_rate_at(step, steps) for step in range(steps)]
        assert all(0 < rate <= recipe.learning_rate * (1 + 1e-12) for rate in rates)
        assert steps == 1 or max(rates) > recipe.learning_rate / 3
    assert lab.Recipe(warmup=1.0).learning_rate_at(steps - 1, steps) == lab.Recipe().learning_rate


@pytest.mark.parametrize(("warmup", "epochs"), [(1.0, 1), (0.0, 1), (1 / 8, 1), (1 / 16, 2)])  # 8 steps per epoch
def test_every_warmup_trains(bar_dataset: lab.Dataset, warmup: float, epochs: int) -> None:
    recipe = lab.Recipe(epochs=epochs, batch_size=64, warmup=warmup)
    history = lab.fit(lab.DigitCNN(), bar_dataset, recipe, progress=False)
    assert history.train_loss[-1] < history.batch_loss[0]


def test_a_step_after_the_last_has_no_learning_rate() -> None:
    with pytest.raises(ValueError, match="step: expected an integer in 0..7, got 8"):
        lab.Recipe().learning_rate_at(8, 8)


def test_a_history_prints_one_row_per_epoch_that_fits_a_terminal(bar_dataset: lab.Dataset) -> None:
    recipe = lab.Recipe(epochs=2, batch_size=64)
    lines = repr(lab.fit(lab.DigitCNN(), bar_dataset, recipe, progress=False)).splitlines()
    assert len(lines) == 3
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 80


def test_the_standard_recipe_is_the_default_one_in_the_fastest_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    # As on a processor with and without Intel's AMX, and on an older torch, which cannot tell.
    cases: list[tuple[bool, str, Precision]] = [
        (True, "cpu", "bfloat16"),
        (False, "cpu", "float32"),
        (True, "cuda", "float32"),
    ]
    for amx, device, precision in cases:
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda amx=amx: amx, raising=False)
        monkeypatch.setattr(training.device, "best_device", functools.partial(torch.device, device))
        assert lab.Recipe.standard(3) == lab.Recipe(precision=precision, seed=3)
        assert lab.Recipe.accurate().precision == lab.Recipe.robust().precision == precision
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert lab.Recipe.standard() == lab.Recipe()
