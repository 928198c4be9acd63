"""Parameters of Python files: constants, defaults of fields, entries of dict constants."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import JsonValue

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.constants import bindings_of
from pytest_fapo.source.literal_spelling import spellings
from pytest_fapo.source.parameter_values import ParameterValue, dotted, number, same_value
from pytest_fapo.source.python_module import PythonModule, read_module, span_of, spliced, surroundings_of

_FIELDS = ("field", "Field", "mapped_field", "attrib", "ib")
"""Functions of dataclasses, pydantic and attrs that declare a field and may hold its default."""


class _PythonLocation(NamedTuple):
    value: ParameterValue
    node: ast.expr | None = None


def values_in_python(data: bytes, path: str) -> Iterator[ParameterValue]:
    """Yield the scalars that a module binds: `NAME`, `Class.FIELD`, `NAME.key` of dict constants and
    calls.
    """
    for place in _locations(data, path):
        yield place.value


def replace_in_python(data: bytes, path: str, name: str, value: JsonValue) -> bytes:
    """Return the module with the parameter holding `value`; every byte outside its literal stays.

    Raises:
        ArtifactError: the parameter is not there or cannot hold the value.
    """
    module = read_module(data, path)
    place = next((place for place in _locations(data, path) if place.value.name == name), None)
    if place is None or place.node is None:
        raise ArtifactError(f"{path}::{name}: there is no such value")
    start, end = span_of(module.source.text, place.node)
    old = module.source.text[start:end]
    fraction = isinstance(place.value.value, float)
    for literal in _spelling(old, value, fraction, module, start):
        result = spliced(module.source, start, end, literal)
        if result is not None and _holds(result, path, name, value):
            return result
    raise ArtifactError(f"{path}::{name}: {json.dumps(value)} cannot be written in this place")


def _spelling(old: str, value: JsonValue, fraction: bool, module: PythonModule, start: int) -> Iterator[str]:
    if isinstance(value, str):
        if old[:1] in "'\"rRuU" and not old.startswith("u("):
            yield from spellings(old, value, surroundings_of(module.source, start, start + len(old)))
        else:
            yield json.dumps(value)
    elif value is None or isinstance(value, bool):
        yield repr(value)
    elif isinstance(value, (int, float)):
        yield number(value, fraction=fraction)


def _holds(data: bytes, path: str, name: str, value: JsonValue) -> bool:
    try:
        found = [each for each in values_in_python(data, path) if each.name == name]
    except ArtifactError:
        return False
    return len(found) == 1 and not found[0].reason and found[0].value == value


# --- finding -------------------------------------------------------------------------------------------


def _locations(data: bytes, path: str) -> Iterator[_PythonLocation]:
    again = set(_reassigned_names(read_module(data, path).tree))
    for binding in bindings_of(data, path).values():
        if binding.expression is None:
            yield _PythonLocation(ParameterValue(binding.name, reason=binding.reason))
            continue
        for place in _of_expression(binding.name.split("."), binding.expression):
            if place.value.name in again:
                yield _PythonLocation(ParameterValue(place.value.name, reason="it is set again further down"))
            else:
                yield place


def _reassigned_names(tree: ast.Module) -> Iterator[str]:
    """Yield names of entries and attributes that top-level statements set: `SETTINGS["k"] = 5`."""
    for statement in tree.body:
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for node in ast.walk(statement):
                if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
                    yield dotted(_path(node))


def _path(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Attribute):
        return [*_path(node.value), node.attr]
    if isinstance(node, ast.Subscript):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else ""
        return [*_path(node.value), str(key)]
    return [node.id] if isinstance(node, ast.Name) else [""]


def _of_expression(keys: list[str], node: ast.expr) -> Iterator[_PythonLocation]:
    name = dotted(keys)
    scalar, value = _scalar(node)
    if scalar:
        yield _PythonLocation(ParameterValue(name, value), node)
    elif isinstance(node, ast.Call) and _called(node) in _FIELDS:
        yield from _default(keys, node)
    elif isinstance(node, ast.Dict):
        yield _PythonLocation(ParameterValue(name, reason="it is a dict: name one of its keys"))
        for key, inner in _entries(node):
            yield from _of_expression([*keys, key], inner)
    elif isinstance(node, ast.Call) and not node.args and any(each.arg for each in node.keywords):
        yield _PythonLocation(
            ParameterValue(name, reason=f"it is made by {_called(node)}(): name one of its arguments")
        )
        for keyword in node.keywords:
            if keyword.arg:
                yield from _of_expression([*keys, keyword.arg], keyword.value)
    else:
        yield _PythonLocation(ParameterValue(name, reason=_why_not(node)))


def _default(keys: list[str], call: ast.Call) -> Iterator[_PythonLocation]:
    """Yield the default in `field(default=3)` or `Field(3, ge=1)`."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "default"]
    given += call.args[:1] if _called(call) == "Field" else []
    if given:
        for place in _of_expression(keys, given[0]):
            low, high = _bounds(call, whole=isinstance(place.value.value, int))
            yield place._replace(value=place.value._replace(low=low, high=high))
    else:
        yield _PythonLocation(
            ParameterValue(dotted(keys), reason="its field has no default that is there as a value")
        )


def _bounds(call: ast.Call, *, whole: bool) -> tuple[float | None, float | None]:
    """Return the bounds set by a field's `ge`, `gt`, `le` and `lt`; for fractions open bounds count as
    closed.
    """
    bounds: dict[str, float] = {}
    for keyword in call.keywords:
        found, value = _scalar(keyword.value)
        name = keyword.arg or ""
        if found and isinstance(value, (int, float)) and not isinstance(value, bool):
            step = {"gt": 1, "lt": -1}.get(name, 0) if whole else 0
            bounds[{"gt": "ge", "lt": "le"}.get(name, name)] = value + step
    return bounds.get("ge"), bounds.get("le")


def _entries(node: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    """Entries under text keys that are there once."""
    texts = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
    for text, value in zip(texts, node.values, strict=True):
        if isinstance(text, str) and texts.count(text) == 1:
            yield text, value


def _scalar(node: ast.expr) -> tuple[bool, JsonValue]:
    """Return True and the value if the expression is one literal of a type that JSON knows."""
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    if not isinstance(inner, ast.Constant):
        return False, None
    value = inner.value
    if value is None or isinstance(value, (str, bool)):
        return (False, None) if negative else (True, value)
    if isinstance(value, (int, float)) and same_value(value, json.loads(number(value, fraction=False))):
        return True, -value if negative else value
    return False, None


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _why_not(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return f"its value is computed by {ast.unparse(node.func)[:60]}()"
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return "it holds several values, not one"
    return "its value is not one literal"
