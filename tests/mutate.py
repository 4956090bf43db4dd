"""mutmut, which leaves decorated functions as they are, for functions that are ``@checked`` too.

Run by ``tox -e mutation``: ``python tests/mutate.py run``.
"""

from typing import Any


def main() -> None:
    # Only the environment `mutation` has these, and pytest imports every module here for its doctests.
    import libcst as cst
    from mutmut.__main__ import cli
    from mutmut.mutation.file_mutation import MutationVisitor

    skips = MutationVisitor._skip_node_and_children

    def skips_unless_checked(visitor: Any, node: Any) -> bool:
        if isinstance(node, cst.FunctionDef):
            decorators = {cst.Module([]).code_for_node(each.decorator) for each in node.decorators}
            if decorators and decorators <= {"checked", "torch.no_grad()"}:
                node = node.with_changes(decorators=[])
        return bool(skips(visitor, node))

    MutationVisitor._skip_node_and_children = skips_unless_checked
    cli()


if __name__ == "__main__":
    main()
