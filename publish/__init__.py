"""The report's other forms: a PDF, executed notebooks and a hand-in. Each module is one tox environment."""
