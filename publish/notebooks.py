"""``tox -e notebooks``: run the notebooks that the site offers for download, each in a kernel of its own.

They end up in docs/_build/notebooks with their outputs inside. One that ran is not run again until its code, the
library, torch or the data changed.
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

from mnist_lab._utils.messages import REPORT_VARIABLE
from mnist_lab.report import ANSWERS_VARIABLE
from mnist_lab._utils.files import written_whole
from publish.programs import ROOT, PublishError

PAGES = ROOT / "docs" / "auto_examples"
SITE = ROOT / "docs" / "_build" / "html"
EXECUTED = ROOT / "docs" / "_build" / "notebooks"
FINGERPRINT = PAGES / "fingerprint.txt"
SECONDS_A_CELL = 1800  # a network that is not in the cache is trained first
COLOUR = "\x1b\\[[0-9;]*m"  # of a traceback, for a terminal
# Figures as sharp as the site's; no word about kernels that talk without encryption, on one machine.
KERNEL = ("--InlineBackend.figure_formats=['retina']", "--log-level=ERROR")


def generated() -> dict[str, Path]:
    """The notebooks that the last build of the site wrote, by page: ``2_visualization/plot_2_4_occlusion``.

    Raises
    ------
    PublishError
        If a page has none.
    """
    return _complete({page: PAGES / f"{page}.ipynb" for page in pages()})


def downloads() -> dict[str, Path]:
    """The notebooks as the built site offers them for download, by the name of their page.

    Raises
    ------
    PublishError
        If a page offers none.
    """
    # Sphinx lays each download in a folder of its own.
    found = {path.stem: path for path in sorted((SITE / "_downloads").glob("*/plot_*.ipynb"))}
    return _complete({page: found.get(page.rsplit("/", 1)[1], SITE / "_downloads") for page in pages()})


def pages() -> list[str]:
    """The names of all pages, in the report's order."""
    return [f"{path.parent.name}/{path.stem}" for path in sorted((ROOT / "examples").glob("*/plot_*.py"))]


def _complete(notebooks: dict[str, Path]) -> dict[str, Path]:
    missing = [page for page, path in notebooks.items() if not path.is_file()]
    if missing or not notebooks:
        raise PublishError(
            f"there is no notebook of {', '.join(missing) or 'any page'}: build the site first, tox -e docs"
        )
    return notebooks


def _tell(text: str) -> None:
    print(text, flush=True)  # while the others run, also where output is gathered


def execute(
    notebooks: Mapping[str, Path],
    target: Path = EXECUTED,
    *,
    rests_on: str = "",
    at_once: int = 2,
    report: Callable[[str], object] = _tell,
) -> dict[str, Path]:
    """Run notebooks and write them with their outputs.

    Parameters
    ----------
    notebooks
        Where each notebook lies, by the name of its page.
    target
        The folder of the results, which lie below it by the name of the page.
    rests_on
        What else decides the outputs. With the same code and the same of this, a result is kept as it is.
    at_once
        How many run beside each other.
    report
        Told of each notebook that has run.

    Returns
    -------
    dict
        Where each result lies, by the name of its page.

    Raises
    ------
    PublishError
        If a cell raised, or a kernel died; the others are run and kept all the same.
    """
    results = {page: target / f"{page}.ipynb" for page in notebooks}
    # Threads that share processors with those of another kernel wait for each other most of the time.
    threads = max(1, (os.cpu_count() or 1) // at_once)

    def one(page: str) -> str | None:
        start = time.perf_counter()
        key = hashlib.sha256(notebooks[page].read_bytes() + rests_on.encode()).hexdigest()
        try:
            if _key_of(results[page]) == key:
                return None
            notebook = nbformat.read(notebooks[page], as_version=4)
            _run(notebook, threads)
        except CellExecutionError as error:
            return f"{page}: a cell raised\n{re.sub(COLOUR, '', str(error))}"
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
    """What a result rests on, or None where there is no result."""
    if not path.is_file():
        return None
    key: str | None = nbformat.read(path, as_version=4).metadata.get("mnist_lab", {}).get("key")
    return key


def _run(notebook: nbformat.NotebookNode, threads: int) -> None:
    # The kernel is one of a reader: nothing in it knows of the report's build, and figures are shown in the notebook.
    ours = {REPORT_VARIABLE, ANSWERS_VARIABLE, "MPLBACKEND"}
    environment = {"OMP_NUM_THREADS": str(threads)}
    environment |= {name: value for name, value in os.environ.items() if name not in ours}
    client = NotebookClient(notebook, timeout=SECONDS_A_CELL, extra_arguments=list(KERNEL))
    asyncio.run(client.async_execute(env=environment))  # a loop of its own, closed at the end


def lacking(results: Mapping[str, Path]) -> list[str]:
    """What executed notebooks should show and do not: the answer that they state, and their figures.

    A figure that stays invisible in a notebook raises no error, so figures are looked for.
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
    parser.add_argument("--at-once", type=int, default=2, help="how many run beside each other (default: 2)")
    options = parser.parse_args(arguments)
    try:
        results = execute(downloads(), rests_on=FINGERPRINT.read_text(encoding="utf-8"), at_once=options.at_once)
        complaints = lacking(results)
        if complaints:
            raise PublishError("\n".join(complaints))
    except PublishError as error:
        sys.exit(f"notebooks: {error}")
    print(f"{len(results)} notebooks ran: {EXECUTED}")


if __name__ == "__main__":
    main()
