"""Training learns, reproducibly and without side effects; measuring leaves no trace."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

import mnist_lab as lab
from mnist_lab import resumption
from mnist_lab._utils.network import observed
from mnist_lab._utils.tensor_files import read_tensors
from tests.conftest import bars, no_trace, same

QUICK = lab.Recipe(epochs=2, batch_size=64, learning_rate=2e-3)


def test_a_network_learns_and_its_history_says_so(bar_dataset: lab.Dataset) -> None:
    model = lab.DigitCNN()
    history = lab.fit(model, bar_dataset, lab.Recipe(epochs=3, batch_size=64), progress=False)
    assert history.validation_accuracy[-1] > 0.95
    assert len(history) == 3
    assert len(history.batch_loss) == len(history.batch_error) == 3 * 8
    assert history.batch_loss[0] == pytest.approx(math.log(10), abs=0.5)
    for accuracy, error in zip(history.validation_accuracy, history.validation_error, strict=True):
        assert accuracy + error == pytest.approx(1)
    # The last epoch's entry is what measuring the finished network gives.
    result = lab.evaluate(model, bar_dataset.validation)
    assert history.validation_accuracy[-1] == result.accuracy
    assert history.validation_loss[-1] == pytest.approx(result.loss)
    assert all(seconds > 0 for seconds in history.seconds)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("changes", [{}, {"augment": True}, {"precision": "bfloat16"}])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(
    bar_dataset: lab.Dataset, batch_norm: bool, changes: dict[str, object]
) -> None:
    recipe = lab.Recipe(**{"epochs": 1, "batch_size": 64, **changes})  # type: ignore[arg-type]
    models = []
    for disturbance in (0, 1):
        torch.manual_seed(disturbance)  # what the caller draws meanwhile makes no difference
        model = lab.DigitCNN(batch_norm=batch_norm)
        state = torch.get_rng_state()
        lab.fit(model, bar_dataset, recipe, progress=False)
        assert torch.equal(state, torch.get_rng_state())
        models.append(model)
    assert same(models[0].state_dict(), models[1].state_dict())


def test_smoothed_labels_are_what_the_first_batch_is_measured_by(bar_dataset: lab.Dataset) -> None:
    """Of a smoothed label a share is spread evenly over all classes: its loss is that mixture of losses."""
    dataset = lab.Dataset("one batch", bar_dataset.train[:64], bar_dataset.validation, bar_dataset.test)
    model = lab.DigitCNN()
    with observed(model), torch.no_grad():
        surprise = -model(dataset.train.images).log_softmax(dim=1)
    own = surprise[torch.arange(64), dataset.train.labels].mean()
    recipe = lab.Recipe(epochs=1, batch_size=64, label_smoothing=0.3)
    first = lab.fit(model, dataset, recipe, progress=False).batch_loss[0]
    assert first == pytest.approx(float(0.7 * own + 0.3 * surprise.mean()), rel=1e-4)
    assert first != pytest.approx(float(own), rel=1e-4)


def test_another_seed_gives_other_weights(bar_dataset: lab.Dataset) -> None:
    one, other = lab.DigitCNN(), lab.DigitCNN()
    lab.fit(one, bar_dataset, lab.Recipe(epochs=1, seed=0), progress=False)
    lab.fit(other, bar_dataset, lab.Recipe(epochs=1, seed=1), progress=False)
    assert not torch.equal(one.fc2.weight, other.fc2.weight)


def test_dropout_draws_from_the_recipes_seed(bar_dataset: lab.Dataset) -> None:
    def train(global_seed: int) -> torch.Tensor:
        model = nn.Sequential(lab.DigitCNN(), nn.Dropout(0.5))
        torch.manual_seed(global_seed)
        lab.fit(model, bar_dataset, lab.Recipe(epochs=1), progress=False)
        return next(model.parameters()).detach().clone()

    assert torch.equal(train(0), train(1))


def test_a_network_left_in_evaluation_mode_still_trains_its_batch_norm(bar_dataset: lab.Dataset) -> None:
    """The trap of the comparison that never returned to training mode."""
    model = lab.DigitCNN(batch_norm=True).eval()
    before = {name: buffer.clone() for name, buffer in model.bn1.named_buffers()}
    lab.fit(model, bar_dataset, QUICK, progress=False)
    assert not torch.equal(before["running_mean"], dict(model.bn1.named_buffers())["running_mean"])
    assert not any(module.training for module in model.modules())


def test_validation_is_measured_and_never_learned(bar_dataset: lab.Dataset) -> None:
    other = lab.Dataset("bars", bar_dataset.train, bars(128, 7), bars(128, 8))
    one, two = lab.DigitCNN(batch_norm=True), lab.DigitCNN(batch_norm=True)
    lab.fit(one, bar_dataset, QUICK, progress=False)
    lab.fit(two, other, QUICK, progress=False)
    assert same(one.state_dict(), two.state_dict())


def test_a_loss_that_is_no_number_stops_training(bar_dataset: lab.Dataset) -> None:
    class Bad(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(784, 10)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.layer(images.float().flatten(1)) * torch.nan
            return logits

    model = Bad()
    with no_trace(model), pytest.raises(lab.TrainingError, match="nan in epoch 1, step 1 of 4.* the network itself"):
        lab.fit(model, bar_dataset, progress=False)


class Astray(nn.Module):
    """A network whose logits are no numbers from its training pass number `at` on."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.network, self.at, self.passes = lab.DigitCNN(batch_norm=True), at, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.passes += self.training
        logits: torch.Tensor = self.network(images)
        return logits * math.nan if self.passes >= self.at else logits


@pytest.mark.parametrize(
    ("at", "epochs", "where", "left"),
    [
        (3, 0, "in epoch 1, step 3 of 8", "it was given"),
        (17, 2, "in epoch 3, step 1 of 8", "epoch 2 left it with"),
        (20, 2, "in epoch 3, step 4 of 8", "epoch 2 left it with"),
    ],
)
def test_where_the_loss_goes_astray_the_last_good_state_is_kept(
    bar_dataset: lab.Dataset, tmp_path: Path, at: int, epochs: int, where: str, left: str
) -> None:
    recipe, model, file = lab.Recipe(epochs=3, batch_size=64), Astray(at), tmp_path / "run"
    message = f"became nan {where}.* learning rate .* is 0.003 at its peak.* weights again that {left}"
    with pytest.raises(lab.TrainingError, match=message):
        lab.fit(model, bar_dataset, recipe, resume=file, progress=False)
    # The good state is that of a run whose third epoch is never whole; the file holds the same.
    tensors, about = read_tensors(file, resumption.FORMAT)
    assert len(about["history"]["seconds"]) == epochs
    assert all(torch.equal(tensors[f"model/{name}"], tensor) for name, tensor in model.state_dict().items())
    untouched = same(model.state_dict(), Astray(at).state_dict())
    assert untouched == (epochs == 0)
    if epochs:
        model.at = 10**9
        assert lab.evaluate(model, bar_dataset.validation).loss == about["history"]["validation_loss"][-1]


def test_a_last_step_that_goes_astray_is_noticed_too(bar_dataset: lab.Dataset) -> None:
    class Explodes(nn.Module):
        """Gradients without bound in the last step of the first epoch; no loss of a batch shows it."""

        def __init__(self) -> None:
            super().__init__()
            self.network, self.passes = lab.DigitCNN(), 0

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.passes += self.training
            logits: torch.Tensor = self.network(images)
            if self.training and self.passes == 8:
                logits.register_hook(lambda gradient: gradient * math.inf)
            return logits

    model = Explodes()
    message = "became nan of the train images at the end of epoch 1.* weights again that it was given"
    with no_trace(model), pytest.raises(lab.TrainingError, match=message):
        lab.fit(model, bar_dataset, lab.Recipe(epochs=2, batch_size=64), progress=False)


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
        ({"precision": "float16"}, "precision: expected one of 'float32', 'bfloat16'"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_recipe_is_checked_when_it_is_made(changes: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        lab.Recipe(**changes)  # type: ignore[arg-type]


def test_fit_refuses_what_it_cannot_train(bar_dataset: lab.Dataset) -> None:
    model, nothing = lab.DigitCNN(), bar_dataset.train[:0]
    with no_trace(model):
        with pytest.raises(TypeError, match="model: expected a torch.nn.Module, got str 'plain'"):
            lab.fit("plain", bar_dataset)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="dataset: expected a Dataset"):
            lab.fit(model, bar_dataset.train)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="recipe: expected a Recipe, got int 5"):
            lab.fit(model, bar_dataset, 5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="at least one train image"):
            lab.fit(model, lab.Dataset("none", nothing, bar_dataset.validation, nothing))
        with pytest.raises(ValueError, match="at least one validation image"):
            lab.fit(model, lab.Dataset("none", bar_dataset.train, nothing, nothing))


def test_evaluation_agrees_with_the_definition_and_leaves_no_trace() -> None:
    model, split = lab.DigitCNN(batch_norm=True).train(), bars(70, 5)
    with no_trace(model):
        result = lab.evaluate(model, split, batch_size=32)
    with observed(model), torch.no_grad():
        logits = model(split.images)
    assert torch.equal(result.predictions, logits.argmax(dim=1))
    torch.testing.assert_close(result.probabilities, logits.softmax(dim=1))
    assert result.accuracy == pytest.approx(float((logits.argmax(dim=1) == split.labels).float().mean()))
    assert result.loss == pytest.approx(float(nn.functional.cross_entropy(logits, split.labels)), rel=1e-5)
    assert result.error == pytest.approx(1 - result.accuracy)
    assert result.correct.sum() == round(result.accuracy * 70)


def test_evaluation_refuses_an_empty_split_and_restores_after_an_error() -> None:
    with pytest.raises(ValueError, match="split: expected at least one image"):
        lab.evaluate(lab.DigitCNN(), bars(0, 0))
    with pytest.raises(TypeError, match="split: expected a Split"):
        lab.evaluate(lab.DigitCNN(), torch.zeros(1))  # type: ignore[arg-type]
    broken = nn.Sequential(lab.DigitCNN(batch_norm=True), nn.Linear(3, 3)).train()
    with pytest.raises(RuntimeError), no_trace(broken):
        lab.evaluate(broken, bars(4, 0))


def test_progress_is_a_plain_line_an_epoch_where_there_is_no_terminal(
    bar_dataset: lab.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.fit(lab.DigitCNN(), bar_dataset, QUICK, title="bars")
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("bars: epoch 2 of 2, training error ")
    lab.fit(lab.DigitCNN(), bar_dataset, QUICK, progress=False)
    assert capsys.readouterr().err == ""


def test_the_history_prints_a_row_an_epoch_within_a_terminal(bar_dataset: lab.Dataset) -> None:
    lines = repr(lab.fit(lab.DigitCNN(), bar_dataset, QUICK, progress=False)).splitlines()
    assert len(lines) == 3
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 80
