"""Where files are kept, and how they are written: whole or not at all, by one process at a time."""

import glob
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mnist_lab.progress import notice


def user_cache(*parts: str) -> Path:
    """A folder below the user's cache, or below ``$MNIST_LAB_CACHE`` where that is set; it need not exist yet.

    Raises
    ------
    FileNotFoundError
        If the user has no home, and the variable names no folder.

    Examples
    --------
    >>> user_cache("networks").name
    'networks'
    """
    named = os.environ.get("MNIST_LAB_CACHE")
    try:
        if named:
            return Path(named).expanduser().joinpath(*parts)
        import platformdirs  # noqa: PLC0415 - not needed where the variable is set

        # Its earlier versions return ~ where there is no home.
        return Path(platformdirs.user_cache_dir("mnist_lab", appauthor=False)).expanduser().joinpath(*parts)
    except RuntimeError as error:
        raise FileNotFoundError(
            f"there is no home folder to keep {'/'.join(parts)} in: set MNIST_LAB_CACHE to a folder that can be written"
        ) from error


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file to write; it takes the place of `path` when the block has ended well, and goes if it has not.

    Whoever opens `path` meanwhile sees the old content or the new, never a part. The folder is made where it is
    missing. What a process that was killed has left of `path` is cleared away.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_whole(Path(folder) / "answer.txt") as file:
    ...         _ = file.write_text("42")
    ...     (Path(folder) / "answer.txt").read_text()
    '42'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_remains(path)
    # Named before it is made, so that an interrupt in between leaves nothing.
    partial = path.with_name(f".{path.name}.{os.urandom(8).hex()}.part")
    handle = None
    try:
        handle = _open_partial(partial)
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        # So far only its owner may read it; a result is as readable as any other file.
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


@contextmanager
def one_at_a_time(path: Path, title: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs: other processes wait for it, and the user is told.

    The operating system holds the lock, not the file: a lock file that a dead process has left blocks nobody.

    Parameters
    ----------
    path
        The lock file; its folder is made where it is missing.
    title
        What is done once at a time.

    Raises
    ------
    OSError
        If there can be no lock file, in a folder that cannot be written for one.

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
        notice(f"{title}: another process is doing it; waiting until it has finished")
        lock.acquire()
    except NotImplementedError as error:
        raise OSError(f"{path}: {error}") from error  # a file system without locks, as filelock says it
    try:
        yield
    finally:
        lock.release()


def _open_partial(partial: Path) -> int | None:
    """Make an empty file, and return a handle that keeps it locked for as long as its writer lives."""
    while True:
        handle = os.open(partial, os.O_RDWR | os.O_CREAT, 0o600)
        if sys.platform == "win32":
            os.close(handle)  # an open file could not take another's place there
            return None
        _lock(handle, wait=True)
        # Between its making and its locking another process may have cleared it away.
        if os.fstat(handle).st_nlink:
            return handle
        os.close(handle)


def _clear_remains(path: Path) -> None:
    """Delete the parts of `path` whose writers are dead: nobody holds their locks."""
    for remains in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        try:
            handle = os.open(remains, os.O_RDWR)
        except OSError:
            continue  # gone meanwhile, or another user's
        try:
            if _lock(handle, wait=False):
                remains.unlink(missing_ok=True)
        finally:
            os.close(handle)


def _lock(handle: int, *, wait: bool) -> bool:
    """Lock an open file, and say whether that went; on a file system or a platform without locks it does not."""
    if sys.platform == "win32":
        return False
    import fcntl  # noqa: PLC0415 - not on every platform

    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
