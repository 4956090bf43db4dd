"""Repair what sphinx-gallery and the theme publish: names for screen readers, and no requests to other servers."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from bs4 import BeautifulSoup
from sphinx.application import Sphinx

# Raw HTML of sphinx-gallery: a table script from another server, and lists of tags that share one identifier.
RAW = re.compile(r"^( *)\.\. raw:: html\n\n(?:\1 +\S.*\n)+", re.MULTILINE)
TAGS = re.compile(r"^\.\. rst-class:: sphx-glr-example-tags\n\n +\S* ?Tags: (.*)\n", re.MULTILINE)
# sphinx-gallery makes the tags that filter a gallery as elements that only a mouse can press.
BUTTONS = """
document.addEventListener("DOMContentLoaded", () => {
  const label = document.querySelector("#sg-tag-list > .sphx-glr-tag-label");
  if (label) label.textContent = "Tags:";  // without an emoji, which not every system has
  const tags = document.querySelectorAll(".sphx-glr-tag");
  const say = () => tags.forEach(tag => tag.setAttribute("aria-pressed", tag.classList.contains("active")));
  document.querySelectorAll(".sphx-glr-tag, #sphx-glr-tag-clear").forEach(tag => {
    tag.setAttribute("role", "button");
    tag.tabIndex = 0;
    tag.addEventListener("click", say);
    tag.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); tag.click(); }
    });
  });
  say();
});
"""


def without_foreign_parts(text: str) -> str:
    r"""Remove the table script from a page of the gallery, and all lists of tags but the first.

    Without any tagged page, the first one is removed too.

    >>> tags = ".. raw:: html\n\n  <div id='sg-tag-list'></div>\n\n"
    >>> without_foreign_parts(f"Title\n\n{tags}Text\n")
    'Title\n\n\nText\n'
    >>> without_foreign_parts(f"{tags}{tags}<div data-sgtags='[]'>\n").count("sg-tag-list")
    1
    >>> without_foreign_parts(".. raw:: html\n\n  <div>kept</div>\n")
    '.. raw:: html\n\n  <div>kept</div>\n'
    """
    kept = 1 if "data-sgtags" in text else 0

    def mended(block: re.Match[str]) -> str:
        nonlocal kept
        if "id='sg-tag-list'" in block[0]:
            kept -= 1
            return block[0] if kept >= 0 else ""
        return "" if "cdn.datatables" in block[0] else block[0]

    return RAW.sub(mended, text)


def linked_tags(text: str) -> str:
    r"""Link the tags of a page to the gallery, which then shows the pages with this tag. The PDF has no tags.

    >>> print(linked_tags(".. rst-class:: sphx-glr-example-tags\n\n   X Tags: filters, a b\n"))
    .. only:: html
    <BLANKLINE>
       .. rst-class:: sphx-glr-example-tags
    <BLANKLINE>
       Tags: `filters <../index.html?sg-tags=filters>`__, `a b <../index.html?sg-tags=a%20b>`__
    <BLANKLINE>
    """

    def links(tags: re.Match[str]) -> str:
        named = ", ".join(f"`{tag} <../index.html?sg-tags={quote(tag)}>`__" for tag in tags[1].split(", "))
        return f".. only:: html\n\n   .. rst-class:: sphx-glr-example-tags\n\n   Tags: {named}\n"

    return TAGS.sub(links, text)


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
        source[0] = linked_tags(without_foreign_parts(source[0]))


def label_parts(app: Sphinx, _page: str, _template: str, context: dict[str, Any], _document: object) -> None:
    if "sg-tag-list" in context.get("body", ""):
        app.add_js_file(None, body=BUTTONS)
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
