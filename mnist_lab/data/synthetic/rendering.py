"""Digits rendered from strokes, for a machine that cannot get MNIST.

The pen's path is warped, slanted and rotated at random. Each pixel is inked by its distance to the path. The result is
normalized as MNIST is: scaled to fit into 20 x 20 pixels, then placed in 28 x 28 with its centre of mass in the middle.

The same seed gives the same pixels on every machine and with any number of threads. Each image has random numbers of
its own. All arithmetic consists of single operations that round the same way everywhere (+, -, *, /, square root,
comparisons), and only integers are summed.
"""

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from mnist_lab._utils.cache import kept
from mnist_lab._utils.checks import CLASSES
from mnist_lab._utils.contracts import Labels, Seed, checked
from mnist_lab._utils.fingerprint import fingerprint
from mnist_lab._utils.messages import progress as progress_bar
from mnist_lab._utils.tensor_files import read_tensors, write_tensors
from mnist_lab.data.synthetic import strokes
from mnist_lab.data.synthetic.strokes import FAMILIES, SEGMENTS

FORMAT = "mnist_lab digits 1"
COUNT = 70_000  # as many as MNIST has, the same number of each class
SIDE, BOX = 28, 20  # pixels of an image, and of the part that the digit is fitted into
BATCH = 128  # images whose pixels fit into a processor's cache

# Per class: width, slant to the right, and half the width of the pen's line in pixels. The mean values of MNIST's
# training images guided the choice.
CLASS_MEANS = torch.tensor(
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
# Standard deviations from image to image.
POINT = 0.042  # of a point, as a fraction of the square's side
WIDTH, SLANT, ROTATION = 0.27, 0.24, 0.07
SLANT_OF_ONES = 0.20  # a 1 may be slanted by up to this much more, to either side
WARP = torch.tensor([[0.10, 0.17, 0.08, 0.14], [0.08, 0.08, 0.17, 0.08]])  # in x and y, per term of _warped()
PEN, PRESSURE = 0.30, 0.15  # the line's width from image to image, and along the line
EDGE = 0.10  # roughness of the ink's edge, in pixels
SOFTNESS = 1.25  # pixels from full ink to none
NUMBERS = 1000  # random numbers available per image


class RandomNumbers:
    """Random numbers for a batch. Every image has a row of its own, and all images use their rows in the same order."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self._rows = torch.rand(count, NUMBERS, generator=generator)
        self._used = 0

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniformly distributed in low..high, (count, *shape)."""
        amount = torch.Size(shape).numel()
        columns = self._rows[:, self._used : self._used + amount]
        self._used += amount
        return columns.reshape(-1, *shape) * (high - low) + low

    def triangular(self, std: float, *shape: int) -> Tensor:
        """Triangularly distributed around 0, the sum of two uniform numbers, (count, *shape)."""
        half = 6**0.5 / 2 * std
        return self.uniform(-half, half, *shape) + self.uniform(-half, half, *shape)


@checked
def draw(labels: Labels, generator: torch.Generator, *, progress: bool = False) -> Tensor:
    """Render a digit for each label.

    Parameters
    ----------
    labels
        Class indices 0..9, integers (N,).
    generator
        Source of the random numbers; a generator on the CPU.
    progress
        Whether to show progress.

    Returns
    -------
    Tensor
        Images uint8 (N, 1, 28, 28). An image does not depend on the images after it.

    Raises
    ------
    TypeError, ValueError
        If `labels` are not class indices.

    Examples
    --------
    >>> draw(torch.tensor([7, 7]), torch.Generator().manual_seed(0)).shape
    torch.Size([2, 1, 28, 28])
    """
    labels = labels.cpu()
    images = torch.empty(len(labels), 1, SIDE, SIDE, dtype=torch.uint8)
    batches = labels.split(BATCH) if len(labels) else ()
    with progress_bar(len(batches), "rendering digits", shown=progress) as bar:
        for place, batch in enumerate(batches):
            random = RandomNumbers(len(batch), generator)
            block = _inked(*pen_paths(batch, random), random)
            images[place * BATCH : place * BATCH + len(batch), 0] = centred(block)
            bar.step()
        bar.line(f"{len(labels):,} rendered")
    return images


@checked
def digits(seed: Seed = 0, *, progress: bool = True) -> tuple[Tensor, Tensor]:
    """70,000 synthetic digits and their labels, rendered once and kept in the user's cache.

    Any 10 consecutive labels, counted from a multiple of 10, hold each class once.

    Parameters
    ----------
    seed
        Seed of the order of the classes and of the rendering.
    progress
        Whether to show progress while they are rendered.

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
    Where the cache cannot be written, a message says so, and the digits are rendered on every call.

    Examples
    --------
    >>> images, labels = digits()  # doctest: +SKIP
    >>> labels.bincount()  # doctest: +SKIP
    tensor([7000, 7000, 7000, 7000, 7000, 7000, 7000, 7000, 7000, 7000])
    """

    def read(path: Path) -> tuple[Tensor, Tensor]:
        tensors, _ = read_tensors(path, FORMAT)
        return tensors["images"], tensors["labels"]

    def make(_: Path | None) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        labels = torch.cat([torch.randperm(CLASSES, generator=generator) for _ in range(COUNT // CLASSES)])
        return draw(labels, generator, progress=progress), labels

    def write(made: tuple[Tensor, Tensor], path: Path) -> None:
        write_tensors(path, dict(zip(("images", "labels"), made, strict=True)), {"format": FORMAT})

    name = f"digits-{COUNT}-{seed}-{_source()}.safetensors"
    return kept("synthetic", name, read=read, make=make, write=write, title=f"synthetic digits, seed {seed}")


def _source() -> str:
    """A digest of everything that decides the pixels, so that digits rendered by other code are not reused."""
    code = fingerprint(__name__, strokes.__name__)
    return hashlib.sha256(code.encode() + strokes.SOURCE).hexdigest()[:16]


def pen_paths(labels: Tensor, random: RandomNumbers) -> tuple[Tensor, Tensor, Tensor]:
    """How the pen writes a digit of each class, in pixels of the box that the digit just fills.

    Returns
    -------
    tuple of Tensor
        x and y of both ends of each segment, (N, 2, SEGMENTS) each, and half the width of its line, (N, SEGMENTS).
    """
    x, y = _warped(_paths(labels, random), labels, random)
    return _fitted(x, y, _pen(labels, random))


def _paths(labels: Tensor, random: RandomNumbers) -> Tensor:
    """The path of the pen: both ends of each segment in -1..1, (N, 2, SEGMENTS, 2).

    A digit is a mixture of two drawings of one family, with every point moved at random.
    """
    which, choice, between = random.uniform(0, 100), random.uniform(0, 1, 2), random.uniform(-0.1, 1.1, 1, 1)
    moved = random.triangular(POINT, max(family.points.shape[1] for digit in FAMILIES for family in digit), 2)
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
            for point in range(count):  # a matrix product would sum in an order that depends on the machine
                path = path + family.segments[:, :, point, None] * points[:, None, None, point]
            paths[rows] = path
    return paths * 2 - 1


def _warped(paths: Tensor, labels: Tensor, random: RandomNumbers) -> tuple[Tensor, Tensor]:
    """Warp, widen, slant and rotate the paths: x and y of the segments' ends, each (N, 2, SEGMENTS)."""

    def each(values: Tensor) -> Tensor:
        return values[:, None, None]

    x, y = paths.unbind(dim=-1)
    across, down = (random.triangular(1.0, 2, 4) * WARP)[..., None, None].unbind(dim=1)
    xx, xy, yy = x * x, x * y, y * y
    x, y = (
        x + across[:, 0] * yy + across[:, 1] * xy + across[:, 2] * xx + across[:, 3] * (yy * y - y),
        y + down[:, 0] * xx + down[:, 1] * xy + down[:, 2] * yy + down[:, 3] * (xx * x - x),
    )
    width, slant, _ = CLASS_MEANS[labels].unbind(dim=1)
    wider = random.triangular(WIDTH)
    # A digit is half as wide as often as it is twice as wide.
    wider = torch.where(wider > 0, 1 + wider, 1 / (torch.ones(()) - wider))
    x = x * each(width * wider)
    leaning = random.uniform(-SLANT_OF_ONES, SLANT_OF_ONES) * (labels == 1)
    x = x - each(slant + random.triangular(SLANT) + leaning) * y
    tangent = random.triangular(ROTATION)  # of half the angle, since torch.cos and torch.sin differ between machines
    norm = 1 + tangent * tangent
    cosine, sine = each((1 - tangent * tangent) / norm), each(2 * tangent / norm)
    return cosine * x - sine * y, sine * x + cosine * y


def _pen(labels: Tensor, random: RandomNumbers) -> Tensor:
    """Half the width of the line at each segment in pixels, (N, SEGMENTS). The pen's pressure varies along it."""
    half = ((1 + random.triangular(PEN)) * CLASS_MEANS[labels, 2]).clamp(0.65, 2.3)
    along = (torch.arange(SEGMENTS) * 2 + 1) / SEGMENTS - 1
    slope, bow, wave = random.triangular(PRESSURE, 3, 1).unbind(dim=1)
    squared = along * along
    pressure = 1 + slope * along + bow * (squared - 1 / 3) + wave * (squared * along - along)
    return half[:, None] * pressure.clamp(0.5, 1.6)


def _fitted(x: Tensor, y: Tensor, half: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scale the paths to pixels so that their ink just fits into the box, centred along its shorter side."""
    # Twice: the ink's width is in pixels, so the margin that it needs is known only once the path is in pixels too.
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


def _inked(x: Tensor, y: Tensor, half: Tensor, random: RandomNumbers) -> Tensor:
    """Ink each pixel by its distance to the edge of the nearest segment, uint8 (N, BOX, BOX)."""
    edge = distances(x, y, half, BOX) + random.triangular(EDGE, BOX, BOX)
    return ((0.5 - edge / SOFTNESS).clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def distances(x: Tensor, y: Tensor, half: Tensor, side: int) -> Tensor:
    """The distance of each pixel's centre to the edge of the nearest line, negative inside it, (N, side, side)."""
    centre = torch.arange(side) + 0.5
    nearest = torch.full((len(x), side, side), float(side))
    for segment in range(SEGMENTS):
        start_x, start_y = x[:, 0, segment, None], y[:, 0, segment, None]
        along_x, along_y = x[:, 1, segment, None] - start_x, y[:, 1, segment, None] - start_y
        squared = (along_x * along_x + along_y * along_y).clamp_min(1e-6)
        right, down = centre - start_x, centre - start_y  # (N, side)
        place = (right * along_x / squared)[:, None] + (down * along_y / squared)[:, :, None]  # (N, side, side)
        place.clamp_(0, 1)
        # In place: most of the time is spent here.
        away_x = (place * along_x[:, None]).sub_(right[:, None])
        away_y = place.mul_(along_y[:, None]).sub_(down[:, :, None])
        distance = away_x.mul_(away_x).add_(away_y.mul_(away_y)).sqrt_().sub_(half[:, segment, None, None])
        torch.minimum(nearest, distance, out=nearest)
    return nearest


def centred(block: Tensor) -> Tensor:
    """Place each block in an empty image, with its centre of mass as near to the middle as whole pixels allow."""
    mass = block.long()
    total = mass.sum(dim=(1, 2))
    twice = 2 * torch.arange(BOX) + 1  # twice the distance of a pixel's centre from the edge
    images = torch.zeros(len(block), SIDE, SIDE, dtype=torch.uint8)
    # The integer nearest to 14 - centre, computed in integers and clamped so that the block stays inside the image.
    top, left = (
        (((SIDE + 1) * total - (mass.sum(dim=dim) * twice).sum(dim=1)) // (2 * total)).clamp(0, SIDE - BOX)
        for dim in (2, 1)
    )
    rows, columns = (offset[:, None] + torch.arange(BOX) for offset in (top, left))
    images[torch.arange(len(block))[:, None, None], rows[:, :, None], columns[:, None]] = block
    return images
