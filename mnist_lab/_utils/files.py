"""Where files are kept, and how they are written: whole or not at all."""

import glob
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ABANDONED = 3600.0  # seconds after which an unfinished file is taken for that of a process that died


def user_cache(*parts: str) -> Path:
    """A folder below the user's cache, or below ``$MNIST_LAB_CACHE`` where that is set; it may not exist yet.

    Raises
    ------
    FileNotFoundError
        If the user has no home folder, and the variable names no folder.

    Examples
    --------
    >>> user_cache("networks").name
    'networks'
    """
    named = os.environ.get("MNIST_LAB_CACHE")
    try:
        if named:
            return Path(named).expanduser().absolute().joinpath(*parts)
        import platformdirs  # noqa: PLC0415 - not needed where the variable is set

        # Its earlier versions return ~ where there is no home.
        return Path(platformdirs.user_cache_dir("mnist_lab", appauthor=False)).expanduser().joinpath(*parts)
    except RuntimeError as error:
        raise FileNotFoundError(
            f"there is no home folder to keep {'/'.join(parts)} in: set MNIST_LAB_CACHE to a folder that can be written"
        ) from error


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a temporary file, which replaces `path` when the block ends well and is deleted when it raises.

    A reader of `path` sees the old content or the new, never a part of either. Its folder is made where it is missing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_whole(Path(folder) / "answer.txt") as file:
    ...         _ = file.write_text("42")
    ...     (Path(folder) / "answer.txt").read_text()
    '42'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for unfinished in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError):  # gone meanwhile, or another user's
            if time.time() - unfinished.stat().st_mtime > ABANDONED:
                unfinished.unlink()
    partial = path.with_name(f".{path.name}.{os.urandom(8).hex()}.part")
    try:
        partial.touch()
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
