"""The names that the bodies of a module and its classes bind, and new string constants."""

from __future__ import annotations

import ast
import keyword
from functools import lru_cache

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.python_module import read_module
from pytest_fapo.source.python_texts import replace_text, texts_of
from pytest_fapo.source.text_files import split_lines
from pytest_fapo.source.text_walk import Binding


@lru_cache(maxsize=128)
def bindings_of(data: bytes, path: str) -> dict[str, Binding]:
    """Return the names that a module and its classes bind; one that is bound twice has a reason.

    Raises:
        ArtifactError: the file is not Python that this interpreter can parse, or not decodable.
    """
    found: dict[str, list[Binding]] = {}
    for binding in texts_of(data, path).bindings:
        found.setdefault(binding.name, []).append(binding)
    return {name: _only(several) for name, several in found.items()}


def _only(several: list[Binding]) -> Binding:
    if len(several) == 1:
        return several[0]
    reason = f"it is assigned in {len(several)} places; name one of them differently"
    return several[0]._replace(expression=None, reason=reason)


def add_constant(data: bytes, path: str, name: str, text: str) -> bytes:
    """Return the module with one string constant more, behind the last one that it has at its top level.

    Raises:
        ArtifactError: the module binds the name already, or it is no name of a module constant.
    """
    module, texts = read_module(data, path), texts_of(data, path)
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ArtifactError(f"{path}::{name}: cannot be created: only constants of the module itself can be")
    if any(_binds(node, name) for node in ast.walk(module.tree)):
        raise ArtifactError(f"{path}::{name}: cannot be created: there is something of this name already")
    ends = [
        binding.statement.end_lineno or 0
        for binding in bindings_of(data, path).values()
        if binding.name in texts.texts and binding.statement in module.tree.body
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
