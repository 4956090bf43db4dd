"""Seconds for one occlusion map: this library against Captum, in one run on the same machine.

One digit, every position of the patch. The contestants take turns, a first turn of each is not counted, and the
median of the others is reported. Captum is measured as it comes, and with the batching that serves it best here.

    python benchmarks/occlusion_vs_captum.py [--patch 5] [--turns 15] [--threads 2]
"""

import argparse
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch
from captum.attr import Occlusion
from torch import Tensor
from torch.nn import functional

import mnist_lab as lab

BATCHES = (8, 16, 32, 64, 128, 256, 784)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patch", type=int, default=5)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    model = lab.DigitCNN(seed=0).eval()
    image = torch.randint(256, (1, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    before, after = options.patch // 2, options.patch - 1 - options.patch // 2

    def probabilities(padded: Tensor) -> Tensor:
        logits: Tensor = model(padded[:, :, before : before + 28, before : before + 28])
        return logits.softmax(dim=1)

    captum = Occlusion(probabilities)
    padded = functional.pad(image.float(), (before, after, before, after))
    window = (1, options.patch, options.patch)

    def ours() -> None:
        lab.occlusion_map(model, image, 3, options.patch)

    def theirs(batch: int) -> Callable[[], None]:
        def run() -> None:
            with torch.no_grad():
                captum.attribute(padded, window, baselines=128.0, target=3, perturbations_per_eval=batch)

        return run

    contestants = {"mnist_lab": ours, "Captum, default": theirs(1)}
    contestants |= {f"Captum, batches of {batch}": theirs(batch) for batch in BATCHES}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(options.turns + 1):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - start)

    medians = {name: median(values) for name, values in seconds.items()}
    fastest = min((name for name in medians if "batches" in name), key=medians.__getitem__)
    print(f"One occlusion map, patch {options.patch}, {options.turns} turns; {threads_and_versions()}\n")
    print(f"{'':28}{'median':>10}{'fastest':>10}{'slowest':>10}{'times ours':>12}")
    for name, value in medians.items():
        low, high = min(seconds[name]), max(seconds[name])
        print(
            f"{name:28}{1e3 * value:7.1f} ms{1e3 * low:7.1f} ms{1e3 * high:7.1f} ms"
            f"{value / medians['mnist_lab']:12.1f}{'   its best' if name == fastest else ''}"
        )


def threads_and_versions() -> str:
    """What a figure depends on beside the code."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "captum"))
    return f"{torch.get_num_threads()} threads of {processor()}, Python {platform.python_version()}, {versions}"


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
