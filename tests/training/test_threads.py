"""Training and evaluation give the same results from several threads as from one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import mnist_lab as lab
from tests.conftest import bars, no_trace, same

DATASET = lab.Dataset("bars", train=bars(96, 0), validation=bars(64, 1), test=bars(10, 2))


def with_dropout(seed: int) -> nn.Module:
    return nn.Sequential(lab.DigitCNN(seed=seed), nn.Dropout(0.3))


@pytest.mark.parametrize("network", [lab.DigitCNN, with_dropout])
def test_networks_that_are_trained_in_four_threads_have_the_weights_of_their_seeds(
    network: type[lab.DigitCNN],
) -> None:
    def train(seed: int) -> dict[str, torch.Tensor]:
        model = network(seed=seed)
        lab.fit(model, DATASET, lab.Recipe(epochs=2, batch_size=16, seed=seed), progress=False)
        return model.state_dict()

    alone = [train(seed) for seed in range(4)]
    state = torch.get_rng_state()
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(train, range(4)))
    assert same(alone, together)
    assert torch.equal(state, torch.get_rng_state())


def test_one_network_is_evaluated_in_six_threads_as_in_one() -> None:
    model, split = lab.DigitCNN(batch_norm=True).train(), bars(200, 3)
    model.bn2.eval()
    expected = lab.evaluate(model, split)
    with no_trace(model), ThreadPoolExecutor(6) as threads:
        results = list(threads.map(lambda _: lab.evaluate(model, split), range(60)))
    assert all(torch.equal(result.probabilities, expected.probabilities) for result in results)


def test_a_network_is_evaluated_while_another_is_trained() -> None:
    """An evaluation must not restore the random state from which dropout draws in the other thread."""

    def train() -> dict[str, torch.Tensor]:
        model = with_dropout(0)
        lab.fit(model, DATASET, lab.Recipe(epochs=3, batch_size=16), progress=False)
        return model.state_dict()

    expected, state = train(), torch.get_rng_state()
    with ThreadPoolExecutor(2) as threads:
        training = threads.submit(train)
        while not training.done():
            lab.evaluate(lab.DigitCNN(seed=1), DATASET.test)
    assert same(training.result(), expected)
    assert torch.equal(state, torch.get_rng_state())
