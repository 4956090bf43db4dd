"""What ``import mnist_lab`` costs over ``import torch``: fresh interpreters in turns, the first of each not counted.

python benchmarks/import_time.py --rounds 9
"""

import argparse
import statistics
import subprocess
import sys
import time


def seconds(module: str) -> float:
    """How long a fresh interpreter takes that imports `module` and ends."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the seconds of each round and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how many pairs of imports (default: %(default)s)")
    rounds = parser.parse_args().rounds
    pairs = [(seconds("torch"), seconds("mnist_lab")) for _ in range(rounds + 1)][1:]
    for torch_alone, ours in pairs:
        print(f"import torch {torch_alone:5.2f} s   import mnist_lab {ours:5.2f} s   ratio {ours / torch_alone:5.3f}")
    ratios = [ours / torch_alone for torch_alone, ours in pairs]
    print(f"median ratio {statistics.median(ratios):.3f} (from {min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
