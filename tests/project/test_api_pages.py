"""The API pages show what each parameter may be, in markup that Sphinx reads without a warning."""

import doctest
import inspect
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from docutils.core import publish_doctree
from numpydoc.docscrape_sphinx import SphinxDocString  # type: ignore[import-untyped]

import mnist_lab as lab
from mnist_lab._utils.contracts import ANYTHING, contract_of
from tests.test_contracts import PUBLIC

EXTENSIONS = Path(__file__).resolve().parent.parent.parent / "docs" / "_ext"
DOCUMENTED = {name: entry for name, entry in PUBLIC.items() if "Parameters\n" in (inspect.getdoc(entry) or "")}


@pytest.fixture
def contracts(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    import contracts

    yield contracts
    sys.modules.pop("contracts")


def shown(contracts: ModuleType, entry: Any) -> dict[str, str]:
    """What the page of a function says of each parameter, after its name."""
    lines = inspect.cleandoc(entry.__doc__).splitlines()
    contracts.show(None, "function", "name", entry, None, lines)
    return {parameter.name: parameter.type for parameter in SphinxDocString("\n".join(lines))["Parameters"]}


def test_the_examples_in_the_extension_hold(contracts: ModuleType) -> None:
    assert doctest.testmod(contracts) == doctest.TestResults(failed=0, attempted=3)


def test_a_page_shows_the_contract_of_each_parameter(contracts: ModuleType) -> None:
    found = shown(contracts, lab.occlusion_map)
    assert found["patch"] == "an integer in 1..28"
    assert found["progress"] == "True or False"
    assert shown(contracts, lab.Recipe)["precision"] == "one of 'float32', 'bfloat16'"
    assert shown(contracts, lab.trained)["name"] == r"one of 'plain', 'batch\_norm', 'robust'"
    assert shown(contracts, lab.Evaluation)["accuracy"] == "", "what the library builds itself has no contract"


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_parameter_is_documented_with_its_contract(contracts: ModuleType, name: str) -> None:
    found = shown(contracts, DOCUMENTED[name])
    contract = contract_of(DOCUMENTED[name])
    assert sorted(part for names in found for part in names.split(", ")) == sorted(contract)
    for names, text in found.items():
        expected = {contract[part] for part in names.split(", ")} - {ANYTHING}
        assert all(part in text.replace("\\", "") for part in expected)
        assert "<" not in text
        warnings = io.StringIO()
        publish_doctree(f"**{names}** : {text}\n    Text.", settings_overrides={"warning_stream": warnings})
        assert warnings.getvalue() == ""


def test_most_public_functions_document_their_parameters() -> None:
    assert len(DOCUMENTED) >= 60
