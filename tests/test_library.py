"""What holds for the library as a whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mnist_lab as lab


def test_importing_the_library_imports_nothing_slow() -> None:
    slow = "torchvision", "matplotlib", "scipy"
    code = f"import sys, mnist_lab; print([name for name in {slow} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_nothing_public_warns_at_import_or_at_work(tmp_path: Path) -> None:
    """Every public function with good arguments, and the drawing of every figure, in a Python that bears no warning."""
    code = """
import mnist_lab as lab
from tests.test_bad_input import TABLE
from matplotlib import pyplot as plt

for name, (function, kinds) in TABLE.items():
    if name not in ("load", "load_dataset"):  # whose good arguments name files that are not there
        function(**{argument: kind.good for argument, kind in kinds.items()})
        for number in plt.get_fignums():
            plt.figure(number).savefig(f"{name}.png", dpi=40)
        plt.close("all")
print("done")
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,  # what it says is asserted below
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "MPLBACKEND": "agg"},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("done\n")


def test_every_public_name_is_there() -> None:
    for name in lab.__all__:
        assert getattr(lab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        lab.missing  # noqa: B018
