"""Show on the API pages what each parameter may be: the contract of a checked function, after the parameter's name."""

import re
from collections.abc import Mapping
from typing import Any

from sphinx.application import Sphinx

MARKUP = re.compile(r"([*`|_\\])")


def with_contracts(lines: list[str], contract: Mapping[str, str]) -> list[str]:
    r"""Add the contract to the name of each parameter in a docstring in numpydoc's format.

    >>> with_contracts(["Parameters", "----------", "length", "    In pixels."], {"length": "an integer in 1..28"})
    ['Parameters', '----------', 'length : an integer in 1..28', '    In pixels.']
    >>> with_contracts(["Parameters", "----------", "a, b"], {"a": "an integer", "b": "one of 'x_', 'y'"})
    ['Parameters', '----------', "a, b : a: an integer; b: one of 'x\\_', 'y'"]
    >>> with_contracts(["a", "", "Returns", "-------", "a"], {"a": "an integer"})
    ['a', '', 'Returns', '-------', 'a']
    """
    result, section = [], ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        section = line if following and not following.strip("-") else section
        names = line.split(", ")
        if section != "Parameters" or not all(name in contract for name in names):
            result.append(line)
            continue
        texts = [contract[name] for name in names]
        text = texts[0] if len(set(texts)) == 1 else "; ".join(map(": ".join, zip(names, texts, strict=True)))
        result.append(f"{line} : " + MARKUP.sub(r"\\\1", text))
    return result


def show(_app: Sphinx, _what: str, _name: str, obj: Any, _options: object, lines: list[str]) -> None:
    # Imported after conf.py has set the environment variables.
    from mnist_lab._utils.contracts import ANYTHING, contract_of  # noqa: PLC0415

    contract = {name: text for name, text in contract_of(obj).items() if text != ANYTHING}
    lines[:] = with_contracts(lines, contract)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", show, priority=400)  # before numpydoc reads the docstring
    return {"parallel_read_safe": True, "parallel_write_safe": True}
