"""The public names against the table of bad inputs: each is refused by name and before any work, or taken rightly.

A row of the table is a public function, class or method with a kind for each of its parameters. A kind has a good
value and bad ones by what is wrong with them. `test_every_public_name_has_a_row` fails when a row is missing.
"""

import dataclasses
import inspect
import re
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation
from matplotlib.figure import Figure
from torch import Tensor, nn

import mnist_lab as lab
from mnist_lab import plotting, report, resemblance, statistics
from mnist_lab.model import Standardize
from tests.conftest import no_trace, same

NAN, INF = float("nan"), float("inf")


@dataclass(frozen=True)
class Kind:
    """What an argument may be, and what it may not."""

    good: object
    bad: Mapping[str, object]
    alike: Mapping[str, object] = field(default_factory=dict)  # other values that mean what the good one means


class Marked(Tensor):
    """A subclass of tensor that somebody else made."""


def kind(good: object, **bad: object) -> Kind:
    return Kind(good, {"none": None, **bad})


def optional_kind(good: object, **bad: object) -> Kind:
    return Kind(good, bad)


def optional(required: Kind) -> Kind:
    return Kind(
        required.good, {what: value for what, value in required.bad.items() if value is not None}, required.alike
    )


def integer(good: int, low: int, high: int | None = None) -> Kind:
    over = {} if high is None else {"too high": high + 1}
    wrong = {"text": str(good), "float": float(good), "bool": True, "nan": NAN, "tensor": torch.tensor(good)}
    rest = {"array": np.array([good]), "list": [good], "too low": low - 1, "far too low": -(2**70)}
    return Kind(good, {"none": None} | wrong | rest | over, {"of numpy": np.int64(good)})


def number(good: float, low: float = -INF, high: float = INF, *, above: bool = False) -> Kind:
    bad: dict[str, object] = {
        "none": None,
        "text": str(good),
        "bool": True,
        "complex": 1j,
        "tensor": torch.tensor(good),
        "list": [good],
        "nan": NAN,
    }
    bad |= {"infinite": INF, "minus infinity": -INF}
    bad |= {} if low == -INF else {"too low": low - 1e-6}
    bad |= {} if high == INF else {"too high": high + 1e-6}
    bad |= {"the bound itself": low} if above else {}
    return Kind(good, bad, {"of numpy": np.float64(good)})


def choice(good: str, **more: object) -> Kind:
    return Kind(good, {"none": None, "unknown": "greyish", "capital": good.upper(), "empty": "", "number": 3, **more})


def of_type(good: object, **more: object) -> Kind:
    bad: dict[str, object] = {
        "none": None,
        "text": "seven",
        "number": 3,
        "dictionary": {},
        "its class": type(good),
        "tensor": torch.zeros(3),
    }
    return Kind(good, bad | more)


def sequence(good: Sequence[object], *, counted: bool = False, **more: object) -> Kind:
    bad = {"none": None, "number": 3, "set": {1}, "iterator": iter(()), "table": np.zeros((2, 2)), **more}
    return Kind(good, bad | ({"too many": [*good, good[0]], "too few": good[1:]} if counted else {}))


def named(good: Mapping[str, object], *, most: int | None = None, values: Kind | None = None, **more: object) -> Kind:
    first = next(iter(good.values()))
    bad = {"none": None, "list": [first], "empty": {}, "number as a name": {1: first}, **more}
    bad |= {} if most is None else {"too many": {str(place): first for place in range(most + 1)}}
    alike = {}
    if values is not None:
        bad |= {f"holds {what}": {"a": value} for what, value in values.bad.items()}
        alike = {what: {**good, next(iter(good)): value} for what, value in values.alike.items()}
    return Kind(good, bad, alike)


def tensor(
    good: Tensor,
    *,
    fixed: bool = False,
    empty: bool = False,
    any_shape: bool = False,
    finite: bool = True,
    ranged: bool = False,
    lists: bool = False,
    numbers: bool = False,
    **more: object,
) -> Kind:
    """A tensor: bad ones are of another type, layout, device, rank or size, or hold what is no number in range.

    Parameters
    ----------
    fixed
        Whether the first axis has to have just this size.
    empty, any_shape, finite, ranged, lists, numbers
        Whether no row at all is allowed, every shape, only finite values, only values in a range (which 256 is not),
        and lists or a number in place of a tensor.
    """
    bad: dict[str, object] = {"none": None, "text": "seven", "number": 3.0, "complex": good.to(torch.complex64)}
    bad |= {"without data": good.to("meta"), "sparse": good.to_sparse(), "boolean": good.bool()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls the two layouts prototypes
        bad["nested"] = torch.nested.nested_tensor([good])
        bad["sparse rows"] = good.flatten(1).to_sparse_csr() if good.ndim > 1 else good[None].to_sparse_csr()
    if numbers:
        del bad["number"]
    if not lists:
        bad |= {"array": good.numpy(), "list": good.tolist()}
    if not any_shape:
        bad |= {"one axis more": good[None], "one axis less": good[0] if good.ndim > 1 else good.sum().to(good.dtype)}
        if fixed:
            bad |= {"one row more": torch.cat([good, good[:1]]), "one row less": good[1:]}
    if not empty and not any_shape:
        bad["empty"] = good[:0]
    if good.is_floating_point() and finite:
        wrong = {"nan": NAN, "infinite": INF, "minus infinity": -INF} | (
            {"too high": 256.0, "too low": -1e-3} if ranged else {}
        )
        for what, value in wrong.items():
            bad[what] = good.clone()
            bad[what].view(-1)[-2 if good.numel() > 1 else 0] = value  # type: ignore[attr-defined]
    return Kind(good, bad | more, alike(good))


def alike(good: Tensor) -> dict[str, object]:
    """The same values in other clothes."""
    values: dict[str, object] = {
        "strided": torch.stack([good, good], dim=-1)[..., 0],
        "subclass": good.as_subclass(Marked),
    }
    with torch.inference_mode():
        values["made in inference mode"] = good.clone()
    if good.is_floating_point():
        values |= {"with gradient": good.clone().requires_grad_(), "parameter": nn.Parameter(good.clone())}
        values["result of a graph"] = good.clone().requires_grad_() * 1
    if good.ndim == 4:
        values["channels last"] = good.contiguous(memory_format=torch.channels_last)
    return values


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator()) * 255


def images(count: int = 2, **options: bool) -> Kind:
    wrong = {
        "colours": pixels(count, 3, 28, 28),
        "too large": pixels(count, 1, 32, 32),
        "channels at the end": pixels(count, 28, 28, 1),
        "int64": pixels(count, 1, 28, 28).long(),
        "float8": pixels(count, 1, 28, 28).to(torch.float8_e4m3fn),
    }
    return tensor(pixels(count, 1, 28, 28), ranged=True, **options, **wrong)  # type: ignore[arg-type]


def stored(count: int = 2) -> Kind:
    known = images(count, empty=True)
    good = pixels(count, 1, 28, 28).byte()
    return Kind(good, {**known.bad, "float": known.good}, alike(good))


def labels(*values: int, fixed: bool = True, lists: bool = False) -> Kind:
    good = torch.tensor(values)
    wrong = {"float": good.float(), "too high": good * 0 + 10, "too low": good * 0 - 1}
    return tensor(good, fixed=fixed, empty=not fixed, lists=lists, **wrong)  # type: ignore[arg-type]


class Wrong(nn.Module):
    """A network that gives something else than logits for ten classes."""

    def __init__(self, answer: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.weight, self.answer = nn.Parameter(torch.ones(1)), answer

    def forward(self, batch: Tensor) -> object:
        return self.answer(batch.float().mean(dim=(2, 3)) * self.weight)


def network(*, runs: bool = True, gradients: bool = False, logits: bool = True, classes: bool = True) -> Kind:
    bad = {"none": None, "text": "plain", "class": lab.DigitCNN, "function": torch.relu, "array": np.zeros(3)}
    bad["not initialized"] = nn.Sequential(Standardize(), nn.Flatten(), nn.LazyLinear(10))
    if runs:
        bad["without data"] = lab.DigitCNN().to("meta")
    if runs and logits:
        bad |= {"five logits": Wrong(lambda mean: mean.expand(-1, 5))} if classes else {}
        bad |= {"one logit": Wrong(lambda mean: mean[:, 0]), "tuple": Wrong(lambda mean: (mean,))}
        bad |= {"nothing": Wrong(lambda _: None)}
    if gradients:
        with torch.inference_mode():
            bad["made in inference mode"] = lab.DigitCNN()
    return Kind(MODEL, bad)


MODEL = lab.DigitCNN(batch_norm=True)
SPLIT = lab.Split(pixels(6, 1, 28, 28).byte(), torch.tensor([0, 1, 2, 0, 1, 2]))
DATASET = lab.Dataset("bars", SPLIT, SPLIT, SPLIT)
EVALUATION = lab.evaluate(MODEL, SPLIT)
SHAPES, COUNTS, NEURONS = lab.layer_shapes(MODEL), lab.parameter_counts(MODEL), lab.neuron_counts(MODEL)
RESULT = lab.targeted_attack(MODEL, SPLIT.images[:2], [3, 4], 0.01, steps=2)
NOTHING = lab.maximize_logit(MODEL, [], steps=1)
HISTORY = lab.History(*([(0.5, 0.25)] * 6), *([(0.5, 0.4, 0.3)] * 2))
LONGER = lab.History(*([(0.5, 0.25, 0.1)] * 6), *([(0.5, 0.4, 0.3)] * 2))
NO_EPOCH = lab.History(*([()] * 8))
TRAINED = lab.TrainedNetwork(MODEL, HISTORY, lab.Recipe(), 0, "bars", "0" * 64, {"torch": "2"})
INTERVAL = statistics.Interval(0.5, 0.4, 0.6, 0.95)
COMPARISON = statistics.paired_comparison([0.1, 0.2, 0.3], [0.2, 0.4, 0.3])
RATES = lab.firing_rates(MODEL, SPLIT.images)
AXES = plt.figure().add_subplot()
plt.close("all")

TEXT = kind("a text", number=3, bytes=b"a", list=["a"], tensor=torch.zeros(1))
FLAG = kind(False, text="no", one=1, number=0.0, tensor=torch.tensor(True))
SEED = integer(0, 0, 2**63 - 1)
AT_ONCE = integer(4, 1)
PATH = kind("folder/file", number=3, bytes=b"file", empty="", list=["file"])
DRAWN = optional_kind(None, text="axes", figure=plt.figure(), several=np.array([AXES]), number=3)
FIGURE = optional_kind(None, text="figure", axes=AXES, number=3)
plt.close("all")
TEXTS = sequence(["a", "b"], holds_a_number=["a", 2], tensor=torch.zeros(2))
TEXT_EACH = sequence(["a", "b"], counted=True, holds_a_number=["a", 2], tensor=torch.zeros(2))
NUMBERS = sequence((0.5, 0.25), holds_a_text=(0.5, "1"), holds_none=(None, 1.0), holds_a_flag=(True, 1.0))
VALUES = sequence(
    [0.1, 0.2, 0.4], text="123", nan=[0.1, NAN], infinite=[INF, 0.1], single=[0.1], holds_none=[None, 0.1]
)
SHAPE = sequence((1, 28, 28), text="1", floats=(1.0, 28.0), negative=(1, -28), holds_a_flag=(True, 28))
EPOCHS = sequence((0.5, 0.25), counted=True, holds_a_text=(0.5, "1"), holds_none=(None, 1.0), in_a_list=[0.5, 0.25])
SHARES = tensor(torch.tensor([0.25, 0.5, 1.0]), fixed=True, more_than_all=torch.tensor([0.5, 1.01, 0.1]))
ROWS = kind((), list=[], text="rows", number=3)
LIMITS = kind(
    (0.0, 1.0), number=1, text="01", single=(1.0,), three=(0, 1, 2), falling=(1, 0), nan=(0, NAN), texts=("0", "1")
)
OPEN_LIMITS = kind((None, 1.0), number=1, text="01", single=(1.0,), falling=(1, 0), nan=(0, NAN), texts=("0", "1"))
INDEX = kind(
    slice(0, 2),
    number=3,
    text="0",
    list=[0],
    flag=True,
    float=torch.zeros(2),
    table=torch.zeros(2, 2).long(),
    far=torch.tensor([99]),
)
FIELDS = dataclasses.asdict(HISTORY)
GROUPS = named(
    {"a": torch.rand(9, generator=generator()), "b": torch.rand(9, generator=generator())},
    values=tensor(torch.rand(9, generator=generator())),
)
ANY = optional_kind(
    (0.0, 255.0),
    number=255.0,
    text="0",
    single=(0.0,),
    falling=(255.0, 0.0),
    same=(3.0, 3.0),
    nan=(NAN, 255.0),
    endless=(0.0, INF),
)

# The table

Row = tuple[Callable[..., object], dict[str, Kind]]
TABLE: dict[str, Row] = {
    "AttackResult": (
        lab.AttackResult,
        {
            "images": tensor(RESULT.images, fixed=True, finite=False, stored=RESULT.rounded),
            "targets": labels(3, 4),
            **dict.fromkeys(
                ("probabilities", "rounded_probabilities"),
                tensor(RESULT.probabilities, fixed=True, finite=False, nine=RESULT.probabilities[:, 1:]),
            ),
            **dict.fromkeys(("cost", "logit"), tensor(RESULT.cost, finite=False, empty=True, wider=RESULT.cost[:, :1])),
            "beta": tensor(RESULT.beta, fixed=True, finite=False),
            "originals": optional(tensor(RESULT.images, fixed=True, finite=False)),
        },
    ),
    "Dataset": (
        lab.Dataset,
        {
            "name": kind("bars", number=3, empty=" "),
            **dict.fromkeys(("train", "validation", "test"), of_type(SPLIT, pair=(SPLIT.images, SPLIT.labels))),
        },
    ),
    "DigitCNN": (lab.DigitCNN, {"batch_norm": FLAG, "seed": SEED}),
    "DigitCNN.forward": (
        MODEL.forward,
        {
            "input": kind(
                pixels(2, 1, 28, 28),
                text="seven",
                array=np.zeros((2, 1, 28, 28)),
                flat=torch.zeros(2, 784),
                large=torch.zeros(2, 1, 32, 32),
            )
        },
    ),
    "DigitCNN.probabilities": (MODEL.probabilities, {"images": images(empty=True)}),
    "DigitCNN.__getitem__": (MODEL.__getitem__, {"index": kind(0, text="conv1", float=0.0, flag=True)}),
    "Evaluation": (
        lab.Evaluation,
        {
            "accuracy": number(0.5, 0, 1),
            "loss": kind(1.0, text="1", flag=True, tensor=torch.tensor(1.0)),
            "predictions": labels(3, 4),
            "probabilities": tensor(torch.full((2, 10), 0.1), fixed=True, finite=False, nine=torch.full((2, 9), 0.1)),
            "labels": labels(3, 4),
        },
    ),
    "History": (
        lab.History,
        {name: NUMBERS if name.startswith("batch_") else EPOCHS for name in FIELDS} | {"train_loss": NUMBERS},
    ),
    "History.from_dict": (
        lab.History.from_dict,
        {"values": kind(FIELDS, list=[1.0], empty={}, missing={"seconds": [1.0]}, more={**FIELDS, "colour": ()})},
    ),
    "LayerParameters": (
        lab.LayerParameters,
        {
            "name": TEXT,
            "kind": TEXT,
            "group": choice("pooling"),
            "shapes": kind(
                {"weight": (3, 3)},
                list=[3],
                text={"weight": "33"},
                negative={"weight": (3, -3)},
                floats={"w": (3.0,)},
                unnamed={3: (3,)},
            ),
        },
    ),
    "LayerShape": (
        lab.LayerShape,
        {
            "name": TEXT,
            "kind": TEXT,
            "group": choice("pooling"),
            **dict.fromkeys(("input_shape", "output_shape"), SHAPE),
            "receptive_field": optional(Kind((3, 3), SHAPE.bad)),
            "multiply_adds": optional(integer(3, 0)),
        },
    ),
    "LayerShapes": (lab.LayerShapes, {"rows": Kind(SHAPES.rows, {**ROWS.bad, "others": COUNTS.rows})}),
    "LayerShapes.__getitem__": (SHAPES.__getitem__, {"key": kind("conv1", float=0.0, flag=True, list=["conv1"])}),
    "NeuronCounts": (lab.NeuronCounts, {"rows": Kind(SHAPES.rows, {**ROWS.bad, "others": COUNTS.rows})}),
    "ParameterCounts": (lab.ParameterCounts, {"rows": Kind(COUNTS.rows, {**ROWS.bad, "others": SHAPES.rows})}),
    "Recipe": (
        lab.Recipe,
        {
            "epochs": integer(4, 1),
            "batch_size": integer(128, 1),
            "learning_rate": number(3e-3, 0, above=True),
            "weight_decay": number(0.01, 0),
            "warmup": number(0.15, 0, 1),
            "augment": FLAG,
            "label_smoothing": number(0.1, 0, 1),
            "precision": choice("float32"),
            "seed": SEED,
        },
    ),
    "Recipe.accurate": (lab.Recipe.accurate, {"seed": SEED}),
    "Split": (lab.Split, {"images": stored(), "labels": labels(3, 4)}),
    "Split.__getitem__": (SPLIT.__getitem__, {"index": INDEX}),
    "TrainedNetwork": (
        lab.TrainedNetwork,
        {
            "model": of_type(MODEL, other=nn.Linear(2, 2)),
            "history": of_type(HISTORY, empty=NO_EPOCH),
            "recipe": of_type(lab.Recipe()),
            "seed": SEED,
            "dataset": TEXT,
            "data_checksum": TEXT,
            "versions": kind({"torch": "2"}, list=["2"], text="2"),
        },
    ),
    "activations": (
        lab.activations,
        {
            "model": network(logits=False),
            "images": images(empty=True),
            "layer": choice("conv1", a_pool="pool1"),
            "batch_size": AT_ONCE,
        },
    ),
    "best": (lab.best, {"seed": SEED, "dataset": optional(of_type(DATASET)), "progress": FLAG}),
    "class_indices": (
        lab.class_indices,
        {
            "labels": Kind(
                torch.eye(10)[[3, 4]],
                {
                    **labels(3, 4, fixed=False, lists=True).bad,
                    "none set": torch.zeros(1, 10),
                    "two set": torch.ones(1, 10),
                    "shares": torch.full((1, 10), 0.1),
                    "nan": torch.full((1, 10), NAN),
                    "nine columns": torch.eye(9),
                    "ragged": [[1], [1, 2]],
                    "words": ["three"],
                    "nothing": [None],
                    "dictionary": {"a": 1},
                },
                alike(torch.eye(10)[[3, 4]]),
            )
        },
    ),
    "evaluate": (
        lab.evaluate,
        {
            "model": network(),
            "split": of_type(SPLIT, empty=SPLIT[:0], images=SPLIT.images, dataset=DATASET),
            "batch_size": AT_ONCE,
        },
    ),
    "filters": (
        lab.filters,
        {"model": network(logits=False), "layer": choice("conv1", not_convolutional="fc1", a_pool="pool1")},
    ),
    "firing_rates": (lab.firing_rates, {"model": network(logits=False), "images": images(), "batch_size": AT_ONCE}),
    "fit": (
        lab.fit,
        {
            "model": network(gradients=True, logits=False),
            "dataset": of_type(
                DATASET,
                split=SPLIT,
                nothing_to_learn=lab.Dataset("a", SPLIT[:0], SPLIT, SPLIT),
                nothing_to_validate=lab.Dataset("a", SPLIT, SPLIT[:0], SPLIT),
            ),
            "recipe": optional(of_type(lab.Recipe(epochs=1))),
            "resume": optional(Kind("run.resume", PATH.bad)),
            "device": optional_kind(
                "cpu",
                number=0,
                unknown="abacus",
                without_data="meta",
                absent="cuda:99",
                dtype=torch.float32,
            ),
            "title": TEXT,
            "progress": FLAG,
        },
    ),
    "layer_shapes": (
        lab.layer_shapes,
        {
            "model": network(runs=False),
            "input_shape": Kind((1, 28, 28), {**SHAPE.bad, "not taken": (3, 28, 28), "zero": (1, 0, 28)}),
        },
    ),
    "load": (lab.load, {"path": PATH}),
    "load_dataset": (
        lab.load_dataset,
        {
            "source": choice("mnist", url="https://example.org"),
            "root": optional(Kind("here", PATH.bad)),
        },
    ),
    "maximize_logit": (
        lab.maximize_logit,
        {
            "model": network(gradients=True),
            "targets": labels(3, 4, fixed=False, lists=True),
            "seed": SEED,
            "step_size": number(2000.0, 0, above=True),
            "steps": integer(2, 1),
            "sigma": number(40.0, 0),
            "clip": ANY,
            "penalty": optional_kind(None, number=0.1, text="smooth"),
            "callback": optional_kind(None, number=1, text="print"),
        },
    ),
    "neuron_counts": (
        lab.neuron_counts,
        {"model": network(runs=False), "input_shape": Kind((1, 28, 28), {**SHAPE.bad, "not taken": (3, 28, 28)})},
    ),
    "occluded_probabilities": (
        lab.occluded_probabilities,
        {
            "model": network(classes=False),
            "images": images(empty=True),
            "patch": integer(27, 1, 28),
            "fill": number(128.0, 0, 255),
            "progress": FLAG,
        },
    ),
    "occlusion_map": (
        lab.occlusion_map,
        {
            "model": network(classes=False),
            "image": images(fixed=True),
            "label": labels(3, 4),
            "patch": integer(27, 1, 28),
            "fill": number(128.0, 0, 255),
            "progress": FLAG,
        },
    ),
    "one_hot": (
        lab.one_hot,
        {
            "indices": Kind(
                torch.tensor([3, 4]),
                {
                    **labels(3, 4, fixed=False, lists=True).bad,
                    "rows": torch.eye(10),
                    "rows of lists": [[0] * 9 + [1]],
                    "words": ["three"],
                },
                alike(torch.tensor([3, 4])),
            )
        },
    ),
    "parameter_counts": (lab.parameter_counts, {"model": network(runs=False)}),
    "save": (lab.save, {"network": of_type(TRAINED, model=MODEL), "path": PATH}),
    "targeted_attack": (
        lab.targeted_attack,
        {
            "model": network(gradients=True),
            "images": images(fixed=True),
            "targets": labels(3, 4, lists=True),
            "beta": tensor(
                torch.tensor([0.01, 0.02]),
                fixed=True,
                numbers=True,
                another_word="largest",
                negative=-0.1,
                negative_one=torch.tensor([0.1, -0.1]),
                nan_alone=NAN,
                whole=torch.tensor([1, 2]),
            ),
            "start": choice("noise"),
            "seed": SEED,
            "objective": optional(choice("logit")),
            "step_size": optional(number(100.0, 0, above=True)),
            "steps": integer(2, 1),
            "sigma": number(40.0, 0),
            "clip": ANY,
            "callback": optional_kind(None, number=1, text="print"),
        },
    ),
    "trained": (
        lab.trained,
        {
            "name": choice("plain"),
            "seed": SEED,
            "recipe": optional(of_type(lab.Recipe())),
            "dataset": optional(of_type(DATASET)),
            "progress": FLAG,
        },
    ),
    "report.answer": (
        report.answer,
        {
            "question": kind("1.4", word="three", empty="", folder="../1.4", number=1.4),
            "text": kind("It is so.", empty=" ", number=3),
            "dataset": optional(of_type(DATASET, name="mnist")),
        },
    ),
    "resemblance.NearestImages": (
        resemblance.NearestImages,
        {
            "distances": tensor(torch.rand(2, 10), finite=False, empty=True, nine=torch.rand(2, 9)),
            "indices": tensor(torch.zeros(2, 10).long(), fixed=True, floats=torch.zeros(2, 10)),
        },
    ),
    "resemblance.nearest_images": (
        resemblance.nearest_images,
        {
            "images": images(empty=True),
            "references": images(2, fixed=False),
            "labels": labels(3, 4),
            "at_once": AT_ONCE,
        },
    ),
    "resemblance.total_variation": (
        resemblance.total_variation,
        {
            "images": tensor(
                pixels(2, 1, 28, 28),
                empty=True,
                a_pixel=torch.zeros(1, 1, 1, 1),
                colours=torch.zeros(1, 3, 28, 28),
                int64=torch.zeros(1, 1, 28, 28).long(),
            )
        },
    ),
    "resemblance.low_frequency_share": (
        resemblance.low_frequency_share,
        {
            "images": tensor(
                pixels(2, 1, 28, 28), empty=True, a_pixel=torch.zeros(1, 1, 1, 1), colours=torch.zeros(1, 3, 28, 28)
            ),
            "cutoff": number(4.0, 0),
        },
    ),
    "statistics.Interval": (
        statistics.Interval,
        {
            "value": number(0.5),
            "low": number(0.4, high=0.5),
            "high": number(0.6, low=0.5),
            "confidence": number(0.95, 0, 1, above=True),
        },
    ),
    "statistics.PairedComparison": (
        statistics.PairedComparison,
        {
            "differences": kind((0.1, 0.2), list=[0.1], text=("0.1",), nan=(0.1, NAN)),
            "mean": number(0.1),
            "deviation": number(0.1, 0),
            "low": number(0.0),
            "high": number(0.2),
            "p_value": number(0.5, 0, 1),
            "confidence": number(0.95, 0, 1, above=True),
        },
    ),
    "statistics.share_interval": (
        statistics.share_interval,
        {"successes": integer(3, 0, 5), "trials": integer(5, 1), "confidence": number(0.95, 0, 1, above=True)},
    ),
    "statistics.mean_interval": (
        statistics.mean_interval,
        {"values": VALUES, "confidence": number(0.95, 0, 1, above=True)},
    ),
    "statistics.paired_comparison": (
        statistics.paired_comparison,
        {"first": VALUES, "second": Kind([0.2, 0.4, 0.3], VALUES.bad), "confidence": number(0.95, 0, 1, above=True)},
    ),
    "plotting.ascent_animation": (
        plotting.ascent_animation,
        {
            "frames": sequence(
                [pixels(2, 1, 28, 28)] * 2,
                empty=[],
                other_sizes=[pixels(2, 1, 28, 28), pixels(3, 1, 28, 28)],
                without_rank=[pixels(28, 28)] * 2,
                nan=[pixels(2, 1, 28, 28) * NAN] * 2,
            ),
            "steps": sequence([0, 5], counted=True, floats=[0.5, 1.0], negative=[-1, 0]),
            "columns": AT_ONCE,
        },
    ),
    "plotting.attacked_pairs": (
        plotting.attacked_pairs,
        {"originals": images(10, fixed=True), "images": images(90, fixed=True)},
    ),
    "plotting.beside_digits": (
        plotting.beside_digits,
        {
            "digits": images(2),
            "maps": tensor(torch.rand(2, 3, 14, 14, generator=generator()), fixed=True),
            "title": TEXT,
            "unit": TEXT,
            "limits": LIMITS,
            "colours": choice("viridis"),
            "rows_named": TEXTS,
            "columns_named": TEXTS,
        },
    ),
    "plotting.compared_errors": (
        plotting.compared_errors,
        {
            "histories": named(
                {"a": [HISTORY]},
                most=4,
                no_run={"a": []},
                one={"a": HISTORY},
                other_lengths={"a": [HISTORY, LONGER]},
                no_epoch={"a": [NO_EPOCH]},
                other={"a": [TRAINED]},
            ),
            "axes": DRAWN,
        },
    ),
    "plotting.confusion_matrix": (
        plotting.confusion_matrix,
        {"result": of_type(EVALUATION, attack=RESULT), "axes": DRAWN},
    ),
    "plotting.cost_by_step": (
        plotting.cost_by_step,
        {"cost": tensor(torch.rand(5, 2, generator=generator())), "targets": labels(3, 4), "title": TEXT},
    ),
    "plotting.distributions": (
        plotting.distributions,
        {
            "values": named(
                {"a": torch.rand(9, generator=generator())},
                most=4,
                values=tensor(torch.rand(9, generator=generator()), any_shape=True, none_at_all=torch.zeros(0)),
            ),
            "title": TEXT,
            "unit": TEXT,
            "marked": optional_kind(
                None,
                number=2.0,
                text="two",
                single=(2.0,),
                swapped=("two", 2.0),
                nan=(NAN, "two"),
                unnamed=(2.0, None),
            ),
        },
    ),
    "plotting.doubts": (
        plotting.doubts,
        {
            "result": of_type(RESULT, evaluation=EVALUATION, empty=NOTHING),
            "threshold": number(0.99, 0, 1),
            "axes": DRAWN,
        },
    ),
    "plotting.estimates": (
        plotting.estimates,
        {
            "series": named(
                {"one": [INTERVAL] * 2},
                most=4,
                too_few={"one": [INTERVAL]},
                floats={"one": [0.5, 0.5]},
                none={"one": None},
            ),
            "names": Kind(
                TEXT_EACH.good,
                {what: value for what, value in TEXT_EACH.bad.items() if not what.startswith("too")} | {"empty": []},
            ),
            "title": TEXT,
            "unit": TEXT,
            "limits": OPEN_LIMITS,
            "marked": sequence([0.3, 0.3], counted=True, texts=["0.3", "0.3"], nan=[NAN, 0.3]),
            "marked_as": TEXT,
            "joined": FLAG,
        },
    ),
    "plotting.falling_steps": (
        plotting.falling_steps,
        {
            "costs": named(
                {"a": torch.rand(5, 2, generator=generator())},
                most=4,
                values=tensor(torch.rand(5, 2, generator=generator())),
            ),
            "axes": DRAWN,
        },
    ),
    "plotting.film_strip": (
        plotting.film_strip,
        {
            "frames": sequence(
                [pixels(2, 1, 28, 28)] * 2,
                empty=[],
                other_sizes=[pixels(2, 1, 28, 28), pixels(3, 1, 28, 28)],
                without_rank=[pixels(28, 28)] * 2,
                nan=[pixels(2, 1, 28, 28) * NAN] * 2,
            ),
            "steps": sequence([0, 5], counted=True, floats=[0.5, 1.0], negative=[-1, 0]),
        },
    ),
    "plotting.firing_rates": (
        plotting.firing_rates,
        {
            "rates": named(
                RATES, most=4, values=tensor(RATES["conv1"], any_shape=True, more_than_all=torch.tensor([1.5]))
            ),
            "axes": DRAWN,
        },
    ),
    "plotting.generated_images": (
        plotting.generated_images,
        {"result": of_type(RESULT, evaluation=EVALUATION, empty=NOTHING), "columns": AT_ONCE},
    ),
    "plotting.image_rows": (
        plotting.image_rows,
        {
            "rows": named({"a": pixels(2, 1, 28, 28)}, values=images(fixed=True)),
            "columns": Kind(TEXTS.good, TEXTS.bad),
            "title": TEXT,
        },
    ),
    "plotting.image_table": (
        plotting.image_table,
        {
            "images": tensor(pixels(2, 3, 1, 28, 28), ranged=True),
            "title": TEXT,
            "rows": sequence([1, 2], counted=True),
            "columns": sequence(["a", "b", 3], counted=True),
            "row_name": TEXT,
            "column_name": TEXT,
        },
    ),
    "plotting.measured_groups": (
        plotting.measured_groups,
        {"groups": GROUPS, "title": TEXT, "unit": TEXT, "axes": DRAWN},
    ),
    "plotting.mistakes": (
        plotting.mistakes,
        {"images": images(6, fixed=True), "result": of_type(EVALUATION, attack=RESULT), "columns": AT_ONCE},
    ),
    "plotting.montage": (
        plotting.montage,
        {
            "images": tensor(torch.rand(5, 3, 3, generator=generator())),
            "title": TEXT,
            "unit": TEXT,
            "limits": LIMITS,
            "colours": choice("gray"),
            "columns": AT_ONCE,
            "captions": Kind(TEXTS.good, {**TEXTS.bad, "more than images": ["a"] * 6}),
            "rows_named": TEXTS,
            "columns_named": TEXTS,
            "gap": integer(1, 0),
        },
    ),
    "plotting.paired_differences": (
        plotting.paired_differences,
        {
            "comparison": of_type(COMPARISON, interval=INTERVAL),
            "title": TEXT,
            "unit": TEXT,
            "scale": number(1.0, 0, above=True),
            "axes": DRAWN,
        },
    ),
    "plotting.parameters_and_arithmetic": (
        plotting.parameters_and_arithmetic,
        {
            "parameters": of_type(COUNTS, neurons=NEURONS, of_another=lab.parameter_counts(nn.Linear(2, 2))),
            "shapes": of_type(SHAPES, neurons=NEURONS),
            "axes": DRAWN,
        },
    ),
    "plotting.perturbation": (
        plotting.perturbation,
        {
            "original": tensor(pixels(1, 28, 28), ranged=True),
            "generated": tensor(pixels(1, 28, 28) / 2, ranged=True),
            "title": TEXT,
        },
    ),
    "plotting.predictions": (
        plotting.predictions,
        {"images": images(6, fixed=True), "result": of_type(EVALUATION, attack=RESULT), "columns": AT_ONCE},
    ),
    "plotting.receptive_fields": (
        plotting.receptive_fields,
        {
            "image": tensor(pixels(1, 28, 28), ranged=True),
            "shapes": of_type(SHAPES, neurons=NEURONS),
            "layers": sequence(["conv1", "fc1"], unknown=["conv3"], text="conv1", holds_a_number=[1]),
            "axes": DRAWN,
        },
    ),
    "plotting.shares_by_step": (
        plotting.shares_by_step,
        {
            "steps": tensor(torch.tensor([0, 5, 9])),
            "shares": named({"a": torch.tensor([0.25, 0.5, 1.0])}, most=3, values=SHARES),
            "axes": DRAWN,
        },
    ),
    "plotting.show": (plotting.show, {"folder": PATH}),
    "plotting.silent_neurons": (
        plotting.silent_neurons,
        {
            "rates": named(
                RATES,
                values=tensor(RATES["conv1"], any_shape=True, more_than_all=torch.tensor([1.5])),
                no_convolution={"fc1": RATES["fc1"]},
            )
        },
    ),
    "plotting.success_by_beta": (
        plotting.success_by_beta,
        {
            "betas": tensor(torch.tensor([0.1, 1.0, 10.0])),
            "shares": named({"a": torch.tensor([0.25, 0.5, 1.0])}, most=3, values=SHARES),
            "distortions": tensor(torch.tensor([100.0, 200.0, 300.0]), fixed=True),
        },
    ),
    "plotting.training_curves": (
        plotting.training_curves,
        {"history": of_type(HISTORY, empty=NO_EPOCH), "figure": FIGURE},
    ),
    "plotting.values_by_pair": (
        plotting.values_by_pair,
        {
            "values": tensor(torch.rand(10, 10, generator=generator()) + 1, fixed=True),
            "title": TEXT,
            "label": TEXT,
            "axes": DRAWN,
        },
    ),
}
CASES = [
    (name, argument, what) for name, (_, kinds) in TABLE.items() for argument in kinds for what in kinds[argument].bad
]
ALIKE = [
    (name, argument, what) for name, (_, kinds) in TABLE.items() for argument in kinds for what in kinds[argument].alike
]
# What can only be seen as the network runs, or from two arguments together: of these the message names both.
AS_IT_RUNS = {"not taken", "zero", "five logits", "one logit", "tuple", "nothing"}
DIFFERENTIABLE = {"resemblance.total_variation", "resemblance.low_frequency_share"}  # penalties of an ascent


def public_names() -> Iterator[tuple[str, Callable[..., object]]]:
    """Every public function, class and method that takes arguments, by its name below ``mnist_lab``."""
    for name in lab.__all__:
        entry = getattr(lab, name)
        inside = (
            {f"{name}.{key}": value for key, value in vars(entry).items() if is_public(entry, key, value)}
            if isinstance(entry, types.ModuleType)
            else {name: entry}
        )
        for key, value in inside.items():
            if isinstance(value, type) and issubclass(value, Exception):
                continue
            yield key, value
            for method, function in vars(value).items() if isinstance(value, type) else ():
                called = function.__func__ if isinstance(function, classmethod) else function
                named_so = not method.startswith("_") or method == "__getitem__"
                if named_so and inspect.isfunction(called) and len(inspect.signature(called).parameters) > 1:
                    yield f"{key}.{method}", getattr(value, method)


def is_public(module: types.ModuleType, name: str, value: object) -> bool:
    if hasattr(module, "__all__"):
        return name in module.__all__
    return not name.startswith("_") and callable(value) and getattr(value, "__module__", "") == module.__name__


def test_every_public_name_has_a_row() -> None:
    expected = {name: set(inspect.signature(called).parameters) - {"self"} for name, called in public_names()} | {
        "DigitCNN.forward": {"input"}
    }
    assert {name: set(kinds) for name, (_, kinds) in TABLE.items()} == expected


def test_a_missing_row_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plotting, "pie", lambda slices: slices, raising=False)
    monkeypatch.setattr(plotting, "__all__", [*plotting.__all__, "pie"])
    with pytest.raises(AssertionError):
        test_every_public_name_has_a_row()


def arguments(name: str) -> dict[str, Any]:
    return {argument: one.good for argument, one in TABLE[name][1].items()}


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of one's own to work in, and no figure left open."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path
    plt.close("all")


@pytest.mark.parametrize(
    ("name", "argument"), [(name, argument) for name, (_, kinds) in TABLE.items() for argument in kinds]
)
def test_bad_input_is_refused_by_name_before_any_work(name: str, argument: str, elsewhere: Path) -> None:
    function, kinds = TABLE[name]
    wrong = []
    with no_trace(MODEL), ran_model() as ran:
        for what, value in kinds[argument].bad.items():
            ran.clear()
            try:
                function(**arguments(name) | {argument: value})
            except (TypeError, ValueError, IndexError) as error:
                message = str(error)
                if not re.match(rf"{NAMED.get((name, argument), argument)}\b", message) or not re.search(
                    r"expected .+ got .+", message, flags=re.DOTALL
                ):
                    wrong.append(f"{what}: {message}")
                if ran and what not in AS_IT_RUNS:
                    wrong.append(f"{what}: found only as the network ran")
            else:
                wrong.append(f"{what}: not refused")
    assert not wrong, "\n".join(wrong)
    assert plt.get_fignums() == []
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]


@contextmanager
def ran_model() -> Iterator[list[object]]:
    """A list to which every run of the network adds."""
    ran: list[object] = []
    handle = MODEL.register_forward_pre_hook(lambda *_: ran.append(1))
    try:
        yield ran
    finally:
        handle.remove()


# Where the argument has another name at the place that refuses it, or two of them do not fit together.
NAMED = {
    ("DigitCNN.forward", "input"): "images",
    ("AttackResult", "targets"): "(targets|images)",
    ("Evaluation", "labels"): "(labels|predictions)",
    ("LayerParameters", "shapes"): "shapes",
    ("Split", "labels"): "labels",
    ("resemblance.NearestImages", "distances"): "(distances|indices)",
    ("plotting.image_rows", "columns"): "(columns|rows)",
    ("statistics.paired_comparison", "second"): "(first, )?second",
    ("occlusion_map", "image"): "(image|label)",
    ("occlusion_map", "label"): "(image|label)",
    ("targeted_attack", "images"): "(images|targets)",
}


@pytest.mark.parametrize(
    "name", [name for name, (_, kinds) in TABLE.items() if any(one.alike for one in kinds.values())]
)
@pytest.mark.usefixtures("elsewhere")
def test_the_same_values_in_other_clothes_give_the_same_result(name: str) -> None:
    function, kinds = TABLE[name]
    wrong = []
    with no_trace(MODEL):
        plain = contents(function(**arguments(name)))
        for argument, one in kinds.items():
            for what, given in one.alike.items():
                other = contents(function(**arguments(name) | {argument: given}))
                plt.close("all")
                if not same(plain, other):
                    wrong.append(f"{argument}, {what}: another result")
                hangs = any(isinstance(value, Tensor) and value.requires_grad for value in leaves(other))
                if hangs and name not in DIFFERENTIABLE and not dataclasses.is_dataclass(function):
                    wrong.append(f"{argument}, {what}: the result hangs on a graph")
                if any(
                    isinstance(value, Tensor) and value.is_leaf and value.grad is not None for value in leaves(given)
                ):
                    wrong.append(f"{argument}, {what}: left a gradient")
    assert not wrong, wrong


def contents(result: object) -> object:
    """What a result says, as something that compares: of a figure, all that is drawn in it."""
    if isinstance(result, FuncAnimation):
        result._draw_frame(1)  # type: ignore[attr-defined]
        return contents(result._fig)  # type: ignore[attr-defined]
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
        return result.as_subclass(Tensor)
    if isinstance(result, dict):
        return {key: contents(value) for key, value in result.items()}
    return None if isinstance(result, nn.Module) else result


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def test_the_table_does_not_shrink() -> None:
    """The documentation states these numbers."""
    assert len(TABLE) >= 78
    assert len(CASES) >= 2697
    assert len(ALIKE) >= 377
