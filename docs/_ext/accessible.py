"""Repair what sphinx-gallery and the theme publish: names for screen readers, and no requests to other servers."""

import re
from collections.abc import Callable
from typing import Any

from bs4 import BeautifulSoup
from sphinx.application import Sphinx

# Raw HTML of sphinx-gallery: a table script from another server, and empty lists of tags that share one identifier.
RAW = re.compile(r"^( *)\.\. raw:: html\n\n(?:\1 +\S.*\n)+", re.MULTILINE)
FOREIGN = ("cdn.datatables", "id='sg-tag-list'")


def without_foreign_parts(text: str) -> str:
    r"""Remove the table script and the lists of tags from a page of the gallery.

    >>> without_foreign_parts("Title\n\n.. raw:: html\n\n  <div id='sg-tag-list'></div>\n\nText\n")
    'Title\n\n\nText\n'
    >>> without_foreign_parts(".. raw:: html\n\n  <div>kept</div>\n")
    '.. raw:: html\n\n  <div>kept</div>\n'
    """
    return RAW.sub(lambda block: "" if any(part in block[0] for part in FOREIGN) else block[0], text)


def label_navigation(navigation: str) -> BeautifulSoup:
    """Label each switch of the navigation tree with the branch that it opens.

    >>> str(label_navigation('<li><a href="a">Part</a><details><summary><i></i></summary></details></li>'))
    '<li><a href="a">Part</a><details><summary aria-label="Pages of Part"><i></i></summary></details></li>'
    """
    tree = BeautifulSoup(navigation, "html.parser")
    for switch in tree.select("li > details > summary"):
        link = switch.find_previous("a")
        if link is not None and not switch.get_text(strip=True):
            switch["aria-label"] = f"Pages of {link.get_text(strip=True)}"
    return tree


def label_animation(body: str, title: str) -> str:
    """Label the parts of Matplotlib's animation player in a page, and drop its link to another server's icons.

    >>> label_animation('<img id="_anim_img0"><input id="_anim_slider0">', "2 Steps")
    '<img alt="Animation of 2 Steps" id="_anim_img0"><input aria-label="Frame of the animation" id="_anim_slider0">'
    """
    # The theme brings the same icons.
    body = re.sub(r"<link\b[^>]*maxcdn\.bootstrapcdn\.com[^>]*>", "", body)
    body = body.replace('<img id="_anim_img', f'<img alt="Animation of {title}" id="_anim_img')
    return body.replace('<input id="_anim_slider', '<input aria-label="Frame of the animation" id="_anim_slider')


def without_list_roles(body: str) -> str:
    """Remove the roles of a list and its entries from the references: screen readers do not accept their combination.

    >>> without_list_roles('<div role="list" class="citation-list"><div class="citation" role="doc-biblioentry">')
    '<div class="citation-list"><div class="citation">'
    """
    return body.replace(' role="doc-biblioentry"', "").replace(
        'role="list" class="citation-list', 'class="citation-list'
    )


def read(_app: Sphinx, name: str, source: list[str]) -> None:
    if name.startswith("auto_examples/") or name == "sg_execution_times":
        source[0] = without_foreign_parts(source[0])


def label_parts(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _document: object) -> None:
    if "citation-list" in context.get("body", ""):
        context["body"] = without_list_roles(context["body"])
    if "_anim_img" in context.get("body", ""):
        title = BeautifulSoup(context["title"], "html.parser").get_text()
        context["body"] = label_animation(context["body"], title.replace('"', ""))
    tree: Callable[..., object] | None = context.get("generate_toctree_html")
    if tree is not None:
        context["generate_toctree_html"] = lambda *args, **options: label_navigation(str(tree(*args, **options)))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", read)
    app.connect("html-page-context", label_parts, priority=900)  # after the theme, which makes the tree
    return {"parallel_read_safe": True, "parallel_write_safe": True}
