"""Where a value comes from, in one spelling."""

from __future__ import annotations

import ast

from pytest_fapo.review.code.scopes import Scopes

_DEEP = 4


def origin(node: ast.AST, scopes: Scopes, depth: int = 0) -> str:
    """The expression with what its own names stand for, so that `open(path)` is not any `open(path)`."""
    known: dict[str, str] = {}
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and each.id not in known:
            known[each.id] = _meaning(each, scopes, depth)
    meanings = [f"{name}={meaning}" for name, meaning in sorted(known.items()) if meaning]
    text = ast.unparse(node)
    return f"{text} where {'; '.join(meanings)}" if meanings else text


def _meaning(node: ast.Name, scopes: Scopes, depth: int) -> str:
    bindings = scopes.bindings(node)
    if bindings is None:
        return ""
    if depth >= _DEEP:
        return "?"
    texts = set()
    for value in bindings:
        if isinstance(value, ast.arg):
            texts.add("given")
        elif isinstance(value, ast.expr):
            texts.add(origin(value, scopes, depth + 1))
        else:
            texts.add(type(value).__name__)
    return " or ".join(sorted(texts))
