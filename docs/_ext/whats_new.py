"""The directives ``changelog`` and ``citation``: pages of the site that are made of files beside the documentation.

``changelog`` shows CHANGELOG.md, which is Markdown with headings, lists, code and links. ``citation`` shows the
entry of CITATION.cff as BibTeX, in a block that can be copied, with the repository's address where one is known.
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import addresses
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

UNDERLINES = {2: "-", 3: "~"}


def as_rst(markdown: str) -> str:
    r"""Headings, code and links of Markdown in reStructuredText. The title is left out, since the page has its own.

    >>> print(as_rst("# Log\n\n## 1.0\n\n- `a_*` is [new](https://x.org), b_c and d_ too."))
    1.0
    ---
    <BLANKLINE>
    - ``a_*`` is `new <https://x.org>`__, b_c and d\_ too.
    """
    lines = []
    for line in markdown.splitlines():
        heading = re.match(r"(#+) (.*)", line)
        if heading is None:
            parts = re.split(r"(`[^`]+`)", line)
            parts[1::2] = [f"`{code}`" for code in parts[1::2]]
            parts[::2] = [re.sub(r"([*|\\]|_(?=\W|$))", r"\\\1", text) for text in parts[::2]]
            lines.append(re.sub(r"\[([^]]+)\]\(([^)]+)\)", r"`\1 <\2>`__", "".join(parts)))
        elif len(heading[1]) > 1:
            lines += [heading[2], UNDERLINES[len(heading[1])] * len(heading[2])]
    return "\n".join(lines).strip()


def bibtex(citation: str, address: str | None, today: int) -> str:
    r"""The entry of a CITATION.cff as BibTeX.

    >>> print(bibtex('title: "a: b"\nversion: 1.0\nauthors:\n  - name: The A developers\n', None, 2026))
    @software{a,
      author  = {{The A developers}},
      title   = {{a: b}},
      version = {1.0},
      year    = {2026},
    }
    """
    fields = dict(re.findall(r'^(?:  - )?([\w-]+): *"?(.+?)"?$', citation, flags=re.MULTILINE))
    entry = {
        "author": f"{{{fields['name']}}}",
        "title": f"{{{fields['title']}}}",
        "version": fields["version"],
        "year": fields.get("date-released", str(today))[:4],
    } | ({"url": address} if address else {})
    key = re.sub(r"\W.*", "", fields["title"])
    return "\n".join([f"@software{{{key},", *(f"  {name:<7} = {{{value}}}," for name, value in entry.items()), "}"])


class Changelog(SphinxDirective):
    """The changelog, as sections of the page."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir).parent / "CHANGELOG.md"
        self.env.note_dependency(str(path))
        return self.parse_text_to_nodes(as_rst(path.read_text(encoding="utf-8")), allow_section_headings=True)


class Citation(SphinxDirective):
    """The citation, as a block that can be copied."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir).parent / "CITATION.cff"
        self.env.note_dependency(str(path))
        year = datetime.now(UTC).year
        text = bibtex(path.read_text(encoding="utf-8"), self.config.addresses_repository, year)
        return [nodes.literal_block(text, text, language="bibtex")]


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension(addresses.__name__)
    app.add_directive("changelog", Changelog)
    app.add_directive("citation", Citation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
