"""What one case leaves behind for the next, and objects that pass for equal to anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pytest_fapo.review.code.access import Access
from pytest_fapo.review.code.source import Source

_CHANGING = frozenset(
    (
        "append",
        "extend",
        "insert",
        "add",
        "update",
        "setdefault",
        "pop",
        "popitem",
        "remove",
        "discard",
        "clear",
    )
)
_DECIDING = """
eq ne lt le gt ge hash bool contains getattr getattribute setattr delattr instancecheck subclasscheck
class_getitem init_subclass new del set_name reduce reduce_ex getitem missing index
"""
_COMPARING = frozenset(f"__{name}__" for name in _DECIDING.split())


def stores(source: Source, access: Access) -> Iterator[tuple[str, str]]:
    """Changes of things that outlive the call: a key that compares two versions, and what it is."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Global):
            for name in node.names:
                yield f"global {name}", f"sets the global {name}"
        outer, how = "", ""
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            outer, how = _outer(node, access), ast.unparse(node)[:60]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            changing = node.func.attr in _CHANGING
            outer, how = (
                _outer(node.func, access, names_only=True) if changing else "",
                ast.unparse(node.func),
            )
        if outer:
            yield f"store {outer}", f"changes {outer}, which outlives the call ({how})"


def pretenders(source: Source) -> Iterator[str]:
    """Methods by which an object decides itself what it is equal to."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            for part in ast.walk(node):
                name = getattr(part, "name", None) or (part.id if isinstance(part, ast.Name) else None)
                if name in _COMPARING:
                    yield f"line {node.lineno}: class {node.name} defines {name}"
            if node.keywords:
                yield f"line {node.lineno}: class {node.name} has a metaclass or class arguments"
    if source.function.name in _COMPARING:
        yield f"{source.function.name} decides what objects are equal to"


def _outer(node: ast.Attribute | ast.Subscript, access: Access, *, names_only: bool = False) -> str:
    """The name of the file (or of an import) whose object is changed; empty for the function's own."""
    base: ast.expr = node
    while isinstance(base, (ast.Attribute, ast.Subscript)):
        base = base.value
    if not isinstance(base, ast.Name):
        return ""
    scopes = access.scopes
    if scopes.bindings(base) is None or access.origins(base):
        return base.id
    if names_only:
        return ""
    return _alias(base, access)


def _alias(node: ast.Name, access: Access) -> str:
    """The file's name that a local name was plainly set to."""
    for value in access.scopes.bindings(node) or []:
        while isinstance(value, (ast.Attribute, ast.Subscript)):
            value = value.value
        if isinstance(value, ast.Name) and value.id != node.id and access.scopes.bindings(value) is None:
            return value.id
    return ""
