"""MNIST from its mirrors: in bounded time, verified, and whole or not at all.

torchvision names the mirrors and what their files have to be. It waits for a mirror without end, and unpacks into the
very file that is read later; so the fetching is done here.
"""

import gzip
import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from mnist_lab._utils.messages import progress
from mnist_lab._utils.files import one_at_a_time, written_whole

PATIENCE = 10.0  # seconds that a mirror gets for nothing
SLOWEST = 20_000  # bytes that it has to send in each second beyond them
LARGEST = 2**25  # bytes; MNIST's largest file has ten million


def download(raw: Path, checksums: Mapping[str, str]) -> None:
    """Fetch the files that are missing, one process at a time.

    A mirror that is silent for `PATIENCE`, or slower than `SLOWEST`, or that sends anything but the file, is given up
    for the next one, and is asked last from then on. So a mirror that is dead costs its time once.

    Parameters
    ----------
    raw
        The folder for the unpacked files; it is made where it is missing.
    checksums
        MD5 of each unpacked file, by its name.

    Raises
    ------
    OSError
        If a file is on no mirror, or cannot be written. What was fetched before stays.
    """
    from torchvision.datasets import MNIST  # noqa: PLC0415 - needed once in a user's life

    packed = {name.removesuffix(".gz"): (name, md5) for name, md5 in MNIST.resources}
    mirrors = list(MNIST.mirrors)
    with one_at_a_time(raw.parent.parent / "download.lock", "downloading MNIST"):
        for name, checksum in checksums.items():
            if not (raw / name).is_file():
                content = _first_good(mirrors, *packed[name])
                unpacked = gzip.decompress(content)
                if _md5(unpacked) != checksum:
                    raise OSError(f"{packed[name][0]} holds another {name} than expected")
                with written_whole(raw / name) as partial:
                    partial.write_bytes(unpacked)


def _first_good(mirrors: list[str], name: str, md5: str) -> bytes:
    """A file from the first mirror that has it; mirrors that fail go to the end of the list."""
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
    """What is at an address, with its progress shown."""
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
    """The length of what is at an address, in digits, and then its content, in bounded time.

    A thread reads, and is left to itself if it takes too long: no timeout of a socket bounds the look-up of a name, the
    addresses that a name has, or a mirror that sends a byte now and then.
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
