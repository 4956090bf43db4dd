"""A small MNIST network trained, measured, looked into and fooled.

The names below are the public ones. ``mnist_lab.plotting`` is imported when it is first asked for, since it needs
matplotlib.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mnist_lab import report, resemblance
from mnist_lab.activity import firing_rates
from mnist_lab.attacks import AttackResult, maximize_logit, targeted_attack
from mnist_lab.checkpoints import TrainedNetwork, best, load, save, trained
from mnist_lab.data import DataError, Dataset, Split, SyntheticDataWarning, class_indices, load_dataset, one_hot
from mnist_lab.evaluation import Evaluation, evaluate
from mnist_lab.features import activations, filters
from mnist_lab.introspection import (
    LayerParameters,
    NeuronCounts,
    ParameterCounts,
    layer_shapes,
    neuron_counts,
    parameter_counts,
)
from mnist_lab.layers import LayerShape, LayerShapes
from mnist_lab.model import DigitCNN
from mnist_lab.occlusion import occluded_probabilities, occlusion_map
from mnist_lab.tensor_files import CheckpointError
from mnist_lab.training import History, Recipe, TrainingError, fit

if TYPE_CHECKING:
    from mnist_lab import plotting, statistics

__all__ = [
    "AttackResult",
    "CheckpointError",
    "DataError",
    "Dataset",
    "DigitCNN",
    "Evaluation",
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
    "load",
    "load_dataset",
    "maximize_logit",
    "neuron_counts",
    "occluded_probabilities",
    "occlusion_map",
    "one_hot",
    "parameter_counts",
    "plotting",
    "report",
    "resemblance",
    "save",
    "statistics",
    "targeted_attack",
    "trained",
]


def __getattr__(name: str) -> Any:
    if name in ("plotting", "statistics"):
        return importlib.import_module(f"mnist_lab.{name}")
    raise AttributeError(f"module 'mnist_lab' has no attribute {name!r}")
