"""Leave the global random state as it was found, from several threads as well."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

_lock = threading.Lock()
_users = 0
_saved: dict[str, Tensor] = {}  # device -> state when the first user came
_training = threading.RLock()


@contextmanager
def preserved(device: torch.device | None = None) -> Iterator[None]:
    """Restore the global generators (the CPU's, and a CUDA device's) after the block, also after an error.

    Blocks of several threads may overlap. The first one to enter saves the state and the last one to leave restores
    it, so no block undoes what another one draws.

    >>> before = torch.get_rng_state()
    >>> with preserved():
    ...     _ = torch.rand(3)
    >>> torch.equal(before, torch.get_rng_state())
    True
    """
    global _users  # noqa: PLW0603 - one count for the process
    generators = {"cpu": torch.default_generator}
    if device is not None and device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators[f"cuda:{index}"] = torch.cuda.default_generators[index]
    with _lock:
        _users += 1
        for name, generator in generators.items():
            _saved.setdefault(name, generator.get_state())
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for name, state in _saved.items():
                    is_cpu = name == "cpu"
                    generator = torch.default_generator if is_cpu else torch.cuda.default_generators[int(name[5:])]
                    generator.set_state(state)
                _saved.clear()


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed the global generators for the block, then restore them.

    It is for code that accepts no generator, such as dropout. The generators are global, so blocks of several threads
    run one after another.

    >>> with seeded(7):
    ...     first = torch.rand(3)
    >>> with seeded(7):
    ...     torch.equal(first, torch.rand(3))
    True
    """
    with _training, preserved(device):
        # torch.manual_seed would seed every accelerator, also those that are not restored.
        torch.default_generator.manual_seed(seed)
        if device is not None and device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
