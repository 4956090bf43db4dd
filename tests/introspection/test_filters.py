"""What 3x3 filters hold: Frei and Chen's masks, directions, smoothness and similarity."""

import pytest
import torch
from scipy import ndimage
from torch import Tensor

import mnist_lab as lab
from mnist_lab.introspection.filters import (
    EXPECTED,
    MASKS,
    center_of_mass,
    describe_filters,
    edge_direction,
    pattern_shares,
    similarity,
    smoothness,
)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_filters_are_contiguous_whatever_the_layout_of_the_network() -> None:
    model = lab.DigitCNN().to(memory_format=torch.channels_last)
    assert not model.conv2.weight.is_contiguous()
    assert lab.filters(model, "conv2").is_contiguous()


def test_the_masks_are_a_basis() -> None:
    masks = torch.tensor([mask for kind in MASKS.values() for mask in kind], dtype=torch.float64).flatten(1)
    products = masks @ masks.T
    torch.testing.assert_close(products, products.diag().diag())
    assert torch.linalg.matrix_rank(masks) == 9


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_is_of_its_kind_alone(kind: str) -> None:
    shares = pattern_shares(torch.tensor(MASKS[kind], dtype=torch.float64))
    for other, share in shares.items():
        torch.testing.assert_close(share, torch.full_like(share, float(other == kind)))


def test_shares_add_up_whatever_the_scale() -> None:
    filters = noise(4, 5)
    shares = pattern_shares(filters)
    assert shares["edge"].shape == (4, 5)
    torch.testing.assert_close(sum(shares.values()), torch.ones(4, 5, dtype=torch.float64))
    for kind, share in pattern_shares(-3 * filters).items():
        torch.testing.assert_close(share, shares[kind])


def test_random_filters_hold_what_is_expected() -> None:
    uniform = torch.rand(20_000, 3, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    for filters in (noise(20_000).float(), uniform):
        for kind, share in pattern_shares(filters).items():
            assert float(share.mean()) == pytest.approx(EXPECTED[kind], abs=0.006)
    assert sum(EXPECTED.values()) == pytest.approx(1)


@pytest.mark.parametrize("degrees", [-150, -90, -20, 0, 45, 100, 180])
def test_direction_of_a_ramp(degrees: float) -> None:
    """A filter that rises evenly in a direction, up to Frei and Chen's weighting of the corners."""
    angle = torch.tensor(degrees).deg2rad()
    down, right = torch.meshgrid(torch.arange(-1.0, 2), torch.arange(-1.0, 2), indexing="ij")
    found = edge_direction(angle.cos() * right + angle.sin() * down)
    assert float((found - degrees + 180) % 360) == pytest.approx(180, abs=1e-3)


def test_turning_a_filter_turns_its_direction() -> None:
    filters = noise(50)
    turned = torch.rot90(filters, -1, (-2, -1))  # clockwise: from right to down
    difference = (edge_direction(turned) - edge_direction(filters)) % 360
    torch.testing.assert_close(difference, torch.full_like(difference, 90))
    for kind, share in pattern_shares(turned).items():
        torch.testing.assert_close(share, pattern_shares(filters)[kind])


def test_the_center_of_mass_is_that_of_the_weights() -> None:
    """scipy gives rows before columns."""
    maps = torch.rand(3, 2, 5, 7, generator=torch.Generator().manual_seed(0))
    expected = [[ndimage.center_of_mass(each.numpy())[::-1] for each in group] for group in maps]
    torch.testing.assert_close(center_of_mass(maps), torch.tensor(expected), check_dtype=False)
    torch.testing.assert_close(center_of_mass(3 * maps), center_of_mass(maps))
    assert center_of_mass(torch.zeros(2, 4, 4)).isnan().all()
    stored = (255 * maps).byte()
    torch.testing.assert_close(center_of_mass(stored), center_of_mass(stored.float()))


def test_a_center_of_mass_needs_values_of_at_least_0() -> None:
    with pytest.raises(ValueError, match="^maps: expected finite values of at least 0, got values from -1 to 0"):
        center_of_mass(torch.eye(3) - 1)


def test_smoothness_of_known_filters() -> None:
    checkers = torch.tensor([[1.0, -1, 1], [-1, 1, -1], [1, -1, 1]])
    assert float(smoothness(checkers)) == pytest.approx(-1)
    assert float(smoothness(5 * torch.ones(3, 3))) == pytest.approx(1)
    assert float(smoothness(noise(20_000)).mean()) == pytest.approx(0, abs=0.01)


def test_similarity_is_of_pairs_and_knows_no_sign() -> None:
    filters = noise(4)
    pairs = similarity(filters)
    assert pairs.shape == (6,)
    expected = torch.nn.functional.cosine_similarity(filters[0].flatten(), filters[1].flatten(), dim=0).abs()
    torch.testing.assert_close(pairs[0], expected)
    torch.testing.assert_close(similarity(-filters * torch.arange(1, 5).view(4, 1, 1)), pairs)


def test_description_of_a_layer() -> None:
    filters = lab.filters(lab.DigitCNN(), "conv2")
    described = describe_filters(filters)
    assert described["edge share"] == pytest.approx(float(pattern_shares(filters)["edge"].mean()))
    assert described["norm"] == pytest.approx(float(filters.square().sum((1, 2, 3)).sqrt().mean()))


@pytest.mark.parametrize("wrong", [torch.zeros(3, 3, dtype=torch.int64), "edge"])
def test_what_is_no_float_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match="^filters: expected a dense floating-point tensor"):
        pattern_shares(wrong)  # type: ignore[arg-type]


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^filters: expected shape \(\.\.\., 3, 3\)"):
        edge_direction(torch.zeros(5, 5))
