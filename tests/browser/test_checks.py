"""Each check finds its fault in a page that has it, and nothing in a page without faults."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser import checks
from tests.browser.served import Site, page_names, serve

SOUND = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A page</title><link rel="icon" href="dot.png">
<meta name="viewport" content="width=device-width">STYLE</head>
<body><main id="main"><h1>A page</h1>
<p><a href="other.html#place">Another</a>, <a href="#main">this one</a>, <a href="https://example.org/">elsewhere</a></p>
<img src="dot.png" srcset="dot.png 1x, dot.png 2x" alt="Error by epoch, falling from ten to one per cent" width="40">
<pre style="overflow: auto" tabindex="0">WIDE</pre>
BODY</main></body></html>
""".replace("WIDE", "wide " * 100)


def dot() -> bytes:
    """A grey picture of four by four pixels, as PNG."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\x80\x80\x80\x80" * 4)),
        (b"IEND", b""),
    ]
    chunks = [struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Site]:
    """A site of two sound pages and a picture."""
    (tmp_path / "dot.png").write_bytes(dot())
    (tmp_path / "torn.png").write_bytes(dot()[:20])
    (tmp_path / "index.html").write_text(SOUND.replace("STYLE", "").replace("BODY", ""))
    (tmp_path / "other.html").write_text("<!doctype html><h1 id='place'>Other</h1>")
    with serve(tmp_path) as site:
        yield site


def with_fault(site: Site, body: str = "", style: str = "") -> Site:
    """Put a fault into the site's first page."""
    text = SOUND.replace("STYLE", f"<style>{style}</style>").replace("BODY", body)
    (site.folder / "index.html").write_text(text)
    return Site(site.folder, site.address)


def loading(page: Page, site: Site) -> list[str]:
    with checks.watched(page, site.address) as faults:
        page.goto(site.url("index.html"))
        faults.extend(checks.broken_images(page))
        page.wait_for_load_state("networkidle")
    return faults


def test_a_sound_page_has_no_fault(small: Site, phone: Page) -> None:
    assert page_names(small.folder) == ["index.html", "other.html"]
    assert not small.broken_links("index.html")
    assert not small.repeated_identifiers("index.html")
    assert not loading(phone, small)
    assert not checks.undescribed_images(phone)
    assert not checks.too_wide(phone)
    assert not checks.inaccessible(phone)
    assert not checks.unfocused(phone)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<script>console.error('said')</script>", "console: said"),
        ("<script>nowhere()</script>", "page error: nowhere is not defined"),
        ("<script src='missing.js'></script>", "request: 404"),
        (
            "<script>fetch('https://example.org/').catch(() => {})</script>",
            "another server was asked for https://example",
        ),
        ("<img src='torn.png' alt='a torn picture'>", "broken image"),
        ("<div style='height: 9000px'></div><img src='torn.png' loading='lazy' alt='below'>", "broken image"),
    ],
)
def test_a_failed_request_or_script_is_found(small: Site, phone: Page, body: str, fault: str) -> None:
    assert any(fault in found for found in loading(phone, with_fault(small, body)))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<a href='gone.html'>x</a>", "gone.html: no such file"),
        ("<a href='../gone/'>x</a>", "../gone/: no such file"),
        ("<a href='#nowhere'>x</a>", "#nowhere: no such place on the page"),
        ("<a href='other.html#nowhere'>x</a>", "other.html#nowhere: no such place on the page"),
        ("<img src='dot.png' srcset='dot.png, dot2x.png 2x' alt=''>", "dot2x.png: no such file"),
    ],
)
def test_a_broken_link_is_found(small: Site, body: str, fault: str) -> None:
    assert with_fault(small, body).broken_links("index.html") == [fault]


def test_a_repeated_identifier_is_found(small: Site) -> None:
    assert with_fault(small, "<i id='twice'></i><b id='twice'></b>").repeated_identifiers("index.html") == ["twice"]


@pytest.mark.parametrize(
    "text", ["", "plot 1 1 training curves", "sphx glr plot 2 4 occlusion", "a figure", "image.png"]
)
def test_an_image_without_a_description_is_found(small: Site, phone: Page, text: str) -> None:
    phone.goto(with_fault(small, f"<img src='dot.png' alt='{text}'>").url("index.html"))
    assert checks.undescribed_images(phone) == [f"alternative text {text!r} of dot.png"]


@pytest.mark.parametrize(
    ("body", "style", "fault"),
    [
        ("<div style='width: 400px'>wide</div>", "", "the document is"),
        ("<pre>" + "wide " * 100 + "</pre>", "", "the document is"),
        ("<div style='width: 400px'>cut off</div>", "html, body { overflow-x: hidden }", "reaches to"),
    ],
)
def test_content_wider_than_a_phone_is_found(small: Site, phone: Page, body: str, style: str, fault: str) -> None:
    phone.goto(with_fault(small, body, style).url("index.html"))
    assert any(fault in found for found in checks.too_wide(phone))


@pytest.mark.parametrize(
    ("body", "style", "rule"),
    [
        ("<p style='color: #aaa; background: #fff'>faint</p>", "", "color-contrast"),
        ("<a href='other.html'></a>", "", "link-name"),
        ("<img src='dot.png'>", "", "image-alt"),
        ("<button></button>", "", "button-name"),
        ("", "@media (prefers-color-scheme: dark) { body { color: #333; background: #000 } }", "dark color-contrast"),
    ],
)
def test_an_inaccessible_element_is_found(small: Site, phone: Page, body: str, style: str, rule: str) -> None:
    phone.emulate_media(color_scheme="light")
    phone.goto(with_fault(small, body, style).url("index.html"))
    if rule.startswith("dark"):
        assert not checks.inaccessible(phone)
        phone.emulate_media(color_scheme="dark")
        found = checks.inaccessible(phone, checks.COLOURED)
    else:
        found = checks.inaccessible(phone)
    assert any(rule.removeprefix("dark ") in fault for fault in found), found


@pytest.mark.parametrize(
    ("body", "style", "fault"),
    [
        ("<a href='other.html' class='x'>bare</a>", ".x:focus { outline: none }", "the focus is not shown"),
        (
            "<a href='other.html' style='position: fixed; left: -900px'>away</a>",
            "",
            "an invisible element has the focus",
        ),
    ],
)
def test_a_lost_focus_is_found(small: Site, fresh: Page, body: str, style: str, fault: str) -> None:
    fresh.goto(with_fault(small, body, style).url("index.html"))
    found = checks.unfocused(fresh)
    assert [fault in line for line in found] == [True]
