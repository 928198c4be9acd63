"""Functions replaced in a module and added to it; all other lines keep every byte."""

from __future__ import annotations

import ast
import re

from pytest_fapo.artifacts.constants import parse_module
from pytest_fapo.artifacts.encoding import SourceText, split_lines, universal, with_newlines_of
from pytest_fapo.artifacts.functions.find import Function, functions_of
from pytest_fapo.artifacts.functions.imports import with_imports
from pytest_fapo.artifacts.functions.layout import indented, with_tabs
from pytest_fapo.artifacts.functions.source import new_source
from pytest_fapo.errors import ArtifactError


def replace_function(data: bytes, path: str, name: str, text: str) -> bytes:
    """The module with another source for one function, and the imports that the source begins with.

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
    source = parse_module(data, path).source
    lines = split_lines(source.text)
    old = "".join(lines[function.first - 1 : function.last])
    code = _fitted(new.text, function.indent, old)
    if universal(old) == code or universal(old) + "\n" == code:
        return with_imports(data, path, new.imports)
    if _has_newline(old):
        code = with_newlines_of(SourceText(old, source.encoding, b""), code)
    else:
        code = code.replace("\n", source.newline)
    result = _encoded(source, lines[: function.first - 1], code, lines[function.last :], address)
    return _checked(with_imports(result, path, new.imports), data, path, name)


def add_function(data: bytes, path: str, name: str, text: str) -> bytes:
    """The module with one function more: before the first statement that mentions it, else at the end.

    A method goes to the end of its class.

    Raises:
        ArtifactError: something of this name is there already, its class is not, or the text is not a
            function of this name.
    """
    address = f"{path}::{name}"
    module = parse_module(data, path)
    parent, _, last = name.rpartition(".")
    if name in functions_of(data, path) or name in module.constants or _bound(module.tree, name):
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


def _plain(function: Function) -> tuple[str, str]:
    return function.text, function.reason


def _has_newline(text: str) -> bool:
    return "\n" in text or "\r" in text


def _bound(tree: ast.Module, name: str) -> bool:
    """Whether the module's top level defines a class or imports something under this name."""
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
        raise ArtifactError(f"{address}: cannot be created: the class stands on one line")
    return node.end_lineno or node.lineno, first[: len(first) - len(first.lstrip())]


def _before_first_use(tree: ast.Module, name: str, lines: list[str]) -> int:
    """How many lines stand before the first top-level statement that mentions `name`; else all."""
    for statement in tree.body:
        if any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(statement)):
            decorators = getattr(statement, "decorator_list", [])
            number: int = min([statement.lineno, *(each.lineno for each in decorators)]) - 1
            while number and lines[number - 1].startswith("#"):
                number -= 1
            return number
    return len(lines)
