"""What several tests share: small data that can be learned, and a way to see whether a network was touched."""

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn

import mnist_lab as lab

mpl.use("agg")

collect_ignore = ["browser"]  # `tox -e browser` runs these alone: they need the built site, and no torch

# The same examples in every run, and no deadline: a test that fails today and not tomorrow teaches nothing.
settings.register_profile("project", derandomize=True, deadline=None)
settings.load_profile("project")

needs_mnist = pytest.mark.skipif(
    not os.environ.get("MNIST_LAB_DATA"), reason="states a fact of the real MNIST; set MNIST_LAB_DATA to run it"
)


def bars(count: int, seed: int) -> lab.Split:
    """Images of ten easy classes: class k is a bright bar in rows 2k+4 and 2k+5, on faint noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(10, (count,), generator=generator)
    images = torch.randint(60, (count, 1, 28, 28), generator=generator)
    rows = torch.arange(28).view(1, 1, 28, 1)
    start = (2 * labels + 4).view(-1, 1, 1, 1)
    bar = (rows >= start) & (rows < start + 2)
    return lab.Split(torch.where(bar, 230, images).byte(), labels)


@pytest.fixture(scope="session")
def bar_dataset() -> lab.Dataset:
    """A small data set that a network learns in a second."""
    return lab.Dataset("bars", train=bars(512, 0), validation=bars(128, 1), test=bars(128, 2))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("MNIST_LAB_CACHE", str(cache))
    return cache


@pytest.fixture(scope="session")
def mnist() -> lab.Dataset:
    """The real MNIST, for the few tests that state facts of it."""
    return lab.load_dataset("mnist")


def state_of(model: nn.Module) -> dict[str, object]:
    """Everything of a network, and of the global random state, that looking at it must leave alone."""
    state: dict[str, object] = {
        "tensors": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "modes": [(module, module.training) for module in model.modules()],
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": [copy.deepcopy(parameter.grad) for parameter in model.parameters()],
        "random": torch.get_rng_state(),
        "grad_mode": torch.is_grad_enabled(),
    }
    for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
        state[hooks] = [dict(getattr(module, hooks)) for module in model.modules()]
    return state


def same(left: object, right: object) -> bool:
    """Whether two states are equal, tensors bit for bit."""
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return left.dtype == right.dtype and left.shape == right.shape and bool((left == right).all())
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left is right or left == right


@contextmanager
def no_trace(model: nn.Module) -> Iterator[None]:
    """Fail if the block changed anything of `model` or of the global random state, also if it raised."""
    before = state_of(model)
    try:
        yield
    finally:
        after = state_of(model)
        changed = [name for name in before if not same(before[name], after[name])]
        assert not changed, f"changed: {changed}"
