"""Where a value comes from, in one spelling."""

from __future__ import annotations

import ast

from pytest_fapo.review.code.scopes import Scopes

_DEEP = 3
_MOST = 8


def origin(node: ast.AST, scopes: Scopes, depth: int = 0) -> str:
    """The expression with what its own names stand for, so that `open(path)` is not any `open(path)`."""
    names = {each.id: each for each in ast.walk(node) if isinstance(each, ast.Name)}
    known = {name: _meaning(each, scopes, depth) for name, each in list(names.items())[:_MOST]}
    meanings = [f"{name}={meaning}" for name, meaning in sorted(known.items()) if meaning]
    text = ast.unparse(node)
    if len(names) > _MOST:
        text += " and more"
    return f"{text} where {'; '.join(meanings)}" if meanings else text


def _meaning(node: ast.Name, scopes: Scopes, depth: int) -> str:
    bindings = scopes.bindings(node)
    if bindings is None:
        return ""
    if depth >= _DEEP or len(bindings) > _MOST:
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
