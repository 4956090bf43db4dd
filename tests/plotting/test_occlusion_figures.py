"""The figure of the classes that a patch makes the network predict."""

import numpy as np
import torch

from mnist_lab.plotting._pages.visualization import predictions_by_position


def test_a_row_names_the_class_that_replaces_the_true_one_most_often() -> None:
    labels = torch.tensor([4, 7])
    small = labels[:, None, None].repeat(1, 28, 28)
    large = small.clone()
    large[0, :3] = 9
    large[0, 5, :4] = 1
    figure = predictions_by_position(torch.zeros(2, 1, 28, 28), labels, [small, large], [1, 5])
    left, right = figure.axes[:2]
    assert [text.get_text() for text in left.get_yticklabels()] == ["4 → 9", "7"]
    assert [text.get_text() for text in right.get_xticklabels()] == ["1×1", "5×5"]
    drawn = np.asarray(right.images[0].get_array())
    assert (drawn == 9).sum() == 3 * 28
    assert (drawn == 7).sum() == 2 * 28 * 28
    assert right.images[0].get_clim() == (-0.5, 9.5)
