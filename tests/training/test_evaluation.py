"""An evaluation agrees with its definition, accepts any network that gives logits, and leaves no trace."""

import pytest
import torch
from torch import nn

import mnist_lab as lab
from mnist_lab._utils.network import running
from tests.conftest import bars, no_trace


def test_an_evaluation_agrees_with_its_definition_and_leaves_no_trace() -> None:
    model, split = lab.DigitCNN(batch_norm=True).train(), bars(70, 5)
    with no_trace(model):
        result = lab.evaluate(model, split, batch_size=32)
    with running(model) as runner:
        logits = runner.logits(split.images)
    assert torch.equal(result.predictions, logits.argmax(dim=1))
    torch.testing.assert_close(result.probabilities, logits.softmax(dim=1))
    assert result.accuracy == pytest.approx(float((logits.argmax(dim=1) == split.labels).float().mean()))
    assert result.loss == pytest.approx(float(nn.functional.cross_entropy(logits, split.labels)), rel=1e-5)
    assert result.error == pytest.approx(1 - result.accuracy)
    assert result.correct.sum() == round(result.accuracy * 70)


def test_an_evaluation_rejects_an_empty_split_and_leaves_no_trace_after_an_error() -> None:
    with pytest.raises(ValueError, match="split: expected at least one image"):
        lab.evaluate(lab.DigitCNN(), bars(0, 0))
    with pytest.raises(TypeError, match="split: expected a Split"):
        lab.evaluate(lab.DigitCNN(), torch.zeros(1))  # type: ignore[arg-type]
    broken = nn.Sequential(lab.DigitCNN(batch_norm=True), nn.Linear(3, 3)).train()
    with pytest.raises(RuntimeError), no_trace(broken):
        lab.evaluate(broken, bars(4, 0))


def test_a_network_that_gives_probabilities_is_rejected() -> None:
    model = nn.Sequential(lab.DigitCNN(), nn.Softmax(dim=1))
    with no_trace(model), pytest.raises(ValueError, match="model: expected .* logits, got probabilities"):
        lab.evaluate(model, bars(70, 5))


def test_log_probabilities_are_logits_too() -> None:
    model, split = lab.DigitCNN(), bars(70, 5)
    logits, log_probabilities = lab.evaluate(model, split), lab.evaluate(nn.Sequential(model, nn.LogSoftmax(1)), split)
    assert log_probabilities.loss == pytest.approx(logits.loss, rel=1e-6)
    assert torch.equal(log_probabilities.predictions, logits.predictions)
    torch.testing.assert_close(log_probabilities.probabilities, logits.probabilities)
