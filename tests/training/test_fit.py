"""Training works, is reproducible and has no side effects."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

import mnist_lab as lab
from mnist_lab._utils.network import running
from mnist_lab._utils.tensor_files import read_tensors
from mnist_lab.training import resume
from tests.conftest import bars, no_trace, same

QUICK = lab.Recipe(epochs=2, batch_size=64, learning_rate=2e-3)


def test_a_network_learns_and_its_history_shows_it(bar_dataset: lab.Dataset) -> None:
    model = lab.DigitCNN()
    history = lab.fit(model, bar_dataset, lab.Recipe(epochs=3, batch_size=64), progress=False)
    assert history.validation_accuracy[-1] > 0.95
    assert len(history) == 3
    assert len(history.batch_loss) == len(history.batch_error) == 3 * 8
    assert history.batch_loss[0] == pytest.approx(math.log(10), abs=0.5)
    for accuracy, error in zip(history.validation_accuracy, history.validation_error, strict=True):
        assert accuracy + error == pytest.approx(1)
    # The last epoch's entry equals an evaluation of the trained network.
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
        torch.manual_seed(disturbance)  # the caller's random state makes no difference
        model = lab.DigitCNN(batch_norm=batch_norm)
        state = torch.get_rng_state()
        lab.fit(model, bar_dataset, recipe, progress=False)
        assert torch.equal(state, torch.get_rng_state())
        models.append(model)
    assert same(models[0].state_dict(), models[1].state_dict())


def test_the_loss_of_mixed_precision_is_that_of_its_logits_in_float32(bar_dataset: lab.Dataset) -> None:
    dataset = lab.Dataset("one batch", bar_dataset.train[:64], bar_dataset.validation, bar_dataset.test)
    model = lab.DigitCNN()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = model(dataset.train.images).float()
    own = torch.nn.functional.cross_entropy(logits, dataset.train.labels)
    recipe = lab.Recipe(epochs=1, batch_size=64, precision="bfloat16")
    assert lab.fit(model, dataset, recipe, device="cpu", progress=False).batch_loss[0] == pytest.approx(
        float(own), rel=1e-6
    )


def test_the_loss_of_smoothed_labels_is_a_mixture(bar_dataset: lab.Dataset) -> None:
    """A smoothed label spreads a part of its weight evenly over all classes, so its loss is a mixture of losses."""
    dataset = lab.Dataset("one batch", bar_dataset.train[:64], bar_dataset.validation, bar_dataset.test)
    model = lab.DigitCNN()
    with running(model) as runner:
        surprise = -runner.logits(dataset.train.images).log_softmax(dim=1)
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
    """Otherwise a comparison of batch norm would be made without its statistics."""
    model = lab.DigitCNN(batch_norm=True).eval()
    before = {name: buffer.clone() for name, buffer in model.bn1.named_buffers()}
    lab.fit(model, bar_dataset, QUICK, progress=False)
    assert not torch.equal(before["running_mean"], dict(model.bn1.named_buffers())["running_mean"])
    assert not any(module.training for module in model.modules())


def test_the_validation_and_test_splits_do_not_change_the_weights(bar_dataset: lab.Dataset) -> None:
    other = lab.Dataset("bars", bar_dataset.train, bars(128, 7), bars(128, 8))
    one, two = lab.DigitCNN(batch_norm=True), lab.DigitCNN(batch_norm=True)
    lab.fit(one, bar_dataset, QUICK, progress=False)
    lab.fit(two, other, QUICK, progress=False)
    assert same(one.state_dict(), two.state_dict())


def test_a_loss_of_nan_stops_training(bar_dataset: lab.Dataset) -> None:
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


class Diverging(nn.Module):
    """A network whose logits are NaN from training pass number `at` on."""

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
        (3, 0, "in epoch 1, step 3 of 8", "before training"),
        (17, 2, "in epoch 3, step 1 of 8", "at the end of epoch 2"),
        (20, 2, "in epoch 3, step 4 of 8", "at the end of epoch 2"),
    ],
)
def test_where_the_loss_diverges_the_last_good_state_is_restored(
    bar_dataset: lab.Dataset, tmp_path: Path, at: int, epochs: int, where: str, left: str
) -> None:
    recipe, model, file = lab.Recipe(epochs=3, batch_size=64), Diverging(at), tmp_path / "run"
    message = f"became nan {where}.* learning rate .* peaks at 0.003.* weights .* restored to those {left}"
    with pytest.raises(lab.TrainingError, match=message):
        lab.fit(model, bar_dataset, recipe, resume=file, progress=False)
    # The good state is that at the end of the last whole epoch, which the file holds too.
    tensors, about = read_tensors(file, resume.FORMAT)
    assert len(about["history"]["seconds"]) == epochs
    assert all(torch.equal(tensors[f"model/{name}"], tensor) for name, tensor in model.state_dict().items())
    untouched = same(model.state_dict(), Diverging(at).state_dict())
    assert untouched == (epochs == 0)
    if epochs:
        model.at = 10**9
        assert lab.evaluate(model, bar_dataset.validation).loss == about["history"]["validation_loss"][-1]


def test_divergence_in_the_last_step_is_noticed_too(bar_dataset: lab.Dataset) -> None:
    class Explodes(nn.Module):
        """Infinite gradients in the last step of the first epoch; no batch loss shows it."""

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
    message = "became nan on the train images at the end of epoch 1.* weights .* restored to those before training"
    with no_trace(model), pytest.raises(lab.TrainingError, match=message):
        lab.fit(model, bar_dataset, lab.Recipe(epochs=2, batch_size=64), progress=False)


def test_fit_rejects_bad_arguments_and_leaves_no_trace(bar_dataset: lab.Dataset) -> None:
    model, nothing = lab.DigitCNN(), bar_dataset.train[:0]
    with no_trace(model):
        with pytest.raises(TypeError, match="model: expected a torch.nn.Module, got str 'plain'"):
            lab.fit("plain", bar_dataset)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="dataset: expected a Dataset"):
            lab.fit(model, bar_dataset.train)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="recipe: expected a Recipe or None, got int 5"):
            lab.fit(model, bar_dataset, 5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="at least one train image"):
            lab.fit(model, lab.Dataset("none", nothing, bar_dataset.validation, nothing))
        with pytest.raises(ValueError, match="at least one validation image"):
            lab.fit(model, lab.Dataset("none", bar_dataset.train, nothing, nothing))


def test_progress_is_one_message_per_epoch_where_there_is_no_terminal(
    bar_dataset: lab.Dataset, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.fit(lab.DigitCNN(), bar_dataset, QUICK, title="bars")
    assert len(caplog.messages) == 2
    assert caplog.messages[1].startswith("bars: epoch 2 of 2, training error ")
    caplog.clear()
    lab.fit(lab.DigitCNN(), bar_dataset, QUICK, progress=False)
    assert caplog.messages == []
    assert capsys.readouterr() == ("", "")  # pytest's own handlers took the messages
