"""One function a figure: each takes what was measured, draws it, and returns the figure.

Image scales are fixed: 0..255 for images, 0..1 for probabilities, symmetric around zero for weights.
"""

from mnist_lab.plotting.curves import compared_errors, paired_differences, training_curves
from mnist_lab.plotting.networks import firing_rates, parameters_and_arithmetic, receptive_fields, silent_neurons
from mnist_lab.plotting.outcomes import confusion_matrix, mistakes, predictions
from mnist_lab.plotting.style import show

__all__ = [
    "compared_errors",
    "confusion_matrix",
    "firing_rates",
    "mistakes",
    "paired_differences",
    "parameters_and_arithmetic",
    "predictions",
    "receptive_fields",
    "show",
    "silent_neurons",
    "training_curves",
]
