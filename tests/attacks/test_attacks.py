"""Attacks climb the cost that they name, by the formula that they name, and leave the network alone."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

import mnist_lab as lab
from mnist_lab._utils.network import Runner
from mnist_lab.attacks import gradient_ascent as ascent
from mnist_lab.attacks.gradient_ascent import Cost
from tests.conftest import no_trace

MSE_01_TO_255 = 65_025  # 255 squared


def digits(count: int, seed: int = 0) -> Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(seed)).byte()


def double_network(seed: int = 0) -> lab.DigitCNN:
    return lab.DigitCNN(batch_norm=True, seed=seed).double()


Start = Literal["noise", "image"]
Beta = float | Literal["search"]


class Linear(nn.Module):
    """Logits that are linear in the image: every gradient is known in closed form."""

    def __init__(self, scale: float = 1e-3) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.weight = nn.Parameter(scale * torch.randn(10, 784, generator=generator, dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T


@pytest.fixture(scope="module")
def trained(bar_dataset: lab.Dataset) -> lab.DigitCNN:
    model = lab.DigitCNN(seed=0)
    lab.fit(model, bar_dataset, lab.Recipe(epochs=3, batch_size=64), progress=False)
    return model


def pairs(split: lab.Split, per_class: int) -> tuple[Tensor, Tensor]:
    """Every image with every other class as its target."""
    rows = torch.cat([(split.labels == label).nonzero().flatten()[:per_class] for label in range(10)])
    images, labels = split.images[rows], split.labels[rows]
    others = torch.stack([(label + torch.arange(1, 10)) % 10 for label in labels])
    return images.repeat_interleave(9, dim=0), others.flatten()


# The gradient and the formula


@pytest.mark.parametrize("objective", ["logit", "margin"])
@pytest.mark.parametrize("penalised", [False, True])
def test_the_gradient_is_the_one_of_finite_differences(objective: str, penalised: bool) -> None:
    model = double_network().eval()
    images = digits(4).double() * 0.9 + 10.3
    cost = Cost(
        torch.tensor([0, 3, 9, 9]),
        objective,
        torch.tensor([0.0, 0.01, 0.1, 1.0]).double(),
        digits(4, seed=1).double(),
        (lambda images: (images / 255).pow(3).sum(dim=(1, 2, 3))) if penalised else None,
    )
    gradient = cost.gradient(Runner(model), images)[2]
    generator = torch.Generator().manual_seed(5)
    small = 1e-4
    for _ in range(3):
        direction = torch.randn(images.shape, generator=generator, dtype=torch.float64)
        high, low = (cost.gradient(Runner(model), images + sign * small * direction)[1] for sign in (1, -1))
        slope = (gradient * direction).sum(dim=(1, 2, 3))
        torch.testing.assert_close((high - low) / (2 * small), slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("clip", [None, (0.0, 255.0), (20.0, 200.0)])
def test_one_step_of_maximizing_a_logit_is_the_formula(clip: tuple[float, float] | None) -> None:
    model, seen = Linear(), []
    targets = torch.tensor([4, 0, 4])
    result = lab.maximize_logit(
        model, targets, step_size=9e4, steps=1, clip=clip, callback=lambda _, images: seen.append(images)
    )
    start = seen[0]
    gradient = model.weight.detach()[targets].view(-1, 1, 28, 28)
    expected = start + 9e4 * gradient
    torch.testing.assert_close(result.images, expected if clip is None else expected.clamp(*clip))
    assert clip is None or (start.min() >= clip[0] and start.max() <= clip[1])
    assert (clip is None) == bool(expected.equal(result.images)), "the step is large enough for clipping to matter"
    torch.testing.assert_close(result.cost[0], (start.flatten(1) * gradient.flatten(1)).sum(dim=1))
    assert result.cost.equal(result.logit)


@pytest.mark.parametrize("start", ["noise", "image"])
@pytest.mark.parametrize("by_pair", [False, True])
def test_one_step_of_the_targeted_attack_is_the_formula(start: Start, by_pair: bool) -> None:
    model, images, targets, seen = Linear(), digits(3), torch.tensor([1, 2, 3]), []
    weights = (
        torch.tensor([0.0, 0.02, 0.4], dtype=torch.float64) if by_pair else torch.full((3,), 0.05, dtype=torch.float64)
    )
    result = lab.targeted_attack(
        model, images, targets, weights if by_pair else 0.05, start, step_size=500.0, steps=1, clip=None,
        callback=lambda _, images: seen.append(images),
    )  # fmt: skip
    beginning = seen[0]
    assert beginning.equal(images.double()) == (start == "image")
    away = beginning - images
    pull = weights.view(-1, 1, 1, 1) * 2 * away / 784
    expected = beginning + 500 * (model.weight.detach()[targets].view(-1, 1, 28, 28) - pull)
    torch.testing.assert_close(result.images, expected)
    logit = (beginning.flatten(1) * model.weight.detach()[targets]).sum(dim=1)
    torch.testing.assert_close(result.logit[0], logit)
    torch.testing.assert_close(result.cost[0], logit - weights * away.square().mean(dim=(1, 2, 3)))
    assert result.beta.equal(weights)


@pytest.mark.parametrize("beta", [0.2, 2.0])
def test_the_balance_of_pull_and_gradient_is_reached_in_closed_form(beta: float) -> None:
    """Without clipping, a linear network's best image is the target image + 784 / (2 beta) * weights."""
    model, images, targets = Linear(), digits(2), [3, 8]
    result = lab.targeted_attack(model, images, targets, beta, steps=60, clip=None)
    expected = images + 784 / (2 * beta) * model.weight.detach()[targets].view(-1, 1, 28, 28)
    torch.testing.assert_close(result.images, expected)


def test_beta_converts_between_the_units_of_images() -> None:
    """The same cost, with intensities in 0..1 and the weight 65,025 times as large, has the same gradient."""
    model, images, originals = double_network().eval(), digits(2).double(), digits(2, seed=1).double()
    targets, beta_01 = torch.tensor([2, 5]), 700.0
    unit = (images / 255).requires_grad_()
    logits = model(unit * 255)
    cost_01 = logits[[0, 1], targets] - beta_01 * (unit - originals / 255).square().mean(dim=(1, 2, 3))
    (gradient_01,) = torch.autograd.grad(cost_01.sum(), unit)
    beta = torch.full((2,), beta_01 / MSE_01_TO_255, dtype=torch.float64)
    _, cost, gradient = Cost(targets, beta=beta, originals=originals).gradient(Runner(model), images)
    torch.testing.assert_close(cost, cost_01.detach())
    torch.testing.assert_close(gradient, gradient_01 / 255)


def test_without_a_weight_the_targeted_attack_is_the_other_one(trained: lab.DigitCNN) -> None:
    free = lab.maximize_logit(trained, [3, 5], seed=4, steps=5)
    bound = lab.targeted_attack(trained, digits(2), [3, 5], 0.0, seed=4, steps=5)
    assert free.images.equal(bound.images)
    assert free.cost.equal(bound.cost)


def test_the_cost_rises_and_the_trace_ends_at_the_result(trained: lab.DigitCNN) -> None:
    result = lab.maximize_logit(trained, range(10), steps=40)
    assert result.cost.shape == (41, 10)
    assert (result.cost[-1] > result.cost[0]).all()
    with torch.no_grad():
        logits = trained.eval()(result.images)
    torch.testing.assert_close(result.logit[-1], logits.diagonal())
    torch.testing.assert_close(result.probabilities, logits.softmax(dim=1))
    assert result.predictions.equal(logits.argmax(dim=1))
    torch.testing.assert_close(result.rounded_probabilities, trained.probabilities(result.rounded))
    assert result.success.equal(trained.probabilities(result.rounded).argmax(dim=1) == torch.arange(10))
    assert result.images.min() >= 0
    assert result.images.max() <= 255


def test_a_penalty_is_subtracted(trained: lab.DigitCNN) -> None:
    bright = lab.maximize_logit(trained, [1], steps=30)
    dark = lab.maximize_logit(trained, [1], steps=30, penalty=lambda images: images.mean(dim=(1, 2, 3)))
    assert dark.images.mean() < 0.5 * bright.images.mean()
    assert dark.cost[0] == pytest.approx(float(bright.cost[0]) - 128, abs=5)


# Seeds and batches


def test_one_seed_gives_one_result_whatever_the_caller_draws(trained: lab.DigitCNN) -> None:
    one = lab.maximize_logit(trained, [1, 2, 1], seed=7, steps=3)
    torch.rand(5)
    two = lab.maximize_logit(trained, torch.tensor([1, 2, 1], dtype=torch.int32), seed=7, steps=3)
    other = lab.maximize_logit(trained, [1, 2, 1], seed=8, steps=3)
    assert one.images.equal(two.images)
    assert not one.images.equal(other.images)
    assert not one.images[0].equal(one.images[2]), "a class that is asked for twice is started twice"


def test_the_start_is_noise_of_the_asked_deviation() -> None:
    noise = ascent.noise(range(50), 0, 30.0, Runner(nn.Identity()))
    assert noise.equal(noise[:1].expand_as(noise)), "different rows share their noise"
    many = ascent.noise([0] * 200, 0, 30.0, Runner(nn.Identity()))
    assert float(many.mean()) == pytest.approx(128, abs=0.5)
    assert float(many.std()) == pytest.approx(30, abs=0.5)
    assert ascent.noise([0] * 3, 0, 30.0, Runner(nn.Identity())).equal(many[:3])


@pytest.mark.parametrize("start", ["noise", "image"])
@pytest.mark.parametrize("beta", [0.01, "search"])
def test_a_row_does_not_depend_on_its_batch(start: Start, beta: Beta, monkeypatch: pytest.MonkeyPatch) -> None:
    model, images, targets = double_network(), digits(5), torch.tensor([3, 1, 4, 1, 5])
    whole = lab.targeted_attack(model, images, targets, beta, start, steps=8)
    monkeypatch.setattr(ascent, "BATCH", 2)
    chunked = lab.targeted_attack(model, images, targets, beta, start, steps=8)
    single = [lab.targeted_attack(model, images[[row]], targets[[row]], beta, start, steps=8) for row in range(5)]
    for other in (chunked.images, torch.cat([result.images for result in single])):
        torch.testing.assert_close(other, whole.images, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.cat([result.beta for result in single]), whole.beta)


def test_a_class_does_not_depend_on_the_others_beside_it() -> None:
    model = double_network()
    together = lab.maximize_logit(model, list(range(10)) * 2, steps=8)
    for target in (0, 7):
        alone = lab.maximize_logit(model, [target] * 2, steps=8)
        torch.testing.assert_close(alone.images, together.images[together.targets == target], rtol=0, atol=1e-6)


def test_in_single_precision_too_a_row_does_not_depend_on_its_batch() -> None:
    """Rounding may part the ways by an intensity or so where it tips the maximum of a pool, and no further."""
    model = lab.DigitCNN(seed=1)
    together = lab.maximize_logit(model, range(10), steps=20)
    alone = [lab.maximize_logit(model, [target], steps=20).images for target in range(10)]
    torch.testing.assert_close(torch.cat(alone), together.images, rtol=0, atol=1.0)


@pytest.mark.parametrize("count", [1, 4, 10, 65])
def test_the_network_is_given_batches_of_the_same_kind(count: int) -> None:
    """Matrix products sum rows in an order that depends on the batch, but not among multiples of four."""
    sizes: set[int] = set()

    class Recording(Linear):
        def forward(self, images: Tensor) -> Tensor:
            sizes.add(len(images))
            return super().forward(images)

    result = lab.maximize_logit(Recording(), [3] * count, steps=1)
    assert len(result.images) == len(result.probabilities) == count
    assert all(size % 4 == 0 and size <= 64 for size in sizes)


# The search


@pytest.mark.parametrize("start", ["noise", "image"])
def test_every_pair_succeeds_as_stored(trained: lab.DigitCNN, bar_dataset: lab.Dataset, start: Start) -> None:
    images, targets = pairs(bar_dataset.test, 1)
    result = lab.targeted_attack(trained, images, targets, start=start, steps=100)
    assert result.rounded.dtype == torch.uint8
    assert (trained.probabilities(result.rounded).argmax(dim=1) == targets).all()
    assert result.success.all()
    assert result.images.equal(result.rounded.float())
    assert ((result.beta > 0) & result.beta.isfinite()).all()


def test_the_search_finds_the_least_distortion_of_a_linear_network() -> None:
    """Where logits are linear and nothing is clipped, the distance to the target's region is known in closed form."""
    model = Linear(scale=5e-3)
    with torch.no_grad():
        model.weight[2:] = -1  # two classes decide: the boundary is one plane
    images = torch.full((6, 1, 28, 28), 128.0) + ascent.noise([0] * 6, 0, 10.0, Runner(model)).float() - 128
    labels = model(images.double()).argmax(dim=1)
    targets = 1 - labels
    assert set(labels.tolist()) <= {0, 1}
    normal = (model.weight[0] - model.weight[1]).detach()
    distance = (images.double().flatten(1) @ normal).abs() / normal.norm()
    result = lab.targeted_attack(model, images, targets, start="image")
    assert result.success.all()
    # Rounding shifts every pixel by up to half an intensity, at random to the boundary: 28 * 0.29 in all.
    torch.testing.assert_close(result.l2, (distance.square() + 784 / 12).sqrt(), rtol=0.01, atol=0)
    # At the least distortion, the pull balances the gradient: distance = 784 / (2 beta) * |gradient|.
    torch.testing.assert_close(result.beta, 392 * normal.norm() / distance, rtol=0.2, atol=0)


def test_the_search_stays_within_the_intensities_and_uses_them_to_their_ends(trained: lab.DigitCNN) -> None:
    seen: list[Tensor] = []
    originals = torch.zeros(3, 1, 28, 28, dtype=torch.uint8)
    originals[:, :, :, 14:] = 255
    result = lab.targeted_attack(
        trained,
        originals,
        [1, 2, 3],
        start="noise",
        sigma=300.0,
        steps=30,
        callback=lambda _, images: seen.append(images),
    )
    assert all(images.min() >= 0 and images.max() <= 255 for images in seen)
    assert (result.images == 0).any()
    assert (result.images == 255).any()


def test_the_found_weight_is_the_largest_that_succeeds(trained: lab.DigitCNN, bar_dataset: lab.Dataset) -> None:
    images, targets = (rows[::3] for rows in pairs(bar_dataset.test, 1))
    found = lab.targeted_attack(trained, images, targets, start="image")

    def share(factor: float) -> float:
        again = lab.targeted_attack(trained, images, targets, found.beta * factor, "image", objective="margin")
        return float(again.success.float().mean())

    assert share(0.7) > 0.95
    assert share(1.4) < 0.05


def test_the_margin_costs_no_more_distortion_than_the_logit(trained: lab.DigitCNN, bar_dataset: lab.Dataset) -> None:
    images, targets = pairs(bar_dataset.test, 1)
    by_margin, by_logit = (
        lab.targeted_attack(trained, images, targets, start="image", steps=100, objective=objective)
        for objective in ("margin", "logit")
    )
    assert by_margin.l2.median() < by_logit.l2.median()


@pytest.mark.parametrize("start", ["noise", "image"])
def test_an_image_that_is_taken_for_its_target_stays_as_it_is(
    trained: lab.DigitCNN, bar_dataset: lab.Dataset, start: Start
) -> None:
    split = bar_dataset.test[:3]
    predictions = trained.probabilities(split.images).argmax(dim=1)
    result = lab.targeted_attack(trained, split.images, predictions, start=start, steps=3)
    assert result.rounded.equal(split.images)
    assert result.success.all()
    assert result.l2.max() == 0
    assert result.beta.isinf().all()


def test_a_target_out_of_reach_is_reported_and_not_hidden() -> None:
    model = Linear(scale=0.0)
    with torch.no_grad():
        model.weight[0] = 1.0
    result = lab.targeted_attack(model, digits(2), [0, 1], start="image", steps=5)
    assert result.success.tolist() == [True, False]
    assert "1 classified as their target" in repr(result)
    assert result.images.isfinite().all()


@pytest.mark.parametrize("name", ["images", "probabilities", "cost"])
def test_a_walk_that_went_astray_has_a_result_too(trained: lab.DigitCNN, name: str) -> None:
    result = lab.maximize_logit(trained, [1], steps=1)
    astray = dataclasses.replace(result, **{name: getattr(result, name) * float("nan")})
    assert getattr(astray, name).isnan().all()


# What is measured


def test_distortions_are_those_of_the_rounded_image(trained: lab.DigitCNN) -> None:
    images = digits(3)
    result = lab.targeted_attack(trained, images, [1, 2, 3], 0.01, steps=4)
    added = result.rounded.double() - images.double()
    torch.testing.assert_close(result.mse.double(), added.square().mean(dim=(1, 2, 3)))
    torch.testing.assert_close(result.l2.double(), added.square().sum(dim=(1, 2, 3)).sqrt())
    torch.testing.assert_close(result.linf.double(), added.abs().amax(dim=(1, 2, 3)))
    assert result.originals is not None
    assert result.originals.equal(images.float())
    with pytest.raises(ValueError, match="^originals: expected target images to compare with, got None"):
        _ = lab.maximize_logit(trained, [1], steps=1).mse


def test_what_leaves_the_range_is_clipped_when_it_is_stored(trained: lab.DigitCNN) -> None:
    result = lab.maximize_logit(trained, range(10), steps=40, step_size=20_000.0, clip=None)
    assert result.images.min() < 0
    assert result.images.max() > 255
    assert result.rounded.equal(result.images.clamp(0, 255).round().byte())


def test_a_result_says_what_a_reader_wants(trained: lab.DigitCNN) -> None:
    assert repr(lab.maximize_logit(trained, [], steps=2)) == (
        "AttackResult(0 images after 2 steps, 0 classified as their target; rounded to uint8)"
    )
    text = repr(lab.targeted_attack(trained, digits(4), [1, 2, 3, 4], steps=30))
    assert text.startswith("AttackResult(4 images after 30 steps, ")
    assert "median probability 0." in text
    assert "median L2 distortion" in text


def test_a_callback_sees_every_step_and_cannot_disturb_the_walk(trained: lab.DigitCNN) -> None:
    steps: list[int] = []

    def disturb(step: int, images: Tensor) -> None:
        steps.append(step)
        images.zero_()

    disturbed = lab.maximize_logit(trained, [6], steps=4, callback=disturb)
    assert steps == [0, 1, 2, 3, 4]
    assert disturbed.images.equal(lab.maximize_logit(trained, [6], steps=4).images)


# The network is left alone


class Interrupted(BaseException):
    """What reaches the attack when its user loses patience."""


ATTACKS: list[Callable[..., lab.AttackResult]] = [
    lambda model, **options: lab.maximize_logit(model, [1, 2], **options),
    lambda model, **options: lab.targeted_attack(model, digits(2), [1, 2], 0.01, **options),
    lambda model, **options: lab.targeted_attack(model, digits(2), [1, 2], "search", **options),
]


@pytest.fixture
def lived_in() -> Iterator[lab.DigitCNN]:
    """A network in the middle of other work: mixed modes, a frozen layer, gradients that somebody still needs."""
    model = lab.DigitCNN(batch_norm=True)
    model(digits(2)).sum().backward()
    model.conv2.requires_grad_(False)
    model.train().bn1.eval()
    with no_trace(model):
        yield model


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_leaves_no_trace(lived_in: lab.DigitCNN, attack: Callable[..., lab.AttackResult]) -> None:
    attack(lived_in, steps=2)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_interrupted_attack_leaves_no_trace(lived_in: lab.DigitCNN, attack: Callable[..., lab.AttackResult]) -> None:
    def interrupt(step: int, images: Tensor) -> None:
        torch.rand(len(images))
        if step == 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        attack(lived_in, steps=3, callback=interrupt)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_found_where_the_caller_wants_none(
    attack: Callable[..., lab.AttackResult], mode: Callable[[], torch.no_grad]
) -> None:
    model = lab.DigitCNN()
    with mode():
        inside = attack(model, steps=2)
    assert inside.images.equal(attack(model, steps=2).images)
    assert not inside.images.requires_grad


def test_a_network_in_double_precision_is_attacked_in_it() -> None:
    result = lab.targeted_attack(double_network(), digits(1), [3], 0.01, steps=1)
    assert result.images.dtype == result.cost.dtype == result.probabilities.dtype == torch.float64
    found = lab.targeted_attack(double_network(), digits(1), [3], "search", steps=2)
    assert found.images.dtype == found.beta.dtype == found.cost.dtype == torch.float64


# What is handled, and what is refused


def test_an_empty_batch_gives_an_empty_result() -> None:
    model = lab.DigitCNN()
    for result in (
        lab.maximize_logit(model, torch.tensor([], dtype=torch.int64), steps=2),
        lab.targeted_attack(model, digits(0), [], 0.1, steps=2),
        lab.targeted_attack(model, digits(0), [], torch.zeros(0), "image", steps=2),
        lab.targeted_attack(model, digits(0), [], "search", steps=2),
    ):
        assert result.images.shape == (0, 1, 28, 28)
        assert result.cost.shape == (3, 0)
        assert result.predictions.shape == result.success.shape == (0,)
        assert repr(result)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": [1, 10]}, "targets: expected an integer in 0..9, got 10"),
        ({"targets": torch.tensor([-1])}, "targets: expected class indices in 0..9, got -1"),
        ({"targets": torch.tensor([1.0])}, "targets: expected an integer tensor"),
        ({"targets": "3"}, "targets: expected an integer tensor"),
        ({"targets": 3}, "targets: expected an integer tensor"),
        ({"steps": 0}, "steps: expected an integer of at least 1, got 0"),
        ({"step_size": 0.0}, "step_size: expected a finite number above 0"),
        ({"step_size": float("nan")}, "step_size"),
        ({"sigma": -1.0}, "sigma"),
        ({"seed": -1}, "seed"),
        ({"clip": (255.0, 0.0)}, "clip"),
        ({"clip": 255.0}, r"clip: expected \(a finite number, a finite number\) or None"),
        ({"penalty": 0.1}, "penalty: expected a function"),
        ({"callback": "print"}, "callback: expected a function"),
        ({"model": "plain"}, "model: expected a torch.nn.Module"),
    ],
)
def test_maximizing_refuses(options: dict[str, object], message: str) -> None:
    given = {"model": Linear(), "targets": [1, 2], "steps": 1, **options}
    with pytest.raises((TypeError, ValueError), match=message.replace(".", r"\.")):
        lab.maximize_logit(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": torch.full((2, 1, 28, 28), torch.nan)}, "images: expected pixel intensities in 0..255, got NaN"),
        ({"images": torch.full((2, 1, 28, 28), 256.0)}, "images: expected pixel intensities in 0..255"),
        ({"images": torch.zeros(28, 28)}, "images: expected shape"),
        ({"targets": [1, 2, 3]}, "targets: expected 2, one for each of images, got 3"),
        ({"targets": [1, 12]}, "targets"),
        ({"beta": -0.1}, "beta: expected a finite number of at least 0, got -0.1"),
        ({"beta": float("nan")}, "beta"),
        ({"beta": "largest"}, "beta: expected one of 'search'"),
        ({"beta": torch.tensor([0.1])}, "beta: expected 2, one for each of images, got 1"),
        ({"beta": torch.tensor([0.1, -0.1])}, "beta: expected finite values of at least 0"),
        ({"beta": torch.tensor([0.1, torch.nan])}, "beta: expected finite values of at least 0"),
        (
            {"beta": torch.tensor([1, 2])},
            "beta: expected a finite number of at least 0 or a dense floating-point tensor",
        ),
        ({"beta": None}, "beta"),
        ({"beta": "search", "step_size": 1.0}, "beta: expected a number or a tensor with a step_size"),
        ({"beta": "search", "clip": None}, "beta: expected a number or a tensor with a step_size"),
        ({"start": "zero"}, "start: expected one of 'noise', 'image'"),
        ({"objective": "loss"}, "objective: expected one of 'logit', 'margin'"),
        ({"steps": 0}, "steps"),
    ],
)
def test_the_targeted_attack_refuses(options: dict[str, object], message: str) -> None:
    given = {"model": Linear(), "images": digits(2), "targets": [1, 2], "beta": 0.1, "steps": 1, **options}
    with pytest.raises((TypeError, ValueError), match=message.replace(".", r"\.")):
        lab.targeted_attack(**given)  # type: ignore[arg-type]


def test_a_step_may_be_small() -> None:
    model, image = lab.DigitCNN(seed=0), torch.full((1, 1, 28, 28), 99.0)
    result = lab.targeted_attack(model, image, [5], beta=0.0, start="image", step_size=0.5, steps=1)
    assert 0 < float((result.images - image).abs().max()) < 1


def test_a_search_ends_by_shortening_the_changes(
    trained: lab.DigitCNN, bar_dataset: lab.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, targets = (rows[::9] for rows in pairs(bar_dataset.test, 1))
    shortened = lab.targeted_attack(trained, images, targets, start="image", steps=30)
    monkeypatch.setattr(ascent, "SEARCH_SHORTER", ())
    whole = lab.targeted_attack(trained, images, targets, start="image", steps=30)
    assert shortened.success.all()
    assert (shortened.l2 <= 1.001 * whole.l2).all()  # to within the rounding
    assert shortened.l2.mean() < 0.999 * whole.l2.mean()


class Cliff(nn.Module):
    """A logit that rises slowly with the distance from black, and 10,000 times as fast beyond a distance of 500."""

    def forward(self, images: Tensor) -> Tensor:
        distance = images.flatten(1).double().sum(dim=1) / 28  # of an even image, in L2
        logit = 1e-4 * distance + (distance - 500).relu() - 200
        return torch.stack([torch.zeros_like(logit), logit, *[torch.full_like(logit, -9)] * 8], dim=1)


@pytest.mark.parametrize("steps", [50, 200, 1000])
def test_the_search_does_not_run_away_where_the_gradient_grows(steps: int) -> None:
    """Each failure lowers beta and lengthens the step: without a limit the first step past 500 ends at 7,140.

    The least distortion is where 1.0001 * distance = 700.
    """
    result = lab.targeted_attack(Cliff(), torch.zeros(1, 1, 28, 28), [1], start="image", steps=steps)
    assert result.success.all()
    assert 700 / 1.0001 <= float(result.l2) < 900


def test_more_steps_are_never_worse(trained: lab.DigitCNN, bar_dataset: lab.Dataset) -> None:
    images, targets = (rows[::4] for rows in pairs(bar_dataset.test, 1))
    distances = [
        lab.targeted_attack(trained, images, targets, start="image", steps=steps).l2 for steps in (30, 120, 480)
    ]
    for few, many in pairwise(distances):
        assert many.mean() <= few.mean()
        assert (many <= 1.02 * few).all()  # to within a pixel's rounding or two


def test_the_noise_of_a_search_does_not_push_the_image() -> None:
    """Where the gradient is the same everywhere, the first step is known: 255 long, along the gradient."""
    model, images, seen = Linear(), torch.full((2, 1, 28, 28), 128.0), []
    with torch.no_grad():
        model.weight[2:] = -1
    lab.targeted_attack(
        model, images, [0, 1], start="image", steps=1, callback=lambda _, images: seen.append(images)
    )  # fmt: skip
    normal = (model.weight[0] - model.weight[1]).detach().view(1, 28, 28)
    normal = 255 * torch.stack([normal, -normal]) / normal.norm()
    assert (seen[0] - images).std() > 10, "there is noise in what the network sees first"
    torch.testing.assert_close(seen[1].double(), images + normal, rtol=0, atol=1.0)


def test_the_seed_decides_the_noise_of_a_search(trained: lab.DigitCNN, bar_dataset: lab.Dataset) -> None:
    images, targets = (rows[::9] for rows in pairs(bar_dataset.test, 1))
    one, again, other = (
        lab.targeted_attack(trained, images, targets, start="image", seed=seed, steps=30) for seed in (3, 3, 4)
    )
    assert one.images.equal(again.images)
    assert not one.images.equal(other.images)
    assert one.success.all()
    assert other.success.all()


def fast_minimum_norm(model: nn.Module, images: Tensor, targets: Tensor, steps: int) -> Tensor:
    """L2 distances (N,) by the attack of Pintor et al. 2021, which is shown rounded images; in units of its authors."""
    originals = images.float() / 255
    change, nearest = torch.zeros_like(originals), torch.full((len(images),), torch.inf)
    radius = nearest
    for step in range(steps):
        cosine = (1 + math.cos(math.pi * step / steps)) / 2
        shrink = 0.001 + 0.049 * cosine
        seen = ((originals + change) * 255).round().requires_grad_()
        value = ascent.margin(model(seen), targets)
        gradient = 255 * torch.autograd.grad(value.sum(), seen)[0]
        slope = gradient.flatten(1).norm(dim=1)
        success, away = value > 0, (seen.detach() / 255 - originals).flatten(1).norm(dim=1)
        nearest = torch.where(success, nearest.minimum(away), nearest)
        outside = torch.where(
            nearest.isfinite(), radius * (1 + shrink), change.flatten(1).norm(dim=1) + value.abs() / slope
        )
        radius = torch.where(success, (radius * (1 - shrink)).minimum(nearest), outside).detach()
        change = change + (0.01 + 0.99 * cosine) * gradient / slope[:, None, None, None]
        change = change * (radius / change.flatten(1).norm(dim=1))[:, None, None, None]
        change = (originals + change).clamp(0, 1) - originals
    return 255 * nearest


def test_the_search_comes_nearer_on_average_than_a_published_attack(
    trained: lab.DigitCNN, bar_dataset: lab.Dataset
) -> None:
    images, targets = (rows[::3] for rows in pairs(bar_dataset.test, 1))
    ours = lab.targeted_attack(trained, images, targets, start="image", steps=100)
    theirs = fast_minimum_norm(trained.eval(), images, targets, 100)
    assert theirs.isfinite().all()
    assert ours.l2.mean() < theirs.mean()


def test_a_wanted_confidence_is_reached_at_the_price_of_more_distortion(
    trained: lab.DigitCNN, bar_dataset: lab.Dataset
) -> None:
    images, targets = (rows[::6] for rows in pairs(bar_dataset.test, 1))
    plain, confident = (
        lab.targeted_attack(trained, images, targets, start="image", steps=150, confidence=confidence)
        for confidence in (0.0, 0.95)
    )
    assert confident.success.all()
    assert confident.rounded_target_probability.min() >= 0.95
    assert plain.rounded_target_probability.median() < 0.9
    assert (confident.l2 > 0.99 * plain.l2).all()
    assert confident.l2.mean() > 1.02 * plain.l2.mean()
    with pytest.raises(ValueError, match="^confidence: expected 0 with a given beta"):
        lab.targeted_attack(trained, images, targets, 0.1, confidence=0.5)
