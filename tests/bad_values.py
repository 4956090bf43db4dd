"""Values that an argument must reject, accept, or treat alike, derived from its annotation.

This module reads annotations by itself, without the checks that it tests. So a check that forgets something, or an
annotation that is read wrongly, shows as a bad value that is accepted.
"""

import collections
import math
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import torch
from torch import Tensor, nn

import mnist_lab as lab
from mnist_lab._utils import contracts
from mnist_lab._utils.contracts import FLOATS, INTEGERS
from mnist_lab.data._pictures import IsPicture
from mnist_lab.model import Standardize

NAN, INF = math.nan, math.inf
ANY_SHAPE = ("...",)


def parts(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without ``Annotated``, and the constraints that stood there, apart from the number of entries."""
    if get_origin(annotation) is Annotated:
        constraints = tuple(entry for entry in annotation.__metadata__ if not isinstance(entry, contracts.Per))
        return annotation.__origin__, constraints
    return annotation, ()


def members(annotation: Any) -> list[Any]:
    """The members of a union; the annotation itself where it is none, or where a constraint is for the whole union."""
    base, constraints = parts(annotation)
    if get_origin(base) in (Union, types.UnionType) and not constraints:
        return [member for argument in get_args(base) for member in members(argument)]
    return [annotation]


def per(annotation: Any) -> str | None:
    """The argument for each entry of which there has to be one."""
    entries = [annotation, *members(annotation)]
    found = [entry for one in entries if get_origin(one) is Annotated for entry in one.__metadata__]
    return next((entry.other for entry in found if isinstance(entry, contracts.Per)), None)


def tensor_constraint(annotation: Any) -> contracts.TensorOf | None:
    """The shape, types and bounds of a tensor; None for anything else."""
    base, constraints = parts(annotation)
    match constraints:
        case (contracts.TensorOf() as tensor,):
            return tensor
        case (contracts.ImageBatch(empty=empty, stored=stored),):
            dtypes = (torch.uint8,) if stored else (torch.uint8, *FLOATS)
            return contracts.TensorOf(("N", 1, 28, 28), dtypes, low=0, high=255, empty=empty)
        case (contracts.ClassIndices(),):
            return contracts.TensorOf(("N",), INTEGERS, low=0, high=9, empty=True)
    return contracts.TensorOf(ANY_SHAPE, empty=True, finite=False) if base is Tensor else None


# Good values


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(*shape: int) -> Tensor:
    """Intensities, some of them above 1, none of them rounded."""
    return torch.rand(*shape, generator=generator()) * 255


def good_value(annotation: Any, known: Mapping[Any, object]) -> Any:
    """A value that an annotation accepts; `known` has those of classes."""
    annotation = next(member for member in members(annotation) if member is not types.NoneType)
    base, constraints = parts(annotation)
    origin, arguments = get_origin(base), get_args(base)
    tensor = tensor_constraint(annotation)
    if tensor is not None:
        return good_tensor(tensor)
    match constraints:
        case (contracts.Bounds(low=low, high=high, above=above),):
            low = max(low, -2.0) + (0.25 if above else 0)
            return math.ceil(min(max(2, low), high)) if base is int else float(min(max(0.5, low), high))
        case (contracts.IsPath(),):
            return "folder/file"
        case (contracts.IsDevice(),):
            return "cpu"
        case (contracts.Sized(low=low),):
            count = max(low, 2)
        case _:
            count = 2
    if origin is Literal:
        return arguments[0]
    if origin is tuple and arguments[1:] != (...,):
        return tuple(good_value(argument, known) for argument in arguments)
    if origin in (Sequence, list, tuple):
        return (tuple if origin is tuple else list)([good_value(arguments[0], known)] * count)
    if origin in (Mapping, dict):
        return {"ab"[place]: good_value(arguments[1], known) for place in range(count)}
    if origin is Callable:
        return None
    simple: dict[Any, object] = {int: 2, float: 0.5, bool: False, str: "a text", slice: slice(0, 2), np.ndarray: None}
    if base in simple:
        return simple[base]
    return known[base]


def good_tensor(tensor: contracts.TensorOf) -> Tensor:
    shape = tensor.shape[:-1] if tensor.shape[-1] == "..." else tensor.shape
    shape = (2, *shape[1:]) if shape[:1] == ("...",) else shape
    sizes = [2 if isinstance(size, str) else size for size in shape] or [2, 3]
    low, high = max(tensor.low, 0), min(tensor.high, 300)
    values = low + torch.rand(*sizes, generator=generator()) * (high - low if high < 300 else 1)
    if torch.float32 in tensor.dtypes:
        return values
    return values.byte() if list(tensor.dtypes) == [torch.uint8] else values.long()


# Bad values


class Wrong(nn.Module):
    """A network that does not return logits for ten classes."""

    def __init__(self, answer: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.weight, self.answer = nn.Parameter(torch.ones(1)), answer

    def forward(self, batch: Tensor) -> object:
        return self.answer(batch.float().mean(dim=(2, 3)) * self.weight)


class PathOfBytes:
    def __fspath__(self) -> bytes:
        return b"file"


# Only a forward pass shows that a network returns one of these.
OUTPUTS: dict[str, object] = {
    "five logits": Wrong(lambda mean: mean.expand(-1, 5)),
    "one logit": Wrong(lambda mean: mean[:, 0]),
    "a tuple": Wrong(lambda mean: (mean.expand(-1, 10),)),
    "nothing": Wrong(lambda _: None),
    "probabilities": Wrong(lambda mean: (mean / 1000).expand(-1, 10).softmax(dim=1)),
}


def other_types() -> dict[str, object]:
    """A value of each type. For every annotation most of them are of a wrong type."""
    return {
        "None": None,
        "a word": "seven",
        "bytes": b"seven",
        "an integer": 3,
        "a float": 3.5,
        "True": True,
        "a complex number": 1j,
        "a list": [3],
        "an empty list": [],
        "a tuple": (3,),
        "a dictionary": {"a": 3},
        "a set": {3},
        "an iterator": iter([3]),
        "a tensor": torch.zeros(3),
        "a table": np.zeros((2, 2)),
        "a scalar array": np.array(3),
        "a class": int,
        "a function": len,
        "an object": object(),
        "a slice": slice(0, 2),
    }


def accepted_types(annotation: Any) -> set[str]:
    """Which of the other types may be right, so that only their content can be wrong."""
    base, constraints = parts(annotation)
    origin, arguments = get_origin(base), get_args(base)
    if base in (Any, object):
        return set(other_types())
    if constraints and isinstance(constraints[0], contracts.ClassIndices) and constraints[0].listed:
        return {"a tensor", "a list", "an empty list", "a tuple"}
    if tensor_constraint(annotation) is not None:
        return {"a tensor"}
    if origin in (Sequence, list) or (origin is tuple and arguments[1:] == (...,)):
        numbers = parts(arguments[0])[0] in (float, object)
        return {"a list", "an empty list", "a tuple"} | ({"a tensor"} if numbers else set())
    by_type: dict[Any, set[str]] = {
        types.NoneType: {"None"},
        int: {"an integer"},
        float: {"an integer", "a float"},
        bool: {"True"},
        str: {"a word"},
        slice: {"a slice"},
    }
    by_origin: dict[Any, set[str]] = {
        tuple: {"a list", "an empty list", "a tuple"},
        Mapping: {"a dictionary"},
        dict: {"a dictionary"},
        Callable: {"a class", "a function"},
    }
    if constraints and isinstance(constraints[0], contracts.IsPath | contracts.IsDevice | IsPicture):
        return {"a word"}
    return by_type.get(base, by_origin.get(origin, set()))


def bad_values(annotation: Any, good: Any) -> dict[str, object]:
    """The values that an argument with this annotation has to reject, by what is wrong with them.

    Parameters
    ----------
    annotation
        The argument's annotation.
    good
        A value that the argument accepts; wrong shapes and contents are made from it.
    """
    options = members(annotation)
    accepted = set().union(*map(accepted_types, options))
    bad = {what: value for what, value in other_types().items() if what not in accepted}
    for option in options:
        bad |= bad_contents(option, good)
    if str in options:
        bad = {what: value for what, value in bad.items() if not isinstance(value, str)}
    if per(annotation) is not None and isinstance(good, Tensor | list | tuple):
        bad |= {"one too many": more(good), "one too few": good[1:]}
    return bad


def bad_contents(annotation: Any, good: Any) -> dict[str, object]:
    """Values of the right type, or almost, that are wrong all the same."""
    base, constraints = parts(annotation)
    origin, arguments = get_origin(base), get_args(base)
    constraint = constraints[0] if constraints else None
    tensor = tensor_constraint(annotation)
    if tensor is not None:
        if not isinstance(good, Tensor) or good.dtype not in tensor.dtypes:
            good = good_tensor(tensor)
        return bad_tensors(tensor, constraint, good)
    match constraint:
        case contracts.IsNetwork():
            return bad_networks(constraint)
        case contracts.IsPath():
            return {"empty": "", "a path of bytes": PathOfBytes()}
        case IsPicture():
            arrays = {"flat": np.zeros(9), "integers": np.zeros((9, 9), np.int64), "booleans": np.ones((9, 9), bool)}
            return {"empty": "", "a path of bytes": PathOfBytes(), "channels first": np.zeros((3, 9, 9)), **arrays}
        case contracts.IsDevice():
            names = ("seven", "", "meta", "cuda:99")
            return {f"device {name}": name for name in names} | {"a device without data": torch.device("meta")}
        case contracts.NotBlank():
            return {"empty": "", "blank": " \n\t"}
    if base is int or base is float:
        return bad_numbers(base, constraint or contracts.Bounds())
    if base is bool:
        return {"zero": 0, "one": 1, "no": "no", "an empty text": "", "a tensor of one": torch.tensor(True)}
    if origin is Literal:
        return bad_choices(arguments)
    if origin is tuple and arguments[1:] != (...,):
        return bad_tuples(arguments, good)
    if origin in (Sequence, list, tuple):
        return bad_sequences(arguments[0], constraint or contracts.Sized(), good)
    if origin in (Mapping, dict):
        return bad_mappings(arguments[1], constraint or contracts.Sized(1), good)
    if isinstance(base, type) and base not in (slice, str, object, types.NoneType):
        return {"its class": base, "its name": base.__name__}
    return {}


def bad_numbers(kind: type, bounds: contracts.Bounds) -> dict[str, object]:
    near = min(max(2.0, bounds.low), bounds.high)
    bad: dict[str, object] = {
        "digits": "3",
        "NaN": NAN,
        "NaN of numpy": np.float64(NAN),
        "infinity": INF,
        "minus infinity": -INF,
        "True of numpy": np.True_,
        "a tensor of one": torch.tensor(near),
        "an array of one": np.array([near]),
    }
    if kind is int:
        bad |= {"a whole float": near, "a whole float of numpy": np.float64(near)}
        bad |= {} if bounds.low == -INF else {"too low": int(bounds.low) - 1, "far too low": -(2**70)}
        bad |= {} if bounds.high == INF else {"too high": int(bounds.high) + 1, "far too high": 2**70}
        return bad
    bad |= {"400 digits": 10**400, "minus 400 digits": -(10**400)}
    for what, bound, excluded, away in (
        ("low", bounds.low, bounds.above, -INF),
        ("high", bounds.high, bounds.below, INF),
    ):
        if math.isfinite(bound):
            bad |= {f"too {what}": bound + math.copysign(1, away), f"barely too {what}": math.nextafter(bound, away)}
            bad |= {f"the {what} bound": bound} if excluded else {}
    return bad


def bad_choices(choices: tuple[str, ...]) -> dict[str, object]:
    texts = {"unknown": "greyish", "empty": "", "capitals": choices[0].upper(), "a space": f"{choices[0]} "}
    return {**texts, "bytes of it": choices[0].encode(), "in a list": [choices[0]], "an array": np.array([choices[0]])}


def bad_tuples(arguments: tuple[Any, ...], good: Any) -> dict[str, object]:
    if good is None:
        good = tuple(good_value(argument, {}) for argument in arguments)
    bad: dict[str, object] = {"too short": good[:-1], "too long": (*good, good[-1]), "empty": ()}
    for place, argument in enumerate(arguments):
        for what, value in bad_values(argument, good[place]).items():
            bad[f"{what} at {place}"] = (*good[:place], value, *good[place + 1 :])
    return bad


def bad_sequences(member: Any, size: contracts.Sized, good: Any) -> dict[str, object]:
    one = good[0] if len(good) else good_value(member, {})
    filled = max(size.low, 1)
    bad: dict[str, object] = {"too short": [one] * (size.low - 1)} if size.low else {}
    bad |= {} if size.high is None else {"too long": [one] * (size.high + 1)}
    for what, value in bad_values(member, one).items():
        bad[f"holds {what}"] = [*[one] * (filled - 1), value]
    return bad


def bad_mappings(member: Any, size: contracts.Sized, good: Any) -> dict[str, object]:
    one = next(iter(good.values()))
    bad: dict[str, object] = {"a number as a name": {1: one}, "None as a name": {**good, None: one}}
    bad["pairs"] = [*good.items()]
    bad |= {"empty": {}} if size.low else {}
    bad |= {} if size.high is None else {"too long": {str(place): one for place in range(size.high + 1)}}
    for what, value in bad_values(member, one).items():
        bad[f"holds {what}"] = {**good, next(iter(good)): value}
    return bad


def bad_networks(constraint: contracts.IsNetwork) -> dict[str, object]:
    bad: dict[str, object] = {
        "its class": lab.DigitCNN,
        "a name": "plain",
        "its weights": lab.DigitCNN().state_dict(),
        "not initialized": nn.Sequential(Standardize(), nn.Flatten(), nn.LazyLinear(10)),
    }
    if constraint.runs:
        bad |= {"without data": lab.DigitCNN().to("meta"), **OUTPUTS}
    if constraint.gradients:
        with torch.inference_mode():
            bad["made in inference mode"] = lab.DigitCNN()
    return bad


def bad_tensors(tensor: contracts.TensorOf, constraint: object, good: Tensor) -> dict[str, object]:
    """Tensors of another type, layout, device, shape or size, or with values that are no numbers or out of bounds."""
    bad: dict[str, object] = {"complex": good.to(torch.complex64), "without data": good.to("meta")}
    bad |= {"sparse": good.to_sparse(), "float8": good.to(torch.float8_e4m3fn)}
    if torch.bool not in tensor.dtypes:
        bad["boolean"] = good.bool()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls the two layouts prototypes
        bad["nested"] = torch.nested.nested_tensor([good])
        bad["sparse rows"] = (good.flatten(1) if good.ndim > 1 else good[None]).to_sparse_csr()
    listed = isinstance(constraint, contracts.ClassIndices) and constraint.listed
    if listed:
        wrong = {"ten": 10, "minus one": -1, "a float": 3.0, "a word": "three", "None": None, "a flag": True}
        wrong |= {"a list": [3], "a tensor": torch.tensor(3)}
        bad |= {f"a list with {what}": [*good.tolist(), value] for what, value in wrong.items()}
    else:
        bad |= {"an array": good.numpy(), "nested lists": good.tolist()}

    if tensor.shape != ANY_SHAPE:
        bad |= dict(wrong_shapes(tensor, constraint, good))
    if not tensor.empty:
        bad["no entry"] = good[:0]
    if not set(tensor.dtypes) & set(INTEGERS):
        bad |= {"integers": good.long(), "bytes": good.byte()}
    elif torch.int64 not in tensor.dtypes:
        bad["int64"] = good.long()
    if torch.float32 not in tensor.dtypes:
        bad["floats"] = good.float()
    elif tensor.finite:
        bad |= {f"holds {value}": replaced(good, value) for value in (NAN, INF, -INF)}
    return bad | (dict(out_of_bounds(tensor, good)) if good.dtype != torch.uint8 else {})


def wrong_shapes(tensor: contracts.TensorOf, constraint: object, good: Tensor) -> Iterator[tuple[str, Tensor]]:
    single = getattr(constraint, "single", False)
    if "..." not in tensor.shape:
        yield "one axis more", good[None]
    if single and isinstance(constraint, contracts.ClassIndices):
        return
    if single:
        yield "a stack of images without channels", good.flatten(0, 1).expand(2, 28, 28)
        yield "a row", good.flatten(0, 2)[0]
    elif "..." not in tensor.shape:
        yield "one axis less", good[0]
    yield "a single number", good.flatten()[0]
    for axis, size in enumerate(tensor.shape, start=good.ndim - len(tensor.shape)):
        if isinstance(size, int):
            yield f"axis {axis} longer", torch.cat([good, good.narrow(axis, 0, 1)], dim=axis)
            if size > 1:
                yield f"axis {axis} shorter", good.narrow(axis, 1, size - 1)
    if tensor.shape[-3:] == (1, 28, 28):
        yield "colours", good.expand(*good.shape[:-3], 3, 28, 28)
        yield "32x32", good.new_zeros(*good.shape[:-2], 32, 32)
        yield "channels at the end", good.movedim(-3, -1)
        yield "flat", good.flatten(-3)


def out_of_bounds(tensor: contracts.TensorOf, good: Tensor) -> Iterator[tuple[str, Tensor]]:
    step = 1e-3 if good.is_floating_point() else 1
    if math.isfinite(tensor.low):
        yield "holds one too low", replaced(good, tensor.low - step)
    if math.isfinite(tensor.high):
        yield "holds one too high", replaced(good, tensor.high + step)


def replaced(good: Tensor, value: float) -> Tensor:
    """A copy with one value replaced, in the middle: neither the first nor the last one where there are more."""
    other = good.clone()
    other.view(-1)[other.numel() // 2] = value
    return other


def more(good: Any) -> Any:
    """One entry more."""
    return torch.cat([good, good[:1]]) if isinstance(good, Tensor) else [*good, good[0]]


# Equal values


class Marked(Tensor):
    """A subclass of tensor that somebody else made."""


def alike(annotation: Any, good: Any) -> dict[str, object]:
    """Other values that mean the same as the good one: layouts, subclasses, scalars of numpy."""
    if isinstance(good, Tensor):
        return tensors_alike(good)
    if isinstance(good, bool):
        return {"a flag of numpy": np.bool_(good)}
    if isinstance(good, int):
        return {"int64 of numpy": np.int64(good), "int16 of numpy": np.int16(good)} if good < 2**15 else {}
    if isinstance(good, float):
        return {"float64 of numpy": np.float64(good)}
    if isinstance(good, str):
        constraints = [constraint for option in members(annotation) for constraint in parts(option)[1]]
        is_path = any(isinstance(constraint, contracts.IsPath) for constraint in constraints)
        return {"a text of numpy": np.str_(good)} | ({"a path": Path(good)} if is_path else {})
    option = next(option for option in members(annotation) if option is not types.NoneType)
    origin = get_origin(parts(option)[0])
    if origin in (Mapping, dict):
        return mappings_alike(option, good)
    values: dict[str, object] = {}
    if origin in (Sequence, list, tuple):
        values |= {"a tuple": tuple(good), "a list": list(good)}
    if origin in (Sequence, list) and all(type(entry) in (int, float) for entry in good):
        values |= {"an array": np.array(good), "a tensor": torch.from_numpy(np.array(good))}
    return values


def mappings_alike(annotation: Any, good: Mapping[str, Any]) -> dict[str, object]:
    values: dict[str, object] = {"ordered": collections.OrderedDict(good)}
    base = parts(annotation)[0]
    if get_origin(base) is Mapping:
        values["a read-only view"] = MappingProxyType(good)
    first = next(iter(good))
    for what, value in alike(get_args(base)[1], good[first]).items():
        values[f"holds {what}"] = {**good, first: value}
    return values


def tensors_alike(good: Tensor) -> dict[str, object]:
    values: dict[str, object] = {
        "strided": torch.stack([good, good], dim=-1)[..., 0],
        "a subclass": good.as_subclass(Marked),
    }
    with torch.inference_mode():
        values["made in inference mode"] = good.clone()
    if good.is_floating_point():
        values |= {"with gradient": good.clone().requires_grad_(), "a parameter": nn.Parameter(good.clone())}
        values["the result of a graph"] = good.clone().requires_grad_() * 1
    if good.ndim == 4:
        values["channels last"] = good.contiguous(memory_format=torch.channels_last)
    return values


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotation of every parameter, constraints included."""
    called = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    hints = typing.get_type_hints(called, include_extras=True)
    return {name: annotation for name, annotation in hints.items() if name != "return"}
