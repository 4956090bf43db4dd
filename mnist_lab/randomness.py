"""Random numbers of our own: seeded where they are drawn, and without effect on anybody else's."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed the global generators for as long as the block runs, then give them back as they were.

    For code of torch that draws from them and takes no generator, as the initial weights of a layer do.

    Parameters
    ----------
    seed
        The seed, 0 to 2**63 - 1.
    device
        A device whose generator is seeded beside the CPU's.

    Examples
    --------
    >>> with seeded(7):
    ...     first = torch.rand(3)
    >>> with seeded(7):
    ...     torch.equal(first, torch.rand(3))
    True
    """
    # torch.manual_seed would seed every accelerator's generator, and so leave a trace in those not given back.
    cuda = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.manual_seed(seed)
        yield
