"""Everything that depends on where the project lives: links to its sources, social cards, sitemap, older versions.

The addresses stand in one place, ``[project.urls]`` of pyproject.toml:

- ``Repository``, for example ``https://github.com/someone/project``. Without it no page links to its source or to
  Colab and Binder, and the notebooks install nothing by themselves.
- ``Documentation``, where the site is published. If it is left out, a repository on GitHub has its site on GitHub
  Pages. Without it there are no social cards, no sitemap and no list of versions, which all need full addresses.

The environment variable PROJECT_REPOSITORY overrides the first one, for forks; if it is empty, there is none.

The theme shows the links of a page where the template ``page-links.html`` stands.
"""

import html
import inspect
import json
import os
import pydoc
import re
from importlib.metadata import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from docutils import nodes
from project import BRANCH, DISTRIBUTION, GALLERIES, NOTEBOOKS_BRANCH
from sphinx.application import Sphinx

WORDS = 200  # characters of a description


def declared(*labels: str) -> str | None:
    """An address of ``[project.urls]`` by its label, without a trailing slash, or None."""
    urls = (url.split(", ", 1) for url in metadata(DISTRIBUTION).get_all("Project-URL") or [])
    return next((address.rstrip("/") for label, address in urls if label.lower() in labels), None)


def repository() -> str | None:
    """The repository's address without a trailing slash or ``.git``, or None if no address is known."""
    named = os.environ.get("PROJECT_REPOSITORY", declared("repository", "source"))
    return re.sub(r"(\.git)?/*$", "", named) if named else None


def site() -> str | None:
    """The address at which the site is published, without a trailing slash, or None.

    Read the Docs knows its own.
    """
    named = os.environ.get("READTHEDOCS_CANONICAL_URL", declared("documentation"))
    on_github = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+)", repository() or "")
    if not named and on_github is not None:
        named = f"https://{on_github[1].lower()}.github.io/{on_github[2]}"
    return named.rstrip("/") if named else None


def notebook_links(address: str | None, page: str) -> dict[str, str]:
    """The links that open in Colab and Binder the notebook of a page. Both need a repository on GitHub.

    >>> list(notebook_links("https://github.com/someone/project", "auto_examples/2_see/plot_2_4_it").values())
    ['https://colab.research.google.com/github/someone/project/blob/notebooks/2_see/plot_2_4_it.ipynb',
     'https://mybinder.org/v2/gh/someone/project/notebooks?urlpath=lab/tree/2_see/plot_2_4_it.ipynb']
    >>> notebook_links("https://example.org/project", "auto_examples/2_see/plot_2_4_it")
    {}
    """
    on_github = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", address or "")
    gallery, _, rest = page.partition("/")
    if on_github is None or gallery not in GALLERIES or re.fullmatch(r"\w+/plot_\w+", rest) is None:
        return {}
    place = f"{on_github[1]}/blob/{NOTEBOOKS_BRANCH}/{rest}.ipynb"
    return {
        "Open in Colab": f"https://colab.research.google.com/github/{place}",
        "Open in Binder": f"https://mybinder.org/v2/gh/{on_github[1]}/{NOTEBOOKS_BRANCH}?urlpath=lab/tree/{rest}.ipynb",
    }


def source_of(page: str, docs: Path) -> str | None:
    """The file in the repository that a page is made of, or None for a page without one.

    >>> source_of("auto_examples/2_see/plot_2_4_it", Path("docs"))
    'examples/2_see/plot_2_4_it.py'
    >>> source_of("auto_examples/2_see/index", Path("docs"))
    'examples/2_see/GALLERY_HEADER.rst'
    """
    gallery, _, rest = page.partition("/")
    if gallery in GALLERIES:
        folder, _, name = rest.rpartition("/")
        name = {"index": "GALLERY_HEADER.rst"}.get(name, f"{name}.py")
        return "/".join(filter(None, (GALLERIES[gallery], folder, name))) if name != "sg_execution_times.py" else None
    if (docs / f"{page}.rst").is_file() and "generated" not in page:
        return f"{docs.name}/{page}.rst"
    documented = pydoc.locate(page.rpartition("/")[2]) if "generated" in page else None
    if documented is None:
        return None
    try:
        path = Path(inspect.getsourcefile(inspect.unwrap(documented)) or "")  # type: ignore[arg-type]
    except TypeError:  # a constant
        return None
    package = page.rpartition("/")[2].partition(".")[0]
    inside = path.parts[len(path.parts) - path.parts[::-1].index(package) - 1 :] if package in path.parts else ()
    return "/".join(inside) or None


def page_links(address: str | None, page: str, docs: Path) -> dict[str, str]:
    """The links of a page's sidebar, by their text."""
    links = notebook_links(address, page)
    path = source_of(page, docs) if address else None
    if path is not None:
        links |= {"View source": f"{address}/blob/{BRANCH}/{path}", "Edit this page": f"{address}/edit/{BRANCH}/{path}"}
    return links


def description(body: str) -> str:
    r"""What a page is about: its answer, or else its first paragraph, as plain text.

    >>> description('<p class="first">All <b>is</b>\nwell.</p><p>More.</p>')
    'All is well.'
    >>> description('<div class="answer admonition"><p class="admonition-title">Answer</p>\n<p>No.</p></div><p>x</p>')
    'No.'
    """
    answer = re.search(r'class="answer admonition".*?</p>\s*<p>(.*?)</p>', body, flags=re.DOTALL)
    found = answer or re.search(r"<p(?: [^>]*)?>(.*?)</p>", body, flags=re.DOTALL)
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", found[1])).split()) if found else ""
    return text if len(text) <= WORDS else text[: WORDS - 3].rpartition(" ")[0] + "..."


def card(title: str, body: str, page: str | None, name: str) -> str:
    """The tags of a page's head that say what it is about. Social cards need the page's full address.

    >>> print(card("A page", '<p>Text.</p><img src="../_images/a.png">', "https://x.org/b/c.html", "project"))
    <meta name="description" content="Text." />
    <meta property="og:type" content="article" />
    <meta property="og:site_name" content="project" />
    <meta property="og:title" content="A page" />
    <meta property="og:description" content="Text." />
    <meta property="og:url" content="https://x.org/b/c.html" />
    <meta property="og:image" content="https://x.org/_images/a.png" />
    <meta name="twitter:card" content="summary_large_image" />
    >>> card("A page", "", None, "project")
    ''
    """
    text = description(body)
    tags = [("name", "description", text)]
    if page is not None:
        tags += [("property", "og:type", "article"), ("property", "og:site_name", name)]
        tags += [("property", "og:title", title), ("property", "og:description", text), ("property", "og:url", page)]
        figure = re.search(r'<img [^>]*?src="([^"]*_images/[^"]+\.(?:png|jpg))"', body)
        if figure is not None:
            tags += [
                ("property", "og:image", urljoin(page, figure[1])),
                ("name", "twitter:card", "summary_large_image"),
            ]
    lines = [f'<meta {kind}="{key}" content="{html.escape(value)}" />' for kind, key, value in tags if value]
    return "\n".join(lines)


def on_page(app: Sphinx, page: str, _template: str, context: dict[str, Any], tree: nodes.document | None) -> None:
    """Give a page its links and its card."""
    context["page_links"] = page_links(app.config.addresses_repository, page, Path(app.srcdir))
    base = app.config.html_baseurl
    address = urljoin(base, app.builder.get_target_uri(page)) if base else None
    if tree is not None and page != "404":
        title = html.unescape(re.sub(r"<[^>]+>", "", context["title"]))
        context["metatags"] += "\n" + card(title, context["body"], address, app.config.html_title)
    if page == "404" and base:
        # Servers show this page in place of any other, so its links are relative to the site's root.
        context["metatags"] = f'\n<base href="{html.escape(base)}" />' + context["metatags"]


def write_site_files(app: Sphinx, error: Exception | None) -> None:
    """Write the sitemap, what robots may read, and the list of versions; remove them where there is no address."""
    if error is not None or app.builder.name != "html":
        return
    base, out = app.config.html_baseurl, Path(app.outdir)
    texts = {"sitemap.xml": "", "robots.txt": "", "versions.json": ""}
    if base:
        documents = sorted(app.env.found_docs - {"404"})
        pages = [html.escape(urljoin(base, app.builder.get_target_uri(name))) for name in documents]
        texts["sitemap.xml"] = "\n".join(
            [
                '<?xml version="1.0" encoding="utf-8"?>',
                '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
                *(f"<url><loc>{page}</loc></url>" for page in pages),
                "</urlset>\n",
            ]
        )
        texts["robots.txt"] = f"User-agent: *\nAllow: /\nSitemap: {urljoin(base, 'sitemap.xml')}\n"
        # The sites of earlier releases are put into folders such as v0.1.0 of this one.
        earlier = sorted((path.parent.name for path in out.glob("v*/index.html")), key=_numbers, reverse=True)
        entries = [{"name": f"{app.config.release} (this site)", "version": app.config.release, "url": base}]
        entries += [{"name": name, "version": name[1:], "url": urljoin(base, f"{name}/")} for name in earlier]
        texts["versions.json"] = json.dumps(entries, indent=1) + "\n"
    for name, text in texts.items():
        if text:
            (out / name).write_text(text, encoding="utf-8")
        else:
            (out / name).unlink(missing_ok=True)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def setup(app: Sphinx) -> dict[str, Any]:
    # Every page depends on the address, so Sphinx reads all pages again when it changes.
    app.add_config_value("addresses_repository", repository(), "env")
    app.connect("html-page-context", on_page)
    app.connect("build-finished", write_site_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
