"""Load torch so that its threads wait without spinning for long.

torch's wheels for Linux bring GNU OpenMP, whose threads spin while they wait for each other. If another program runs
meanwhile, one thread waits for its turn while all others spin, and training becomes many times slower. Shorter spinning
avoids that. ``python -m benchmarks --only busy`` measures both, on a quiet and on a busy machine. OpenMP reads the
variable once, when it is loaded, so nothing of it stays in the environment.
"""

import os
import sys

SPINS = "30000"  # instead of 300,000
VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")

if "torch" not in sys.modules and not any(variable in os.environ for variable in VARIABLES):
    os.environ["GOMP_SPINCOUNT"] = SPINS
    try:
        import torch  # noqa: F401
    finally:
        del os.environ["GOMP_SPINCOUNT"]
