"""The figure of the layers' outputs is to scale, and names every shape."""

from matplotlib.patches import Rectangle

from mnist_lab.plotting._pages.layers import SHEETS, layer_outputs


def test_outputs_are_drawn_to_scale_with_their_shapes() -> None:
    (axes,) = layer_outputs([("input", (1, 28, 20)), ("conv", (32, 7, 5)), ("fc", (1568,))]).axes
    drawn = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    sizes = [(patch.get_width(), patch.get_height()) for patch in drawn[::2]]  # each sheet has a face and an outline
    assert sizes[:1] == [(20, 28)]
    assert sizes[1:-1] == [(5, 7)] * SHEETS
    assert [text.get_text() for text in axes.texts] == ["input\n1×\n28×20", "conv\n32×\n7×5", "fc\n1,568"]


def test_no_two_shapes_overlap() -> None:
    (axes,) = layer_outputs([("a", (32, 28, 28)), ("b", (32, 14, 14)), ("c", (10,))]).axes
    corners = [text.get_position()[0] for text in axes.texts]
    assert corners == sorted(corners)
    edges = [
        (patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches if isinstance(patch, Rectangle)
    ]
    first, second = edges[: 2 * SHEETS], edges[2 * SHEETS : 4 * SHEETS]
    assert max(right for _, right in first) < min(left for left, _ in second)
