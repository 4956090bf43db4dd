"""Digits drawn from strokes, for a machine that cannot reach MNIST.

The pen's path is bent and slanted at random, inked by the distance to it, and normalized as MNIST is: fitted into
20 x 20 pixels, and placed in 28 x 28 with its centre of mass in the middle.

The same seed gives the same pixels on every machine and with any number of threads: an image takes its random numbers
from a row of its own, and all arithmetic is of single operations that round alike everywhere (+, -, *, /, square root,
comparisons), with sums of whole numbers alone.
"""

import hashlib
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from mnist_lab import drawings, strokes
from mnist_lab._utils.checks import CLASSES, check_integer, check_labels
from mnist_lab._utils.messages import notice
from mnist_lab._utils.messages import progress as progress_bar
from mnist_lab._utils.files import one_at_a_time, user_cache
from mnist_lab.data.synthetic.strokes import FAMILIES, SEGMENTS
from mnist_lab._utils.tensor_files import CheckpointError, read_tensors, write_tensors

FORMAT = "mnist_lab digits 1"
COUNT = 70_000  # as many as MNIST has, of each class alike
SIDE, BOX = 28, 20  # pixels of an image, and of the part that the digit is fitted into
AT_ONCE = 128  # images whose pixels stay in a processor's cache

# How the classes differ as they are written: width, slant to the right, and half the width of the pen's line in pixels.
# Means over MNIST's training images guided the choice.
HABITS = torch.tensor(
    [
        (1.00, 0.22, 1.40),
        (0.78, 0.26, 1.40),
        (1.00, 0.14, 1.36),
        (0.85, 0.06, 1.26),
        (0.88, 0.24, 1.22),
        (0.99, 0.08, 1.16),
        (0.86, 0.06, 1.26),
        (0.87, 0.05, 1.29),
        (0.90, 0.13, 1.14),
        (0.84, 0.12, 1.13),
    ]
)
# Deviations of what varies from image to image.
POINT = 0.042  # a point of the drawing, of the square's side
WIDTH, SLANT, TURN = 0.27, 0.24, 0.07
SLANT_OF_ONES = 0.20  # a 1 leans as it likes: at most so much more to either side
BEND = torch.tensor([[0.10, 0.17, 0.08, 0.14], [0.08, 0.08, 0.17, 0.08]])  # across and down, by the terms of _bent()
PEN, PRESSURE = 0.30, 0.15  # the line's width from image to image, and along the line
EDGE = 0.10  # pixels by which the edge of the ink is ragged
SOFTNESS = 1.25  # pixels from full ink to none
NUMBERS = 1000  # random numbers that are there for each image


class _Dice:
    """Random numbers of a batch: each image takes them from a row of its own, all images in the same order."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self._rows = torch.rand(count, NUMBERS, generator=generator)
        self._taken = 0

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Evenly distributed, (count, *shape)."""
        amount = torch.Size(shape).numel()
        columns = self._rows[:, self._taken : self._taken + amount]
        self._taken += amount
        return columns.reshape(-1, *shape) * (high - low) + low

    def bell(self, deviation: float, *shape: int) -> Tensor:
        """A bell without tails, the sum of two uniform numbers, of mean 0, (count, *shape)."""
        half = 6**0.5 / 2 * deviation
        return self.uniform(-half, half, *shape) + self.uniform(-half, half, *shape)


def draw(labels: Tensor, generator: torch.Generator, *, progress: bool = False) -> Tensor:
    """Draw a digit for each label.

    Parameters
    ----------
    labels
        Classes, integers (N,).
    generator
        Where the random numbers come from; a generator on the CPU.
    progress
        Whether to show progress.

    Returns
    -------
    Tensor
        Images (N, 1, 28, 28), uint8. The first of them do not depend on how many follow.

    Raises
    ------
    TypeError, ValueError
        If `labels` is no tensor of classes.

    Examples
    --------
    >>> draw(torch.tensor([7, 7]), torch.Generator().manual_seed(0)).shape
    torch.Size([2, 1, 28, 28])
    """
    labels = check_labels(labels).cpu()
    images = torch.empty(len(labels), 1, SIDE, SIDE, dtype=torch.uint8)
    batches = labels.split(AT_ONCE) if len(labels) else ()
    with progress_bar(len(batches), "drawing digits", shown=progress) as bar:
        for place, batch in enumerate(batches):
            dice = _Dice(len(batch), generator)
            x, y = _by_hand(_paths(batch, dice), batch, dice)
            block = _inked(*_fitted(x, y, _pen(batch, dice)), dice)
            images[place * AT_ONCE : place * AT_ONCE + len(batch), 0] = _centred(block)
            bar.step()
        bar.line(f"{len(labels):,} drawn")
    return images


def digits(seed: int = 0, *, progress: bool = True) -> tuple[Tensor, Tensor]:
    """70,000 drawn digits and their labels: read from the user's cache, drawn first where they are not there yet.

    The classes are equally frequent, and stay so in any 10 consecutive images.

    Parameters
    ----------
    seed
        Seed of the order of the classes and of the drawing.
    progress
        Whether to show progress while they are drawn.

    Returns
    -------
    tuple of Tensor
        Images uint8 (70000, 1, 28, 28) and labels int64 (70000,).

    Raises
    ------
    ValueError
        If `seed` is out of range.

    Notes
    -----
    Where the cache cannot be written the user is told, and the digits are drawn each time.

    Examples
    --------
    >>> images, labels = digits()  # doctest: +SKIP
    >>> labels.bincount()  # doctest: +SKIP
    tensor([7000, 7000, 7000, 7000, 7000, 7000, 7000, 7000, 7000, 7000])
    """
    check_integer(seed, "seed", low=0, high=2**63 - 1)
    title = f"drawing digits, seed {seed}"
    with ExitStack() as stack:
        try:
            path = user_cache("synthetic") / f"digits-{COUNT}-{seed}-{_code()}.safetensors"
            if (kept := _kept(path)) is not None:  # without a lock: a cache may be shared, and read-only
                return kept
            stack.enter_context(one_at_a_time(path.with_suffix(".lock"), title))
        except OSError as error:
            notice(f"{title}: they cannot be kept for the next time ({error})")
            return _drawn(seed, progress)
        # Another process may have drawn them meanwhile.
        return _kept(path, tell=False) or _draw_and_keep(path, seed, progress)


def _drawn(seed: int, progress: bool) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.randperm(CLASSES, generator=generator) for _ in range(COUNT // CLASSES)])
    return draw(labels, generator, progress=progress), labels


def _draw_and_keep(path: Path, seed: int, progress: bool) -> tuple[Tensor, Tensor]:
    images, labels = _drawn(seed, progress)
    try:
        write_tensors(path, {"images": images, "labels": labels}, {"format": FORMAT})
    except OSError as error:
        notice(f"the drawn digits cannot be kept for the next time ({error})")
    return images, labels


def _kept(path: Path, *, tell: bool = True) -> tuple[Tensor, Tensor] | None:
    """What the file holds, if it is there and whole."""
    if not path.is_file():
        return None
    try:
        tensors, _ = read_tensors(path, FORMAT)
        return tensors["images"], tensors["labels"]
    except (CheckpointError, OSError) as error:
        if tell:
            notice(f"{error}. The digits are drawn anew.")
        return None


def _paths(labels: Tensor, dice: _Dice) -> Tensor:
    """Where the pen's line runs: both ends of each of its segments in -1..1, (N, 2, SEGMENTS, 2).

    A digit lies between two drawings of one family, or a little beyond, with its points moved.
    """
    which, choice, between = dice.uniform(0, 100), dice.uniform(0, 1, 2), dice.uniform(-0.1, 1.1, 1, 1)
    moved = dice.bell(POINT, max(family.points.shape[1] for digit in FAMILIES for family in digit), 2)
    paths = torch.empty(len(labels), 2, SEGMENTS, 2)
    for label in labels.unique().tolist():
        percent = 0
        for family in FAMILIES[label]:
            mine = (which >= percent) & (which < percent + family.share)
            rows = (mine & (labels == label)).nonzero().flatten()
            percent += family.share
            drawings, count = family.points.shape[:2]
            first, second = family.points[(choice[rows] * drawings).long()].unbind(dim=1)
            points = first + (second - first) * between[rows] + moved[rows, :count]
            path = torch.zeros(len(rows), 2, SEGMENTS, 2)
            for point in range(count):  # one after the other: a matrix product adds in an order of its own
                path = path + family.segments[:, :, point, None] * points[:, None, None, point]
            paths[rows] = path
    return paths * 2 - 1


def _by_hand(paths: Tensor, labels: Tensor, dice: _Dice) -> tuple[Tensor, Tensor]:
    """Bend, widen, slant and turn the lines: x and y of the segments' ends, each (N, 2, SEGMENTS)."""

    def each(values: Tensor) -> Tensor:
        return values[:, None, None]

    x, y = paths.unbind(dim=-1)
    bend = (dice.bell(1.0, 2, 4) * BEND)[..., None, None]
    across, down = bend.unbind(dim=1)
    xx, xy, yy = x * x, x * y, y * y
    x, y = (
        x + across[:, 0] * yy + across[:, 1] * xy + across[:, 2] * xx + across[:, 3] * (yy * y - y),
        y + down[:, 0] * xx + down[:, 1] * xy + down[:, 2] * yy + down[:, 3] * (xx * x - x),
    )
    width, slant, _ = HABITS[labels].unbind(dim=1)
    wider = dice.bell(WIDTH)
    # As often half as twice as wide.
    wider = torch.where(wider > 0, 1 + wider, 1 / (torch.ones(()) - wider))
    x = x * each(width * wider)
    leaning = dice.uniform(-SLANT_OF_ONES, SLANT_OF_ONES) * (labels == 1)
    x = x - each(slant + dice.bell(SLANT) + leaning) * y
    tangent = dice.bell(TURN)  # of half the angle: cosine and sine without their functions
    norm = 1 + tangent * tangent
    cosine, sine = each((1 - tangent * tangent) / norm), each(2 * tangent / norm)
    return cosine * x - sine * y, sine * x + cosine * y


def _pen(labels: Tensor, dice: _Dice) -> Tensor:
    """Half the width of the line at each segment, in pixels, (N, SEGMENTS): the pen presses harder here than there."""
    half = ((1 + dice.bell(PEN)) * HABITS[labels, 2]).clamp(0.65, 2.3)
    along = (torch.arange(SEGMENTS) * 2 + 1) / SEGMENTS - 1
    slope, bow, wave = dice.bell(PRESSURE, 3, 1).unbind(dim=1)
    squared = along * along
    pressure = 1 + slope * along + bow * (squared - 1 / 3) + wave * (squared * along - along)
    return half[:, None] * pressure.clamp(0.5, 1.6)


def _fitted(x: Tensor, y: Tensor, half: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scale the lines so that their ink just fits into the box, in pixels; its shorter side in the middle."""
    # First the lines alone, with room for the ink; then, as the ink's width is in pixels now, both together.
    room = BOX - 2 * half.amax(dim=1)[:, None, None]
    for margin, target in ((torch.zeros(()), room), (half[:, None], torch.tensor(BOX))):
        ends = [
            (low.amin(dim=(1, 2), keepdim=True), high.amax(dim=(1, 2), keepdim=True))
            for low, high in ((x - margin, x + margin), (y - margin, y + margin))
        ]
        (left, right), (top, bottom) = ends
        scale = target / torch.maximum(right - left, bottom - top)
        x = (x - (left + right) / 2) * scale
        y = (y - (top + bottom) / 2) * scale
    return x + BOX / 2, y + BOX / 2, half * scale[:, 0]


def _inked(x: Tensor, y: Tensor, half: Tensor, dice: _Dice) -> Tensor:
    """Ink each pixel by its distance to the edge of the nearest line, uint8 (N, BOX, BOX)."""
    centre = torch.arange(BOX) + 0.5
    nearest = torch.full((len(x), BOX, BOX), float(BOX))
    for segment in range(SEGMENTS):
        start_x, start_y = x[:, 0, segment, None], y[:, 0, segment, None]
        along_x, along_y = x[:, 1, segment, None] - start_x, y[:, 1, segment, None] - start_y
        squared = (along_x * along_x + along_y * along_y).clamp_min(1e-6)
        right, down = centre - start_x, centre - start_y  # (N, BOX)
        place = (right * along_x / squared)[:, None] + (down * along_y / squared)[:, :, None]  # (N, BOX, BOX)
        place.clamp_(0, 1)
        # In place, for speed: these are the lines that take the time.
        away_x = (place * along_x[:, None]).sub_(right[:, None])
        away_y = place.mul_(along_y[:, None]).sub_(down[:, :, None])
        distance = away_x.mul_(away_x).add_(away_y.mul_(away_y)).sqrt_().sub_(half[:, segment, None, None])
        torch.minimum(nearest, distance, out=nearest)
    ragged = nearest + dice.bell(EDGE, BOX, BOX)
    return ((0.5 - ragged / SOFTNESS).clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def _centred(block: Tensor) -> Tensor:
    """Place each block in an empty image, its centre of mass as near to the middle as whole pixels allow."""
    mass = block.long()
    total = mass.sum(dim=(1, 2))
    twice = 2 * torch.arange(BOX) + 1  # twice the distance of a pixel's centre from the edge
    images = torch.zeros(len(block), SIDE, SIDE, dtype=torch.uint8)
    # In whole numbers: the nearest one to 14 - centre, and never so far that ink were lost.
    top, left = (
        (((SIDE + 1) * total - (mass.sum(dim=dim) * twice).sum(dim=1)) // (2 * total)).clamp(0, SIDE - BOX)
        for dim in (2, 1)
    )
    rows, columns = (offset[:, None] + torch.arange(BOX) for offset in (top, left))
    images[torch.arange(len(block))[:, None, None], rows[:, :, None], columns[:, None]] = block
    return images


def _code() -> str:
    """A digest of all that decides how digits look: what other code drew is not read."""
    sources = (Path(module).read_bytes() for module in (__file__, strokes.__file__, drawings.__file__))
    return hashlib.sha256(b"".join(sources)).hexdigest()[:16]
