"""What a string in the code is compared with as a whole: by `==`, as a key, in a set, by `match`."""

from __future__ import annotations

import ast

from pytest_fapo.review.code.scopes import Scopes


def equals(node: ast.AST, scopes: Scopes) -> list[ast.expr] | None:
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


def _subject(pattern: ast.AST, scopes: Scopes) -> list[ast.expr] | None:
    current: ast.AST | None = pattern
    while current is not None and not isinstance(current, ast.Match):
        current = scopes.parents.get(current)
    return [current.subject] if current is not None else None


def _container(node: ast.AST, scopes: Scopes) -> list[ast.expr] | None:
    """What is looked up in a container that is written out, directly or by the one name that it has."""
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


def _lookup(node: ast.AST, scopes: Scopes) -> list[ast.expr] | None:
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
