"""Where a value comes from, in one spelling; and strings that are put together in the code."""

from __future__ import annotations

import ast

from pytest_fapo.review.code.scopes import Scopes

_DEEP = 4
_LONGEST = 100_000


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


def string(node: ast.AST) -> str | None:
    """The string that an expression of constants makes; None where it cannot be told."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return _joined([string(part) for part in node.values])
    if isinstance(node, ast.FormattedValue):
        return string(node.value) if node.format_spec is None else None
    if isinstance(node, ast.BinOp):
        return _operation(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _method(node, node.func)
    if isinstance(node, ast.Subscript):
        return _slice(node)
    return None


def _joined(parts: list[str | None], glue: str = "") -> str | None:
    known = [part for part in parts if part is not None]
    return glue.join(known) if len(known) == len(parts) else None


def _operation(node: ast.BinOp) -> str | None:
    left, right = string(node.left), string(node.right)
    if isinstance(node.op, ast.Add) and left is not None and right is not None:
        return left + right
    if isinstance(node.op, ast.Mult) and left is not None and isinstance(node.right, ast.Constant):
        times = node.right.value
        return left * times if isinstance(times, int) and len(left) * times < _LONGEST else None
    if isinstance(node.op, ast.Mod) and left is not None:
        given = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
        values = [string(each) for each in given]
        pieces = left.split("%s")
        if len(pieces) == len(values) + 1 and None not in values:
            return "".join(part for pair in zip(pieces, [*values, ""], strict=True) for part in pair if part)
    return None


def _method(node: ast.Call, func: ast.Attribute) -> str | None:
    base = string(func.value)
    if base is None or node.keywords:
        return None
    given = [string(each) for each in node.args]
    if func.attr == "join" and len(node.args) == 1 and isinstance(node.args[0], (ast.List, ast.Tuple)):
        return _joined([string(each) for each in node.args[0].elts], base)
    if func.attr == "replace" and len(given) == 2 and None not in given:
        return base.replace(str(given[0]), str(given[1]))
    if func.attr == "format" and None not in given:
        pieces = base.split("{}")
        if len(pieces) == len(given) + 1:
            return "".join(part for pair in zip(pieces, [*given, ""], strict=True) for part in pair if part)
    if func.attr in ("lower", "upper", "strip", "title", "casefold", "swapcase") and not given:
        changed: str = getattr(base, func.attr)()
        return changed
    return None


def _slice(node: ast.Subscript) -> str | None:
    base = string(node.value)
    if base is None or not isinstance(node.slice, ast.Slice):
        return None
    try:
        parts = [
            ast.literal_eval(part) if part is not None else None
            for part in (node.slice.lower, node.slice.upper, node.slice.step)
        ]
        return base[slice(*parts)]
    except (ValueError, TypeError):
        return None
