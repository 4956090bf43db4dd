"""``python -m publish.release v0.1.0``: whether everything agrees on a release, and what its notes say.

It needs nothing but Python. The version stands in pyproject.toml, so that a source tree without git can be installed. A
tag that names another version is an error.
"""

import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def notes(changelog: str, version: str) -> str:
    r"""What a changelog says of a version.

    >>> notes("# Log\n\n## Unreleased\n\n## 1.0.0 (2026-11-30)\n\n- New.\n\n## 0.9.0\n\n- Old.\n", "1.0.0")
    '- New.'
    >>> notes("# Log\n\n## Unreleased\n\n- New.\n", "1.0.0")
    ''
    """
    heading = rf"^## {re.escape(version)}(?: [^\n]*)?\n"
    found = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, flags=re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def complaints(tag: str, root: Path = ROOT) -> list[str]:
    """What does not agree with a tag such as ``v0.1.0``."""
    version = tag.removeprefix("v")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    cited = re.search(r"^version: (.+)$", citation, flags=re.MULTILINE)
    released = re.search(r'^date-released: "?\d{4}-\d\d-\d\d"?$', citation, flags=re.MULTILINE)
    agrees = {
        f"expected a tag such as v{project['version']}, got {tag}": re.fullmatch(r"v\d+\.\d+\.\d+((a|b|rc)\d+)?", tag),
        f"pyproject.toml has version {project['version']}": project["version"] == version,
        f"CITATION.cff has version {cited[1] if cited else 'none'}": cited is not None and cited[1] == version,
        "CITATION.cff has no date-released": released,
        f"CHANGELOG.md has no entries under '## {version}'": notes(
            (root / "CHANGELOG.md").read_text(encoding="utf-8"), version
        ),
    }
    return [text for text, agreed in agrees.items() if not agreed]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the notes of a release, or what does not agree with its tag."""
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) != 1:
        sys.exit("release: expected a tag such as v0.1.0")
    if found := complaints(given[0]):
        sys.exit("\n".join(f"release: {text}" for text in found))
    print(notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), given[0].removeprefix("v")))


if __name__ == "__main__":
    main()
