"""The attack stays in its ball and raises the loss; training against it is reproducible and makes a network robust."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import mnist_lab as lab
from mnist_lab._utils.network import unchanged
from mnist_lab.training.adversarial import correct_under_attack, perturb, perturb_batch
from tests.conftest import no_trace, same

RADIUS = 3.0 * 255  # in the images of bars, which are easy to tell apart
RECIPE = lab.Recipe(epochs=2, batch_size=64, warmup=0.3, adversarial_radius=RADIUS, adversarial_steps=2)


@pytest.fixture(scope="module")
def plain(bar_dataset: lab.Dataset) -> lab.DigitCNN:
    model = lab.DigitCNN()
    lab.fit(model, bar_dataset, replace(RECIPE, adversarial_radius=0.0), progress=False)
    return model


def length(change: torch.Tensor) -> torch.Tensor:
    return change.square().sum(dim=(1, 2, 3)).sqrt()


def losses(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return functional.cross_entropy(model(images), labels, reduction="none")


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("radius", [0.0, 20.0, 255.0, 5000.0])
def test_a_perturbed_image_stays_in_the_ball_and_in_the_range(
    plain: lab.DigitCNN, bar_dataset: lab.Dataset, radius: float, steps: int
) -> None:
    split = bar_dataset.test[:16]
    moved = perturb(plain, split.images, split.labels, radius, steps=steps)
    assert moved.shape == split.images.shape
    assert float(length(moved - split.images).max()) <= radius * (1 + 1e-5)
    assert moved.min() >= 0
    assert moved.max() <= 255
    assert torch.equal(moved, split.images.float()) == (radius == 0)


def test_the_loss_rises_with_the_radius_and_a_random_change_raises_it_less(
    plain: lab.DigitCNN, bar_dataset: lab.Dataset
) -> None:
    images, labels = bar_dataset.test[:64].images.float(), bar_dataset.test[:64].labels
    mean = [float(losses(plain, images, labels).mean())]
    for radius in (100.0, 300.0, 600.0):
        moved = perturb(plain, images, labels, radius, steps=5)
        mean.append(float(losses(plain, moved, labels).mean()))
        random = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
        shifted = images + random * (length(moved - images) / length(random))[:, None, None, None]
        assert mean[-1] > 2 * float(losses(plain, shifted.clamp(0, 255), labels).mean())
    assert mean == sorted(mean)


def test_on_a_linear_network_the_attack_finds_the_best_direction() -> None:
    """With two classes that differ the loss rises along the difference of their weights alone."""
    weight = torch.zeros(10, 784)
    weight[0], weight[1] = torch.randn(2, 784, generator=torch.Generator().manual_seed(0)) / 1000
    weight[2:], bias = 0.0, torch.tensor([0.0, 0.0, *[-1e4] * 8])  # eight classes that are never predicted
    linear = nn.Linear(784, 10)
    linear.load_state_dict({"weight": weight, "bias": bias})
    images = torch.full((1, 1, 28, 28), 128.0)
    moved = perturb(nn.Sequential(nn.Flatten(), linear), images, torch.tensor([0]), 50.0, steps=20)
    best = weight[1] - weight[0]
    change = (moved - images).flatten()
    assert float(change.norm()) == pytest.approx(50, rel=1e-3)
    assert float(functional.cosine_similarity(change, best, dim=0)) > 0.99


def test_the_attack_leaves_no_trace_and_depends_on_its_seed_alone(bar_dataset: lab.Dataset) -> None:
    model, split = lab.DigitCNN(batch_norm=True), bar_dataset.test[:20]
    with no_trace(model):
        first, again, other = (
            perturb(model, split.images, split.labels, 100, steps=2, seed=seed) for seed in (0, 0, 1)
        )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_inner_step_disturbs_no_statistics_and_no_gradients(bar_dataset: lab.Dataset) -> None:
    model = nn.Sequential(lab.DigitCNN(batch_norm=True), nn.Dropout(0.5)).train()
    with unchanged(model), torch.enable_grad():
        perturb_batch(model, bar_dataset.test.images, bar_dataset.test.labels, 100, 2, torch.Generator())
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_restarts_and_steps_only_ever_fool_more(plain: lab.DigitCNN, bar_dataset: lab.Dataset) -> None:
    def correct(**changes: int) -> torch.Tensor:
        return correct_under_attack(plain, bar_dataset.test[:64], 600.0, **{"steps": 2, "restarts": 1, **changes})

    right, once = lab.evaluate(plain, bar_dataset.test[:64]).correct, correct()
    assert once.sum() < right.sum()
    assert not (once & ~right).any()
    assert not (correct(restarts=3) & ~once).any()
    assert correct(steps=10).sum() <= once.sum()


@pytest.mark.parametrize(("batch_norm", "changes"), [(False, {}), (True, {"precision": "bfloat16", "augment": True})])
def test_training_that_is_stopped_and_resumed_gives_the_same_weights(
    bar_dataset: lab.Dataset, batch_norm: bool, changes: dict[str, object], tmp_path: Path
) -> None:
    recipe = replace(RECIPE, **changes)  # type: ignore[arg-type]
    whole, stopped, resumed = (lab.DigitCNN(batch_norm=batch_norm) for _ in range(3))
    torch.manual_seed(1)  # the caller's random state makes no difference
    lab.fit(whole, bar_dataset, recipe, progress=False)
    steps = iter(range(12))  # passes in training mode: in the second epoch of eight steps

    def stop(*_: object) -> None:
        if stopped.training and next(steps, None) is None:
            raise KeyboardInterrupt

    stopped.register_forward_pre_hook(stop)
    for _ in range(2):  # the hook stops every further pass
        with pytest.raises(KeyboardInterrupt):
            lab.fit(stopped, bar_dataset, recipe, resume=tmp_path / "run", progress=False)
    lab.fit(resumed, bar_dataset, recipe, resume=tmp_path / "run", progress=False)
    assert same(whole.state_dict(), resumed.state_dict())


def test_adversarial_training_makes_a_network_harder_to_fool(plain: lab.DigitCNN, bar_dataset: lab.Dataset) -> None:
    robust = lab.DigitCNN()
    lab.fit(robust, bar_dataset, RECIPE, progress=False)
    right = {
        name: correct_under_attack(model, bar_dataset.test[:64], 600.0, steps=10, restarts=1)
        for name, model in (("plain", plain), ("robust", robust))
    }
    assert lab.evaluate(robust, bar_dataset.test).accuracy > 0.95
    assert right["robust"].sum() > right["plain"].sum() + 15
    few = bar_dataset.test[:5]
    targets = (few.labels + 1) % 10
    near, far = (lab.targeted_attack(model, few.images, targets, start="image", steps=60) for model in (plain, robust))
    assert near.success.all()
    assert far.success.all()
    assert float((far.l2 / near.l2).median()) > 1.1


def test_a_radius_of_zero_is_training_without_an_attack(bar_dataset: lab.Dataset) -> None:
    one, other = lab.DigitCNN(), lab.DigitCNN()
    lab.fit(one, bar_dataset, replace(RECIPE, adversarial_radius=0.0, adversarial_steps=5), progress=False)
    lab.fit(other, bar_dataset, lab.Recipe(epochs=2, batch_size=64, warmup=0.3), progress=False)
    assert same(one.state_dict(), other.state_dict())


def test_the_radius_rises_with_the_learning_rate() -> None:
    recipe = lab.Recipe(adversarial_radius=100.0, warmup=0.3)
    radii = [recipe.adversarial_radius_at(step, 10) for step in range(10)]
    assert radii == pytest.approx([100 / 3, 200 / 3, *[100.0] * 8])
    assert replace(recipe, warmup=0.0).adversarial_radius_at(0, 10) == 100


def test_the_cache_knows_a_robust_network_by_its_recipe(bar_dataset: lab.Dataset) -> None:
    network = lab.trained("robust", recipe=RECIPE, dataset=bar_dataset, progress=False)
    assert network.name == "robust"
    assert not network.model.batch_norm
    assert repr(network).startswith("TrainedNetwork(robust, seed 0, 2 epochs on bars")
    again = lab.trained("robust", recipe=RECIPE, dataset=bar_dataset, progress=False)
    assert same(network.model.state_dict(), again.model.state_dict())
    with pytest.raises(ValueError, match="recipe: expected an adversarial_radius of 0 for 'plain', got 765"):
        lab.trained("plain", recipe=RECIPE, dataset=bar_dataset)
    with pytest.raises(ValueError, match="recipe: expected an adversarial_radius above 0 for 'robust', got 0"):
        lab.trained("robust", recipe=lab.Recipe(), dataset=bar_dataset)
