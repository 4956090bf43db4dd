"""Occlusion maps: equal to Captum's, to closed forms, and to evaluating every occluded image in full."""

from collections.abc import Callable

import pytest
import torch
from captum.attr import Occlusion
from torch import Tensor, nn

import mnist_lab as lab
from mnist_lab.introspection.occlusion import incremental, maps
from mnist_lab.introspection.occlusion.maps import occluded_probabilities, patch_masks
from mnist_lab.introspection.occlusion.windows import Interval
from mnist_lab.model import Standardize
from tests.conftest import no_trace

PATCHES = (1, 2, 3, 4, 5)


def digits(count: int = 1, seed: int = 0) -> Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(seed)).byte()


def decided(batch_norm: bool = False, scale: float = 100) -> lab.DigitCNN:
    """An untrained network whose logits are as large as a trained one's, and balanced: a patch changes a lot."""
    model = lab.DigitCNN(batch_norm=batch_norm, seed=1)
    with torch.no_grad():
        model.get_parameter("fc2.weight").mul_(scale)
        for name in ("bn1", "bn2"):
            if batch_norm:
                layer = model.get_submodule(name)
                assert isinstance(layer, nn.BatchNorm2d)
                layer.running_mean.uniform_(-0.2, 0.2, generator=torch.Generator().manual_seed(2))  # type: ignore[union-attr]
                layer.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(3))  # type: ignore[union-attr]
        model.get_parameter("fc2.bias").sub_(model.eval()(digits())[0])
    return model


def in_full(model: nn.Module, image: Tensor, patch: int, fill: float) -> Tensor:
    """Every occluded image, painted by slices and evaluated by itself: (28, 28, 10)."""
    rows = []
    for row in range(28):
        for column in range(28):
            occluded = image.to(torch.float64).clone()
            top, left = row - patch // 2, column - patch // 2
            occluded[..., max(top, 0) : top + patch, max(left, 0) : left + patch] = fill
            rows.append(occluded)
    with torch.no_grad():
        logits: Tensor = model(torch.cat(rows))
    return logits.softmax(dim=1).reshape(28, 28, -1)


def captum_map(model: lab.DigitCNN, image: Tensor, label: int, patch: int, fill: int) -> Tensor:
    """The probabilities that Captum's windows lead to, those that reach over the border included."""
    before, after = patch // 2, patch - 1 - patch // 2
    seen = []

    def probability(padded: Tensor) -> Tensor:
        cropped = padded[:, :, before : before + 28, before : before + 28]
        seen.append(model.probabilities(cropped)[:, label])
        return seen[-1]

    padded = nn.functional.pad(image.to(next(model.parameters()).dtype), (before, after, before, after))
    Occlusion(probability).attribute(
        padded, sliding_window_shapes=(1, patch, patch), baselines=float(fill), perturbations_per_eval=98
    )
    return torch.cat(seen)[1:].reshape(28, 28).T  # the first is the clean image; then rows run fastest


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("fill", [0, 128, 255])
@pytest.mark.parametrize("patch", PATCHES)
def test_equals_captum(patch: int, fill: int, dtype: torch.dtype) -> None:
    # Logits that are sums of large terms are uncertain by more than 1e-6 in float32, however they are computed.
    model, image = decided(scale=100 if dtype == torch.float64 else 20).to(dtype), digits()
    ours = lab.occlusion_map(model, image, 3, patch, fill)
    assert ours.max() - ours.min() > 0.02  # so that there is something to compare
    torch.testing.assert_close(ours, captum_map(model, image, 3, patch, fill), rtol=0, atol=1e-6)


@pytest.mark.parametrize("patch", [*PATCHES, 12, 27, 28])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_equals_evaluating_every_occluded_image(batch_norm: bool, patch: int) -> None:
    model, image = decided(batch_norm).double(), digits(seed=5)
    ours = occluded_probabilities(model, image, patch, 100)
    torch.testing.assert_close(ours[0], in_full(model, image, patch, 100), rtol=0, atol=1e-9)


def test_what_is_kept_of_one_network_serves_another_of_its_shape() -> None:
    """Places are kept for a patch size, weights are not; a network of other strides has places of its own."""
    narrow, wide = (chain(nn.Conv2d(1, 4, 3, stride=stride), nn.ReLU()) for stride in (1, 2))
    for network in (decided(), decided(batch_norm=True), narrow, wide, decided(scale=50)):
        model = network.double().eval()
        ours = occluded_probabilities(model, digits(), 4, 90)
        torch.testing.assert_close(ours[0], in_full(model, digits(), 4, 90), rtol=0, atol=1e-9)


@pytest.mark.parametrize("patch", PATCHES)
def test_own_pixels_change_nothing(patch: int) -> None:
    model, images = decided().double(), digits(2)
    clean = model.probabilities(images)
    ours = occluded_probabilities(model, images, patch, images)
    torch.testing.assert_close(ours, clean[:, None, None].expand_as(ours), rtol=0, atol=1e-6)


def test_own_colour_changes_nothing() -> None:
    model, image = decided().double(), torch.full((28, 28), 77, dtype=torch.uint8)
    clean = model.probabilities(image.reshape(1, 1, 28, 28))[0, 2]
    ours = lab.occlusion_map(model, image, 2, 5, 77)
    torch.testing.assert_close(ours, clean.expand(28, 28), rtol=0, atol=1e-6)


@pytest.mark.parametrize("patch", PATCHES)
def test_closed_form_of_a_linear_model(patch: int) -> None:
    """Of two classes with logits w.x and 0 the log-odds fall by the sum of w * (x - fill) under the patch."""
    image, fill = digits(), 128.0
    weight = torch.randn(28, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 1000
    dense = nn.Linear(784, 2, bias=False).double()
    with torch.no_grad():
        dense.weight.copy_(torch.stack([weight.flatten(), torch.zeros(784)]))
    loss = torch.nn.functional.pad(weight * (image[0, 0] - fill), (patch // 2,) * 4)
    under = loss.unfold(0, patch, 1).unfold(1, patch, 1).sum((2, 3))[:28, :28]
    expected = torch.sigmoid((weight * image[0, 0]).sum() - under)
    torch.testing.assert_close(lab.occlusion_map(nn.Sequential(nn.Flatten(), dense), image, 0, patch, fill), expected)


def test_patch_lies_where_it_is_said_to() -> None:
    """A network that sees one pixel alone notices the patch from exactly those centres whose patch covers it."""
    dense = nn.Linear(784, 2, bias=False)
    model = nn.Sequential(nn.Flatten(), dense)
    with torch.no_grad():
        dense.weight.zero_()[0, 28 * 9 + 20] = 1
    image = torch.zeros(28, 28)
    for patch, rows, columns in ((1, [9], [20]), (2, [9, 10], [20, 21]), (3, [8, 9, 10], [19, 20, 21])):
        noticed = (lab.occlusion_map(model, image, 0, patch, 4) - 0.5).abs() > 0.1
        assert noticed.nonzero().tolist() == [[row, column] for row in rows for column in columns]


def test_masks_cover_what_is_inside() -> None:
    for patch in (*PATCHES, 28):
        masks = patch_masks(patch)
        assert masks.shape == (784, 28, 28)
        assert int(masks.sum(dim=(1, 2)).max()) == patch**2
        assert bool(masks[torch.arange(784), torch.arange(784) // 28, torch.arange(784) % 28].all())


@pytest.mark.parametrize("patch", [0, 29])
def test_masks_are_of_patches_that_fit_the_image(patch: int) -> None:
    with pytest.raises(ValueError, match=f"patch: expected an integer in 1..28, got {patch}"):
        patch_masks(patch)


class Inner(nn.Module):
    """A network of another make: not a chain, and larger steps than the assignment's."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 6, 5, stride=2)
        self.dense = nn.Linear(6 * 12 * 12, 10)

    def forward(self, images: Tensor) -> Tensor:
        features = torch.tanh(self.convolution(images / 255))
        outputs: Tensor = self.dense(features.flatten(1)) * 10
        return outputs


def chain(*layers: nn.Module) -> nn.Sequential:
    """Layers, then whatever fully connected layer fits behind them."""
    with torch.no_grad():
        features = nn.Sequential(*layers, nn.Flatten())(torch.zeros(2, 1, 28, 28)).shape[1]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 10))


def test_the_course_s_own_network_is_evaluated_where_patches_reach() -> None:
    assert incremental.supported(lab.DigitCNN())
    assert incremental.supported(lab.DigitCNN(batch_norm=True))


def test_of_a_patch_that_lies_over_a_border_the_part_inside_changes_the_image() -> None:
    reached = Interval.of_patches((-2, 3, 4), size=5, limit=6)
    assert (reached.firsts, reached.lasts, reached.limit) == ((0, 3, 4), (2, 5, 5), 6)


RELU = nn.ReLU(inplace=True)
NETWORKS = {
    "stride, no padding": lambda: chain(nn.Conv2d(1, 5, 5, stride=2), nn.ReLU(), nn.Conv2d(5, 4, 3, stride=3)),
    "dilation": lambda: chain(nn.Conv2d(1, 5, 3, padding=2, dilation=2), RELU, nn.Conv2d(5, 3, (3, 1), padding=(0, 2))),
    "one layer used twice": lambda: chain(nn.Conv2d(1, 4, 3), RELU, nn.MaxPool2d(3, 2), nn.Conv2d(4, 4, 3), RELU),
    "average": lambda: chain(nn.AvgPool2d(2), nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.Dropout(), nn.ReLU()),
    "skips pixels": lambda: chain(nn.Conv2d(1, 4, 1, stride=3), nn.BatchNorm2d(4), nn.ReLU()),
    "groups": lambda: chain(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=2, groups=2)),
}


@pytest.mark.parametrize("patch", [1, 4, 28])
@pytest.mark.parametrize("name", NETWORKS)
def test_footprints_of_other_chains(name: str, patch: int) -> None:
    torch.manual_seed(0)
    model = NETWORKS[name]().double().eval()
    assert incremental.supported(model)
    ours = occluded_probabilities(model, digits(), patch, 30)
    torch.testing.assert_close(ours[0], in_full(model, digits(), patch, 30), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        Inner(),
        chain(nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect")),
        chain(nn.Conv2d(1, 4, 3, padding="same")),
        chain(nn.MaxPool2d(3, padding=1)),
        chain(nn.MaxPool2d(3, padding=(0, 1))),
        chain(nn.AvgPool2d(3, ceil_mode=True)),
        chain(nn.Conv2d(1, 4, 3), nn.Softmax(dim=1)),
        chain(nn.Conv2d(1, 1, 3, padding=1), Standardize()),
        chain(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
        nn.Sequential(nn.Conv2d(1, 10, 28), nn.Flatten()),
    ],
)
def test_every_other_network_is_evaluated_in_full(model: nn.Module) -> None:
    model = model.double().eval()
    assert not incremental.supported(model)
    ours = occluded_probabilities(model, digits(), 5)
    if "track" not in str(model):  # it depends on which images are evaluated together
        torch.testing.assert_close(ours[0], in_full(model, digits(), 5, 128), rtol=0, atol=1e-9)


def test_hooks_of_the_caller_see_whole_outputs() -> None:
    model = decided().double()
    model.conv1.register_forward_hook(lambda _, __, output: output.roll(1, dims=1) / 2)
    ours = occluded_probabilities(model, digits(), 5)
    torch.testing.assert_close(ours[0], in_full(model, digits(), 5, 128), rtol=0, atol=1e-9)


def test_many_images_are_as_many_single_ones() -> None:
    model, images, labels = decided(), digits(3), torch.tensor([4, 0, 9])
    maps = lab.occlusion_map(model, images, labels, 4, 200)
    assert maps.shape == (3, 28, 28)
    for index in range(3):
        assert torch.equal(maps[index], lab.occlusion_map(model, images[index], labels[index], 4, 200))


def test_every_shape_of_one_digit() -> None:
    model, image = decided(), digits()
    expected = lab.occlusion_map(model, image, 3)
    for same in (image[0], image[0, 0], image.float(), image.double()):
        torch.testing.assert_close(lab.occlusion_map(model, same, torch.tensor(3)), expected)
    assert lab.occlusion_map(model, image, torch.tensor([3])).shape == (1, 28, 28)
    assert lab.occlusion_map(model, image[:0], torch.zeros(0, dtype=torch.int64)).shape == (0, 28, 28)


def test_memory_does_not_grow_with_the_number_of_images() -> None:
    """The network never sees more than so many images at once."""
    largest = []
    model = Inner()
    model.register_forward_pre_hook(lambda _, images: largest.append(len(images[0])))
    occluded_probabilities(model, digits(3), 5, progress=False)
    assert max(largest) == maps.COPIES


@pytest.mark.parametrize("batch_norm", [False, True])
def test_no_trace(batch_norm: bool) -> None:
    model, images = lab.DigitCNN(batch_norm=batch_norm).train(), digits(2).float()
    before = images.clone()
    with no_trace(model):
        lab.occlusion_map(model, images, torch.tensor([1, 2]), 5)
    assert torch.equal(images, before)


def test_no_trace_after_an_error() -> None:
    model = lab.DigitCNN().train()
    model.fc2 = nn.Linear(7, 7)
    with no_trace(model), pytest.raises(RuntimeError):
        lab.occlusion_map(model, digits(), 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch": 0}, "patch: expected an integer in 1..28, got 0"),
        ({"patch": 29}, "patch: expected an integer in 1..28, got 29"),
        ({"patch": 2.5}, "patch: expected an integer in 1..28"),
        ({"fill": -1}, "fill: expected a finite number of at least 0 and at most 255, got -1"),
        ({"fill": 256}, "fill: expected"),
        ({"fill": float("nan")}, "fill: expected"),
        ({"fill": torch.full((28, 28), 300.0)}, "fill: expected pixel intensities in 0..255"),
        ({"fill": torch.zeros(2, 1, 28, 28)}, "fill: expected one digit, or one for each of the 1 images"),
        ({"label": 10}, "label: expected an integer in 0..9, got 10"),
        ({"label": -1}, "label: expected an integer in 0..9, got -1"),
        ({"label": "3"}, "label: expected an integer in 0..9"),
        ({"label": torch.tensor(10)}, "label: expected class indices in 0..9"),
        ({"label": torch.tensor([1, 2])}, "label: expected 1, one for each of image, got 2"),
        ({"image": torch.zeros(2, 1, 28, 28)}, "image: expected a single digit"),
        ({"image": torch.zeros(28, 27)}, "image: expected shape (28, 28), (1, 28, 28) or (N, 1, 28, 28)"),
        ({"image": torch.zeros(3, 28, 28)}, "image: expected shape (28, 28), (1, 28, 28) or (N, 1, 28, 28)"),
        ({"image": torch.zeros(784)}, "image: expected shape"),
        ({"image": torch.zeros(28, 28).long()}, "image: expected uint8 or floating-point"),
        ({"image": torch.full((28, 28), float("nan"))}, "image: expected pixel intensities"),
        ({"image": "seven"}, "image: expected a dense tensor"),
        ({"model": "plain"}, "model: expected a torch.nn.Module"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"model": decided(), "image": digits(), "label": 3} | change
    with pytest.raises((TypeError, ValueError)) as error:
        lab.occlusion_map(**arguments)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("look", [lab.occlusion_map, lambda model, image, _: occluded_probabilities(model, image)])
def test_a_grey_patch_of_three_pixels_is_what_is_asked_for_by_default(look: Callable[..., Tensor]) -> None:
    model, image = lab.DigitCNN(seed=1), torch.full((1, 1, 28, 28), 200.0)
    explicit = occluded_probabilities(model, image, patch=3, fill=128)
    assert torch.equal(look(model, image, 4), explicit[0, :, :, 4] if look is lab.occlusion_map else explicit)
