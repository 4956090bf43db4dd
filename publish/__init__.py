"""The report's other forms: a PDF, executed notebooks and a hand-in. Each module is one tox environment."""

import sys
from pathlib import Path

# The site's extensions are single files; some make notebooks of pages too.
sys.path.append(str(Path(__file__).resolve().parent.parent / "docs" / "_ext"))
