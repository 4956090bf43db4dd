"""Tensors, and what is to be known of them, in one file: written whole, verified when read, never executed.

The format is safetensors: plain arrays, and text that holds JSON. A digest of both is kept beside them, since a
safetensors file in which a bit has flipped is a safetensors file.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mnist_lab._utils.files import written_whole


class CheckpointError(RuntimeError):
    """A file is damaged, or is not what this library saved, or is not of what it is wanted for."""


def write_tensors(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and facts to a file, whole or not at all.

    Parameters
    ----------
    path
        The file; its folder is made where it is missing.
    tensors
        Tensors by name, of any layout and on any device.
    about
        What JSON can say: ``"format"``, which :func:`read_tensors` asks for, and more.

    Raises
    ------
    OSError
        If the file cannot be written; what was there is there still.
    """
    # The file holds plain row-major arrays; whoever reads them lays them out as they are wanted.
    plain = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    text = json.dumps(about)
    with written_whole(path) as partial:
        partial.write_bytes(save(plain, metadata={"mnist_lab": text, "sha256": digest(plain, text)}))


def read_tensors(path: str | os.PathLike[str], form: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`write_tensors` wrote.

    Parameters
    ----------
    path
        The file.
    form
        What has to stand under ``"format"``.

    Returns
    -------
    tuple
        The tensors by name, on the CPU, and the facts.

    Raises
    ------
    OSError
        If the file cannot be read.
    CheckpointError
        If it is damaged, or of another format.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_tensors(Path(folder, "one"), {"x": torch.ones(2)}, {"format": "example 1"})
    ...     read_tensors(Path(folder, "one"), "example 1")
    ({'x': tensor([1., 1.])}, {'format': 'example 1'})
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            text = metadata["mnist_lab"]
            about = json.loads(text)
            if about["format"] != form:
                raise CheckpointError(f"{path} has the format {about['format']!r}, expected {form!r}")
            # Copies: some versions map the file into memory, and a process dies that reads what is no longer there.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
        if digest(tensors, text) != metadata["sha256"]:
            raise CheckpointError(f"{path} is damaged: its content was altered since it was written")
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged, or is not a file that mnist_lab wrote: {error}") from error
    return tensors, about


def digest(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """SHA-256 of a text and of tensors, their names, types and shapes; how they lie in memory makes no difference.

    >>> digest({"x": torch.zeros(2, 3)}) == digest({"x": torch.zeros(3, 2).T})
    True
    >>> digest({"x": torch.zeros(2, 3)}) == digest({"x": torch.zeros(3, 2)})
    False
    """
    sha256 = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        sha256.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        sha256.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sha256.hexdigest()
