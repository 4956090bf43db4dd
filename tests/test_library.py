"""What holds for the library as a whole."""

import inspect
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import mnist_lab as lab


def test_importing_the_library_imports_nothing_slow() -> None:
    slow = "torchvision", "matplotlib", "scipy"
    code = f"import sys, mnist_lab; print([name for name in {slow} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_nothing_public_warns_at_import_or_at_work(tmp_path: Path) -> None:
    """Call every public function with good arguments and draw every figure, with warnings turned into errors."""
    code = """
from matplotlib import pyplot as plt
from tests.test_contracts import PUBLIC, arguments

for name, function in PUBLIC.items():
    # The good arguments of two name files that are not there, and digits() renders 70,000 images.
    if name not in ("load", "load_dataset", "digits"):
        function(**arguments(name))
        for number in plt.get_fignums():
            plt.figure(number).savefig(f"{name}.png", dpi=40)
        plt.close("all")
print("done")
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,  # asserted below, with its messages
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "MPLBACKEND": "agg"},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("done\n")


def test_public_functions_and_what_users_build_can_be_pickled(bar_dataset: lab.Dataset) -> None:
    """So that joblib can send them to other processes."""
    for name in lab.__all__:
        entry = getattr(lab, name)
        assert inspect.ismodule(entry) or pickle.loads(pickle.dumps(entry)) is entry
    split = pickle.loads(pickle.dumps(bar_dataset)).validation
    assert torch.equal(split.images, bar_dataset.validation.images)
    assert pickle.loads(pickle.dumps(lab.Recipe.accurate(seed=3))) == lab.Recipe.accurate(seed=3)
    model = lab.DigitCNN(seed=3)
    assert torch.equal(pickle.loads(pickle.dumps(model)).fc2.weight, model.fc2.weight)


def test_every_public_name_is_there() -> None:
    for name in lab.__all__:
        assert getattr(lab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        lab.missing  # noqa: B018
