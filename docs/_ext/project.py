"""What the other extensions have to know about this project. Another project copies them, and writes this file anew.

The library is imported inside the functions, because conf.py first sets the environment variables that it reads.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.errors import ConfigError

if TYPE_CHECKING:
    from mnist_lab.training.many import Order

PACKAGE = "mnist_lab"
DISTRIBUTION = "mnist-lab"
PACKAGES = ("matplotlib", "numpy", "pillow", "scipy", "torch")  # other packages that decide a page's result
ANSWERS = "MNIST_LAB_ANSWERS"  # the environment variable that names the folder of the pages' answers
PICTURE = "MNIST_LAB_PICTURE"  # the environment variable that names the reader's own picture
GALLERIES = {"auto_examples": "examples"}  # a gallery in the site, and where its scripts are in the repository
BRANCH = "main"
NOTEBOOKS_BRANCH = "notebooks"  # holds the notebooks of the gallery, in the same folders


def library() -> Path:
    """The folder of the library that the pages import."""
    import mnist_lab  # noqa: PLC0415

    return Path(mnist_lab.__file__).parent


def code_of(module: str) -> str:
    """The part of a module's source that can change a result: without comments and docstrings."""
    from mnist_lab._utils.fingerprint import without_prose  # noqa: PLC0415

    return without_prose(module)


def data() -> tuple[str, str]:
    """The name and the checksum of the data on which the pages run."""
    import mnist_lab  # noqa: PLC0415

    try:
        dataset = mnist_lab.load_dataset()
    except mnist_lab.DataError as error:
        # Sphinx shows a ConfigError's message alone, and any other exception as a crash of an extension.
        raise ConfigError(f"no page can run without the data. {error}") from None
    return dataset.name, dataset.checksum


def expected_warning() -> type[Warning]:
    """The warning that a page may give: it is shown once per build, and no error. Any other warning is one."""
    from mnist_lab import SyntheticDataWarning  # noqa: PLC0415

    return SyntheticDataWarning


def networks() -> list["Order"]:
    """The networks that pages load, the longest training first."""
    from mnist_lab import Recipe, load_dataset  # noqa: PLC0415
    from mnist_lab.training.zoo import NAMES, SEEDS  # noqa: PLC0415

    dataset = load_dataset()
    orders: list[Order] = [("robust", Recipe.robust(), dataset), ("plain", Recipe.accurate(), dataset)]
    orders += [(name, Recipe.standard(seed), dataset) for name in reversed(NAMES) for seed in SEEDS]
    return [*orders, ("plain", Recipe.standard(), load_dataset("synthetic"))]


def seconds_of_training() -> float:
    """What it takes one core to train the networks that are not in the cache, roughly."""
    from mnist_lab.training.zoo import is_kept  # noqa: PLC0415

    missing = [recipe for name, recipe, data in networks() if not is_kept(name, recipe.seed, recipe, data)]
    return sum(
        each.epochs
        * (1 + each.adversarial_steps * (each.adversarial_radius > 0))
        * (12.0 if each.precision == "bfloat16" else 16.0)
        for each in missing
    )


def train_networks() -> None:
    """Train the networks that are not in the cache, side by side."""
    from mnist_lab.training.many import train_missing  # noqa: PLC0415

    train_missing(networks())
