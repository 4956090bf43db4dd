"""Training works in an installation without sources, and in a program without a standard error stream."""

import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mnist_lab as lab

SMALL = """
import torch
import mnist_lab as lab
images = torch.randint(256, (40, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
split = lab.Split(images, torch.arange(40) % 10)
dataset, recipe = lab.Dataset("noise", split, split, split), lab.Recipe(epochs=1)
"""


def run(code: str, folder: Path, path: str = "") -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "MNIST_LAB_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def sourceless(tmp_path: Path) -> str:
    """A folder that holds the package as compiled files only."""
    package = tmp_path / "installed" / "mnist_lab"
    shutil.copytree(Path(lab.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    assert compileall.compile_dir(package, legacy=True, quiet=1)
    for source in package.rglob("*.py"):
        source.unlink()
    return str(package.parent)


def test_networks_are_trained_and_cached_in_an_installation_without_sources(sourceless: str, tmp_path: Path) -> None:
    train = 'print(lab.__file__.endswith(".pyc"), lab.trained("plain", recipe=recipe, dataset=dataset, progress=False))'
    first = run(f"{SMALL}\n{train}", tmp_path, sourceless)
    assert first.startswith("True TrainedNetwork(plain, seed 0, 1 epochs on noise")
    # Other modules in memory must not change the key: the second process reads what the first one has trained.
    again = "import json, logging.config, unittest.mock, mnist_lab.training.zoo as zoo\nzoo.fit = None"
    assert run(f"{again}\n{SMALL}\n{train}", tmp_path, sourceless) == first


def test_progress_without_a_standard_error_stream_is_no_error(tmp_path: Path) -> None:
    """As in a program without a console."""
    code = "import sys\nsys.stderr = sys.__stderr__ = None"
    train = "print(len(lab.fit(lab.DigitCNN(), dataset, recipe, progress=True)))"
    assert run(f"{code}\n{SMALL}\n{train}", tmp_path) == "1\n"
