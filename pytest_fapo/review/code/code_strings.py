"""Evaluate strings that code puts together: a value's source, and the strings that it is compared with."""

from __future__ import annotations

import ast

from pytest_fapo.review.code.proposed_function import NameScopes

_DEEP = 3

_LONGEST = 100_000

_PLAIN_METHODS = frozenset(
    ("lower", "upper", "title", "casefold", "swapcase", "capitalize", "strip", "lstrip", "rstrip", "replace")
) | {"removeprefix", "removesuffix"}


def string(node: ast.AST, scopes: NameScopes | None = None, depth: int = 0) -> str | None:
    """The string that an expression of constants makes; None where it cannot be told.

    Args:
        node: the expression.
        scopes: follows names that are bound once, where given.
        depth: of names followed.
    """
    return _Folding(scopes, depth).text(node)


class _Folding:
    """Does with constant strings what the code does."""

    def __init__(self, scopes: NameScopes | None, depth: int) -> None:
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


_MOST = 8


def origin(node: ast.AST, scopes: NameScopes, depth: int = 0) -> str:
    """The expression with what its own names stand for, so that `open(path)` is not any `open(path)`."""
    names = {each.id: each for each in ast.walk(node) if isinstance(each, ast.Name)}
    known = {name: _meaning(each, scopes, depth) for name, each in list(names.items())[:_MOST]}
    meanings = [f"{name}={meaning}" for name, meaning in sorted(known.items()) if meaning]
    text = ast.unparse(node)
    if len(names) > _MOST:
        text += " and more"
    return f"{text} where {'; '.join(meanings)}" if meanings else text


def _meaning(node: ast.Name, scopes: NameScopes, depth: int) -> str:
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


def equals(node: ast.AST, scopes: NameScopes) -> list[ast.expr] | None:
    """The other sides of all comparisons; None where the string may be used in another way too."""
    parent = scopes.parents.get(node)
    if isinstance(parent, ast.Compare):
        return _sides(parent, node, (ast.Eq, ast.NotEq))
    if isinstance(parent, ast.MatchValue):
        return _subject(parent, scopes)
    if isinstance(parent, ast.Dict) and any(key is node for key in parent.keys):
        return _container(parent, scopes)
    if isinstance(parent, (ast.List, ast.Tuple, ast.Set)):
        return _container(parent, scopes)
    return None


def _sides(
    compare: ast.Compare, node: ast.AST, allowed: tuple[type[ast.cmpop], ...]
) -> list[ast.expr] | None:
    if not all(isinstance(op, allowed) for op in compare.ops):
        return None
    return [side for side in (compare.left, *compare.comparators) if side is not node]


def _subject(pattern: ast.AST, scopes: NameScopes) -> list[ast.expr] | None:
    current: ast.AST | None = pattern
    while current is not None and not isinstance(current, ast.Match):
        current = scopes.parents.get(current)
    return [current.subject] if current is not None else None


def _container(node: ast.AST, scopes: NameScopes) -> list[ast.expr] | None:
    """Return the entries of a container that is written out, directly or by its only name."""
    parent = scopes.parents.get(node)
    if (
        isinstance(parent, ast.Assign)
        and len(parent.targets) == 1
        and isinstance(parent.targets[0], ast.Name)
    ):
        name = parent.targets[0].id
        found: list[ast.expr] = []
        for each in scopes.names():
            if each.id == name and isinstance(each.ctx, ast.Load):
                asked = _lookup(each, scopes)
                if asked is None:
                    return None
                found += asked
        return found or None
    return _lookup(node, scopes)


def _lookup(node: ast.AST, scopes: NameScopes) -> list[ast.expr] | None:
    parent = scopes.parents.get(node)
    if isinstance(parent, ast.Compare) and parent.left is not node:
        return _sides(parent, node, (ast.In, ast.NotIn))
    if isinstance(parent, ast.Subscript) and parent.value is node:
        return [parent.slice]
    call = scopes.parents.get(parent) if parent is not None else None
    if isinstance(parent, ast.Attribute) and parent.attr == "get" and isinstance(call, ast.Call):
        return list(call.args[:1])
    if isinstance(parent, ast.Call) and ast.unparse(parent.func).endswith("get_close_matches"):
        return list(parent.args[:1])
    return None
