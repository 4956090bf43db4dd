"""Code without its prose."""

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_lab._utils import fingerprint


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads that take turns in the middle of whatever makes objects: every collection of garbage lets another run."""

    def give_way(*_: object) -> None:
        time.sleep(0)

    thresholds = gc.get_threshold()
    gc.callbacks.append(give_way)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks.remove(give_way)


@pytest.mark.usefixtures("switching")
def test_threads_can_read_code_at_once() -> None:
    source = Path(fingerprint.__file__).read_text(encoding="utf-8")
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.extend(fingerprint.without_prose(source) for _ in range(10)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [fingerprint.without_prose(source)] * 20
