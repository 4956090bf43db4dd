"""Show figures where that is possible; save them everywhere else."""

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.backends.registry import BackendFilter, backend_registry

from mnist_lab._utils.contracts import FilePath, checked
from mnist_lab._utils.files import written_whole
from mnist_lab._utils.messages import REPORT_VARIABLE, log, printable

NOTEBOOK_BACKENDS = {"nbagg", "notebook"}  # interactive, but only within a notebook


@checked
def show(folder: FilePath = "figures") -> None:
    """Show the open figures in a notebook or in windows. Where neither is possible, save them and print where.

    Every page calls this last, so that the page also works as a script. While the report is built it does nothing,
    because the report collects the figures itself.

    Parameters
    ----------
    folder
        Folder for the PNG files, which are named after the script. If it cannot be written, a new temporary folder is
        used instead, with a warning.

    Examples
    --------
    >>> show()
    """
    if os.environ.get(REPORT_VARIABLE):
        return
    if _can_show():
        plt.show()
        return
    try:
        _save(Path(folder))
    except OSError as error:  # not worth losing the results of a long run
        log.warning("the figures could not be saved: %s", error)


def _can_show() -> bool:
    """Whether ``plt.show()`` displays anything: a notebook's kernel does, and a backend with windows does."""
    backend = mpl.get_backend().lower()
    windows, files = (
        backend_registry.list_builtin(kind)  # type: ignore[no-untyped-call]
        for kind in (BackendFilter.INTERACTIVE, BackendFilter.NON_INTERACTIVE)
    )
    # A script that a notebook starts inherits the notebook's backend through MPLBACKEND, but has no kernel to show in.
    ipython = sys.modules.get("IPython")
    if ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None:
        return backend not in files
    return backend in windows and backend not in NOTEBOOK_BACKENDS


def _save(folder: Path) -> None:
    import __main__  # noqa: PLC0415 - the script that runs now, not the one that imported this module

    script = Path(getattr(__main__, "__file__", None) or "figure").stem
    for number in plt.get_fignums():
        path = folder / f"{script}_{number}.png"
        try:
            _write(number, path)
        except OSError as error:
            log.warning("%s cannot be written (%s); saving to a temporary folder instead", path, error)
            folder = Path(tempfile.mkdtemp(prefix="figures_"))
            path = folder / path.name
            _write(number, path)
        _print(f"Figure saved: {path}")
    plt.close("all")


def _write(number: int, path: Path) -> None:
    with written_whole(path) as partial:
        plt.figure(number).savefig(partial, format="png", dpi=150)


def _print(text: str) -> None:
    """Print a text to a reader that may have gone, or that a program without a console does not have."""
    if sys.stdout is not None:
        with suppress(OSError, ValueError):
            print(printable(text, sys.stdout))  # noqa: T201 - the user has to learn where
