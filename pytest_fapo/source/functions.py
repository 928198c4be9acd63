"""Functions of Python files: found with their decorators, replaced and added; all other lines keep every
byte.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.constants import bindings_of
from pytest_fapo.source.function_source import (
    dedented,
    indented,
    lines_inside_strings,
    new_source,
    with_imports,
    with_tabs,
)
from pytest_fapo.source.python_module import read_module
from pytest_fapo.source.text_files import SourceText, split_lines, universal_newlines, with_newlines_of

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class SourceFunction(NamedTuple):
    """A function or method that a module defines."""

    name: str
    """`answer`, `Class.method`, `Class.Inner.method`."""
    text: str = ""
    """The source with decorators, moved to the left; empty where `reason` is given."""
    reason: str = ""
    """The reason why it cannot be edited."""
    first: int = 0
    last: int = 0
    """Lines of the source, from 1, both included."""
    indent: str = ""


@lru_cache(maxsize=128)
def functions_of(data: bytes, path: str) -> dict[str, SourceFunction]:
    """Return the functions of a module by name, in its order.

    Raises:
        ArtifactError: the file is not Python that this interpreter can parse.
    """
    module = read_module(data, path)
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


def _function(name: str, nodes: list[FunctionNode], lines: list[str], inside: set[int]) -> SourceFunction:
    if len(nodes) > 1:
        return SourceFunction(name, reason=_several(nodes))
    node = nodes[0]
    first, last = _first_line(node, lines), _last_line(node, lines)
    indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip(" \t\f"))]
    if lines[first - 1].lstrip(" \t\f")[:1] not in "@da":
        return SourceFunction(name, reason="its definition shares a line with other code")
    text = universal_newlines(dedented(lines, first, last, indent, inside))
    return SourceFunction(name, text if text.endswith("\n") else text + "\n", "", first, last, indent)


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
    """Return the last line of the body; comments behind it that are indented like the body belong to it."""
    last = node.end_lineno or node.lineno
    column = node.col_offset
    for number in range(last + 1, len(lines) + 1):
        line = lines[number - 1].expandtabs()
        if line.strip() and not (line.lstrip().startswith("#") and len(line) - len(line.lstrip()) > column):
            break
        if line.strip():
            last = number
    return last


def replace_function(data: bytes, path: str, name: str, text: str) -> bytes:
    """Return the module with another source for one function, and the imports that the source begins with.

    Args:
        data: the module.
        path: its path, for messages.
        name: `answer` or `Class.method`.
        text: import statements, where any are needed, and the function.

    Raises:
        ArtifactError: the function is not there or not editable, or the text is not what is expected.
    """
    address = f"{path}::{name}"
    function = functions_of(data, path).get(name)
    if function is None or function.reason:
        reason = function.reason if function else "there is no such function"
        raise ArtifactError(f"{address}: cannot be edited: {reason}")
    new = new_source(text, address, name.rpartition(".")[2])
    source = read_module(data, path).source
    lines = split_lines(source.text)
    old = "".join(lines[function.first - 1 : function.last])
    code = _fitted(new.text, function.indent, old)
    if universal_newlines(old) == code or universal_newlines(old) + "\n" == code:
        return with_imports(data, path, new.imports)
    if _has_newline(old):
        code = with_newlines_of(SourceText(old, source.encoding, b""), code)
    else:
        code = code.replace("\n", source.newline)
    result = _encoded(source, lines[: function.first - 1], code, lines[function.last :], address)
    return _checked(with_imports(result, path, new.imports), data, path, name)


def add_function(data: bytes, path: str, name: str, text: str) -> bytes:
    """Return the module with one function more: before the first statement that mentions it, else at the end.

    A method goes to the end of its class.

    Raises:
        ArtifactError: something of this name is there already, its class is not, or the text is not a
            function of this name.
    """
    address = f"{path}::{name}"
    module = read_module(data, path)
    parent, _, last = name.rpartition(".")
    if name in functions_of(data, path) or name in bindings_of(data, path) or _bound(module.tree, name):
        raise ArtifactError(f"{address}: cannot be created: there is something of this name already")
    new = new_source(text, address, last)
    lines = split_lines(module.source.text)
    if parent:
        number, indent = _end_of_class(module.tree, parent, address, lines)
        before, after = "\n", ""
    else:
        number, indent = _before_first_use(module.tree, last, lines), ""
        before, after = ("", "\n\n") if number < len(lines) else ("\n\n", "")
        if after and number and lines[number - 1].strip():
            before = "\n\n"
    while not after and number and not lines[number - 1].strip():
        number -= 1
    if number and not _has_newline(lines[number - 1]):
        lines[number - 1] += module.source.newline
    code = before * bool(number) + _fitted(new.text, indent, "".join(lines)) + after
    code = code.replace("\n", module.source.newline)
    result = _encoded(module.source, lines[:number], code, lines[number:], address)
    return _checked(with_imports(result, path, new.imports), data, path, name)


def _fitted(code: str, indent: str, around: str) -> str:
    """`code` in the place's own indentation, by tabs where the place is indented by tabs."""
    if len(re.findall(r"^\t", around, re.M)) > len(re.findall(r"^ +\S", around, re.M)):
        code = with_tabs(code)
    return indented(code, indent) if indent else code


def _encoded(source: SourceText, head: list[str], code: str, tail: list[str], address: str) -> bytes:
    try:
        return source.encode("".join(head) + code + "".join(tail))
    except UnicodeEncodeError as error:
        raise ArtifactError(f"{address}: {error}") from None


def _checked(result: bytes, before: bytes, path: str, name: str) -> bytes:
    """`result`, where it holds exactly the functions wanted, and the others as they were.

    Raises:
        ArtifactError: the text does not fit into this place.
    """
    try:
        found = functions_of(result, path)
    except ArtifactError as error:
        raise ArtifactError(f"{path}::{name}: the new source does not fit its place: {error}") from None
    old = functions_of(before, path)
    others = {each: _plain(function) for each, function in found.items() if each != name}
    expected = {each: _plain(function) for each, function in old.items() if each != name}
    if name not in found or found[name].reason or others != expected:
        raise ArtifactError(f"{path}::{name}: the new source does not fit its place")
    return result


def _plain(function: SourceFunction) -> tuple[str, str]:
    return function.text, function.reason


def _has_newline(text: str) -> bool:
    return "\n" in text or "\r" in text


def _bound(tree: ast.Module, name: str) -> bool:
    """True if the module's top level defines a class or imports something under this name."""
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            return True
        if isinstance(statement, (ast.Import, ast.ImportFrom)) and any(
            (alias.asname or alias.name) == name for alias in statement.names
        ):
            return True
    return False


def _end_of_class(tree: ast.Module, parent: str, address: str, lines: list[str]) -> tuple[int, str]:
    body: list[ast.stmt] = tree.body
    node: ast.ClassDef | None = None
    for part in parent.split("."):
        found = [each for each in body if isinstance(each, ast.ClassDef) and each.name == part]
        if len(found) != 1:
            raise ArtifactError(
                f"{address}: cannot be created: the module has no class {parent!r} of its own"
            )
        node, body = found[0], found[0].body
    assert node is not None
    first = lines[body[0].lineno - 1]
    if body[0].lineno == node.lineno:
        raise ArtifactError(f"{address}: cannot be created: the class is on one line")
    return node.end_lineno or node.lineno, first[: len(first) - len(first.lstrip())]


def _before_first_use(tree: ast.Module, name: str, lines: list[str]) -> int:
    """Return the number of lines before the first top-level statement that mentions `name`; else all."""
    for statement in tree.body:
        if any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(statement)):
            decorators = getattr(statement, "decorator_list", [])
            number: int = min([statement.lineno, *(each.lineno for each in decorators)]) - 1
            while number and lines[number - 1].startswith("#"):
                number -= 1
            return number
    return len(lines)
