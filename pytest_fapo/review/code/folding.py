"""Strings that are put together in the code, carried out as far as that is sure and small."""

from __future__ import annotations

import ast

from pytest_fapo.review.code.scopes import Scopes

_DEEP = 3
_LONGEST = 100_000
_PLAIN_METHODS = frozenset(
    ("lower", "upper", "title", "casefold", "swapcase", "capitalize", "strip", "lstrip", "rstrip", "replace")
) | {"removeprefix", "removesuffix"}


def string(node: ast.AST, scopes: Scopes | None = None, depth: int = 0) -> str | None:
    """The string that an expression of constants makes; None where it cannot be told.

    Args:
        node: the expression.
        scopes: follows names that are bound once, where given.
        depth: of names followed.
    """
    return _Folding(scopes, depth).text(node)


class _Folding:
    """Does with constant strings what the code does."""

    def __init__(self, scopes: Scopes | None, depth: int) -> None:
        self._scopes = scopes
        self._depth = depth

    def text(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return _joined([self.text(part) for part in node.values])
        if isinstance(node, ast.FormattedValue):
            return self.text(node.value) if node.format_spec is None else None
        if isinstance(node, ast.BinOp):
            return self._operation(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return self._method(node, node.func)
        if isinstance(node, ast.Subscript):
            return self._slice(node)
        return self._named(node) if isinstance(node, ast.Name) else None

    def _named(self, node: ast.Name) -> str | None:
        bindings = self._scopes.bindings(node) if self._scopes is not None and self._depth < _DEEP else None
        if bindings is None or len(bindings) != 1 or not isinstance(bindings[0], ast.expr):
            return None
        return string(bindings[0], self._scopes, self._depth + 1)

    def _operation(self, node: ast.BinOp) -> str | None:
        left = self.text(node.left)
        if left is None:
            return None
        if isinstance(node.op, ast.Add):
            right = self.text(node.right)
            return left + right if right is not None and len(left) + len(right) < _LONGEST else None
        if isinstance(node.op, ast.Mult) and isinstance(node.right, ast.Constant):
            times = node.right.value
            return left * times if isinstance(times, int) and len(left) * times < _LONGEST else None
        if isinstance(node.op, ast.Mod):
            given = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            return _filled(left.split("%s"), [self.text(each) for each in given])
        return None

    def _method(self, node: ast.Call, func: ast.Attribute) -> str | None:
        base = self.text(func.value)
        if base is None or node.keywords:
            return None
        if func.attr == "join" and len(node.args) == 1 and isinstance(node.args[0], (ast.List, ast.Tuple)):
            return _joined([self.text(each) for each in node.args[0].elts], base)
        given = [self.text(each) for each in node.args]
        if func.attr == "format":
            return _filled(base.split("{}"), given)
        if func.attr not in _PLAIN_METHODS or None in given:
            return None
        try:
            changed: str = getattr(base, func.attr)(*given)
        except (TypeError, ValueError):
            return None
        return changed if len(changed) < _LONGEST else None

    def _slice(self, node: ast.Subscript) -> str | None:
        base = self.text(node.value)
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


def _joined(parts: list[str | None], glue: str = "") -> str | None:
    known = [part for part in parts if part is not None]
    return glue.join(known) if len(known) == len(parts) else None


def _filled(pieces: list[str], values: list[str | None]) -> str | None:
    """Text with its gaps filled one by one."""
    if len(pieces) != len(values) + 1 or None in values:
        return None
    return "".join(part for pair in zip(pieces, [*values, ""], strict=True) for part in pair if part)
