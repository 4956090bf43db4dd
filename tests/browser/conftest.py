"""The browser and the built site. Neither is built or downloaded here; if one is missing, that is an error."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from publish.programs import BROWSERS
from tests.browser.served import Site, page_names, serve

ROOT = Path(__file__).resolve().parent.parent.parent
PHONE, DESKTOP = (360, 740), (1280, 900)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--site", type=Path, default=ROOT / "docs" / "_build" / "html", help="the folder of the built site"
    )


def site_folder(config: pytest.Config) -> Path:
    """The folder of the built site, or an error that says how to build it."""
    folder: Path = config.getoption("--site")
    if not (folder / "index.html").is_file():
        raise pytest.UsageError(f"no site in {folder}; build it with: tox -e docs")
    return folder


def browser_executable() -> str:
    """The path of an installed Chromium, or an error that says how to install one."""
    for name in BROWSERS:
        if (path := shutil.which(name)) is not None:
            return path
    raise pytest.UsageError("no Chromium or Chrome on the PATH; on Debian install it with: apt-get install chromium")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "timed: measures times, so it runs before the tests that keep all cores busy")
    site_folder(config)
    browser_executable()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A keyword that selects nothing is no failure: it may name tests of the other command of `tox -e browser`."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.getoption("keyword"):
        session.exitstatus = pytest.ExitCode.OK


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with a `name` for every page of the site, and one with an `example` for every page of the gallery."""
    names = page_names(site_folder(metafunc.config))
    if "name" in metafunc.fixturenames:
        # API pages share one template, and a phone is the harder test of it.
        written = [name for name in names if not name.startswith("api/generated/")]
        metafunc.parametrize("name", written if "desktop" in metafunc.fixturenames else names)
    if "example" in metafunc.fixturenames:
        metafunc.parametrize("example", [name for name in names if Path(name).name.startswith("plot_")])


@pytest.fixture(scope="session")
def site(pytestconfig: pytest.Config) -> Iterator[Site]:
    with serve(site_folder(pytestconfig)) as site:
        yield site


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    with sync_playwright() as playwright:
        # Root in a container cannot use Chromium's sandbox, and only our own pages are opened.
        browser = playwright.chromium.launch(
            executable_path=browser_executable(), chromium_sandbox=False, args=[*quiet, "--disable-gpu"]
        )
        yield browser
        browser.close()


def new_page(browser: Browser, size: tuple[int, int]) -> Iterator[Page]:
    """A page in a context of its own, without animations that would disturb measurements."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        reduced_motion="reduce",
        color_scheme="light",
        accept_downloads=True,
    )
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def phone(browser: Browser) -> Iterator[Page]:
    """A page as wide as a small phone. Tests share it, and change nothing but its address."""
    yield from new_page(browser, PHONE)


@pytest.fixture(scope="session")
def desktop(browser: Browser) -> Iterator[Page]:
    """A page as wide as a laptop. Tests share it, and change nothing but its address."""
    yield from new_page(browser, DESKTOP)


@pytest.fixture
def fresh(browser: Browser) -> Iterator[Page]:
    """A desktop page for one test alone: no colour mode chosen, nothing focused."""
    yield from new_page(browser, DESKTOP)
