"""How far results agree where arithmetic may differ: between numbers of threads, and between float32 and float64.

The tolerances are those that the documentation states.
"""

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

import mnist_lab as lab
from mnist_lab._utils.network import running
from tests.conftest import bars

LOGITS = 1e-3  # absolute, of logits that reach ten and more
PROBABILITIES = 1e-4
# 1 - cosine of the angle between an image's two gradients. Single entries need not agree: where two inputs of a pool
# are almost equal, rounding decides which of them gets the gradient.
DIRECTIONS = 1e-3


@pytest.fixture(scope="module", params=["plain", "batch_norm"])
def network(request: pytest.FixtureRequest, bar_dataset: lab.Dataset) -> lab.DigitCNN:
    """A trained network, so that logits and gradients have realistic sizes."""
    model = lab.DigitCNN(batch_norm=request.param == "batch_norm")
    lab.fit(model, bar_dataset, lab.Recipe(epochs=3, batch_size=64), progress=False)
    return model.eval()


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def gradient(model: torch.nn.Module, images: Tensor) -> Tensor:
    """The direction of an attack's step: of the logit of class 5 by the pixels."""
    images = images.clone().requires_grad_()
    with running(model, gradients=True) as runner:
        (found,) = torch.autograd.grad(runner.logits(images)[:, 5].sum(), images)
    return found


def results(model: lab.DigitCNN, images: Tensor) -> dict[str, Tensor]:
    """What the library computes of a network, each with the tolerance of its name."""
    with running(model) as runner:
        logits = runner.logits(images)
    return {
        "logits": logits,
        "probabilities": model.probabilities(images),
        "occlusion": lab.occlusion_map(model, images[:1], 3, patch=5),
        "gradients": gradient(model, images).flatten(1),
    }


def assert_agree(found: dict[str, Tensor], reference: dict[str, Tensor]) -> None:
    found, reference = ({name: value.double() for name, value in each.items()} for each in (found, reference))
    differences = {
        name: (float((found[name] - reference[name]).abs().max()), tolerance)
        for name, tolerance in (("logits", LOGITS), ("probabilities", PROBABILITIES), ("occlusion", PROBABILITIES))
    }
    cosine = torch.cosine_similarity(found["gradients"], reference["gradients"])
    differences["gradients"] = (1 - float(cosine.min()), DIRECTIONS)
    assert all(difference <= tolerance for difference, tolerance in differences.values()), differences


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_network_says_the_same_with_any_number_of_threads(
    network: lab.DigitCNN, threads: Callable[[int], None], count: int
) -> None:
    images = bars(64, 9).images.float()
    threads(1)
    reference = results(network, images)
    threads(count)
    assert_agree(results(network, images), reference)


def test_float32_agrees_with_float64(network: lab.DigitCNN) -> None:
    images = bars(64, 9).images
    precise = copy.deepcopy(network).double()
    reference = results(precise, images.double())
    assert all(tensor.dtype == torch.float64 for name, tensor in reference.items() if name != "occlusion")
    assert_agree(results(network, images.float()), reference)


@pytest.mark.parametrize("count", [2, 4])
def test_training_with_other_threads_goes_the_same_way_at_first(
    bar_dataset: lab.Dataset, threads: Callable[[int], None], count: int
) -> None:
    """Rounding grows from step to step, so it is an epoch that is compared, by its loss batch by batch."""
    losses = []
    for number in (1, count):
        threads(number)
        losses.append(lab.fit(lab.DigitCNN(), bar_dataset, lab.Recipe(epochs=1), progress=False).batch_loss)
    assert losses[1] == pytest.approx(losses[0], abs=1e-3)
