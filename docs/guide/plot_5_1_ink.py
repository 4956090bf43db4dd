"""
5.1 Thin and bold digits
========================

Is a digit misread because it has little ink, or too much? One paragraph like this says
what the reader will see.
"""

# %%
# How much ink the digits have
# ----------------------------
# One to four sentences, then at most about ten lines of code.
import mnist_lab as lab

dataset = lab.load_dataset()
network = lab.trained("plain", dataset=dataset)
right = lab.evaluate(network.model, dataset.validation).correct
ink = dataset.validation.images.float().mean(dim=(1, 2, 3))
figure = lab.plotting.distributions(
    {"read rightly": ink[right], "misread": ink[~right]},
    title="Ink of the validation images",
    unit="mean intensity of the pixels (0..255)",
)

# %%
# A paragraph reads the figure to the reader, and the page ends with its answer: computed,
# like every number, by the lines above.
lab.report.answer(
    "5.1",
    f"The {int((~right).sum())} misread digits have "
    f"{float(ink[~right].mean() / ink[right].mean()):.2f} times the ink of the others.",
    dataset=dataset,
)
lab.plotting.show()
