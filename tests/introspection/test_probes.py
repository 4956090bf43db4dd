"""Linear probes: the ridge solution in closed form, and what validation chooses."""

import pytest
import torch

from mnist_lab.introspection.probing import STRENGTHS, linear_probe


def clusters(count: int, features: int, seed: int, spread: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Points around one centre a class, the centres the same for every seed."""
    centres = torch.randn(10, features, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(10, (count,), generator=generator)
    return centres[labels] + spread * torch.randn(count, features, generator=generator), labels


@pytest.mark.parametrize("features", [7, 300])
@pytest.mark.parametrize("strength", [1e-2, 1.0])
def test_it_is_the_ridge_solution(features: int, strength: float) -> None:
    """The same as the normal equations in the space of the features, in float64 and with an unpenalized bias."""
    known, labels = clusters(100, features, 0)
    probe = linear_probe(known, labels, *clusters(50, features, 1), strengths=[strength])
    points = known.double() - known.double().mean(dim=0)
    targets = torch.nn.functional.one_hot(labels, 10).double()
    ridge = strength * points.square().sum(dim=1).mean()
    normal = points.T @ points + ridge * torch.eye(features, dtype=torch.float64)
    weight = torch.linalg.solve(normal, points.T @ (targets - targets.mean(dim=0)))
    bias = targets.mean(dim=0) - known.double().mean(dim=0) @ weight
    torch.testing.assert_close(probe.weight.double(), weight, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(probe.bias.double(), bias, rtol=1e-3, atol=1e-5)


def test_validation_chooses_the_regularization() -> None:
    known, held_out = clusters(60, 200, 0, spread=4), clusters(400, 200, 1, spread=4)
    probes = {strength: linear_probe(*known, *held_out, strengths=[strength]) for strength in STRENGTHS}
    best = max(probe.validation_accuracy for probe in probes.values())
    chosen = linear_probe(*known, *held_out)
    assert chosen.validation_accuracy == best
    assert chosen.strength == max(s for s, probe in probes.items() if probe.validation_accuracy == best)
    right = (chosen.predict(held_out[0]) == held_out[1]).float().mean()
    assert float(right) == pytest.approx(chosen.validation_accuracy)


def test_what_is_linearly_separable_is_separated() -> None:
    known, held_out = clusters(300, 60, 0, 0.3), clusters(100, 60, 1, 0.3)
    assert all(linear_probe(*known, *held_out, strengths=[s]).validation_accuracy == 1 for s in (1e-3, 1e-2))
    probe = linear_probe(*known, *held_out, strengths=(1e-3, 1e-2))
    assert probe.strength == 1e-2, "the most strongly regularized of equals"
    features, labels = clusters(500, 60, 2, 0.3)
    assert (probe.predict(features) == labels).all()
    assert repr(probe).startswith("LinearProbe(60 features, strength ")


def test_features_of_any_shape() -> None:
    features, labels = clusters(80, 24, 0)
    flat = linear_probe(features, labels, features, labels)
    shaped = linear_probe(features.view(80, 2, 3, 4), labels, features.view(80, 2, 3, 4), labels)
    assert torch.equal(flat.weight, shaped.weight)


def test_bad_arguments_are_refused() -> None:
    features, labels = clusters(20, 5, 0)
    with pytest.raises(ValueError, match=r"^features: expected shape \(20, \.\.\.\)"):
        linear_probe(features[:3], labels, features, labels)
    with pytest.raises(ValueError, match=r"^validation_features: expected shape"):
        linear_probe(features, labels, features[:, 0], labels)
    with pytest.raises(ValueError, match=r"^validation_labels: expected class indices"):
        linear_probe(features, labels, features, labels + 9)
