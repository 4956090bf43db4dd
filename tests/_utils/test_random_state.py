"""The global random state comes back, whatever several threads draw."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from mnist_lab._utils.random_state import preserved, seeded


def draw(seed: int) -> list[float]:
    with seeded(seed):
        return [float(torch.rand(())) for _ in range(50)]


@pytest.mark.parametrize("block", [preserved, lambda: seeded(3)])
def test_the_random_state_is_restored_also_after_an_error(block: object) -> None:
    assert callable(block)
    state = torch.get_rng_state()
    with block():
        torch.rand(10)
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(KeyError), block():
        torch.rand(10)
        raise KeyError
    assert torch.equal(state, torch.get_rng_state())


def test_a_seeded_block_draws_what_its_seed_says() -> None:
    generator = torch.Generator().manual_seed(5)
    assert draw(5) == [float(torch.rand((), generator=generator)) for _ in range(50)]
    assert draw(5) != draw(6)


def test_blocks_may_be_nested() -> None:
    state = torch.get_rng_state()
    with preserved():
        torch.rand(3)
        with seeded(1):
            first = torch.rand(3)
            with preserved():
                torch.rand(3)
        torch.rand(3)
    assert torch.equal(state, torch.get_rng_state())
    with seeded(1):
        assert torch.equal(torch.rand(3), first)


def test_seeded_blocks_of_several_threads_do_not_mix() -> None:
    state = torch.get_rng_state()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(draw, range(40)))
    assert torch.equal(state, torch.get_rng_state())
    assert found == [draw(seed) for seed in range(40)]


def test_overlapping_blocks_of_several_threads_restore_the_state_before_the_first() -> None:
    """The second block enters while the first one has drawn already, and leaves after it."""
    state, together = torch.get_rng_state(), Barrier(2, timeout=60)

    def first() -> None:
        with preserved():
            torch.rand(5)
            together.wait()
            together.wait()

    def second() -> None:
        together.wait()
        with preserved():
            together.wait()
            torch.rand(5)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(first), pool.submit(second)]:
            done.result()
    assert torch.equal(state, torch.get_rng_state())
