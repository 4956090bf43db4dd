"""Write a trained network as scripts that a web page runs, in the browser and without a server."""

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_lab._utils.contracts import FilePath, NotBlank, checked, describe
from mnist_lab._utils.files import written_whole
from mnist_lab._utils.network import running
from mnist_lab.data.dataset import Split, load_dataset
from mnist_lab.data.handwriting import read_picture
from mnist_lab.introspection.occlusion.maps import occlusion_map
from mnist_lab.model import DigitCNN
from mnist_lab.training.evaluation import evaluate
from mnist_lab.training.zoo import TrainedNetwork

HERE = Path(__file__).parent
CHECKED = 200  # digits with whose logits a page compares its own
GRADIENTS = 20  # of those, the digits with whose gradients too
MISTAKES = 5


@checked
def export(
    network: TrainedNetwork,
    folder: FilePath,
    name: Annotated[str, NotBlank()] | None = None,
    digits: Split | None = None,
) -> None:
    """Write what a web page needs to run a network on digits that its reader draws.

    Open ``index.html`` in the folder: it has every experiment on this network. It needs no server and no network, so a
    folder on a disk or a memory stick works too. Several networks may share a folder.

    Parameters
    ----------
    network
        What :func:`mnist_lab.trained`, :func:`mnist_lab.best` or :func:`mnist_lab.load` returned. It is computed in
        single precision.
    folder
        The folder to write to; it is made where it is missing.
    name
        The name by which scripts ask for the network, of letters, digits and underscores: ``await
        mnistLab.network("plain")``. By default the network's own, such as ``"plain"``.
    digits
        Images and labels from which the page offers a digit of each class and the network's worst mistakes. By default
        the test images of :func:`mnist_lab.load_dataset`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; before any work.
    DataError
        If no digits are given and MNIST cannot be read.
    OSError
        If the files cannot be written.

    Examples
    --------
    >>> export(best(), "page")  # doctest: +SKIP
    """
    name = network.name if name is None else name
    if re.fullmatch(r"\w+", name, re.ASCII) is None:
        raise ValueError(f"name: expected letters, digits and underscores, got {name!r}")
    digits = load_dataset().test if digits is None else digits
    if len(digits) == 0:
        raise ValueError(f"digits: expected at least one image, got {describe(digits.images)}")

    folder = Path(folder)
    for source in sorted([*HERE.rglob("*.js"), *HERE.glob("*.css")]):
        with written_whole(folder / source.relative_to(HERE)) as file:
            shutil.copyfile(source, file)
    about = {
        "dataset": network.dataset,
        "kind": network.name,
        "seed": network.seed,
        "validation_accuracy": network.validation_accuracy,
    }
    content = {"about": about, "weights": encoded(weights(network.model)), **examples(network.model, digits)}
    write_script(folder / "networks" / f"{name}.js", name, content)
    write_script(folder / "networks" / f"{name}_check.js", f"{name}_check", reference(network.model, digits[:CHECKED]))
    names = sorted(path.stem for path in (folder / "networks").glob("*.js") if not path.stem.endswith("_check"))
    page = (HERE / "index.html").read_text(encoding="utf-8")
    page = page.replace("NETWORKS", " ".join(names)).replace("DATASET", network.dataset)
    with written_whole(folder / "index.html") as file:
        file.write_text(page, encoding="utf-8")


def write_script(path: Path, name: str, content: dict[str, Any]) -> None:
    """Write a script that hands a content to the page. A page on a disk may load scripts, but not read files."""
    with written_whole(path) as file:
        file.write_text(f'mnistLab.deliver("{name}", {json.dumps(content)});\n', encoding="utf-8")


def encoded(values: np.ndarray) -> str:
    """The bytes of an array, little-endian, as base64.

    >>> encoded(np.array([1, 2, 3], dtype=np.uint8))
    'AQID'
    """
    return base64.b64encode(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()).decode("ascii")


def weights(model: DigitCNN) -> np.ndarray:
    """All numbers of a network in the order in which the engine reads them, float32 (799080,).

    They are the mean and the standard deviation of the pixels, then weight and bias of each layer. Weights have their
    outputs last, and the inputs of fc1 are ordered by row, column and channel. Batch normalization in evaluation mode
    only scales and shifts, so it becomes a part of the convolution before it.

    >>> weights(DigitCNN()).shape
    (799080,)
    """
    state = {name: value.detach().cpu().double() for name, value in model.state_dict().items()}
    parts = [state["standardize.mean"], state["standardize.std"]]
    for name, norm in (("conv1", "bn1"), ("conv2", "bn2")):
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        if model.batch_norm:
            layer = getattr(model, norm)
            assert isinstance(layer, nn.BatchNorm2d)
            scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + layer.eps).sqrt()
            weight = weight * scale[:, None, None, None]
            bias = (bias - state[f"{norm}.running_mean"]) * scale + state[f"{norm}.bias"]
        parts += [weight.permute(2, 3, 1, 0), bias]  # (row, column, from, to)
    fc1 = state["fc1.weight"].unflatten(1, (32, 7, 7))
    parts += [fc1.permute(2, 3, 1, 0), state["fc1.bias"], state["fc2.weight"].T, state["fc2.bias"]]
    return torch.cat([part.flatten() for part in parts]).float().numpy()


def examples(model: DigitCNN, digits: Split) -> dict[str, Any]:
    """A correctly classified digit of each class, and the mistakes of which the network is most certain."""
    result = evaluate(model, digits)
    confidence = result.probabilities.amax(dim=1)
    right = [(result.correct & (digits.labels == label)).nonzero()[:1, 0] for label in range(10)]
    worst = confidence.masked_fill(result.correct, -1).argsort(descending=True)
    chosen = {"digits": torch.cat(right), "mistakes": worst[: min(MISTAKES, int((~result.correct).sum()))]}
    return {
        kind: {
            "images": encoded(pixels(digits.images[indices])),
            "labels": digits.labels[indices].tolist(),
        }
        for kind, indices in chosen.items()
    }


def pixels(images: Tensor) -> np.ndarray:
    """Images (N, 1, 28, 28) as bytes (N, 784)."""
    return images.cpu().round().byte().flatten(1).numpy()


def reference(model: DigitCNN, digits: Split) -> dict[str, Any]:
    """What PyTorch computes for some digits: a page compares its own results with these.

    The gradient is that of the logit of the class after the true one. The map is that of a 5x5 patch of intensity 128
    on the first digit. The picture is a drawing, and what :func:`mnist_lab.read_picture` makes of it.
    """
    targets = (digits.labels[:GRADIENTS] + 1) % 10
    with running(model, gradients=True) as runner:
        images = digits.images.detach().to(runner.device, runner.dtype, copy=True).requires_grad_()
        logits = runner.logits(images)
        chosen = logits[:GRADIENTS].gather(1, targets.to(logits.device)[:, None]).sum()
        (gradients,) = torch.autograd.grad(chosen, images)
    first = occlusion_map(model, digits.images[0], int(digits.labels[0]), patch=5, fill=128)
    return {
        "images": encoded(pixels(digits.images)),
        "labels": digits.labels.tolist(),
        "logits": logits.tolist(),
        "gradients": encoded(gradients[:GRADIENTS].flatten(1).float().cpu().numpy()),
        "occlusion": first.flatten().tolist(),
        "picture": {
            "width": drawing().shape[1],
            "ink": encoded(drawing()),
            "digit": read_picture(drawing()).images[0].flatten().tolist(),
        },
    }


def drawing() -> np.ndarray:
    """A drawn 4, light on dark, with soft edges, uint8 (270, 300).

    >>> read_picture(drawing())
    1 digit in a picture of 300 x 270 pixels
    """
    ink = torch.zeros(1, 1, 270, 300)
    for rows, columns in (
        ((40, 150), (70, 92)),
        ((135, 158), (70, 230)),
        ((60, 240), (180, 203)),
        ((143, 146), (230, 238)),
    ):
        ink[..., slice(*rows), slice(*columns)] = 255
    return functional.avg_pool2d(ink, 5, stride=1, padding=2)[0, 0].round().byte().numpy()
