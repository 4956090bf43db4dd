"""The browser, and the site that it looks at. Neither is made or fetched here: what is missing is an error."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.served import Site, page_names, serve

ROOT = Path(__file__).resolve().parent.parent.parent
PHONE, DESKTOP = (360, 740), (1280, 900)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--site", type=Path, default=ROOT / "docs" / "_build" / "html", help="the folder of the built site"
    )


def site_folder(config: pytest.Config) -> Path:
    """The built site, or an error that tells how to build it."""
    folder: Path = config.getoption("--site")
    if not (folder / "index.html").is_file():
        raise pytest.UsageError(f"no site in {folder}; build it with: tox -e docs")
    return folder


def browser_executable() -> str:
    """The Chromium that is installed here, or an error that tells how to install one."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"):
        if (path := shutil.which(name)) is not None:
            return path
    raise pytest.UsageError("no Chromium or Chrome on the PATH; on Debian install it with: apt-get install chromium")


def pytest_configure(config: pytest.Config) -> None:
    site_folder(config)
    browser_executable()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `name` runs for every page of the site, one that takes `example` for each of the gallery's."""
    names = page_names(site_folder(metafunc.config))
    if "name" in metafunc.fixturenames:
        # The pages of the library's names come from one template, and a phone is the harder test of it.
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
        # Without Chromium's sandbox, which a container's root does not get: it opens pages of our own alone.
        browser = playwright.chromium.launch(
            executable_path=browser_executable(), chromium_sandbox=False, args=[*quiet, "--disable-gpu"]
        )
        yield browser
        browser.close()


def new_page(browser: Browser, size: tuple[int, int]) -> Iterator[Page]:
    """A page in a context of its own; no animation, so that what is measured has come to rest."""
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
    """A page as wide as a small phone; tests that use it leave nothing behind but the address."""
    yield from new_page(browser, PHONE)


@pytest.fixture(scope="session")
def desktop(browser: Browser) -> Iterator[Page]:
    """A page as wide as a laptop; tests that use it leave nothing behind but the address."""
    yield from new_page(browser, DESKTOP)


@pytest.fixture
def fresh(browser: Browser) -> Iterator[Page]:
    """A desktop page that nobody used before: no choice of colours, no focus."""
    yield from new_page(browser, DESKTOP)
