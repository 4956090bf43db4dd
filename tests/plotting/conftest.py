"""Every test of figures begins and ends without any."""

from collections.abc import Iterator

import pytest
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    plt.close("all")
    yield
    plt.close("all")
