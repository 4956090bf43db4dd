"""Synthetic digits have the classes asked for, are placed as MNIST's are, the same everywhere, and kept whole."""

import hashlib
import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor

import mnist_lab as lab
from mnist_lab._utils.tensor_files import CheckpointError, read_tensors
from mnist_lab.data.synthetic import rendering, strokes

# Of a thousand digits. Renew it when their rendering is changed on purpose.
CHECKSUM = "aec29e98022175900747a10f9fa0cf6cf91dfbfedfd14cf3bf893229f88cf766"


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def labels() -> Tensor:
    return torch.arange(1000) % 10


@pytest.fixture(scope="module")
def images(labels: Tensor) -> Tensor:
    return rendering.draw(labels, seeded())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Few digits, since rendering all of them takes half a minute."""
    monkeypatch.setattr(rendering, "COUNT", 210)
    return 210


def test_the_same_pixels_on_every_machine(images: Tensor) -> None:
    assert images.shape == (1000, 1, 28, 28)
    assert images.dtype == torch.uint8
    assert hashlib.sha256(images.numpy().tobytes()).hexdigest() == CHECKSUM


def test_an_image_depends_on_nothing_but_its_label_and_its_numbers(labels: Tensor, images: Tensor) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1 + threads % 2)
    try:
        assert torch.equal(rendering.draw(labels[:300], seeded()), images[:300])
    finally:
        torch.set_num_threads(threads)
    others = labels.clone()
    others[1::2] = 0
    assert torch.equal(rendering.draw(others, seeded())[::2], images[::2])
    assert not torch.equal(rendering.draw(labels, seeded(1)), images)


def test_the_global_random_state_is_left_alone(labels: Tensor) -> None:
    before = torch.get_rng_state()
    rendering.draw(labels[:20], seeded())
    assert torch.equal(torch.get_rng_state(), before)


def test_digits_fill_the_box_and_are_centred_by_mass(images: Tensor) -> None:
    ink = images[:, 0].double()
    for dim in (1, 2):
        positions = torch.arange(28).double()
        centre = (ink.sum(dim=dim) * positions).sum(dim=1) / ink.sum(dim=(1, 2))
        assert (centre - 13.5).abs().max() <= 0.5 + 1e-9
    inked = ink > 0
    sides = torch.stack([inked.any(dim=dim).sum(dim=1) for dim in (1, 2)]).amax(dim=0)
    assert sides.max() == 20
    assert (sides >= 19).all()
    assert (ink.amax(dim=(1, 2)) > 200).all()


def test_no_two_digits_are_equal(images: Tensor) -> None:
    assert len(images.flatten(1).unique(dim=0)) == len(images)


def test_ink_is_the_distance_to_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "EDGE", 0.0)
    x, y = torch.zeros(1, 2, strokes.SEGMENTS), torch.full((1, 2, strokes.SEGMENTS), 10.0)
    x[:, 0], x[:, 1] = 5.0, 15.0  # the same segment again and again: from (5, 10) to (15, 10)
    half = torch.full((1, strokes.SEGMENTS), 2.0)
    block = rendering._inked(x, y, half, rendering.RandomNumbers(1, seeded()))[0]
    for row in range(20):
        for column in range(20):
            beyond = max(5 - (column + 0.5), (column + 0.5) - 15, 0)
            distance = (beyond**2 + (row + 0.5 - 10) ** 2) ** 0.5
            expected = min(max(0.5 - (distance - 2) / rendering.SOFTNESS, 0), 1) * 255
            assert abs(int(block[row, column]) - expected) <= 0.5 + 1e-3


def test_the_mass_is_centred_as_whole_pixels_allow() -> None:
    block = torch.zeros(3, 20, 20, dtype=torch.uint8)
    block[0, 0, 0] = 255  # as far as the box goes
    block[1, 9:11, 9:11] = 255  # in the middle already
    block[2, 12, 3] = 7
    found = [tuple(image.nonzero()[0].tolist()) for image in rendering.centred(block)]
    assert found == [(8, 8), (13, 13), (14, 11)]
    assert int(rendering.centred(block)[2].sum()) == 7


@pytest.mark.parametrize("digit", range(10))
def test_the_drawings_are_well_formed(digit: int) -> None:
    families = strokes.FAMILIES[digit]
    assert sum(family.share for family in families) == 100
    for family in families:
        start, end = family.segments
        assert start.shape == (strokes.SEGMENTS, family.points.shape[1])
        ones = torch.ones(strokes.SEGMENTS)
        torch.testing.assert_close(start.sum(dim=1), ones)
        torch.testing.assert_close(end.sum(dim=1), ones)
        assert ((family.points >= 0) & (family.points <= 1)).all()
        # The line goes through every point, and is lifted between two strokes alone.
        ends = torch.cat([start, end])
        for point in range(family.points.shape[1]):
            at = torch.zeros(family.points.shape[1])
            at[point] = 1
            assert (ends == at).all(dim=1).any()
        lifted = int((start[1:] != end[:-1]).any(dim=1).sum())
        assert lifted == len(family.strokes) - 1


def test_a_corner_is_a_corner_and_the_rest_is_smooth() -> None:
    family = strokes._parse(100, ("0,0 50,0 100,0| 100,50 100,100",))
    start, end = (weights @ family.points[0] for weights in family.segments)
    assert start[0].tolist() == [0, 0]
    assert end[-1].tolist() == [1, 1]
    on_the_way = (start[:, 1].abs() < 1e-6) | ((start[:, 0] - 1).abs() < 1e-6)
    assert on_the_way.all(), "straight up to the corner, and straight after it"


def test_drawings_of_one_family_have_the_same_strokes() -> None:
    with pytest.raises(ValueError, match="drawings: expected the same strokes"):
        strokes._parse(100, ("0,0 50,0| 100,0", "0,0 50,0 100,0"))


def test_the_digits_are_rendered_once_and_kept(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[int] = []
    draw = rendering.draw

    def watched(labels: Tensor, generator: torch.Generator, *, progress: bool) -> Tensor:
        rendered.append(len(labels))
        return draw(labels, generator, progress=progress)

    monkeypatch.setattr(rendering, "draw", watched)
    found: list[tuple[Tensor, Tensor]] = []
    threads = [threading.Thread(target=lambda: found.append(rendering.digits(progress=False))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rendered == [few]
    (images, labels), (again, labels_again) = found
    assert torch.equal(images, again)
    assert torch.equal(labels, labels_again)
    assert labels.unflatten(0, (-1, 10)).sort(dim=1).values.eq(torch.arange(10)).all()
    assert len(labels) == few


@pytest.mark.parametrize("damage", ["truncated", "altered", "empty"])
def test_damaged_digits_in_the_cache_are_rendered_again(few: int, own_cache: Path, damage: str) -> None:
    images, labels = rendering.digits(progress=False)
    (path,) = own_cache.glob("synthetic/*.safetensors")
    content = path.read_bytes()
    middle = len(content) // 2
    altered = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.write_bytes({"truncated": content[:-100], "altered": altered, "empty": b""}[damage])
    with pytest.raises(CheckpointError):
        read_tensors(path, rendering.FORMAT)
    again, labels_again = rendering.digits(progress=False)
    assert torch.equal(images, again)
    assert torch.equal(labels, labels_again)
    read_tensors(path, rendering.FORMAT)
    assert len(images) == few


@pytest.mark.usefixtures("few")
def test_where_nothing_can_be_kept_digits_are_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    images, _ = rendering.digits(progress=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("MNIST_LAB_CACHE", str(tmp_path / "file"))
    again, _ = rendering.digits(progress=False)
    assert torch.equal(images, again)
    assert "cannot be kept" in caplog.text


@pytest.mark.usefixtures("few")
def test_digits_of_other_code_or_strokes_are_rendered_again(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendering.digits(progress=False)
    monkeypatch.setattr(strokes, "SOURCE", strokes.SOURCE + b" ")
    rendering.digits(progress=False)
    monkeypatch.setattr(rendering, "fingerprint", lambda *_: "other")
    rendering.digits(progress=False)
    assert len(list(own_cache.glob("synthetic/*.safetensors"))) == 3


def test_bad_arguments_are_errors() -> None:
    with pytest.raises(ValueError, match="labels: .* got 12"):
        rendering.draw(torch.tensor([12]), seeded())
    with pytest.raises(ValueError, match="seed: "):
        rendering.digits(-1)
    assert rendering.draw(torch.zeros(0, dtype=torch.int64), seeded()).shape == (0, 1, 28, 28)


def test_a_network_learns_the_synthetic_classes(labels: Tensor, images: Tensor) -> None:
    train = lab.Split(images, labels)
    held_out = lab.Split(rendering.draw(labels[:300], seeded(1)), labels[:300])
    model = lab.DigitCNN()
    lab.fit(model, lab.Dataset("synthetic", train, held_out, held_out), lab.Recipe(epochs=5), progress=False)
    assert lab.evaluate(model, held_out).accuracy > 0.8
