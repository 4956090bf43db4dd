"""Checks of a page in the browser. Each returns the faults that it found, one line per fault."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, Request, Response

SEVERE = {"serious", "critical"}
COLOURED = ["color-contrast", "link-in-text-block"]  # axe's rules that depend on the colour scheme


@contextmanager
def watched(page: Page, address: str) -> Iterator[list[str]]:
    """Collect errors, failed requests and requests to other servers while the block loads pages."""
    faults: list[str] = []

    def answered(response: Response) -> None:
        if response.status >= 400:
            faults.append(f"request: {response.status} {response.url}")

    def failed(request: Request) -> None:
        faults.append(f"request: {request.failure} {request.url}")

    def asked(request: Request) -> None:
        # A page has to work without a network, and must not tell a third party who reads it.
        if not request.url.startswith((address, "data:", "blob:")):
            faults.append(f"request: another server was asked for {request.url}")

    listeners: dict[Any, Any] = {
        "console": lambda message: faults.append(f"console: {message.text}") if message.type == "error" else None,
        "pageerror": lambda error: faults.append(f"page error: {error}"),
        "response": answered,
        "requestfailed": failed,
        "request": asked,
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    try:
        yield faults
    finally:
        for event, listener in listeners.items():
            page.remove_listener(event, listener)


def broken_images(page: Page) -> list[str]:
    """Images that the browser cannot show."""
    sources = page.evaluate(
        """async () => {
            const broken = [];
            await Promise.all([...document.images].map(async image => {
                image.loading = "eager";
                await image.decode().catch(() => {});
                if (!image.naturalWidth) broken.push(image.currentSrc || image.src);
            }));
            return broken;
        }"""
    )
    return [f"broken image: {source}" for source in sources]


def says_something(alternative: str) -> bool:
    """True if an alternative text describes the image, rather than naming its file.

    >>> says_something("Error by epoch: training and validation, plot 1 1 training curves")
    True
    >>> [says_something(text) for text in ("", "plot 1 1 training curves", "a figure", "curves.png")]
    [False, False, False, False]
    """
    own = re.sub(r"(sphx glr )?\bplot( \d+)+( \w+)*$|\S+\.(png|svg|gif)$", "", alternative.strip())
    return len(re.findall(r"\w+", own)) >= 3


def undescribed_images(page: Page) -> list[str]:
    """Images of the content without a description. A thumbnail beside the title that it links to needs none."""
    images = page.evaluate(
        """() => [...document.querySelectorAll("main img")]
            .filter(image => image.alt || !image.closest(".sphx-glr-thumbcontainer, .sd-card, a")?.textContent.trim())
            .map(image => [image.getAttribute("src"), image.alt])"""
    )
    return [f"alternative text {text!r} of {source}" for source, text in images if not says_something(text)]


def too_wide(page: Page) -> list[str]:
    """Content that makes the document scroll sideways, or that is cut off. Wide blocks may scroll by themselves."""
    faults = page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth, faults = [];
            const scrolled = document.documentElement.scrollWidth;
            if (scrolled > width) faults.push(`the document is ${scrolled} px wide on a screen of ${width} px`);
            const inside = element => {
                for (let e = element; e && e !== document.body; e = e.parentElement) {
                    const style = getComputedStyle(e);
                    if (e !== element && ["auto", "scroll"].includes(style.overflowX)) return true;
                    if (style.position === "fixed" || style.visibility === "hidden") return true;
                }
                return false;
            };
            for (const element of document.querySelectorAll("main *")) {
                const box = element.getBoundingClientRect();
                if (box.width && box.right > width + 1 && !inside(element))
                    faults.push(`reaches to ${Math.round(box.right)} px: ${element.outerHTML.slice(0, 120)}`);
            }
            return faults;
        }"""
    )
    return [f"width: {fault}" for fault in faults[:5]]


def inaccessible(page: Page, rules: list[str] | None = None) -> list[str]:
    """Serious and critical violations that axe-core finds, by all its rules or only by `rules`."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules is not None:
        options["runOnly"] = rules
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [
        f"axe: {violation['id']} ({violation['impact']}) {' '.join(map(str, node['target']))}: {node['html'][:160]} "
        f"{'; '.join(reason['message'] for reason in node['any'][:1])}"
        for violation in found
        if violation["impact"] in SEVERE
        for node in violation["nodes"][:5]
    ]


FOCUSED = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const parts = [element, ...element.querySelectorAll("*")], around = [];
    for (let e = element.parentElement; e && e !== document.body; e = e.parentElement) around.push(e);
    const look = () => [...parts, ...around].map(part => {
        const style = getComputedStyle(part);
        const names = ["outlineStyle", "outlineWidth", "outlineColor", "boxShadow", "borderColor", "borderWidth",
            "backgroundColor", "color", "textDecorationLine", "textDecorationThickness"];
        return names.map(name => style[name]).join();
    }).join();
    // A link that is stretched over a card is as large as the card.
    if (getComputedStyle(element, "::after").position === "absolute") parts.push(element.offsetParent);
    const focused = look();
    const seen = parts.map(part => part.getBoundingClientRect()).some(box => box.width > 0 && box.height > 0
        && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth);
    const known = "focusStop" in element.dataset;
    element.blur();
    const shown = look() !== focused;
    element.focus({preventScroll: true, focusVisible: true});
    return {seen, shown, known, html: element.outerHTML.slice(0, 160)};
}"""


def unfocused(page: Page) -> list[str]:
    """Elements that the tab key reaches but that are invisible, or that do not show their focus."""
    faults, reached = [], 0
    for _ in range(400):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop is None or stop["known"]:
            break
        if not stop["seen"] or not stop["shown"]:
            page.wait_for_timeout(500)  # until transitions have ended
            stop = page.evaluate(FOCUSED)
        page.evaluate("() => { document.activeElement.dataset.focusStop = '' }")
        reached += 1
        if not stop["seen"]:
            faults.append(f"an invisible element has the focus: {stop['html']}")
        if not stop["shown"]:
            faults.append(f"the focus is not shown: {stop['html']}")
    if reached == 0:
        faults.append("the tab key reaches nothing")
    return faults
