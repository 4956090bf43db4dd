"""The network that a page runs is the one that was exported: its weights, and the engine that computes with them."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import mnist_lab as lab
from mnist_lab.live.export import GRADIENTS, HERE, drawing, export, weights
from tests.bad_values import generator, pixels
from tests.test_contracts import TRAINED

RUN = """
const name = process.argv[1], read = path => require("fs").readFileSync(path, "utf8"), vm = require("vm");
for (const script of SCRIPTS) vm.runInThisContext(read(script));
const question = JSON.parse(read(0));
console.log(JSON.stringify(vm.runInThisContext(question.code)(question)));
"""
ENGINE = (
    "question => { const engine = mnistEngine(Float32Array.from(question.weights)); return (%s)(engine, question); }"
)


def in_node(code: str, scripts: list[str], **question: Any) -> Any:
    """What JavaScript returns for a question; the scripts are those of the library."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; `tox -e browser` runs the engine too")
    paths = json.dumps([str(HERE / script) for script in scripts])
    given = json.dumps({"code": code, **question})
    command = [node, "-e", RUN.replace("SCRIPTS", paths)]
    ran = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def in_engine(model: lab.DigitCNN, code: str, **question: Any) -> Any:
    return in_node(ENGINE % code, ["engine.js"], weights=weights(model).tolist(), **question)


@pytest.fixture(params=[False, True], ids=["plain", "batch norm"])
def model(request: pytest.FixtureRequest) -> lab.DigitCNN:
    """A network whose statistics and scales are not those of the beginning; some scales are negative."""
    network = lab.DigitCNN(batch_norm=request.param, seed=3).eval()
    random = generator()
    for name, values in network.state_dict().items():
        if name.startswith("bn") and values.is_floating_point():
            values.copy_(torch.rand(values.shape, generator=random) + (0.5 if "var" in name else -0.4))
    return network


IMAGES = pixels(3, 1, 28, 28).round()
FLAT = IMAGES.flatten(1).tolist()


def test_the_engine_gives_the_logits_of_torch(model: lab.DigitCNN) -> None:
    logits = in_engine(model, "(engine, {images}) => images.map(engine.logits)", images=FLAT)
    torch.testing.assert_close(torch.tensor(logits), model(IMAGES).detach(), rtol=0, atol=1e-4)


def test_the_engine_gives_the_gradient_of_torch(model: lab.DigitCNN) -> None:
    code = "(engine, {images}) => images.map((image, place) => engine.gradient(image, place + 4))"
    gradient = torch.tensor(in_engine(model, code, images=FLAT))
    images = IMAGES.clone().requires_grad_()
    model(images)[range(3), [4, 5, 6]].sum().backward()
    assert isinstance(images.grad, Tensor)
    expected = images.grad.flatten(1)
    assert ((gradient - expected).norm(dim=1) / expected.norm(dim=1)).max() < 1e-3


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1", "fc2"])
def test_the_engine_gives_the_activations_of_the_library(model: lab.DigitCNN, layer: str) -> None:
    found = in_engine(model, "(engine, {image, layer}) => engine.activations(image, layer)", image=FLAT[0], layer=layer)
    expected = lab.activations(model, IMAGES[:1], layer).flatten()
    torch.testing.assert_close(torch.tensor(found), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("patch", "fill"), [(1, 0), (4, 255), (5, 128)])
def test_the_engine_gives_the_occlusion_map_of_the_library(model: lab.DigitCNN, patch: int, fill: int) -> None:
    code = (
        "(engine, {image, patch, fill}) => [0, 1, 13, 27].map(row => engine.occlusionRow(image, 6, patch, fill, row))"
    )
    rows = in_engine(model, code, image=FLAT[1], patch=patch, fill=fill)
    expected = lab.occlusion_map(model, IMAGES[1], 6, patch=patch, fill=fill)[[0, 1, 13, 27]]
    torch.testing.assert_close(torch.tensor(rows), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["light on dark", "dark on light", "photo"])
def test_a_picture_becomes_the_digit_that_the_library_reads(kind: str) -> None:
    drawn = torch.from_numpy(drawing()).float()
    picture = drawn if kind == "light on dark" else 255 - drawn
    if kind == "photo":  # in uneven light, and with noise
        noise = 3 * torch.randn(picture.shape, generator=generator())
        picture = (230 - 0.7 * (255 - picture) - torch.arange(300) / 5 + noise).clamp(0, 255).round()
    expected = lab.read_picture(picture.byte().numpy()).images
    assert len(expected) == 1
    code = """({grey, width}) => mnistLab.digit({
        data: Uint8ClampedArray.from(grey.flatMap(value => [value, value, value, 255])), width,
        height: grey.length / width})"""
    code = f"var mnistLab = {{}}; {(HERE / 'digit.js').read_text('utf-8')}; {code}"
    found = in_node(code, [], grey=picture.int().flatten().tolist(), width=300)
    assert (torch.tensor(found) - expected.flatten().int()).abs().max() <= 2


def delivered(path: Path) -> Any:
    """The content that a script hands over."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(", ")
    assert before == f'mnistLab.deliver("{path.stem}"'
    return json.loads(rest.removesuffix(");\n"))


def decoded(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def test_a_folder_has_what_a_page_needs(tmp_path: Path, bar_dataset: lab.Dataset) -> None:
    lab.live.export(TRAINED, tmp_path / "page", digits=bar_dataset.test)
    lab.live.export(TRAINED, tmp_path / "page", "other", bar_dataset.test)
    names = {path.name for path in (tmp_path / "page" / "networks").iterdir()}
    assert names == {"batch_norm.js", "batch_norm_check.js", "other.js", "other_check.js"}
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert 'data-networks="batch_norm other"' in page
    for script in page.split('src="')[1:]:
        assert (tmp_path / "page" / script.partition('"')[0]).is_file()

    content = delivered(tmp_path / "page" / "networks" / "other.js")
    np.testing.assert_array_equal(decoded(content["weights"], "<f4"), weights(TRAINED.model))
    assert (tmp_path / "page" / "networks" / "other.js").stat().st_size < 4_500_000
    assert content["about"]["dataset"] == "bars"
    result = lab.evaluate(TRAINED.model, bar_dataset.test)
    assert len(content["digits"]["labels"]) == len(result.labels[result.correct].unique())
    assert len(decoded(content["digits"]["images"], "u1")) == 784 * len(content["digits"]["labels"])
    wrong = result.probabilities.amax(dim=1).masked_fill(result.correct, 0)
    worst = decoded(content["mistakes"]["images"], "u1")[:784]
    np.testing.assert_array_equal(worst, bar_dataset.test.images[int(wrong.argmax())].flatten().numpy())

    check = delivered(tmp_path / "page" / "networks" / "other_check.js")
    images = torch.from_numpy(decoded(check["images"], "u1").reshape(-1, 1, 28, 28).copy())
    torch.testing.assert_close(torch.tensor(check["logits"]).softmax(dim=1), TRAINED.model.probabilities(images))
    assert decoded(check["gradients"], "<f4").size == 784 * GRADIENTS


@pytest.mark.parametrize("name", ["a b", "../plain", "größe", 'a"b'])
def test_a_name_that_is_no_file_name_is_an_error(tmp_path: Path, bar_dataset: lab.Dataset, name: str) -> None:
    with pytest.raises(ValueError, match=r"^name: expected letters, digits and underscores, got "):
        export(TRAINED, tmp_path / "page", name, bar_dataset.test)
    assert not (tmp_path / "page").exists()
