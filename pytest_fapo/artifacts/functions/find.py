"""The functions of a module: where each stands, with its decorators, and which can be edited."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from pytest_fapo.artifacts.constants import parse_module
from pytest_fapo.artifacts.encoding import split_lines, universal
from pytest_fapo.artifacts.functions.layout import dedented, lines_inside_strings

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Function(NamedTuple):
    """A function or method that a module defines."""

    name: str
    """`answer`, `Class.method`, `Class.Inner.method`."""
    text: str = ""
    """The source with decorators, moved to the left; empty where `reason` is given."""
    reason: str = ""
    """Why it cannot be edited."""
    first: int = 0
    last: int = 0
    """Lines of the source, from 1, both included."""
    indent: str = ""


@lru_cache(maxsize=128)
def functions_of(data: bytes, path: str) -> dict[str, Function]:
    """The functions of a module by name, in its order.

    Raises:
        ArtifactError: the file is not Python that this interpreter can parse.
    """
    module = parse_module(data, path)
    lines = split_lines(module.source.text)
    found: dict[str, list[FunctionNode]] = {}
    for name, node in _walk(module.tree.body, ""):
        found.setdefault(name, []).append(node)
    inside = lines_inside_strings(module.source.text)
    return {name: _function(name, nodes, lines, inside) for name, nodes in found.items()}


def _walk(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, FunctionNode]]:
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + statement.name, statement
        elif isinstance(statement, ast.ClassDef):
            yield from _walk(statement.body, f"{prefix}{statement.name}.")
        else:
            for field in ("body", "orelse", "finalbody"):
                yield from _walk(getattr(statement, field, []), prefix)
            for part in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
                yield from _walk(part.body, prefix)


def _function(name: str, nodes: list[FunctionNode], lines: list[str], inside: set[int]) -> Function:
    if len(nodes) > 1:
        return Function(name, reason=_several(nodes))
    node = nodes[0]
    first, last = _first_line(node, lines), _last_line(node, lines)
    indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip(" \t\f"))]
    if lines[first - 1].lstrip(" \t\f")[:1] not in "@da":
        return Function(name, reason="its definition shares a line with other code")
    text = universal(dedented(lines, first, last, indent, inside))
    return Function(name, text if text.endswith("\n") else text + "\n", "", first, last, indent)


def _several(nodes: list[FunctionNode]) -> str:
    decorators = {ast.unparse(decorator) for node in nodes for decorator in node.decorator_list}
    if any(text.rpartition(".")[2] == "overload" for text in decorators):
        return "it has overloads, which must agree with it"
    if any(text.endswith((".setter", ".deleter")) for text in decorators):
        return "it is a property with a setter or deleter, several functions of one name"
    return f"it is defined in {len(nodes)} places; name one of them differently"


def _first_line(node: FunctionNode, lines: list[str]) -> int:
    if not node.decorator_list:
        return node.lineno
    first = node.decorator_list[0].lineno
    while first > 1 and not lines[first - 1].lstrip().startswith("@"):  # `@(` with its expression below
        first -= 1
    return first


def _last_line(node: FunctionNode, lines: list[str]) -> int:
    """The last line of the body; comments behind it that are indented like the body belong to it."""
    last = node.end_lineno or node.lineno
    column = node.col_offset
    for number in range(last + 1, len(lines) + 1):
        line = lines[number - 1].expandtabs()
        if line.strip() and not (line.lstrip().startswith("#") and len(line) - len(line.lstrip()) > column):
            break
        if line.strip():
            last = number
    return last
