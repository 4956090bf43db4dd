"""``tox -e notebooks``: run the notebooks that the site offers for download, each in a kernel of its own.

The results are written to docs/_build/notebooks. A notebook runs again only if its code, the library, torch or the data
changed.
"""

import argparse
import asyncio
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from mnist_lab._utils.files import written_whole
from mnist_lab._utils.messages import REPORT_VARIABLE
from mnist_lab.report import ANSWERS_VARIABLE
from publish.programs import ROOT, PublishError

PAGES = ROOT / "docs" / "auto_examples"
EXECUTED = ROOT / "docs" / "_build" / "notebooks"
FINGERPRINT = PAGES / "fingerprint.txt"
SECONDS_PER_CELL = 1800  # a cell may train a network that is not in the cache
COLOUR_CODE = "\x1b\\[[0-9;]*m"  # in a traceback for a terminal
# Figures at the site's resolution, and no warning that kernels on this machine communicate without encryption.
KERNEL = ("--InlineBackend.figure_formats=['retina']", "--log-level=ERROR")


def pages() -> list[str]:
    """The names of all pages in the report's order, such as ``2_visualization/plot_2_4_occlusion``."""
    return [f"{path.parent.name}/{path.stem}" for path in sorted((ROOT / "examples").glob("*/plot_*.py"))]


def generated() -> dict[str, Path]:
    """The notebooks that the last build of the site wrote, by the name of their page.

    Raises
    ------
    PublishError
        If a page has no notebook.
    """
    found = {page: PAGES / f"{page}.ipynb" for page in pages()}
    missing = [page for page, path in found.items() if not path.is_file()]
    if missing:
        raise PublishError(f"there is no notebook of {', '.join(missing)}: build the site first, tox -e docs")
    return found


def executed(at_once: int = 2) -> dict[str, Path]:
    """Run the notebooks of the last build, and return where each result is, by the name of its page.

    Raises
    ------
    PublishError
        If a notebook is missing, fails, or does not show its answer or its figures.
    """
    sources = generated()
    results = execute(sources, depends_on=FINGERPRINT.read_text(encoding="utf-8"), at_once=at_once)
    if complaints := missing_outputs(results):
        raise PublishError("\n".join(complaints))
    return results


def _print(text: str) -> None:
    print(text, flush=True)  # at once, also if output goes to a file


def execute(
    notebooks: Mapping[str, Path],
    target: Path = EXECUTED,
    *,
    depends_on: str = "",
    at_once: int = 2,
    report: Callable[[str], object] = _print,
) -> dict[str, Path]:
    """Run notebooks and write them with their outputs.

    Parameters
    ----------
    notebooks
        The path of each notebook, by the name of its page.
    target
        The folder of the results, which are named after their pages.
    depends_on
        What the outputs depend on besides the code. If both are unchanged, a notebook does not run again.
    at_once
        How many notebooks run side by side.
    report
        Called with a line of text for each notebook that has run.

    Returns
    -------
    dict
        The path of each result, by the name of its page.

    Raises
    ------
    PublishError
        If a cell fails or takes too long, or a kernel dies. The other notebooks are run and written first.
    """
    results = {page: target / f"{page}.ipynb" for page in notebooks}
    # With more threads than processors, the kernels would mostly wait for each other.
    threads = max(1, (os.cpu_count() or 1) // at_once)

    def one(page: str) -> str | None:
        start = time.perf_counter()
        key = hashlib.sha256(notebooks[page].read_bytes() + depends_on.encode()).hexdigest()
        try:
            if _key_of(results[page]) == key:
                return None
            notebook = nbformat.read(notebooks[page], as_version=4)
            run(notebook, threads)
        except CellExecutionError as error:
            return f"{page}: a cell failed\n{re.sub(COLOUR_CODE, '', str(error))}"
        except (CellTimeoutError, DeadKernelError, nbformat.reader.NotJSONError) as error:
            return f"{page}: {error}"
        notebook.metadata["mnist_lab"] = {"key": key}
        with written_whole(results[page]) as unfinished:
            nbformat.write(notebook, unfinished)
        report(f"{page}: ran in {time.perf_counter() - start:.0f} s")
        return None

    with ThreadPoolExecutor(at_once) as pool:
        failures = [message for message in pool.map(one, notebooks) if message is not None]
    if failures:
        raise PublishError("\n".join(failures))
    return results


def _key_of(path: Path) -> str | None:
    """What a result was made from, or None if there is no result."""
    if not path.is_file():
        return None
    key: str | None = nbformat.read(path, as_version=4).metadata.get("mnist_lab", {}).get("key")
    return key


def run(notebook: nbformat.NotebookNode, threads: int, *, allow_errors: bool = False) -> None:
    """Run a notebook as a reader would: without the settings of the report's build, and with figures in the notebook.

    With `allow_errors`, a cell that fails shows its error, and the next cells run.
    """
    ours = {REPORT_VARIABLE, ANSWERS_VARIABLE, "MPLBACKEND"}
    environment = {"OMP_NUM_THREADS": str(threads)}
    environment |= {name: value for name, value in os.environ.items() if name not in ours}
    client = NotebookClient(notebook, timeout=SECONDS_PER_CELL, extra_arguments=list(KERNEL), allow_errors=allow_errors)
    asyncio.run(client.async_execute(env=environment))  # in an event loop of this thread, closed at the end


def missing_outputs(results: Mapping[str, Path]) -> list[str]:
    """Describe the executed notebooks that do not show their answer or any figure.

    A figure that a notebook does not display raises no error, so this has to be checked.
    """
    complaints = []
    for page, path in results.items():
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        code = "\n".join(cell.source for cell in cells)
        outputs = [output for cell in cells for output in cell.outputs]
        printed = "".join(output.get("text", "") for output in outputs)
        if "report.answer(" in code and "Answer to " not in printed:
            complaints.append(f"{page} states no answer")
        if "figure = " in code and not any("image/png" in output.get("data", {}) for output in outputs):
            complaints.append(f"{page} shows no figure")
    return complaints


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the built site's notebooks."""
    parser = argparse.ArgumentParser(prog="tox -e notebooks --", description="Run the notebooks of the built site.")
    parser.add_argument("--at-once", type=int, default=2, help="how many run side by side (default: 2)")
    try:
        results = executed(parser.parse_args(arguments).at_once)
    except PublishError as error:
        sys.exit(f"notebooks: {error}")
    print(f"{len(results)} notebooks ran: {EXECUTED}")


if __name__ == "__main__":
    main()
