"""Where files are kept, and how they are written: whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def user_cache(*parts: str) -> Path:
    """A folder below the user's cache, or below ``$MNIST_LAB_CACHE`` where that is set; it need not exist yet.

    >>> user_cache("networks").name
    'networks'
    """
    named = os.environ.get("MNIST_LAB_CACHE")
    if named:
        return Path(named).expanduser().joinpath(*parts)
    import platformdirs  # noqa: PLC0415 - not needed where the variable is set

    return Path(platformdirs.user_cache_dir("mnist_lab", appauthor=False)).joinpath(*parts)


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file to write; it takes the place of `path` when the block has ended well, and goes if it has not.

    Whoever opens `path` meanwhile sees the old content or the new, never a part. The folder is made where it is
    missing.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_whole(Path(folder) / "answer.txt") as file:
    ...         _ = file.write_text("42")
    ...     (Path(folder) / "answer.txt").read_text()
    '42'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes a file that only its owner may read; a result is as readable as any other file.
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
