"""String constants that a module or class body binds to a name, and new ones."""

from __future__ import annotations

import ast
import keyword
from functools import lru_cache
from typing import NamedTuple

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.python_module import read_module
from pytest_fapo.source.python_texts import ModuleTexts, replace_text, texts_of
from pytest_fapo.source.text_files import SourceText, split_lines
from pytest_fapo.source.text_walk import Binding


class StringBinding(NamedTuple):
    """A name that a module or class body binds."""

    name: str
    value: str = ""
    """The value of the name at run time, or the template of an f-string; empty if `reason` is set."""
    reason: str = ""
    """The reason why it cannot be edited; empty if it can."""
    statement: ast.stmt | None = None
    expression: ast.expr | None = None
    """The expression that the name is bound to, if it is bound once and by itself."""


class ParsedModule(NamedTuple):
    """A parsed module and its constants by dotted name."""

    source: SourceText
    constants: dict[str, StringBinding]
    tree: ast.Module


@lru_cache(maxsize=128)
def parse_module(data: bytes, path: str) -> ParsedModule:
    """Read a module's constants, editable or not.

    Raises:
        ArtifactError: the file is not Python that this interpreter can parse, or not decodable.
    """
    module, texts = read_module(data, path), texts_of(data, path)
    found: dict[str, list[Binding]] = {}
    for binding in texts.bindings:
        found.setdefault(binding.name, []).append(binding)
    constants = {name: _constant(name, several, texts) for name, several in found.items()}
    return ParsedModule(module.source, constants, module.tree)


def _constant(name: str, bindings: list[Binding], texts: ModuleTexts) -> StringBinding:
    if len(bindings) > 1:
        reason = f"it is assigned in {len(bindings)} places; name one of them differently"
        return StringBinding(name, reason=reason)
    expression, statement = bindings[0].expression, bindings[0].statement
    if expression is None:
        return StringBinding(name, reason=bindings[0].reason)
    text = texts.texts.get(name)
    reason = "" if text else texts.refused[name].reason if name in texts.refused else "it is no text"
    return StringBinding(name, text.value if text else "", reason, statement, expression)


def add_constant(data: bytes, path: str, name: str, text: str) -> bytes:
    """The module with one string constant more, behind the last one that it has at its top level.

    Raises:
        ArtifactError: the module binds the name already, or it is no name of a module constant.
    """
    module = parse_module(data, path)
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ArtifactError(f"{path}::{name}: cannot be created: only constants of the module itself can be")
    if any(_binds(node, name) for node in ast.walk(module.tree)):
        raise ArtifactError(f"{path}::{name}: cannot be created: there is something of this name already")
    strings = [each for each in module.constants.values() if not each.reason and "." not in each.name]
    ends = [
        each.statement.end_lineno or 0
        for each in strings
        if each.statement and each.statement in module.tree.body
    ]
    newline, lines = module.source.newline, split_lines(module.source.text)
    number = max(ends, default=len(lines))
    if number and not lines[number - 1].endswith(("\n", "\r")):
        lines[number - 1] += newline
    statement = f'{name} = ""{newline}' if ends else f'{newline * 2 if lines else ""}{name} = ""{newline}'
    draft = "".join([*lines[:number], statement, *lines[number:]])
    return replace_text(module.source.encode(draft), path, name, text)


def _binds(node: ast.AST, name: str) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node.name == name
    if isinstance(node, ast.alias):
        return (node.asname or node.name) == name
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
