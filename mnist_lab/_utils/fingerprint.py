"""What a module does, as a digest that its comments and docstrings do not change."""

import ast
import hashlib
import importlib.util
import marshal
import threading

# CPython 3.11 counts the depth of all syntax trees in one place: two threads that parse at once raise SystemError.
_parsing = threading.Lock()


def fingerprint(*modules: str) -> str:
    """SHA-256 of the code of some modules, by name, without comments, docstrings and layout.

    >>> fingerprint("mnist_lab.model") == fingerprint("mnist_lab.model")
    True
    """
    return hashlib.sha256("\0".join(map(_code_of, modules)).encode()).hexdigest()


def _code_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no module named {module!r}")
    source = spec.loader.get_source(module)  # type: ignore[attr-defined]
    if source is not None:
        return without_prose(source)
    # An installation without sources: its compiled code takes their place.
    return hashlib.sha256(marshal.dumps(spec.loader.get_code(module))).hexdigest()  # type: ignore[attr-defined]


def without_prose(source: str) -> str:
    r"""The source of a module without its comments and docstrings, in one layout.

    >>> without_prose("def f():\n    '''Say so.'''\n    return 1  # one") == without_prose("def f():\n    return 1")
    True
    """
    with _parsing:
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
