r"""
5.1 Thin and bold digits
========================

Is a digit misread because it has little ink, or too much? One paragraph like this says
what the reader will see. A formula, or the paper that the page comes from, follows:

.. math::

   \bar{x} = \frac{1}{784} \sum_i x_i

is the ink of an image, the mean of its pixels :math:`x_i`.
"""

# %%
# How much ink the digits have
# ----------------------------
# One to four sentences, then at most ten lines of code.
import mnist_lab as lab

dataset = lab.load_dataset()
network = lab.trained("plain", dataset=dataset)
right = lab.evaluate(network.model, dataset.validation).correct
ink = dataset.validation.images.float().mean(dim=(1, 2, 3))
figure = lab.plotting.distributions(
    {"read correctly": ink[right], "misread": ink[~right]},
    title="Ink of the validation images",
    unit="mean intensity of the pixels (0..255)",
)

# %%
# A reading says what is seen in the figure. The page ends with its answer. Both are
# computed, like every number, by the lines above.
ratio = float(ink[~right].mean() / ink[right].mean())
lab.report.reading(
    f"The misread digits have {'more' if ratio > 1 else 'less'} ink on average, {ratio:.2f} times that of the others."
)

# %%
lab.report.answer(
    "5.1",
    f"The {int((~right).sum())} misread digits have {ratio:.2f} times the ink of the others.",
    dataset=dataset,
)

# %%
# Try it
# ------
# - Use the network with batch normalization: are its mistakes as thin or as bold?
#
# See also
# --------
# The guide says what makes a page good.
lab.plotting.show()
