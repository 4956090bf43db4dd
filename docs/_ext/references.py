"""The bibliography: how pages cite an entry of ``references.bib``, and what a notebook shows instead.

``:cite:t:`simonyan2014``` reads "Simonyan et al. (2014)", and ``:cite:p:`simonyan2014``` reads "(Simonyan et al.,
2014)".
"""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pybtex.database import BibliographyData, parse_file
from sphinx.application import Sphinx
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

FILE = Path(__file__).resolve().parent.parent / "references.bib"
STYLE = "author_year_round"


def round_brackets() -> BracketStyle:
    return BracketStyle(left="(", right=")", sep="; ")


@dataclass
class RoundAuthorYear(AuthorYearReferenceStyle):
    """Author and year, in round brackets."""

    bracket_textual: BracketStyle = field(default_factory=round_brackets)
    bracket_parenthetical: BracketStyle = field(default_factory=round_brackets)


@cache
def bibliography() -> BibliographyData:
    return parse_file(str(FILE), bib_format="bibtex")


def plain_citation(key: str, *, textual: bool = True) -> str:
    """A citation as the site shows it, without its link; in parentheses only the text between them.

    >>> plain_citation("simonyan2014"), plain_citation("carlini2017", textual=False)
    ('Simonyan et al. (2014)', 'Carlini and Wagner, 2017')
    """
    entry = bibliography().entries[key]
    names = [" ".join(person.prelast_names + person.last_names).strip("{}") for person in entry.persons["author"]]
    authors = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    year = entry.fields["year"]
    return f"{authors} ({year})" if textual else f"{authors}, {year}"


def without_citations(text: str) -> str:
    """Replace the citation roles in a text by plain text.

    >>> without_citations("From :cite:t:`madry2018`, as before :cite:p:`frei1977, smith2018`.")
    'From Madry et al. (2018), as before (Frei and Chen, 1977; Smith and Topin, 2018).'
    """

    def plain(match: re.Match[str]) -> str:
        textual = match[1] == "t"
        citations = [plain_citation(key.strip(), textual=textual) for key in match[2].split(",")]
        return ", ".join(citations) if textual else f"({'; '.join(citations)})"

    return re.sub(r":cite:([tp]):`([^`]+)`", plain, text)


def setup(app: Sphinx) -> dict[str, Any]:
    register_plugin("sphinxcontrib.bibtex.style.referencing", STYLE, RoundAuthorYear)
    app.setup_extension("sphinxcontrib.bibtex")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
