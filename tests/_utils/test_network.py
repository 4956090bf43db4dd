"""Observing gives everything back, whatever the network and whatever went wrong."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mnist_lab._utils.network import device_of, observed
from tests.conftest import no_trace

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Conv2d(1, 1, 3, padding=1),
    "norm": lambda: nn.BatchNorm2d(1),
    "dropout": lambda: nn.Dropout(0.5),
    "relu": nn.ReLU,
}


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=6),
    st.lists(st.booleans(), min_size=7, max_size=7),
    st.booleans(),
)
def test_any_chain_in_any_mixture_of_modes_comes_back(names: list[str], modes: list[bool], fails: bool) -> None:
    model = nn.Sequential(*(LAYERS[name]() for name in names))
    for module, mode in zip(model.modules(), modes, strict=False):
        module.training = mode
    with no_trace(model):
        try:
            with observed(model):
                assert not any(module.training for module in model.modules())
                model(torch.rand(2, 1, 4, 4))
                torch.rand(3)
                if fails:
                    raise KeyError
        except KeyError:
            assert fails


def test_a_dropout_that_never_rests_does_not_move_the_callers_random_numbers() -> None:
    class Restless(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.dropout(x, training=True)

    model = Restless()
    with no_trace(model), observed(model):
        model(torch.ones(5))


def test_the_device_is_that_of_the_weights() -> None:
    assert device_of(nn.Linear(1, 1)) == torch.device("cpu")
    assert device_of(nn.Linear(1, 1, device="meta")) == torch.device("meta")
    with pytest.raises(RuntimeError), observed(nn.Linear(1, 1)):
        nn.Linear(2, 2)(torch.ones(3))
