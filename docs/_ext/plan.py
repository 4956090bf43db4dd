"""Say which pages run and how long that may take, train the networks that they share, and run them side by side."""

from pathlib import Path
from typing import Any

import answers
import project
from joblib import Parallel, delayed
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx_gallery.gen_rst import generate_file_rst
from sphinx_gallery.utils import get_md5sum

logger = logging.getLogger(__name__)
# What a page takes on one core of 2026 once the networks are trained. Other pages take a few seconds.
SECONDS = {
    "1.1": 70,
    "1.5": 20,
    "1.6": 35,
    "2.2": 10,
    "2.3": 50,
    "2.4": 30,
    "3.1.1": 20,
    "3.1.2": 20,
    "3.1.3": 30,
    "3.1.4": 20,
    "3.2.1": 40,
    "4.1": 10,
    "4.2": 20,
    "4.3": 60,
}


def seconds_of(script: Path) -> int:
    """What a page is likely to take on one core."""
    return SECONDS.get(answers.question_of(script), 5)


def to_run(app: Sphinx) -> list[Path]:
    """The scripts that sphinx-gallery runs in this build: new ones, changed ones, and those that freshness forgot."""
    scripts = []
    for gallery, source in project.GALLERIES.items():
        for script in sorted((Path(app.srcdir).parent / source).glob("*/plot_*.py")):
            checksum = Path(app.srcdir) / gallery / script.parent.name / f"{script.name}.md5"
            if not checksum.is_file() or checksum.read_text() != get_md5sum(script, mode="t"):
                scripts.append(script)
    return scripts


def duration(seconds: float) -> str:
    """Seconds, or minutes.

    >>> duration(4), duration(44), duration(310)
    ('5 s', '45 s', '5 min')
    """
    return f"{5 * max(1, round(seconds / 5))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def prepare(app: Sphinx) -> None:
    """Announce the pages that run, with their likely duration, train what they share, and run them."""
    scripts, configuration = to_run(app), app.config.sphinx_gallery_conf
    if not scripts or not configuration["plot_gallery"]:
        configuration["parallel"] = False  # sphinx-gallery would start processes that have nothing to do
        return
    cores = configuration["parallel"] or 1
    training = project.seconds_of_training()
    pages = {answers.title_of(script): seconds_of(script) for script in scripts}
    total = (training + sum(pages.values())) / cores
    logger.info("%d pages run in this build, which may take %s on %d cores:", len(pages), duration(total), cores)
    if training:
        logger.info("   %6s  networks that several pages load, trained side by side", duration(training / cores))
    for title, seconds in pages.items():
        logger.info("   %6s  %s", duration(seconds), title)
    project.train_networks()
    if cores > 1:
        run_side_by_side(app, scripts)


def run_side_by_side(app: Sphinx, scripts: list[Path]) -> None:
    """Run pages side by side, the longest first. sphinx-gallery then finds them done, and runs only failed ones again.

    By itself it runs one folder after the other, each in the order in which it is shown. Then a core has nothing to do
    at the end of every folder.
    """
    configuration = app.config.sphinx_gallery_conf
    calls = []
    for script in sorted(scripts, key=seconds_of, reverse=True):
        gallery = next(name for name, source in project.GALLERIES.items() if script.parent.parent.name == source)
        target = Path(app.srcdir) / gallery / script.parent.name
        (target / "images" / "thumb").mkdir(parents=True, exist_ok=True)
        calls.append(delayed(generate_file_rst)(script.name, target, script.parent, configuration))
    pool = Parallel(
        configuration["parallel"], backend="loky", batch_size=1, pre_dispatch="n_jobs", return_as="generator_unordered"
    )
    for _, title, (seconds, _), _ in pool(calls):
        logger.info("   %6s  %s is done", duration(seconds), title)


def setup(app: Sphinx) -> dict[str, Any]:
    # After freshness has forgotten stale pages, and before sphinx-gallery runs them at the default priority of 500.
    app.connect("builder-inited", prepare, priority=200)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
