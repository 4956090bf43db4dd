"""A download against mirrors that fail in every way: the next is asked, in bounded time, and nothing broken is kept."""

import errno
import gzip
import hashlib
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import mnist_lab as lab
from mnist_lab import data, download
from tests.test_data import idx

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]
PATIENCE = 0.5


def files() -> dict[str, bytes]:
    """Files in MNIST's layout with 60 training and 10 test images."""
    random = np.random.default_rng(0)
    made = {}
    for prefix, count in (("train", 60), ("t10k", 10)):
        made[f"{prefix}-images-idx3-ubyte"] = idx(random.integers(0, 256, (count, 28, 28)))
        made[f"{prefix}-labels-idx1-ubyte"] = idx(np.arange(count) % 10)
    return made


FILES = files()
PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in FILES.items()}


def send(handler: BaseHTTPRequestHandler, content: bytes, length: int | None = None) -> None:
    handler.send_response(200)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(content)


def well(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    send(handler, content, len(content))


def status(code: int) -> Answer:
    return lambda handler, _: handler.send_error(code)


def half(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    send(handler, content[: len(content) // 2], len(content))


def half_of_unknown_length(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    send(handler, content[: len(content) // 2])


def sign_in_page(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    page = b"<html>Sign in to use this network</html>"
    send(handler, page, len(page))


def too_much(handler: BaseHTTPRequestHandler, __: bytes) -> None:
    send(handler, b"")
    for _ in range(100):
        handler.wfile.write(bytes(2**20))


def hang_up(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def nonsense(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.wfile.write(b"this is not HTTP\r\n\r\n")


def silence(_: BaseHTTPRequestHandler, __: bytes) -> None:
    time.sleep(8 * PATIENCE)


def drip(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    send(handler, b"", len(content))
    for position in range(len(content)):
        handler.wfile.write(content[position : position + 1])
        time.sleep(PATIENCE / 4)


def drip_in_the_header(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    for character in "HTTP/1.1 200 OK\r\nServer: " + "x" * 100:
        handler.wfile.write(character.encode())
        time.sleep(PATIENCE / 4)


class Mirror:
    """A server on this machine that answers as it is told, and counts how often it is asked."""

    def __init__(self, answer: Answer) -> None:
        self.asked: Counter[str] = Counter()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805 - the name that http.server calls; self is the mirror
                name = handler.path.rsplit("/", 1)[-1]
                self.asked[name] += 1
                with suppress(OSError):  # whoever asked has hung up
                    answer(handler, PACKED[name])

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.address = f"http://127.0.0.1:{self.server.server_port}/mnist/"
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Mirror]]]:
    """Mirrors in the place of MNIST's, and small files in the place of its files."""
    from torchvision.datasets import MNIST

    running: list[Mirror] = []

    def start(*answers: Answer) -> list[Mirror]:
        running.extend(map(Mirror, answers))
        monkeypatch.setattr(MNIST, "mirrors", [mirror.address for mirror in running])
        return running

    monkeypatch.delenv("MNIST_LAB_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    packed = [(f"{name}.gz", hashlib.md5(PACKED[f"{name}.gz"]).hexdigest()) for name in data.MD5]
    monkeypatch.setattr(MNIST, "resources", packed)
    monkeypatch.setattr(data, "MD5", {name: hashlib.md5(FILES[name]).hexdigest() for name in data.MD5})
    monkeypatch.setattr(download, "PATIENCE", PATIENCE)
    yield start
    for mirror in running:
        mirror.close()


def kept(cache: Path) -> dict[str, bytes]:
    """What lies in the data cache, lock aside."""
    return {
        path.name: path.read_bytes()
        for path in (cache / "data").rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


FAULTS: dict[str, tuple[Answer, str]] = {
    "403": (status(403), "HTTP Error 403"),
    "404": (status(404), "HTTP Error 404"),
    "500": (status(500), "HTTP Error 500"),
    "half a file": (half, "bytes that are not the file|IncompleteRead"),
    "half a file of unknown length": (half_of_unknown_length, "bytes that are not the file"),
    "a wrong file": (sign_in_page, "40 bytes that are not the file"),
    "too much": (too_much, "more than 33,554,432 bytes"),
    "no answer": (hang_up, "closed connection without response|reset"),
    "no HTTP": (nonsense, "this is not HTTP"),
    "silence": (silence, "too slow, 0 bytes|timed out"),
    "a slow drip": (drip, "too slow, [0-9]+ bytes"),
    "a slow drip in the header": (drip_in_the_header, "too slow, 0 bytes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mirror_that_fails_is_asked_once_and_the_next_has_it(
    fault: str, mirrors: Callable[..., list[Mirror]], own_cache: Path
) -> None:
    bad, good = mirrors(FAULTS[fault][0], well)
    start = time.perf_counter()
    assert len(lab.load_dataset("mnist").train) == 50
    assert time.perf_counter() - start < PATIENCE + 10
    assert bad.asked == {"train-images-idx3-ubyte.gz": 1}
    assert good.asked == dict.fromkeys(PACKED, 1)
    assert kept(own_cache) == FILES


@pytest.mark.parametrize("fault", FAULTS)
def test_where_every_mirror_fails_the_error_says_why_and_what_to_do(
    fault: str, mirrors: Callable[..., list[Mirror]], own_cache: Path
) -> None:
    answer, reason = FAULTS[fault]
    mirrors(answer, status(503))
    with pytest.raises(lab.DataError, match=f"nor could it be downloaded. To supply MNIST, .*({reason}).*Error 503"):
        lab.load_dataset("mnist")
    assert kept(own_cache) == {}


def test_a_mirror_that_breaks_off_later_is_replaced_and_nothing_is_fetched_twice(
    mirrors: Callable[..., list[Mirror]], own_cache: Path
) -> None:
    def images_only(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        (well if "images" in handler.path else status(404))(handler, content)

    def labels_only(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        (well if "labels" in handler.path else status(404))(handler, content)

    mirrors(images_only, labels_only)
    assert len(lab.load_dataset("mnist").test) == 10
    assert kept(own_cache) == FILES


def test_what_was_fetched_before_a_failure_is_kept_and_the_rest_is_fetched_the_next_time(
    mirrors: Callable[..., list[Mirror]], own_cache: Path
) -> None:
    only = "train-images-idx3-ubyte.gz"

    def first_file(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        (well if handler.path.endswith(only) else hang_up)(handler, content)

    mirrors(first_file)
    with pytest.raises(lab.DataError):
        lab.load_dataset("mnist")
    assert kept(own_cache) == {only.removesuffix(".gz"): FILES[only.removesuffix(".gz")]}
    *_, good = mirrors(well)
    lab.load_dataset("mnist")
    assert good.asked == dict.fromkeys(set(PACKED) - {only}, 1)


def test_progress_is_shown(mirrors: Callable[..., list[Mirror]], capsys: pytest.CaptureFixture[str]) -> None:
    mirrors(well)
    lab.load_dataset("mnist")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"downloading {name}.gz" for name in data.MD5]
    size = f"{len(PACKED['train-images-idx3-ubyte.gz']):,}"
    assert lines[0].startswith(f"downloading train-images-idx3-ubyte.gz: {size} bytes from 127.0.0.1 in ")


def test_a_name_whose_look_up_hangs_and_addresses_that_swallow_packets_cost_patience_alone(
    mirrors: Callable[..., list[Mirror]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = socket.getaddrinfo

    def hangs(host: str, *arguments: object, **options: object) -> object:
        if host == "mirror.invalid":
            time.sleep(8 * PATIENCE)
        return looked_up(host, *arguments, **options)  # type: ignore[arg-type]

    from torchvision.datasets import MNIST

    (good,) = mirrors(well)
    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    monkeypatch.setattr(MNIST, "mirrors", ["http://mirror.invalid/mnist/", good.address])
    start = time.perf_counter()
    assert len(download._first_good(MNIST.mirrors, *MNIST.resources[0])) > 0
    assert time.perf_counter() - start < 8 * PATIENCE
    assert MNIST.mirrors[0] == good.address


def test_a_disk_that_is_full_is_said_and_leaves_nothing(
    mirrors: Callable[..., list[Mirror]], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    mirrors(well)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(lab.DataError, match="To supply MNIST, .*No space left on device"):
        lab.load_dataset("mnist")
    assert kept(own_cache) == {}


def test_a_cache_that_cannot_be_is_said(mirrors: Callable[..., list[Mirror]], monkeypatch: pytest.MonkeyPatch) -> None:
    mirrors(well)
    monkeypatch.setenv("MNIST_LAB_CACHE", "/dev/null/cache")
    with pytest.raises(lab.DataError, match="MNIST is not in /dev/null/cache/data, .*To supply MNIST, "):
        lab.load_dataset("mnist")


def test_a_file_that_was_truncated_in_the_cache_is_named_and_fetched_again_once_deleted(
    mirrors: Callable[..., list[Mirror]], own_cache: Path
) -> None:
    (mirror,) = mirrors(well)
    lab.load_dataset("mnist")
    path = own_cache / "data" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(lab.DataError, match="t10k-labels-idx1-ubyte is not .* delete it"):
        lab.load_dataset("mnist")
    path.unlink()
    lab.load_dataset("mnist")
    assert mirror.asked["t10k-labels-idx1-ubyte.gz"] == 2
    assert sum(mirror.asked.values()) == 5


def _load(cache: str, mirror: str) -> None:
    from torchvision.datasets import MNIST

    os.environ.update(MNIST_LAB_CACHE=cache, no_proxy="127.0.0.1")
    os.environ.pop("MNIST_LAB_DATA", None)
    MNIST.mirrors = [mirror]
    MNIST.resources = [(name, hashlib.md5(content).hexdigest()) for name, content in PACKED.items()]
    data.MD5 = {name: hashlib.md5(content).hexdigest() for name, content in FILES.items()}
    assert len(lab.load_dataset("mnist").train) == 50


def test_four_processes_that_want_the_data_fetch_them_once(
    mirrors: Callable[..., list[Mirror]], own_cache: Path
) -> None:
    def slowly(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        time.sleep(0.3)
        well(handler, content)

    (mirror,) = mirrors(slowly)
    context = get_context("spawn")
    processes = [context.Process(target=_load, args=(str(own_cache), mirror.address)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert mirror.asked == dict.fromkeys(PACKED, 1)
    assert kept(own_cache) == FILES
