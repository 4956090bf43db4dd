"""Figures of results: each function takes what was measured, draws it, and returns a Matplotlib figure.

Colour scales are fixed: 0..255 for images, 0..1 for probabilities, symmetric around zero for weights. Invalid arguments
raise a TypeError or a ValueError that names the argument, before any figure exists.
"""

from mnist_lab.plotting.charts import distributions, estimates, measured_groups
from mnist_lab.plotting.curves import training_curves
from mnist_lab.plotting.display import show
from mnist_lab.plotting.grids import beside_digits, image_table, montage
from mnist_lab.plotting.outcomes import confusion_matrix, generated_images, mistakes, predictions, reading

__all__ = [
    "beside_digits",
    "confusion_matrix",
    "distributions",
    "estimates",
    "generated_images",
    "image_table",
    "measured_groups",
    "mistakes",
    "montage",
    "predictions",
    "reading",
    "show",
    "training_curves",
]
