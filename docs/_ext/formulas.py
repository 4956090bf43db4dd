"""Formulas as MathML, which browsers show without a script, another server or TeX.

docutils converts LaTeX to MathML. The PDF does not pass here: Sphinx gives its formulas to TeX.
"""

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
NAMESPACE = "http://www.w3.org/1998/Math/MathML"
APPLY = "\u2061"  # invisible, between a function and its argument
FENCES = "‖|{}⌊⌋⌈⌉⟨⟩"
# docutils reads these as something else, without an error.
MISREAD = {
    r"\\operatorname\*": r"\operatorname*; write \arg\max",
    r"(?:[_^]|\\[dt]?frac)\s*\d\d": "a number of several digits without braces",
}


def mathml(tex: str, *, as_block: bool = False) -> str:
    r"""A formula as MathML.

    >>> mathml(r"\log p").replace(APPLY, "")
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><mi>log</mi><mo rspace="0.1667em"></mo><mi>p</mi></math>'

    Raises
    ------
    MathError
        If the formula contains LaTeX that docutils does not know or would misread.
    """
    for pattern, what in MISREAD.items():
        if re.search(pattern, tex):
            raise MathError(f"cannot convert {what}")
    converted = tex2mathml(re.sub(r"\\dots(?![a-z])", r"\\ldots", tex), as_block=as_block)
    tree = ElementTree.fromstring(converted.replace(f' xmlns="{NAMESPACE}"', "").replace("&ApplyFunction;", APPLY))
    for element in tree.iter():
        element.tail = None  # docutils' indentation
        element.text = {"'": "′"}.get(element.text or "", element.text) if (element.text or "").strip() else None
        _keep_fences_small(element)
        for function, argument in pairwise(element):
            if function.text == APPLY and argument.text not in {"(", "["}:
                function.set("rspace", "0.1667em")
    tree.set("xmlns", NAMESPACE)
    return ElementTree.tostring(tree, encoding="unicode")


def _keep_fences_small(parent: ElementTree.Element) -> None:
    r"""Let fences grow only around their own content (``\left`` and ``\right``), not with the whole formula."""
    fences = [element for element in parent if element.tag == "mo" and (element.text or " ") in FENCES]
    around = parent.tag == "mrow" and fences in ([parent[0]], [parent[0], parent[-1]]) if len(parent) else False
    for fence in fences:
        if not around and "minsize" not in fence.attrib:
            fence.set("stretchy", "false")


def visit_inline(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(writer.starttag(node, "span", "", CLASS="math") + shown(writer, node, node.astext()) + "</span>")
    raise nodes.SkipNode


def visit_block(writer: HTML5Translator, node: nodes.math_block) -> None:
    # A formula that is wider than a phone scrolls inside its box, which the keyboard therefore has to reach.
    reached = {"tabindex": "0", "role": "group", "aria-label": "Formula"}
    writer.body.append(writer.starttag(node, "div", CLASS="math", **reached))
    if node.get("number"):
        writer.body.append(f'<span class="eqno">({get_node_equation_number(writer, node)})</span>')
    # Sphinx separates formulas below each other by empty lines.
    formulas = [part for part in node.astext().split("\n\n") if part.strip()]
    writer.body.extend(shown(writer, node, formula, as_block=True) for formula in formulas)
    writer.body.append("</div>\n")
    raise nodes.SkipNode


def shown(writer: HTML5Translator, node: nodes.Element, tex: str, *, as_block: bool = False) -> str:
    """A formula as MathML, or as LaTeX and with a warning if it cannot be converted."""
    try:
        return mathml(tex, as_block=as_block)
    except MathError as error:
        logger.warning("formula %r: %s", tex, error, location=node)
        return f"<code>{writer.encode(tex)}</code>"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
