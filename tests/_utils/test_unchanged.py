"""A block that claims to change no weight is held to it."""

import pytest
import torch
from torch import nn

from mnist_lab._utils.network import unchanged


def test_a_changed_weight_does_not_go_unnoticed() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with unchanged(model):
        model.eval()(torch.ones(1, 2))
    with (
        pytest.raises(AssertionError, match=r"changed: 1\.running_mean, 1\.running_var, 1\.num"),
        unchanged(model),
    ):
        model.train()(torch.rand(4, 2))
    bias = model[0].bias
    assert isinstance(bias, nn.Parameter)
    with pytest.raises(AssertionError, match=r"changed: 0\.bias$"), unchanged(model), torch.no_grad():
        bias.neg_()
