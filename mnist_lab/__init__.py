"""A small MNIST network is trained, measured, looked into and fooled. The public names, nothing else.

Import it as ``import mnist_lab as lab``. ``lab.live``, ``lab.plotting`` and ``lab.stats`` are imported when they are
first used, since matplotlib and scipy are slow to import.
"""

import importlib
from typing import TYPE_CHECKING, Any

import mnist_lab._utils.openmp  # noqa: F401 - before anything that imports torch

# isort: split
from mnist_lab import report
from mnist_lab._utils.tensor_files import CheckpointError
from mnist_lab.attacks.maximize import maximize_logit
from mnist_lab.attacks.result import AttackResult
from mnist_lab.attacks.targeted import targeted_attack
from mnist_lab.data.dataset import (
    DataError,
    Dataset,
    Split,
    SyntheticDataWarning,
    class_indices,
    load_dataset,
    one_hot,
)
from mnist_lab.data.handwriting import Handwriting, read_picture
from mnist_lab.introspection.activations import activations, firing_rates
from mnist_lab.introspection.filters import filters
from mnist_lab.introspection.layers import LayerShape, LayerShapes
from mnist_lab.introspection.occlusion.maps import occluded_probabilities, occlusion_map
from mnist_lab.introspection.summary import (
    LayerParameters,
    NeuronCounts,
    ParameterCounts,
    layer_shapes,
    neuron_counts,
    parameter_counts,
)
from mnist_lab.model import DigitCNN
from mnist_lab.training.evaluation import Evaluation, evaluate
from mnist_lab.training.loop import TrainingError, fit
from mnist_lab.training.many import best, trained_many
from mnist_lab.training.recipe import History, Recipe
from mnist_lab.training.zoo import TrainedNetwork, load, save, trained

if TYPE_CHECKING:
    from mnist_lab import live, plotting, stats

__all__ = [
    "AttackResult",
    "CheckpointError",
    "DataError",
    "Dataset",
    "DigitCNN",
    "Evaluation",
    "Handwriting",
    "History",
    "LayerParameters",
    "LayerShape",
    "LayerShapes",
    "NeuronCounts",
    "ParameterCounts",
    "Recipe",
    "Split",
    "SyntheticDataWarning",
    "TrainedNetwork",
    "TrainingError",
    "activations",
    "best",
    "class_indices",
    "evaluate",
    "filters",
    "firing_rates",
    "fit",
    "layer_shapes",
    "live",
    "load",
    "load_dataset",
    "maximize_logit",
    "neuron_counts",
    "occluded_probabilities",
    "occlusion_map",
    "one_hot",
    "parameter_counts",
    "plotting",
    "read_picture",
    "report",
    "save",
    "stats",
    "targeted_attack",
    "trained",
    "trained_many",
]


def __getattr__(name: str) -> Any:
    if name in ("live", "plotting", "stats"):
        return importlib.import_module(f"mnist_lab.{name}")
    raise AttributeError(f"module 'mnist_lab' has no attribute {name!r}")
