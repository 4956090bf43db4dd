"""One function a figure: each takes what was measured, draws it, and returns the figure.

Image scales are fixed: 0..255 for images, 0..1 for probabilities, symmetric around zero for weights. What cannot be
drawn so is refused with a TypeError or a ValueError that names the argument, before there is any figure.
"""

from mnist_lab.plotting.ascents import cost_by_step, falling_steps, image_rows, measured_groups
from mnist_lab.plotting.attacks import (
    ascent_animation,
    attacked_pairs,
    doubts,
    film_strip,
    generated_images,
    image_table,
    perturbation,
    shares_by_step,
    success_by_beta,
    values_by_pair,
)
from mnist_lab.plotting.charts import distributions, estimates
from mnist_lab.plotting.curves import compared_errors, paired_differences, training_curves
from mnist_lab.plotting.grids import beside_digits, montage
from mnist_lab.plotting.networks import firing_rates, parameters_and_arithmetic, receptive_fields, silent_neurons
from mnist_lab.plotting.outcomes import confusion_matrix, mistakes, predictions
from mnist_lab.plotting.style import show

__all__ = [
    "ascent_animation",
    "attacked_pairs",
    "beside_digits",
    "compared_errors",
    "confusion_matrix",
    "cost_by_step",
    "distributions",
    "doubts",
    "estimates",
    "falling_steps",
    "film_strip",
    "firing_rates",
    "generated_images",
    "image_rows",
    "image_table",
    "measured_groups",
    "mistakes",
    "montage",
    "paired_differences",
    "parameters_and_arithmetic",
    "perturbation",
    "predictions",
    "receptive_fields",
    "shares_by_step",
    "show",
    "silent_neurons",
    "success_by_beta",
    "training_curves",
    "values_by_pair",
]
