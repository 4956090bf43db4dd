"""Files are written whole or not at all, and the cache is where the user wants it."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mnist_lab._utils.files import ABANDONED, user_cache, written_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file.txt"
    with written_whole(path) as partial:
        partial.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    with pytest.raises(KeyError), written_whole(path) as partial:
        partial.write_text("two")
        raise KeyError
    assert path.read_text() == "one"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_a_written_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    with written_whole(tmp_path / "ours"):
        pass
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"

    def write(number: int) -> None:
        with written_whole(path) as partial:
            partial.write_text(str(number) * 100_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    text = path.read_text()
    assert text == text[0] * 100_000
    assert list(tmp_path.iterdir()) == [path]


def test_only_abandoned_partial_files_are_deleted(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in (".file.txt.1.part", ".file.txt.2.part", ".another.1.part"))
    for path in (old, new, other):
        path.write_text("partial")
    long_ago = time.time() - ABANDONED - 60
    for path in (old, other):
        os.utime(path, (long_ago, long_ago))
    with written_whole(tmp_path / "file.txt") as partial:
        partial.write_text("whole")
    assert not old.exists()
    assert new.exists(), "another process may be writing it"
    assert other.exists(), "it belongs to another file"


def test_a_name_may_look_like_a_pattern(tmp_path: Path) -> None:
    bystander = tmp_path / ".a1.1.part"
    bystander.write_text("")
    os.utime(bystander, (0, 0))
    with written_whole(tmp_path / "a[1]"):
        pass
    assert bystander.exists()


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MNIST_LAB_CACHE", str(tmp_path / "größe und mehr"))
    assert user_cache("networks") == tmp_path / "größe und mehr" / "networks"
    monkeypatch.delenv("MNIST_LAB_CACHE")
    assert "mnist_lab" in user_cache("networks").parts


def test_a_relative_cache_is_below_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MNIST_LAB_CACHE", "cache")
    assert user_cache("networks") == tmp_path / "cache" / "networks"


def test_without_a_home_folder_the_message_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(*_: object, **__: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MNIST_LAB_CACHE")
    monkeypatch.setattr(Path, "expanduser", no_home)
    with pytest.raises(FileNotFoundError, match="set MNIST_LAB_CACHE to a folder"):
        user_cache("networks")
