"""What the other extensions have to know about this project. Another project copies them, and writes this file anew.

The library is imported inside the functions, because conf.py first sets the environment variables that it reads.
"""

from pathlib import Path

from sphinx.errors import ConfigError

PACKAGE = "mnist_lab"
DISTRIBUTION = "mnist-lab"
ANSWERS = "MNIST_LAB_ANSWERS"  # the environment variable that names the folder of the pages' answers
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
