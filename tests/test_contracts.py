"""Every public function against the values that its annotations exclude, and against those that they treat alike.

The values come from the annotations (tests/bad_values.py). What is written here by hand is little: arguments that have
to fit together, and conditions between arguments, which no annotation says.
"""

import dataclasses
import importlib
import inspect
import math
import pkgutil
import pydoc
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor, nn

import mnist_lab as lab
from mnist_lab import plotting, report, stats
from mnist_lab._utils.contracts import AtLeast, Targets, checked, contract_of
from mnist_lab.attacks import likeness, similarity
from mnist_lab.data.synthetic.sheets import Sheet, render_sheet
from mnist_lab.introspection import probing
from mnist_lab.introspection.occlusion import faithfulness
from mnist_lab.model import Standardize
from tests.bad_values import OUTPUTS, alike, bad_values, generator, good_value, hints_of, pixels
from tests.conftest import no_trace, same

DOCS = Path(__file__).parent.parent / "docs"
INDEX = DOCS / "api" / "index.rst"
TRUST = DOCS / "guide" / "trust.rst"

MODEL = lab.DigitCNN(batch_norm=True)
SPLIT = lab.Split(pixels(6, 1, 28, 28).byte(), torch.tensor([0, 1, 2, 0, 1, 2]))
DATASET = lab.Dataset("bars", SPLIT, SPLIT, SPLIT)
EVALUATION = lab.evaluate(MODEL, SPLIT)
ATTACK = lab.targeted_attack(MODEL, SPLIT.images[:2], [3, 4], 0.01, steps=2)
HISTORY = lab.History(*([(0.5, 0.25)] * 6), *([(0.5, 0.4, 0.3)] * 2))
NO_EPOCH = lab.History(*([()] * 8))
TRAINED = lab.TrainedNetwork(MODEL, HISTORY, lab.Recipe(), 0, "bars", "0" * 64, {"torch": "2"})
HANDWRITING = lab.read_picture(render_sheet(torch.tensor([1, 7]), generator()).picture.numpy())
ANSWERS = torch.rand(4, 2, 28, 28, generator=generator())
FEATURES = torch.rand(20, 5, generator=generator())
DIGITS = torch.arange(20) % 10
KERNELS = torch.randint(-8, 8, (2, 1, 3, 3), generator=generator()) / 8  # whose sums are exact in any order
INTERVAL = stats.Interval(0.5, 0.4, 0.6, 0.95)
SMALL = nn.Sequential(Standardize(), nn.Flatten(), nn.Linear(784, 10))  # for what runs 784 times per image


def patches(count: int = 2, maps: int = 2) -> probing.TopPatches:
    return probing.top_activating_patches(pixels(4, 1, 28, 28), ANSWERS[:, :maps], size=3, start=-1, count=count)


# A value of each class that an argument may be of.
KNOWN: dict[Any, Any] = {
    nn.Module: MODEL,
    lab.DigitCNN: MODEL,
    lab.Split: SPLIT,
    lab.Dataset: DATASET,
    lab.Recipe: lab.Recipe(epochs=1),
    lab.Evaluation: EVALUATION,
    lab.AttackResult: ATTACK,
    lab.Handwriting: HANDWRITING,
    lab.History: HISTORY,
    lab.TrainedNetwork: TRAINED,
    lab.LayerShapes: lab.layer_shapes(MODEL),
    stats.Interval: INTERVAL,
    probing.LinearProbe: probing.linear_probe(FEATURES, DIGITS, FEATURES, DIGITS),
    probing.TopPatches: patches(),
    faithfulness.Faithfulness: faithfulness.measure_faithfulness(
        MODEL, SPLIT.images[:1], SPLIT.labels[:1], SPLIT.images[1:2], patch=27, progress=False
    ),
}

# Arguments that have to fit together, or that cost less than those that an annotation suggests.
TOGETHER: dict[str, dict[str, Any]] = {
    "Faithfulness.mean_drop": {"positions": torch.ones(1, 28, 28, dtype=torch.bool)},
    "History.from_dict": {"values": dataclasses.asdict(HISTORY)},
    "LayerShapes.__getitem__": {"key": "conv1"},
    "LinearProbe.predict": {"features": FEATURES},
    "Recipe.adversarial_radius_at": {"step": 1, "steps": 3},
    "Recipe.learning_rate_at": {"step": 1, "steps": 3},
    "activations": {"layer": "conv1"},
    "answer": {"question": "1.4"},
    "class_indices": {"labels": torch.eye(10)[[3, 4]]},
    "class_selectivity": {"activations": ANSWERS[:2], "labels": torch.tensor([3, 4])},
    "crossed_comparison": {"first": FEATURES, "second": FEATURES.flip(0)},
    "describe_filters": {"filters": KERNELS},
    "export": {"folder": "folder/page", "name": "seven"},
    "estimates": {"names": ["a", "b"], "limits": (None, 1.0), "marked": [0.3, 0.3]},
    "filters": {"layer": "conv1"},
    "fit": {"resume": None},
    "image_similarity": {"activations": ANSWERS, "images": pixels(4, 1, 28, 28)},
    "image_table": {"row_labels": [1, 2], "column_labels": ["a", 3]},
    "layer_shapes": {"input_shape": [1, 28, 28]},
    "linear_probe": {
        "features": FEATURES,
        "labels": DIGITS,
        "validation_features": FEATURES,
        "validation_labels": DIGITS,
    },
    "load_dataset": {"source": "mnist", "root": "here"},
    "low_frequency_share": {"images": pixels(2, 1, 28, 28)},
    "measure_faithfulness": {"model": SMALL, "progress": False},
    "mistakes": {"images": SPLIT.images.float()},
    "montage": {"limits": (0.0, 1.0), "cmap": "gray"},
    "beside_digits": {"limits": (0.0, 1.0), "cmap": "viridis"},
    "neuron_counts": {"input_shape": [1, 28, 28]},
    "occluded_probabilities": {"model": SMALL, "progress": False},
    "occlusion_map": {"model": SMALL, "image": pixels(2, 1, 28, 28), "label": torch.tensor([3, 4]), "progress": False},
    "one_hot": {"indices": torch.tensor([3, 4])},
    "other_class_partners": {"labels": torch.tensor([3, 3]), "pool": torch.tensor([3, 4, 5])},
    "paired_comparison": {"first": [0.1, 0.2, 0.4], "second": [0.2, 0.4, 0.3]},
    "mean_interval": {"values": [0.1, 0.2, 0.4]},
    "predictions": {"images": SPLIT.images.float()},
    "proportion_interval": {"successes": 3, "trials": 5},
    "rank_correlations": {"first": ANSWERS, "second": ANSWERS.flip(0), "where": ANSWERS > 0.5},
    "selectivity_above_chance": {"activations": ANSWERS[:2], "labels": torch.tensor([3, 4])},
    "targeted_attack": {"beta": torch.tensor([0.01, 0.02]), "confidence": 0.0, "clip": (0.0, 250.0)},
    "maximize_logit": {"clip": (0.0, 255.0)},
    "top_activating_patches": {"images": pixels(4, 1, 28, 28), "activations": ANSWERS, "size": 3, "count": 2},
    "reading": {"found": HANDWRITING, "probabilities": torch.eye(10)[[1, 7]]},
    "read_picture": {"picture": render_sheet(torch.tensor([1, 7]), generator()).picture.numpy()},
    "total_variation": {"images": pixels(2, 1, 28, 28)},
    "trained_many": {"seeds": [3]},  # a single one is trained in this process
}

# Conditions that no annotation says: between two arguments, or on names that something else has to know.
MORE_BAD: dict[tuple[str, str], Mapping[str, object]] = {
    ("DigitCNN.__getitem__", "index"): {"a name": "conv1"},
    ("Faithfulness.mean_drop", "positions"): {"of more images": torch.ones(2, 28, 28, dtype=torch.bool)},
    ("History.from_dict", "values"): {
        "empty": {},
        "an entry too few": {"seconds": [1.0]},
        "an entry too many": {**dataclasses.asdict(HISTORY), "colour": ()},
    },
    ("LinearProbe.predict", "features"): {"of another width": FEATURES[:, :4]},
    ("Recipe.adversarial_radius_at", "step"): {"after the last one": 3},
    ("Recipe.learning_rate_at", "step"): {"after the last one": 3},
    ("Split.__getitem__", "index"): {
        "floats": torch.zeros(2),
        "a table": torch.zeros(2, 2).long(),
        "beyond the end": torch.tensor([99]),
        "too few booleans": torch.tensor([True]),
    },
    ("activations", "layer"): {"unknown": "conv3", "a pool": "pool1", "capitals": "CONV1"},
    ("agreement", "patches"): {"one per map": patches(count=1), "of one map": patches(maps=1)},
    ("answer", "question"): {"a word": "three", "a folder": "../1.4", "empty": "", "a number": "14"},
    ("beside_digits", "cmap"): {"unknown": "greyish", "empty": ""},
    ("beside_digits", "limits"): {"falling": (1.0, 0.0)},
    ("class_indices", "labels"): {
        "none set": torch.zeros(1, 10),
        "two set": torch.ones(1, 10),
        "shares": torch.full((1, 10), 0.1),
        "NaN": torch.full((1, 10), math.nan),
        "nine columns": torch.eye(9),
        "ragged": [[1], [1, 2]],
    },
    ("class_selectivity", "labels"): {"of one class": torch.tensor([3, 3])},
    ("crossed_comparison", "second"): {"of another shape": FEATURES[:, :4], "of fewer pairs": FEATURES[:2]},
    ("estimates", "limits"): {"falling": (1.0, 0.0)},
    ("estimates", "marked"): {"one too many": [0.3] * 3, "one too few": [0.3]},
    ("estimates", "series"): {
        "one too few": {"a": [INTERVAL]},
        "one too many": {"a": [INTERVAL] * 3},
        "two confidences": {"a": [INTERVAL, stats.Interval(0.5, 0.4, 0.6, 0.99)]},
    },
    ("evaluate", "split"): {"empty": SPLIT[:0], "a data set": DATASET},
    ("export", "name"): {"two words": "a b", "a folder": "../plain"},
    ("export", "digits"): {"empty": SPLIT[:0]},
    ("filters", "layer"): {"unknown": "conv3", "a pool": "pool1", "fully connected": "fc1"},
    ("fit", "dataset"): {
        "nothing to learn": lab.Dataset("a", SPLIT[:0], SPLIT, SPLIT),
        "nothing to validate": lab.Dataset("a", SPLIT, SPLIT[:0], SPLIT),
        "a split": SPLIT,
    },
    ("image_table", "row_labels"): {"one too many": [1, 2, 3], "one too few": [1]},
    ("image_table", "column_labels"): {"one too many": [1, 2, 3], "one too few": [1]},
    ("layer_shapes", "input_shape"): {"not taken": (3, 28, 28), "of too few axes": (28,)},
    ("linear_probe", "validation_features"): {"of another width": FEATURES[:, :4]},
    ("load_dataset", "source"): {"an address": "https://example.org"},
    ("maximize_logit", "clip"): {"falling": (255.0, 0.0), "equal": (3.0, 3.0)},
    ("mistakes", "images"): {"one too many": pixels(7, 1, 28, 28), "one too few": pixels(5, 1, 28, 28)},
    ("montage", "captions"): {"one too many": ["a"] * 3},
    ("montage", "cmap"): {"unknown": "greyish", "empty": ""},
    ("montage", "limits"): {"falling": (1.0, 0.0)},
    ("neuron_counts", "input_shape"): {"not taken": (3, 28, 28), "of too few axes": (28,)},
    ("occlusion_map", "label"): {
        "one too many": torch.tensor([3, 4, 5]),
        "one too few": torch.tensor([3]),
        "floats": torch.tensor([3.0, 4.0]),
        "ten": torch.tensor([3, 10]),
        "minus one": torch.tensor([-1, 3]),
        "a table": torch.tensor([[3, 4]]),
    },
    ("one_hot", "indices"): {"rows": torch.eye(10), "rows of lists": [[0] * 9 + [1]]},
    ("other_class_partners", "pool"): {"of no other class": torch.tensor([3, 3, 3])},
    ("paired_comparison", "second"): {"one too many": [0.1, 0.2, 0.3, 0.4], "one too few": [0.1, 0.2]},
    ("predictions", "images"): {"one too many": pixels(7, 1, 28, 28), "one too few": pixels(5, 1, 28, 28)},
    ("proportion_interval", "successes"): {"more than trials": 6},
    ("rank_correlations", "second"): {"of another shape": ANSWERS[:, :1], "of fewer images": ANSWERS[:2]},
    ("rank_correlations", "where"): {"of another shape": ANSWERS[:, :1] > 0.5, "of fewer images": ANSWERS[:2] > 0.5},
    ("selectivity_above_chance", "labels"): {"of one class": torch.tensor([3, 3])},
    ("targeted_attack", "beta"): {"a word": "largest", "a search with clip": "search"},
    ("targeted_attack", "confidence"): {"with a given beta": 0.5},
    ("targeted_attack", "clip"): {"falling": (255.0, 0.0), "equal": (3.0, 3.0)},
    ("top_activating_patches", "count"): {"more than images": 5},
    ("reading", "probabilities"): {"one too many": torch.eye(10)[:3], "one too few": torch.eye(10)[:1]},
    ("total_variation", "images"): {"a single pixel": torch.zeros(1, 1, 1, 1), "colours": torch.zeros(1, 3, 28, 28)},
    ("training_curves", "history"): {"no epoch": NO_EPOCH},
}

# Arguments of any type, by the annotation that comes nearest to what they may be.
NEAREST: dict[tuple[str, str], Any] = {
    ("History.from_dict", "values"): dict[str, object],
    ("class_indices", "labels"): Targets,
    ("one_hot", "indices"): Targets,
}

# Networks are rejected for what they return only where that has to be logits.
ACCEPTED: dict[tuple[str, str], set[str]] = {
    (name, "model"): set(OUTPUTS) for name in ("activations", "filters", "firing_rates", "randomize_parameters")
}
ACCEPTED |= {(name, "model"): {"five logits"} for name in ("occluded_probabilities", "occlusion_map")}
# What torch.as_tensor() takes for numbers.
ACCEPTED |= {key: {"a list with a flag", "a list with a tensor"} for key in NEAREST}

# What only a forward pass can show.
AS_IT_RUNS = {"not taken", "of too few axes"}

# Classes that the library builds itself, from values that it has checked; whoever builds one by hand is on their own.
RESULTS = {
    Sheet,
    faithfulness.Faithfulness,
    lab.AttackResult,
    lab.Evaluation,
    lab.Handwriting,
    lab.History,
    lab.LayerParameters,
    lab.LayerShape,
    lab.LayerShapes,
    lab.NeuronCounts,
    lab.ParameterCounts,
    lab.TrainedNetwork,
    likeness.Likeness,
    probing.LinearProbe,
    probing.TopPatches,
    similarity.NearestImages,
    stats.Interval,
    stats.PairedComparison,
}

# Methods that check their arguments in their body, where alone it is known what fits.
UNCHECKED = {"DigitCNN.__getitem__", "History.from_dict", "LayerShapes.__getitem__", "Split.__getitem__"}


# The public functions


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function, class and method that takes arguments, under its name."""
    for entry in {id(entry): entry for entry in (*listed(), *decorated())}.values():
        if isinstance(entry, type) and issubclass(entry, Exception):
            continue
        if entry not in RESULTS and inspect.signature(entry).parameters:
            # plotting has a function of the same name.
            yield "report.reading" if entry is report.reading else entry.__qualname__, entry
        for name, method in vars(entry).items() if isinstance(entry, type) else ():
            called = method.__func__ if isinstance(method, classmethod) else method
            named = (not name.startswith("_") and "__mutmut" not in name) or name == "__getitem__"
            if named and inspect.isfunction(called) and len(inspect.signature(called).parameters) > 1:
                yield f"{entry.__qualname__}.{name}", getattr(KNOWN[entry], name)


def listed() -> Iterator[Any]:
    """What the library, its figures, the statistics, the report and the index of the API pages name."""
    for module in (lab, plotting):
        yield from (entry for name in module.__all__ if not inspect.ismodule(entry := getattr(module, name)))
    for module in (stats, report):
        yield from (entry for name, entry in vars(module).items() if is_own(module, name, entry))
    yield from (entry for entry in index().values() if entry is not None)


def decorated() -> Iterator[Any]:
    """Every checked function in a module without an underscore."""
    for info in pkgutil.walk_packages(lab.__path__, "mnist_lab."):
        if "._" not in info.name:
            module = importlib.import_module(info.name)
            own = [entry for name, entry in vars(module).items() if is_own(module, name, entry)]
            yield from (entry for entry in own if contract_of(entry))


def is_own(module: types.ModuleType, name: str, entry: object) -> bool:
    named = not name.startswith("_") and "__mutmut" not in name  # which `tox -e mutation` adds
    return named and callable(entry) and getattr(entry, "__module__", "") == module.__name__


@cache
def index() -> dict[str, Any]:
    """What the index of the API pages lists, under its full name; None where there is no such thing."""
    module, names = "", []
    for line in INDEX.read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
            module = found[1]
        elif found := re.fullmatch(r" {3}([A-Za-z_][\w.]*)", line):
            names.append(f"{module}.{found[1]}")
    return {name: pydoc.locate(name) for name in names}


PUBLIC = dict(public())


def arguments(name: str) -> dict[str, Any]:
    """Good arguments of a public function, made anew: a generator of random numbers is used up."""
    known = {**KNOWN, torch.Generator: generator()}
    together = TOGETHER.get(name, {})
    return {
        argument: together[argument] if argument in together else good_value(annotation, known)
        for argument, annotation in hints_of(PUBLIC[name]).items()
    }


def annotation(name: str, argument: str) -> Any:
    return NEAREST.get((name, argument)) or hints_of(PUBLIC[name])[argument]


def bad(name: str, argument: str) -> dict[str, object]:
    """The values that an argument of a public function has to reject."""
    values = bad_values(annotation(name, argument), arguments(name)[argument])
    values |= MORE_BAD.get((name, argument), {})
    return {what: value for what, value in values.items() if what not in ACCEPTED.get((name, argument), ())}


CASES = {(name, argument): bad(name, argument) for name in PUBLIC for argument in hints_of(PUBLIC[name])}
ALIKE = {
    (name, argument): alike(annotation(name, argument), good)
    for name in PUBLIC
    for argument, good in arguments(name).items()
}


# Bad values


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of one's own to work in, and no figure left open."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path
    plt.close("all")


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_bad_values_are_rejected_by_name_before_any_work(name: str, argument: str, elsewhere: Path) -> None:
    with no_trace(arguments(name).get("model", MODEL)):
        faults = accepted(PUBLIC[name], arguments(name), argument, CASES[name, argument])
    assert not faults, "\n".join(faults)
    assert plt.get_fignums() == []
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]


@pytest.mark.parametrize("images", [None, "seven", np.zeros((2, 1, 28, 28)), torch.zeros(2, 784), pixels(2, 1, 32, 32)])
def test_a_network_that_is_called_names_bad_images(images: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="^images: expected .+, got .+"):
        MODEL(images)


def accepted(
    function: Callable[..., Any], good: Mapping[str, Any], argument: str, values: Mapping[str, object]
) -> list[str]:
    """The bad values of an argument that a function does not reject as it should, and what it does instead."""
    faults = []
    with runs_of(good.get("model", MODEL)) as runs:
        for what, value in values.items():
            runs.clear()
            try:
                function(**{**good, argument: value})
            except (TypeError, ValueError, IndexError) as error:
                if not re.match(rf"{argument}\b.*: expected .+, got .+", str(error), flags=re.DOTALL):
                    faults.append(f"{what}: {type(error).__name__}: {error}")
            except Exception as error:
                faults.append(f"{what}: {type(error).__name__}: {error}")
            else:
                faults.append(f"{what}: accepted")
            if runs and what not in AS_IT_RUNS:
                faults.append(f"{what}: found only after the network ran")
    return faults


@contextmanager
def runs_of(model: nn.Module) -> Iterator[list[object]]:
    """A list to which every run of a network adds."""
    runs: list[object] = []
    handle = model.register_forward_pre_hook(lambda *_: runs.append(1))
    try:
        yield runs
    finally:
        handle.remove()


# Values alike

# Functions whose result differs from call to call, or whose good arguments name files that are not there.
NOT_REPEATED = {"best", "digits", "export", "fit", "load", "load_dataset", "save", "show", "trained"}
DIFFERENTIABLE = {"distort", "low_frequency_share", "total_variation"}  # gradients pass through these on purpose


@pytest.mark.parametrize("name", sorted({name for name, _ in ALIKE} - NOT_REPEATED))
@pytest.mark.usefixtures("elsewhere")
def test_values_alike_give_the_same_result(name: str) -> None:
    function, faults = PUBLIC[name], []
    with no_trace(arguments(name).get("model", MODEL)):
        plain = contents(function(**arguments(name)))
        for argument in arguments(name):
            for what, given in ALIKE[name, argument].items():
                other = contents(function(**{**arguments(name), argument: given}))
                plt.close("all")
                if not same(plain, other):
                    faults.append(f"{argument}, {what}: another result")
                if name not in DIFFERENTIABLE and not isinstance(function, type) and has_graph(other):
                    faults.append(f"{argument}, {what}: the result hangs on a graph")
                if any(tensor.is_leaf and tensor.grad is not None for tensor in tensors_in(given)):
                    faults.append(f"{argument}, {what}: left a gradient")
    assert not faults, faults


def contents(result: object) -> object:
    """What a result says, as something that compares: of a figure, all that is drawn in it."""
    if isinstance(result, Figure):
        return [
            [
                axes.get_title(),
                [
                    torch.from_numpy(np.ma.filled(np.ma.asarray(image.get_array(), dtype=float), -1)).nan_to_num(-1)
                    for image in axes.images
                ],
                [torch.from_numpy(np.asarray(line.get_xydata(), dtype=float)) for line in axes.lines],
                [text.get_text() for text in axes.texts],
            ]
            for axes in result.axes
        ]
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return {entry.name: contents(getattr(result, entry.name)) for entry in dataclasses.fields(result)}
    if isinstance(result, Tensor):
        return result.as_subclass(Tensor).nan_to_num(nan=-1e9)  # NaN does not equal itself
    if isinstance(result, dict):
        return {key: contents(value) for key, value in result.items()}
    if isinstance(result, list | tuple):
        return [contents(value) for value in result]
    return None if isinstance(result, nn.Module) else result


def has_graph(value: object) -> bool:
    return any(tensor.requires_grad for tensor in tensors_in(value))


def tensors_in(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for entry in entries:
        yield from tensors_in(entry)


# The inventory


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_is_checked(name: str) -> None:
    faults = gaps(PUBLIC[name]) if name not in UNCHECKED else []
    assert not faults, faults
    assert all(CASES[name, argument] for argument in hints_of(PUBLIC[name]))


def gaps(function: Callable[..., Any]) -> list[str]:
    """What is missing in the contract of a function."""
    try:
        contract = contract_of(function)
    except TypeError as error:
        return [str(error)]
    if not contract:
        return ["not decorated with @checked"]
    return [f"no contract for {name}" for name in inspect.signature(function).parameters if name not in contract]


def test_a_gap_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def pie(slices: Sequence[Annotated[float, AtLeast(0)]]) -> None:
        """Draw a pie."""

    def cake(slices: set[int]) -> None:
        """Bake a cake."""

    def pudding(slices) -> None:  # type: ignore[no-untyped-def]
        """Cook a pudding."""

    monkeypatch.setattr(plotting, "pie", pie, raising=False)
    monkeypatch.setattr(plotting, "__all__", [*plotting.__all__, "pie"])
    assert pie.__qualname__ in dict(public())
    assert gaps(pie) == ["not decorated with @checked"]
    assert "no check is known for the annotation set[int]" in gaps(checked(cake))[0]
    assert "expected an annotation for 'slices'" in gaps(checked(pudding))[0]
    assert gaps(checked(pie)) == []
    values = bad_values(hints_of(pie)["slices"], [0.5, 0.5])
    assert len(accepted(pie, {"slices": [0.5]}, "slices", values)) == len(values) > 30
    assert accepted(checked(pie), {"slices": [0.5]}, "slices", values) == []


def test_what_is_written_by_hand_names_what_there_is() -> None:
    names = {name: set(hints_of(function)) for name, function in PUBLIC.items()}
    assert all(set(given) <= names[name] for name, given in TOGETHER.items())
    assert all(argument in names[name] for name, argument in (*MORE_BAD, *NEAREST, *ACCEPTED))
    assert {*UNCHECKED, *NOT_REPEATED, *DIFFERENTIABLE} <= set(names)
    assert not RESULTS & set(PUBLIC.values())


def test_the_index_of_the_api_lists_what_there_is() -> None:
    assert len(index()) > 50
    assert [name for name, entry in index().items() if entry is None] == []


def test_there_are_as_many_cases_as_the_documentation_states() -> None:
    stated = re.search(
        r"at least (\S+) callables, (\S+) arguments, (\S+) bad values and (\S+) pairs of equal values",
        TRUST.read_text(encoding="utf-8"),
    )
    assert stated is not None
    pairs = [len(values) for (name, _), values in ALIKE.items() if name not in NOT_REPEATED]
    found = len(PUBLIC), len(CASES), sum(map(len, CASES.values())), sum(pairs)
    for least, number in zip(stated.groups(), found, strict=True):
        assert number >= int(least.replace(",", ""))
