"""Digits are found in pictures of paper, whatever the light, the paper and the file are like."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import mnist_lab as lab
from mnist_lab.data import _segments
from mnist_lab.data.synthetic.rendering import draw
from mnist_lab.data.synthetic.sheets import Sheet, render_sheet

Pixels = NDArray[np.uint8]

CONDITIONS: dict[str, dict[str, Any]] = {
    "scan": {},
    "falling light": {"light": "falling"},
    "shadow": {"light": "shadow"},
    "noise": {"noise": 12.0},
    "blur": {"blur": 2.5},
    "turned": {"rotation": 10.0},
    "turned the other way": {"rotation": -7.0},
    "ruled": {"paper": "ruled"},
    "squared": {"paper": "squared"},
    "light on dark": {"inverted": True},
    "a thin pen": {"pen": 0.5},
    "everything": {"light": "shadow", "noise": 8.0, "blur": 1.5, "rotation": -7.0, "paper": "squared"},
}
SHEETS = 2  # of 60 digits, per condition


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shuffled(seed: int) -> Tensor:
    return torch.arange(60)[torch.randperm(60, generator=seeded(seed))] % 10


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    return render_sheet(torch.tensor([3, 1, 4, 1, 5, 9]), seeded())


def pixels(sheet: Sheet) -> Pixels:
    return sheet.picture.numpy()


def nearest(sheet: Sheet, found: lab.Handwriting) -> tuple[Tensor, Tensor]:
    """The box whose middle is nearest to each digit of a sheet, and how far away it is, in pixels."""
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    away = torch.cdist(sheet.centres, middles).min(dim=1)
    return away.indices, away.values


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("seed", range(SHEETS))
def test_the_digits_of_a_sheet_are_found_in_reading_order(condition: str, seed: int) -> None:
    """At least 98 % of the digits are found, none is invented, and they look as they do without paper."""
    labels = shuffled(seed)
    sheet = render_sheet(labels, seeded(seed), **CONDITIONS[condition])
    found = lab.read_picture(pixels(sheet))
    which, away = nearest(sheet, found)
    right = away < 20
    assert right.double().mean() >= 0.98
    assert len(found) == len(which[right].unique()), "invented or found twice"
    assert (which[right].diff() > 0).all(), "out of order"
    alike = [
        float(torch.corrcoef(torch.stack([image, rendered]))[0, 1])
        for image, rendered in zip(
            found.images[which[right]].flatten(1).double(),
            draw(labels, seeded(seed))[right].flatten(1).double(),
            strict=True,
        )
    ]
    assert np.median(alike) > (0.75 if condition == "a thin pen" else 0.9)


def test_boxes_enclose_the_ink(sheet: Sheet) -> None:
    """Each box holds dark pixels on all of its four sides, and none lies outside of the boxes."""
    found, dark = lab.read_picture(pixels(sheet)), sheet.picture < 170
    for left, top, right, bottom in found.boxes.tolist():
        box = dark[top:bottom, left:right]
        assert all(side.any() for side in (box[0], box[-1], box[:, 0], box[:, -1]))
        dark[top:bottom, left:right] = False
    assert not dark.any()


def test_every_form_of_a_picture_gives_the_same_digits(sheet: Sheet, tmp_path: Path) -> None:
    grey = pixels(sheet)
    expected = lab.read_picture(grey)
    image = Image.fromarray(grey)
    colour = np.stack([grey] * 3, axis=2)
    image.save(tmp_path / "sheet.png")
    image.convert("P").save(tmp_path / "palette.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    forms: dict[str, Any] = {
        "an image": image,
        "colour": colour,
        "a palette": image.convert("P"),
        "opaque": np.dstack([colour, np.full_like(grey, 255)]),
        "floats": grey.astype(np.float32),
        "a share": grey / 255,
        "half": grey.astype(np.float16),
        "a file": tmp_path / "sheet.png",
        "the name of a file": str(tmp_path / "palette.png"),
        "16 bits": tmp_path / "deep.png",
        "a view": np.asfortranarray(grey),
    }
    for name, form in forms.items():
        found = lab.read_picture(form)
        assert torch.equal(found.images, expected.images), name
        assert torch.equal(found.boxes, expected.boxes), name
        assert found.size == (grey.shape[1], grey.shape[0])


def test_transparent_paper_is_white(sheet: Sheet) -> None:
    grey = pixels(sheet)
    ink = np.dstack([np.zeros((*grey.shape, 3), np.uint8), 255 - grey])
    found = lab.read_picture(ink)
    assert torch.equal(found.boxes, lab.read_picture(grey).boxes)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_may_be_held_in_any_way(sheet: Sheet, tmp_path: Path, orientation: int) -> None:
    turns = {1: [], 2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}  # by the EXIF standard, undone
    image = Image.fromarray(pixels(sheet))
    for turn in turns[orientation]:
        image = image.transpose(Image.Transpose(turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "photo.png", exif=exif)
    found, expected = lab.read_picture(tmp_path / "photo.png"), lab.read_picture(pixels(sheet))
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.boxes, expected.boxes)
    assert found.size == expected.size


def test_a_large_picture_is_reduced(sheet: Sheet, tmp_path: Path) -> None:
    """A photo of 100 megapixels gives the digits and boxes of the small one."""
    small = lab.read_picture(pixels(sheet))
    factor = math.ceil(math.sqrt(100e6 / sheet.picture.numel()))
    large = Image.fromarray(pixels(sheet)).resize([side * factor for side in small.size], Image.Resampling.NEAREST)
    large.save(tmp_path / "large.jpg")
    found = lab.read_picture(tmp_path / "large.jpg")
    assert found.size == large.size
    assert found.picture.numel() <= 2_000_000
    assert len(found) == len(small)
    assert (found.boxes / factor - small.boxes).abs().max() < 3
    assert (found.images.double() - small.images.double()).abs().mean() < 10


def test_a_small_picture_is_enlarged() -> None:
    """A digit of MNIST's size stays as it is."""
    for digit in draw(torch.arange(10), seeded()):
        found = lab.read_picture(digit[0].numpy())
        assert len(found) == 1
        assert torch.corrcoef(torch.stack([found.images.flatten(), digit.flatten()]).double())[0, 1] > 0.85


def drawn(*strokes: tuple[int, int, int, int], size: tuple[int, int] = (400, 300)) -> Pixels:
    """Black rectangles, left, top, right, bottom, on white paper."""
    paper = np.full(size[::-1], 255, np.uint8)
    for left, top, right, bottom in strokes:
        paper[top:bottom, left:right] = 0
    return paper


@pytest.mark.parametrize(
    ("strokes", "boxes"),
    [
        pytest.param([(100, 60, 160, 70), (100, 85, 110, 160)], [(100, 60, 160, 160)], id="the bar of a 5"),
        pytest.param(
            [(100, 60, 110, 120), (125, 50, 135, 160)], [(100, 60, 110, 120), (125, 50, 135, 160)], id="two 1s"
        ),
        pytest.param(
            [(250, 40, 260, 140), (50, 50, 60, 150), (60, 200, 70, 290), (150, 45, 160, 145)],
            [(50, 50, 60, 150), (150, 45, 160, 145), (250, 40, 260, 140), (60, 200, 70, 290)],
            id="rows",
        ),
        pytest.param([(100, 60, 110, 160), (200, 60, 203, 63)], [(100, 60, 110, 160)], id="a speck"),
    ],
)
def test_strokes_become_digits(strokes: list[tuple[int, int, int, int]], boxes: list[tuple[int, ...]]) -> None:
    assert lab.read_picture(drawn(*strokes)).boxes.tolist() == [list(box) for box in boxes]


def test_rows_may_slope_up_to_ten_degrees() -> None:
    """Five digits a row, each row 17 % steeper than level: too few strokes to level the sheet by."""
    cells = [(row, column) for row in range(2) for column in range(5)]
    boxes = np.array([(60 * c, 80 * r + 10 * c, 60 * c + 30, 80 * r + 10 * c + 50) for r, c in cells])
    mixed = np.random.default_rng(0).permutation(10)
    assert (mixed[_segments.reading_order(boxes[mixed])] == np.arange(10)).all()


NOISE = np.random.default_rng(0).integers(0, 256, (300, 400), np.uint8)


@pytest.mark.parametrize(
    ("picture", "error"),
    [
        pytest.param(np.full((50, 60), 255, np.uint8), "without contrast", id="blank"),
        pytest.param(np.zeros((1, 1), np.uint8), "without contrast", id="one pixel"),
        pytest.param(np.zeros((4, 1), np.uint8), "without contrast", id="four pixels"),
        pytest.param(NOISE, "expected (ink|digits)", id="noise"),
        pytest.param(drawn((10, 10, 13, 13)), "expected digits", id="a speck alone"),
        pytest.param(np.zeros((0, 5)), r"expected shape \(H, W\)", id="empty"),
        pytest.param(np.zeros((5, 5, 2)), r"expected shape \(H, W\)", id="two channels"),
        pytest.param(np.full((5, 5), math.nan), r"0\.\.255, got nan", id="NaN"),
        pytest.param(np.full((5, 5), 256.0), r"0\.\.255, got 256", id="too bright"),
        pytest.param(Image.new("L", (0, 5)), "at least one pixel", id="an empty image"),
    ],
)
def test_a_picture_without_digits_is_an_error(picture: Any, error: str) -> None:
    with pytest.raises(ValueError, match=f"^picture: .*{error}"):
        lab.read_picture(picture)


def test_a_page_of_text_is_an_error_or_bounded() -> None:
    strokes = np.kron(np.ones((60, 60), np.uint8), np.pad(np.full((14, 4), 255, np.uint8), ((3, 3), (8, 8))))
    with pytest.raises(ValueError, match="^picture: expected at most 2000 digits, got 3600 strokes"):
        lab.read_picture(strokes)


def test_a_file_that_is_no_picture_is_an_error(sheet: Sheet, tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    Image.fromarray(pixels(sheet)).save(good)
    content = good.read_bytes()
    for name, bad in {"half.png": content[: len(content) // 2], "text.png": b"text", "empty.png": b""}.items():
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(ValueError, match=rf"^picture: expected a file that Pillow can read, got '.*{name}'"):
            lab.read_picture(tmp_path / name)
    with pytest.raises(ValueError, match="^picture: expected a file that Pillow can read"):
        lab.read_picture(tmp_path)
    with pytest.raises(FileNotFoundError, match="^picture: expected the path of a file, got '.*missing.png'"):
        lab.read_picture(tmp_path / "missing.png")


def test_a_picture_too_large_for_pillow_is_an_error(
    sheet: Sheet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(pixels(sheet)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", sheet.picture.numel() // 3)
    with pytest.raises(ValueError, match="^picture: .* decompression bomb"):
        lab.read_picture(tmp_path / "bomb.png")


def test_the_picture_is_left_alone(sheet: Sheet) -> None:
    grey = pixels(sheet).copy()
    image = Image.fromarray(grey)
    lab.read_picture(grey)
    lab.read_picture(image)
    assert (grey == pixels(sheet)).all()
    assert (np.asarray(image) == grey).all()


def test_what_a_reader_is_told(sheet: Sheet) -> None:
    assert repr(lab.read_picture(pixels(sheet))) == "6 digits in a picture of 672 x 192 pixels"
    assert repr(lab.read_picture(drawn((100, 60, 110, 160)))) == "1 digit in a picture of 400 x 300 pixels"


def test_light_on_a_sheet() -> None:
    """Of the light at the left edge a half reaches the right one; a shadow takes 40 %."""
    even, falling, shadow = (
        render_sheet(torch.zeros(0).long(), seeded(), light=light).picture.double()
        if light != "shadow"
        else render_sheet(torch.zeros(0).long(), seeded(), light="shadow").picture.double()
        for light in ("even", "falling", "shadow")
    )
    assert even.unique().numel() == 1
    assert abs(falling[0, -1] / falling[0, 0] - 0.5) < 0.01
    assert abs(shadow.min() / shadow.max() - 0.6) < 0.01


def test_the_table_below_a_sheet_is_not_read() -> None:
    sheet = render_sheet(shuffled(3), seeded(3))
    table = np.pad(pixels(sheet), ((100, 100), (150, 150)), constant_values=60)
    found = lab.read_picture(table)
    moved = found.boxes - torch.tensor([150, 100, 150, 100])
    which, away = nearest(sheet, lab.Handwriting(found.images, moved, found.picture, found.size))
    assert len(found) == 60
    assert (away < 20).all()
    assert (which == torch.arange(60)).all()


def test_a_dash_beside_a_digit_is_not_read() -> None:
    picture = np.full((200, 300), 255, np.uint8)
    picture[60:140, 60:70] = 0
    picture[95:105, 150:230] = 0
    left, _, right, _ = lab.read_picture(picture).boxes.squeeze(0).tolist()
    assert 50 < left < right < 80
