"""MNIST's four files: found, verified, read, and downloaded where the user's cache lacks them.

A download takes bounded time, is verified, and is written whole or not at all.
"""

import gzip
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from itertools import chain, islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import torch
from torch import Tensor

from mnist_lab._utils.cache import one_at_a_time
from mnist_lab._utils.files import user_cache, written_whole
from mnist_lab._utils.messages import progress


class Checksums(NamedTuple):
    """MD5 of one of MNIST's files, and of the same file as the mirrors pack it."""

    unpacked: str
    packed: str


FILES = {
    "train-images-idx3-ubyte": Checksums("6bbc9ace898e44ae57da46a324031adb", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    "train-labels-idx1-ubyte": Checksums("a25bea736e30d166cdddb491f175f624", "d53e105ee54ea40749a09fcbcd1e9432"),
    "t10k-images-idx3-ubyte": Checksums("2646ac647ad5339dbf082846283269ea", "9fb629c4189551a2d022fa330f9573f3"),
    "t10k-labels-idx1-ubyte": Checksums("27ae3e4e09519cfbb04c329615203637", "ec29112dd5afa0611ce80d1b7f02629c"),
}
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
HOW_TO_SUPPLY = (
    "To supply MNIST, put its four unpacked files into FOLDER/MNIST/raw (the layout that torchvision uses) and "
    "set the environment variable MNIST_LAB_DATA to FOLDER, or call load_dataset(root=FOLDER)."
)
PATIENCE = 10.0  # seconds that a mirror has before its first byte
SLOWEST = 20_000  # bytes that it has to send per second after that
LARGEST = 2**25  # bytes; MNIST's largest packed file has ten million
OTHER_FORMATS = ("mnist_train.csv", "mnist_test.csv", "train.csv", "test.csv", "mnist.npz", "mnist.pkl.gz")
SEARCHED = 20_000  # entries below a folder that are looked at to explain what is wrong with it


class DataError(RuntimeError):
    """MNIST is missing, cannot be read, or is damaged."""


class UnavailableError(DataError):
    """No folder was named, the user's cache holds none of the files, and they cannot be downloaded."""


def load(root: str | os.PathLike[str] | None, *, retry: bool) -> list[Tensor]:
    """Training images and labels, then test images and labels, uint8, in the order of :data:`FILES`.

    Parameters
    ----------
    root
        The folder that holds ``MNIST/raw``. None stands for ``$MNIST_LAB_DATA``, else for the user's cache, into which
        missing files are downloaded.
    retry
        Whether to download again after a download has failed in this process.

    Raises
    ------
    UnavailableError
        If there is no trace of MNIST.
    DataError
        If a named folder or the cache does not hold the four files, or if one of them is unreadable or damaged.
    """
    if root is not None:
        raw = _named(Path(root), "root")
    elif variable := os.environ.get("MNIST_LAB_DATA"):
        raw = _named(Path(variable), "MNIST_LAB_DATA")
    else:
        raw = _cached(retry)
    return [_read(raw / name) for name in FILES]


def _missing(raw: Path) -> list[str]:
    return [name for name in FILES if not (raw / name).is_file()]


def _named(folder: Path, by: str) -> Path:
    """The folder of the four files, below a folder that the user named through an argument or a variable."""
    try:
        folder = folder.expanduser().resolve()
        raw = folder / "MNIST" / "raw"
        missing = _missing(raw)
        found = _what_is_in(folder, missing) if missing else ""
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder, or links go round in circles
        raise DataError(f"{by}: expected a folder that can be read, got {folder} ({error}). {HOW_TO_SUPPLY}") from None
    if missing:
        raise DataError(
            f"{by}: expected a folder that holds MNIST/raw/{missing[0]}, got {folder}, which {found}. {HOW_TO_SUPPLY}"
        )
    return raw


def _what_is_in(folder: Path, missing: list[str]) -> str:
    """What a folder holds instead of MNIST/raw with all four files, and how to put it right."""
    if not folder.is_dir():
        return "is not a folder" if folder.exists() else "does not exist"
    if misplaced := _misplaced(folder, missing):
        return misplaced
    if len(missing) < len(FILES):
        return f"lacks {', '.join(missing)}"
    names = sorted(path.name for path in folder.iterdir())
    return f"holds {', '.join([*names[:5], *(['more'] if len(names) > 5 else [])])}" if names else "is empty"


def _misplaced(folder: Path, missing: list[str]) -> str:
    """Where below a folder one of the missing files is, or a file like it; an empty text if there is none."""
    raw = folder / "MNIST" / "raw"
    paths = chain.from_iterable(folder.glob("/".join("*" * depth)) for depth in (1, 2, 3, 4))
    files: dict[str, Path] = {}
    for path in islice(paths, SEARCHED):
        if path.is_file():
            files.setdefault(path.name, path)
    for name in missing:
        if name in files:
            path = files[name]
            home = path.parent.parent.parent
            right = path.parent == home / "MNIST" / "raw"
            return f"holds {path}: {f'name {home} instead' if right else f'move the files to {raw}'}"
    for name in missing:
        dotted = name.replace("-idx", ".idx")  # Kaggle's spelling
        for alike in (f"{name}.gz", dotted, f"{dotted}.gz"):
            if alike in files:
                path = files[alike]
                return f"holds {path}: {'unpack' if path.suffix == '.gz' else 'move'} it to {raw / name}"
    other = next((files[name] for name in OTHER_FORMATS if name in files), None)
    return f"holds {other}: MNIST's four original files are needed, not another format" if other else ""


_failed: dict[Path, str] = {}  # caches into which a download failed, and why


def _cached(retry: bool) -> Path:
    """The folder of the four files below the user's cache, after the missing ones were downloaded."""
    try:
        folder = user_cache("data")
        raw = folder / "MNIST" / "raw"
        missing = _missing(raw)
    except OSError as error:
        raise UnavailableError(f"MNIST cannot be looked for. {HOW_TO_SUPPLY} ({error})") from None
    if not missing:
        return raw
    if folder in _failed and not retry:
        raise UnavailableError(_failed[folder])
    try:
        download(raw)
    except OSError as error:
        text = f"MNIST is not in {folder}, and it could not be downloaded. {HOW_TO_SUPPLY} ({error})"
        if len(missing) < len(FILES):
            raise DataError(text) from None
        _failed[folder] = text
        raise UnavailableError(text) from None
    return raw


def _read(path: Path) -> Tensor:
    """Images (N, 1, 28, 28) or labels (N,), uint8, from a file that is MNIST's byte for byte."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a file that can be read, got {error}") from None
    expected, found = FILES[path.name].unpacked, _md5(content)
    if found != expected:
        raise DataError(
            f"{path} is not MNIST's file of that name: expected md5 {expected}, got {found} ({len(content):,} bytes). "
            f"It is truncated, altered or swapped. Delete it and supply it again."
        )
    # The checksum covers the header too: 16 bytes before images, 8 before labels.
    images = "images" in path.name
    values = torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=16 if images else 8)
    return values.view(-1, 1, 28, 28) if images else values


def download(raw: Path) -> None:
    """Download the files that are missing in a folder. Only one process does so at a time.

    A mirror is given up if it is silent for `PATIENCE`, is slower than `SLOWEST`, or sends anything but the file. It is
    asked last from then on, so a dead mirror costs its time only once.

    Parameters
    ----------
    raw
        The folder for the unpacked files; it is created if it does not exist.

    Raises
    ------
    OSError
        If no mirror has a file, or a file cannot be written. Files that were downloaded before stay.
    """
    mirrors = list(MIRRORS)
    with one_at_a_time(raw.parent.parent / "download.lock", "downloading MNIST"):
        for name in _missing(raw):  # under the lock, since another process may have downloaded them
            content = _first_good(mirrors, f"{name}.gz", FILES[name].packed)
            with written_whole(raw / name) as partial:
                partial.write_bytes(gzip.decompress(content))


def _first_good(mirrors: list[str], name: str, md5: str) -> bytes:
    """A file from the first mirror that has it. Mirrors that fail move to the end of the list."""
    faults = []
    for mirror in tuple(mirrors):
        try:
            content = _fetch(f"{mirror}{name}")
            if _md5(content) == md5:
                return content
            fault = f"{len(content):,} bytes that are not the file"
        except (OSError, HTTPException, ValueError) as error:
            fault = " ".join(str(error).split()) or type(error).__name__
        faults.append(f"{mirror}{name}: {fault}")
        mirrors.remove(mirror)
        mirrors.append(mirror)
    raise OSError("; ".join(faults))


def _fetch(url: str) -> bytes:
    """The content at an address. Progress is shown."""
    name, host = url.rsplit("/", 1)[-1], urlsplit(url).hostname
    chunks = _chunks(url)
    content = bytearray()
    start = time.perf_counter()
    with progress(int(next(chunks)) or None, f"downloading {name}", unit="B") as bar:
        for chunk in chunks:
            content += chunk
            bar.step(len(chunk))
        bar.line(f"{len(content):,} bytes from {host} in {time.perf_counter() - start:.1f} s")
    return bytes(content)


def _chunks(url: str) -> Iterator[bytes]:
    """The length of the content at an address, as digits, and then the content, in bounded time.

    A thread reads, and is abandoned if it takes too long. A socket's timeout bounds neither name resolution, nor the
    number of addresses tried, nor a server that sends one byte now and then.
    """
    queue: SimpleQueue[bytes | Exception] = SimpleQueue()
    abandoned = threading.Event()

    def read() -> None:
        try:
            with urlopen(Request(url, headers={"User-Agent": "mnist_lab"}), timeout=PATIENCE) as response:
                queue.put(str(response.length or 0).encode())
                while not abandoned.is_set() and (chunk := response.read1(2**16)):
                    queue.put(chunk)
            queue.put(b"")
        except Exception as error:
            if isinstance(error, HTTPError):
                error.close()  # it holds the connection
            queue.put(error)

    threading.Thread(target=read, name=f"reading {url}", daemon=True).start()
    start, received = time.monotonic(), 0
    try:
        while True:
            limit = PATIENCE + received / SLOWEST
            try:
                chunk = queue.get(timeout=max(0.0, start + limit - time.monotonic()))
            except Empty:
                raise TimeoutError(f"too slow, {received:,} bytes in {limit:.0f} s") from None
            if isinstance(chunk, Exception):
                raise chunk
            if not chunk:
                return
            yield chunk
            received += len(chunk)
            if received > LARGEST:
                raise OSError(f"more than {LARGEST:,} bytes")
    finally:
        abandoned.set()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
