"""Tell edits of code from edits of the texts and numbers in it."""

from __future__ import annotations

import ast


def changes_code(before: bytes, after: bytes) -> bool:
    """True if a Python file does something else, whatever its constants are: also where it does not parse.

    Args:
        before: its content; empty for a new file.
        after: its new content.
    """
    return before != after and _without_constants(before) != _without_constants(after)


def _without_constants(content: bytes) -> str | None:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, int, float)):
            node.value, node.kind = type(node.value)(), None
    try:
        return ast.dump(tree)
    except RecursionError:
        return None
