"""MNIST is found where it is, verified, and downloaded in bounded time; every fault says what to do about it."""

import errno
import os
import re
import shutil
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

import pytest

import mnist_lab as lab
from mnist_lab.data import mnist as source
from tests.data.small_mnist import CHECKSUMS, FILES, PACKED

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]
PATIENCE = 0.5
FIRST = "train-images-idx3-ubyte"


@pytest.mark.parametrize("file", [FIRST, "t10k-labels-idx1-ubyte"])
def test_a_truncated_file_is_named(small_mnist: Path, file: str) -> None:
    path = small_mnist / "MNIST" / "raw" / file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(lab.DataError, match=f"{file} is not MNIST's file of that name: expected md5 .* truncated"):
        lab.load_dataset(root=small_mnist)


def test_swapped_label_files_are_noticed(small_mnist: Path) -> None:
    raw = small_mnist / "MNIST" / "raw"
    test, training = raw / "t10k-labels-idx1-ubyte", raw / "train-labels-idx1-ubyte"
    kept = test.rename(raw / "kept")
    training.rename(test)
    kept.rename(training)
    with pytest.raises(lab.DataError, match="train-labels-idx1-ubyte is not MNIST's file of that name"):
        lab.load_dataset(root=small_mnist)


def test_an_unreadable_file_is_named(small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small_mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    read = Path.read_bytes

    def denied(asked: Path) -> bytes:
        if asked == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(asked)

    monkeypatch.setattr(Path, "read_bytes", denied)  # root may read every file
    message = f"{path}: expected a file that can be read, got [Errno {errno.EACCES}] Permission denied"
    with pytest.raises(lab.DataError, match=re.escape(message)):
        lab.load_dataset(root=small_mnist)


def test_a_folder_that_cannot_be_searched_is_named(small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", denied)
    message = f"root: expected a folder that can be read, got {small_mnist} ([Errno {errno.EACCES}]"
    with pytest.raises(lab.DataError, match=re.escape(message)):
        lab.load_dataset(root=small_mnist)


def test_a_wrong_folder_is_named_and_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "download", lambda raw: pytest.fail(f"download into {raw}"))
    expected = f"expected a folder that holds MNIST/raw/{FIRST}, got {tmp_path}, which is empty. To supply MNIST, "
    with pytest.raises(lab.DataError, match=re.escape(f"root: {expected}")):
        lab.load_dataset(root=tmp_path)
    monkeypatch.setenv("MNIST_LAB_DATA", str(tmp_path))
    with pytest.raises(lab.DataError, match=re.escape(f"MNIST_LAB_DATA: {expected}")):
        lab.load_dataset()


MISTAKES: dict[str, tuple[dict[str, str], str, str]] = {
    # what is where below FOLDER, the folder that is named, and what the error says
    "one folder too deep": (
        {"MNIST/raw/{name}": "{name}"},
        "MNIST",
        f"holds FOLDER/MNIST/raw/{FIRST}: name FOLDER instead",
    ),
    "two folders too deep": (
        {"MNIST/raw/{name}": "{name}"},
        "MNIST/raw",
        f"holds FOLDER/MNIST/raw/{FIRST}: name FOLDER instead",
    ),
    "one folder too high": (
        {"inner/MNIST/raw/{name}": "{name}"},
        "",
        f"holds FOLDER/inner/MNIST/raw/{FIRST}: name FOLDER/inner instead",
    ),
    "in raw": ({"raw/{name}": "{name}"}, "", f"holds FOLDER/raw/{FIRST}: move the files to FOLDER/MNIST/raw"),
    "in the folder itself": ({"{name}": "{name}"}, "", f"holds FOLDER/{FIRST}: move the files to FOLDER/MNIST/raw"),
    "in MNIST": ({"MNIST/{name}": "{name}"}, "", f"holds FOLDER/MNIST/{FIRST}: move the files to FOLDER/MNIST/raw"),
    "packed": (
        {"MNIST/raw/{name}.gz": "{name}"},
        "",
        f"holds FOLDER/MNIST/raw/{FIRST}.gz: unpack it to FOLDER/MNIST/raw/{FIRST}",
    ),
    "packed, and not in place": (
        {"{name}.gz": "{name}"},
        "",
        f"holds FOLDER/{FIRST}.gz: unpack it to FOLDER/MNIST/raw/{FIRST}",
    ),
    "Kaggle's names": (
        {"MNIST/raw/{dotted}": "{name}"},
        "",
        f"holds FOLDER/MNIST/raw/train-images.idx3-ubyte: move it to FOLDER/MNIST/raw/{FIRST}",
    ),
    "Kaggle's folders": ({"{name}/{name}": "{name}"}, "", f"holds FOLDER/{FIRST}/{FIRST}: move the files to"),
    "Kaggle's tables": (
        {"mnist_train.csv": FIRST, "mnist_test.csv": FIRST},
        "",
        "holds FOLDER/mnist_train.csv: MNIST's four original files are needed, not another format",
    ),
    "other files": (
        {f"{letter}.txt": FIRST for letter in "fedcba"},
        "",
        "holds a.txt, b.txt, c.txt, d.txt, e.txt, more",
    ),
    "a missing folder": ({}, "nowhere", "does not exist"),
    "a file": ({"file": FIRST}, "file", "is not a folder"),
}


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_folder_is_an_error_that_says_what_is_there(mistake: str, tmp_path: Path) -> None:
    files, named, found = MISTAKES[mistake]
    folder = tmp_path / "größe und mehr"
    folder.mkdir()
    for place, content in files.items():
        for name in FILES:
            words = {"name": name, "dotted": name.replace("-idx", ".idx")}
            path = folder / place.format(**words)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(FILES[content.format(**words)])
    message = f", got {folder / named}, which {found}".replace("FOLDER", str(folder))
    with pytest.raises(lab.DataError, match=re.escape(message)):
        lab.load_dataset(root=folder / named)


def test_a_missing_file_is_named(small_mnist: Path) -> None:
    (small_mnist / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    message = f"MNIST/raw/t10k-labels-idx1-ubyte, got {small_mnist}, which lacks t10k-labels-idx1-ubyte. To supply"
    with pytest.raises(lab.DataError, match=re.escape(message)):
        lab.load_dataset(root=small_mnist)


def test_following_the_advice_helps(small_mnist: Path) -> None:
    for folder in (small_mnist / "MNIST", small_mnist / "MNIST" / "raw"):
        with pytest.raises(lab.DataError) as caught:
            lab.load_dataset(root=folder)
        advice = re.search("name (.*) instead", str(caught.value))
        assert advice
        assert len(lab.load_dataset(root=advice[1]).train) == 50


def test_a_relative_folder_is_absolute_in_messages(small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small_mnist.parent)
    monkeypatch.setenv("MNIST_LAB_DATA", small_mnist.name)
    assert len(lab.load_dataset("mnist").train) == 50
    shutil.rmtree(small_mnist)
    (small_mnist.parent / "below").mkdir()
    monkeypatch.chdir(small_mnist.parent / "below")
    for name in (small_mnist.name, f"../{small_mnist.name}"):
        monkeypatch.setenv("MNIST_LAB_DATA", name)
        where = small_mnist if name.startswith("..") else small_mnist.parent / "below" / name
        with pytest.raises(
            lab.DataError,
            match=re.escape(f"MNIST_LAB_DATA: expected a folder that holds MNIST/raw/{FIRST}, got {where}, "),
        ):
            lab.load_dataset()


def test_the_checksums_of_the_packed_files_are_torchvisions() -> None:
    from torchvision.datasets import MNIST

    assert {f"{name}.gz": md5.packed for name, md5 in source.FILES.items()} == dict(MNIST.resources)


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
def mirrors(monkeypatch: pytest.MonkeyPatch, small_files: None) -> Iterator[Callable[..., list[Mirror]]]:  # noqa: ARG001
    """Mirrors in place of MNIST's, and small files in place of its files."""
    running: list[Mirror] = []

    def start(*answers: Answer) -> list[Mirror]:
        running.extend(map(Mirror, answers))
        monkeypatch.setattr(source, "MIRRORS", tuple(mirror.address for mirror in running))
        return running

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(source, "PATIENCE", PATIENCE)
    monkeypatch.setitem(sys.modules, "torchvision", None)  # a download works without it
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
    assert bad.asked == {f"{FIRST}.gz": 1}
    assert good.asked == dict.fromkeys(PACKED, 1)
    assert kept(own_cache) == FILES


@pytest.mark.parametrize("fault", FAULTS)
def test_where_every_mirror_fails_the_error_says_why_and_what_to_do(
    fault: str, mirrors: Callable[..., list[Mirror]], own_cache: Path
) -> None:
    answer, reason = FAULTS[fault]
    mirrors(answer, status(503))
    with pytest.raises(lab.DataError, match=f"it could not be downloaded. To supply MNIST, .*({reason}).*Error 503"):
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
    only = f"{FIRST}.gz"

    def first_file(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        (well if handler.path.endswith(only) else hang_up)(handler, content)

    mirrors(first_file)
    with pytest.raises(lab.DataError):
        lab.load_dataset("mnist")
    assert kept(own_cache) == {only.removesuffix(".gz"): FILES[only.removesuffix(".gz")]}
    *_, good = mirrors(well)
    lab.load_dataset("mnist")
    assert good.asked == dict.fromkeys(set(PACKED) - {only}, 1)


def test_progress_is_shown(mirrors: Callable[..., list[Mirror]], caplog: pytest.LogCaptureFixture) -> None:
    mirrors(well)
    lab.load_dataset("mnist")
    assert [line.split(":")[0] for line in caplog.messages] == [f"downloading {name}.gz" for name in FILES]
    size = f"{len(PACKED[f'{FIRST}.gz']):,}"
    assert caplog.messages[0].startswith(f"downloading {FIRST}.gz: {size} bytes from 127.0.0.1 in ")


def test_a_name_whose_look_up_hangs_and_addresses_that_swallow_packets_cost_patience_alone(
    mirrors: Callable[..., list[Mirror]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = socket.getaddrinfo

    def hangs(host: str, *arguments: object, **options: object) -> object:
        if host == "mirror.invalid":
            time.sleep(8 * PATIENCE)
        return looked_up(host, *arguments, **options)  # type: ignore[arg-type]

    (good,) = mirrors(well)
    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    addresses = ["http://mirror.invalid/mnist/", good.address]
    start = time.perf_counter()
    assert source._first_good(addresses, f"{FIRST}.gz", CHECKSUMS[FIRST].packed) == PACKED[f"{FIRST}.gz"]
    assert time.perf_counter() - start < 8 * PATIENCE
    assert addresses[0] == good.address


def test_a_full_disk_is_reported_and_leaves_nothing(
    mirrors: Callable[..., list[Mirror]], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    mirrors(well)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(lab.DataError, match="To supply MNIST, .*No space left on device"):
        lab.load_dataset("mnist")
    assert kept(own_cache) == {}


def test_a_cache_that_cannot_be_written_is_reported(
    mirrors: Callable[..., list[Mirror]], monkeypatch: pytest.MonkeyPatch
) -> None:
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
    with pytest.raises(lab.DataError, match="t10k-labels-idx1-ubyte is not .* Delete it"):
        lab.load_dataset("mnist")
    path.unlink()
    lab.load_dataset("mnist")
    assert mirror.asked["t10k-labels-idx1-ubyte.gz"] == 2
    assert sum(mirror.asked.values()) == 5


def _load(cache: str, mirror: str) -> None:
    os.environ.update(MNIST_LAB_CACHE=cache, no_proxy="127.0.0.1")
    os.environ.pop("MNIST_LAB_DATA", None)
    source.MIRRORS = (mirror,)  # type: ignore[assignment]
    source.FILES = CHECKSUMS
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
