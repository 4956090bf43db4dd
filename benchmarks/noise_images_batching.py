"""Images from noise: all ten classes in one batch against one class at a time, in one run.

One start a class, and as many steps as the library takes by default. Both ways take turns; the first round is not
counted. How far the images of the two ways are apart is printed.

    python benchmarks/noise_images_batching.py --rounds 5
"""

import argparse
import platform
import statistics
import time

import torch

import mnist_lab as lab


def main() -> None:
    """Time both ways and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=1, help="starts a class")
    arguments = parser.parse_args()

    model = lab.best().model
    targets = torch.arange(10).repeat(arguments.starts)
    together, alone = [], []
    for _ in range(arguments.rounds + 1):
        begin = time.perf_counter()
        whole = lab.maximize_logit(model, targets)
        middle = time.perf_counter()
        single = [lab.maximize_logit(model, targets[targets == digit]) for digit in range(10)]
        end = time.perf_counter()
        together.append(middle - begin)
        alone.append(end - middle)
    rounds = [one / batch for one, batch in zip(alone[1:], together[1:], strict=True)]
    for digit, result in enumerate(single):
        apart = float((result.images - whole.images[targets == digit]).abs().max())
        print(f"class {digit}: largest difference of a pixel between the two ways {apart:.3g}")
    print(f"torch {torch.__version__}, {platform.machine()}, {torch.get_num_threads()} threads")
    print(f"{len(targets)} images in one batch: {statistics.median(together[1:]):.2f} s (median)")
    print(f"one class at a time: {statistics.median(alone[1:]):.2f} s (median)")
    print(f"one batch is {statistics.median(rounds):.1f} times as fast ({min(rounds):.1f} to {max(rounds):.1f})")


if __name__ == "__main__":
    main()
