"""What the tests of the data share: small files in place of MNIST's, and a machine without a network."""

from pathlib import Path

import pytest

from mnist_lab.data import mnist
from mnist_lab.data.synthetic import rendering
from tests.data.small_mnist import CHECKSUMS, FILES


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checksums of the small files pass for MNIST's, and no variable names a folder."""
    monkeypatch.delenv("MNIST_LAB_DATA", raising=False)
    monkeypatch.setattr(mnist, "FILES", CHECKSUMS)


@pytest.fixture
def small_mnist(tmp_path: Path, small_files: None) -> Path:  # noqa: ARG001 - pytest's way to ask for a fixture
    """A folder with the small files in MNIST's layout."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in FILES.items():
        (raw / name).write_bytes(content)
    return tmp_path / "data"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every download fails, and few synthetic digits are rendered. The folders into which a download was tried."""
    tried: list[Path] = []

    def fail(raw: Path) -> None:
        tried.append(raw)
        raise OSError("the network is down")

    monkeypatch.delenv("MNIST_LAB_DATA", raising=False)
    monkeypatch.setattr(mnist, "download", fail)
    monkeypatch.setattr(rendering, "COUNT", 70)
    return tried
