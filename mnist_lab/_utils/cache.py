"""The user's cache: a thing is read if its file is whole, made once by one process, and written whole."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from mnist_lab._utils.files import user_cache
from mnist_lab._utils.messages import log
from mnist_lab._utils.tensor_files import CheckpointError

T = TypeVar("T")


def kept(
    folder: str,
    name: str,
    *,
    read: Callable[[Path], T],
    make: Callable[[Path | None], T],
    write: Callable[[T, Path], None],
    title: str,
) -> T:
    """Read a thing from the cache, or make it and keep it there.

    Processes that want the same thing at the same time make it once. A damaged file is reported and replaced. Where the
    cache cannot be written the thing is made all the same, and the user is told that it is not kept.

    Parameters
    ----------
    folder, name
        The file, below the user's cache.
    read
        Reads the file; raises CheckpointError or OSError where it is not what it has to be.
    make
        Makes the thing. It is given the path where it will be kept, or None where it cannot be.
    write
        Writes it.
    title
        What is made, for messages.
    """
    with ExitStack() as stack:
        try:
            path = user_cache(folder) / name
            found = _found(path, read, title)  # without a lock: a cache may be shared, and read-only
            if found is None:
                stack.enter_context(one_at_a_time(path.with_suffix(".lock"), title))
        except OSError as error:
            log.warning("%s: the result cannot be kept for the next time (%s)", title, error)
            return make(None)
        if found is None:
            found = _found(path, read, None)  # another process may have made it meanwhile
        if found is not None:
            return found
        made = make(path)
        try:
            write(made, path)
        except OSError as error:
            log.warning("%s: the result cannot be kept for the next time (%s)", title, error)
        return made


def _found(path: Path, read: Callable[[Path], T], title: str | None) -> T | None:
    """What the file holds; None where there is none, or where it is damaged, which is logged under a title."""
    if not path.is_file():
        return None
    try:
        return read(path)
    except (CheckpointError, OSError) as error:
        if title is not None:
            log.warning("%s: %s. It is made anew.", title, str(error).rstrip("."))
        return None


@contextmanager
def one_at_a_time(path: Path, title: str) -> Iterator[None]:
    """Hold the lock file `path` for the block. Other processes wait, and their users are told.

    The operating system holds the lock, not the file: the lock file of a dead process blocks nobody.

    Raises
    ------
    OSError
        If the lock file cannot be made, or the file system knows no locks.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, one_at_a_time(Path(folder) / "lock", "counting"):
    ...     1 + 1
    2
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - not needed where the cache is filled

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=1)
    except Timeout:
        log.info("%s: another process is doing it; waiting until it has finished", title)
        lock.acquire()
    except NotImplementedError as error:
        raise OSError(f"{path}: {error}") from error  # how filelock reports a file system without locks
    try:
        yield
    finally:
        lock.release()
