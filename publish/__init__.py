"""The report's other forms: a PDF, notebooks that ran, and a hand-in. tox runs these modules, one an environment."""
