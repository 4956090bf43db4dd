"""Threads of OpenMP spin only shortly, unless the user says otherwise, and the environment stays as it was."""

import os
import re
import subprocess
import sys

import pytest

from mnist_lab._utils.openmp import SPINS, VARIABLES

SHOWN = "import mnist_lab, os; print({name: os.environ.get(name) for name in ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')})"


@pytest.mark.parametrize(
    ("code", "given", "spins"),
    [
        ("", {}, SPINS),
        ("", {"GOMP_SPINCOUNT": "7"}, "7"),
        ("", {"OMP_WAIT_POLICY": "PASSIVE"}, "0"),
        ("import torch", {}, "300000"),  # too late
    ],
)
def test_threads_spin_as_long_as_the_user_says_or_shortly(code: str, given: dict[str, str], spins: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in (*VARIABLES, "OMP_NUM_THREADS")}
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{SHOWN}"],
        env={**kept, **given, "OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
    )
    if "GOMP_SPINCOUNT" not in result.stderr:
        pytest.skip("this torch has another OpenMP than GNU's")
    assert re.search(rf"GOMP_SPINCOUNT = '{spins}'", result.stderr), result.stderr
    assert result.stdout == f"{ {name: given.get(name) for name in VARIABLES} }\n"
