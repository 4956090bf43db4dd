"""What ``import mnist_lab`` costs over ``import torch``, each in a fresh interpreter."""

import subprocess
import sys
from collections.abc import Callable

from benchmarks.measure import Row, timed, turns


def imports(quick: bool) -> list[Row]:
    """A fresh interpreter that imports a package and ends."""

    def importing(package: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", f"import {package}"], check=True)

    contestants = {package: timed(importing(package)) for package in ("mnist_lab", "torch")}
    values = turns(contestants, 3 if quick else 9, "import")
    return [Row("import mnist_lab", "s", "import torch", values["mnist_lab"], values["torch"])]
