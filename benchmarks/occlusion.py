"""An occlusion map of one image, every position of a 5x5 patch, against Captum.

Captum is measured as it comes, and with the batching that serves it best here.
"""

from collections.abc import Callable
from statistics import median

import torch
from captum.attr import Occlusion
from torch import Tensor
from torch.nn import functional

import mnist_lab as lab
from benchmarks.measure import Row, timed, turns

PATCH = 5
BATCHES = (8, 16, 32, 64, 128, 256, 784)


def occlusion(quick: bool) -> list[Row]:
    """One image, against Captum's default and its best batching."""
    model = lab.DigitCNN(seed=0).eval()
    image = torch.randint(256, (1, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    edge = PATCH // 2

    def probabilities(padded: Tensor) -> Tensor:
        logits: Tensor = model(padded[:, :, edge : edge + 28, edge : edge + 28])
        return logits.softmax(dim=1)

    captum, padded = Occlusion(probabilities), functional.pad(image.float(), (edge,) * 4)

    def theirs(batch: int) -> Callable[[], None]:
        def run() -> None:
            with torch.no_grad():
                captum.attribute(padded, (1, PATCH, PATCH), baselines=128.0, target=3, perturbations_per_eval=batch)

        return run

    contestants = {"ours": timed(lambda: lab.occlusion_map(model, image, 3, PATCH)), "default": timed(theirs(1))}
    contestants |= {f"batches of {batch}": timed(theirs(batch)) for batch in BATCHES}
    values = turns(contestants, 3 if quick else 15, "occlusion")
    values = {name: tuple(1e3 * value for value in taken) for name, taken in values.items()}
    best = min((name for name in values if "batches" in name), key=lambda name: median(values[name]))
    return [
        Row("An occlusion map, patch 5", "ms", f"Captum, {name}", values["ours"], values[name])
        for name in ("default", best)
    ]
