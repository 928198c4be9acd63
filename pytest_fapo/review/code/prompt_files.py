"""Reading a prompt file of the scope, written out: the one file access that new code may have."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pytest_fapo.review.code.around import Around
from pytest_fapo.review.code.source import Source

_WAYS = frozenset(
    ("parent", "parents", "joinpath", "path", "join", "dirname", "abspath", "Path", "resolve", "absolute")
)
_KEYWORDS = frozenset(("encoding", "errors", "newline"))


def accepted_reads(source: Source, around: Around) -> set[ast.AST]:
    """All nodes of expressions such as `(PROMPTS / "critic.md").read_text(encoding="utf-8")`."""
    found: set[ast.AST] = set()
    for node in ast.walk(source.tree):
        path = _path_read(node)
        if path is not None and _is_prompt(path, source, around):
            found.update(ast.walk(node))
    return found


def _path_read(node: ast.AST) -> ast.expr | None:
    """The expression of the file that a call reads."""
    if not isinstance(node, ast.Call) or not {keyword.arg for keyword in node.keywords} <= _KEYWORDS:
        return None
    if isinstance(node.func, ast.Attribute) and node.func.attr == "read_text" and not node.args:
        return node.func.value
    if isinstance(node.func, ast.Name) and node.func.id == "open" and node.args:
        modes = [each.value for each in node.args[1:] if isinstance(each, ast.Constant)]
        return (
            node.args[0] if len(modes) == len(node.args) - 1 and all(mode == "r" for mode in modes) else None
        )
    return None


def _is_prompt(path: ast.expr, source: Source, around: Around) -> bool:
    names = [node for node in ast.walk(path) if isinstance(node, ast.Name)]
    if not all(_is_outer(node, source, around) for node in names):
        return False
    ways = {node.attr for node in ast.walk(path) if isinstance(node, ast.Attribute)}
    kinds = (
        ast.Name, ast.Attribute, ast.Constant, ast.BinOp, ast.Div, ast.Call, ast.Load, ast.Subscript,
    )  # fmt: skip
    if not ways <= _WAYS or not all(isinstance(node, kinds) for node in ast.walk(path)):
        return False
    texts = [node.value for node in _in_order(path) if isinstance(node.value, str)]
    return bool(texts) and around.is_prompt("/".join(texts))


def _is_outer(node: ast.Name, source: Source, around: Around) -> bool:
    """A name of the file (or `Path`), which the function does not bind itself."""
    bindings = source.scopes.bindings(node)
    if bindings is not None:
        return node.id in ("Path", "pathlib") and all(
            isinstance(each, (ast.Import, ast.ImportFrom)) for each in bindings
        )
    return node.id in around.module.known or node.id == "__file__"


def _in_order(node: ast.AST) -> list[ast.Constant]:
    found = [each for each in ast.walk(node) if isinstance(each, ast.Constant)]
    return sorted(found, key=lambda each: (each.lineno, each.col_offset))


_TO_THE_MODEL = frozenset(
    (
        "format",
        "format_map",
        "replace",
        "strip",
        "rstrip",
        "lstrip",
        "substitute",
        "safe_substitute",
        "render",
    )
)
_READERS = frozenset(
    ("loads", "findall", "finditer", "search", "match", "fullmatch", "literal_eval", "fromstring")
)


def misused_prompts(source: Source, around: Around) -> Iterator[str]:
    """Prompts that the code itself reads: split, searched or compared, as if they were tables."""
    for node in ast.walk(source.tree):
        if _gives_prompt(node, source, around):
            for use in _uses(node, source):
                if _misuses(use, source):
                    yield f"line {getattr(use, 'lineno', 0)}: the code takes a prompt apart"


def _gives_prompt(node: ast.AST, source: Source, around: Around) -> bool:
    if isinstance(node, ast.Call):
        if _path_read(node) is not None:
            return True
        return isinstance(node.func, ast.Name) and around.module.takes_outside(node.func.id)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return node.id in around.constants and source.scopes.bindings(node) is None
    return isinstance(node, ast.Attribute) and node.attr in around.constants


def _uses(node: ast.AST, source: Source) -> Iterator[ast.AST]:
    """The expression itself, and the local names that hold it."""
    yield node
    parent = source.scopes.parents.get(node)
    while isinstance(parent, (ast.Attribute, ast.Call)) and _passes(parent, node):
        yield parent
        node, parent = parent, source.scopes.parents.get(parent)
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
        name = parent.targets[0].id
        yield from (
            each
            for each in source.scopes.names()
            if each.id == name and isinstance(each.ctx, ast.Load) and parent.value in _bound(each, source)
        )


def _passes(parent: ast.Attribute | ast.Call, node: ast.AST) -> bool:
    if isinstance(parent, ast.Call):
        return parent.func is node
    return parent.attr in _TO_THE_MODEL


def _bound(name: ast.Name, source: Source) -> list[ast.AST | None]:
    return source.scopes.bindings(name) or []


def _misuses(node: ast.AST, source: Source) -> bool:
    parent = source.scopes.parents.get(node)
    if isinstance(parent, ast.Attribute):
        return parent.attr not in _TO_THE_MODEL
    if isinstance(parent, ast.Call):
        name = parent.func.attr if isinstance(parent.func, ast.Attribute) else getattr(parent.func, "id", "")
        return parent.func is not node and name in _READERS
    return isinstance(
        parent, (ast.Compare, ast.For, ast.comprehension, ast.Subscript, ast.Starred, ast.Match)
    )
