"""Every page of the built site in a real browser, run by `tox -e browser`."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.browser import checks
from tests.browser.served import Site

READER = "auto_examples/2_visualization/plot_2_4_occlusion.html"


def report(faults: list[str]) -> None:
    """Fail if there are faults, and list each once."""
    if faults:
        pytest.fail("\n".join(dict.fromkeys(faults)), pytrace=False)


def faults_of(page: Page, site: Site, name: str) -> list[str]:
    """Load a page, check it in light and in dark mode, and return its faults."""
    page.emulate_media(color_scheme="light")
    with checks.watched(page, site.address) as faults:
        page.goto(site.url(name))
        faults.extend(checks.broken_images(page))
    faults += checks.undescribed_images(page)
    faults += checks.too_wide(page)
    faults += checks.inaccessible(page)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    faults += [f"dark: {fault}" for fault in checks.inaccessible(page, checks.COLOURED)]
    return faults


def test_a_page_on_a_phone(site: Site, phone: Page, name: str) -> None:
    report(faults_of(phone, site, name))


def test_a_page_on_a_desktop(site: Site, desktop: Page, name: str) -> None:
    report(faults_of(desktop, site, name))


def test_links_lead_somewhere(site: Site, name: str) -> None:
    report(site.broken_links(name))


def test_identifiers_are_unique(site: Site, name: str) -> None:
    report(site.repeated_identifiers(name))


def test_search_finds_a_page(site: Site, fresh: Page) -> None:
    with checks.watched(fresh, site.address) as faults:
        fresh.goto(site.url("index.html"))
        fresh.keyboard.press("Control+k")
        fresh.keyboard.type("occlusion")
        fresh.keyboard.press("Enter")
        expect(fresh.locator("#search-results")).to_contain_text("Search finished")
        fresh.wait_for_load_state("networkidle")  # the excerpts of the results are loaded from their pages
        fresh.locator(f"#search-results li a[href*='{Path(READER).stem}']").first.click()
        expect(fresh.locator("h1")).to_contain_text("2.4")
    report(faults)


def test_search_reports_that_nothing_matches(site: Site, fresh: Page) -> None:
    fresh.goto(site.url("search.html?q=zzyzxqj"))
    expect(fresh.locator("#search-results")).to_contain_text("did not match any documents")
    expect(fresh.locator("#search-results li a")).to_have_count(0)


def background(page: Page) -> int:
    """The brightness of the page's background, 0..765."""
    colour: str = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


def choose(page: Page, mode: str) -> None:
    """Choose light, dark or auto in the menu of the header."""
    page.locator("button.theme-switch-button:visible").first.click()
    page.locator(f"button.theme-change-button[data-mode={mode}]:visible").first.click()


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_choice_of_light_or_dark_is_kept(site: Site, fresh: Page, mode: str) -> None:
    html = fresh.locator("html")
    fresh.emulate_media(color_scheme="light" if mode == "dark" else "dark")  # the system says the opposite
    fresh.goto(site.url("index.html"))
    before = background(fresh)
    choose(fresh, mode)
    expect(html).to_have_attribute("data-theme", mode)
    assert min(before, background(fresh)) < 200 < 600 < max(before, background(fresh))
    fresh.goto(site.url(READER))
    expect(html).to_have_attribute("data-theme", mode)
    assert (background(fresh) < 200) == (mode == "dark")
    choose(fresh, "auto")
    expect(html).not_to_have_attribute("data-theme", mode)


def test_without_a_choice_the_system_decides(site: Site, fresh: Page) -> None:
    fresh.emulate_media(color_scheme="dark")
    fresh.goto(site.url("index.html"))
    expect(fresh.locator("html")).to_have_attribute("data-theme", "dark")
    fresh.emulate_media(color_scheme="light")
    expect(fresh.locator("html")).to_have_attribute("data-theme", "light")


def test_a_keyboard_skips_to_the_content(site: Site, fresh: Page) -> None:
    fresh.goto(site.url(READER))
    fresh.keyboard.press("Tab")
    link = fresh.locator(":focus")
    expect(link).to_have_text("Skip to main content")
    expect(link).to_be_in_viewport()
    fresh.keyboard.press("Enter")
    fresh.keyboard.press("Tab")
    assert fresh.evaluate("() => document.querySelector('#main-content').contains(document.activeElement)")


@pytest.mark.parametrize("start", ["index.html", READER, "auto_examples/index.html", "api/index.html"])
def test_a_keyboard_reaches_every_link(site: Site, fresh: Page, start: str) -> None:
    fresh.goto(site.url(start))
    report(checks.unfocused(fresh))
    missed = fresh.evaluate(
        """() => [...document.querySelectorAll("main a[href]:not([tabindex='-1'])")]
            .filter(link => link.checkVisibility({visibilityProperty: true}) && !("focusStop" in link.dataset))
            .map(link => link.outerHTML.slice(0, 160))"""
    )
    report([f"the tab key does not reach {link}" for link in missed])


def test_a_phone_opens_and_closes_the_contents(site: Site, phone: Page) -> None:
    phone.goto(site.url(READER))
    contents = phone.locator(".bd-sidebar-primary, #pst-primary-sidebar-modal").locator("a[href*='plot_2_3']:visible")
    expect(contents).to_have_count(0)
    phone.locator("button.primary-toggle").click()
    expect(contents.first).to_be_in_viewport()
    phone.keyboard.press("Escape")
    expect(contents).to_have_count(0)


def test_downloads_arrive(site: Site, desktop: Page, example: str, tmp_path: Path) -> None:
    desktop.goto(site.url(example))
    for suffix in (".py", ".ipynb"):
        with desktop.expect_download() as started:
            desktop.locator(f".sphx-glr-footer a[href$='{suffix}']").click()
        path = tmp_path / started.value.suggested_filename
        started.value.save_as(path)
        assert path.name == Path(example).stem + suffix
        text = path.read_text(encoding="utf-8")
        if suffix == ".py":
            assert ast.get_docstring(ast.parse(text))
        else:
            notebook = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
            nbformat.validate(notebook)
            assert {cell.cell_type for cell in notebook.cells} == {"code", "markdown"}
            assert "mnist_lab" in "".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_the_pdf_arrives_where_it_is_linked(site: Site, desktop: Page) -> None:
    desktop.goto(site.url("index.html"))
    for address in desktop.evaluate("() => [...document.querySelectorAll(\"a[href$='.pdf']\")].map(link => link.href)"):
        document = desktop.request.get(address).body()
        assert document.startswith(b"%PDF-")
        assert b"%%EOF" in document[-1024:]
