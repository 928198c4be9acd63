"""Strings by which code names what is none of its business: hidden attributes, servers, the test run."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

from pytest_fapo.review.code.literals import Literals
from pytest_fapo.review.code.source import Source

_DUNDER = re.compile(
    r"__(?:class|bases?|mro|subclasses|globals|builtins|import|dict|code|closure|getattribute|getattr|setattr|"
    r"self|eq|ne|hash|bool|contains|reduce|reduce_ex|new|del|traceback|func|wrapped|loader|spec|file|annotations)__"
)
_URL = re.compile(r"\b(?:https?|ftp|file|wss?)://[^\s/\"']+", re.IGNORECASE)
_RUN_STATE = re.compile(r"PYTEST_|\.fapo\b|conftest|site-packages|/proc/|\.pytest_cache")
_LEAVING = re.compile(r"(^|/)\.\.(/|$)")


def word_problems(source: Source, functions: Collection[str] = ()) -> Iterator[str]:
    """Strings that no step of a pipeline needs.

    Args:
        source: the function.
        functions: names of functions, classes and modules of its file.
    """
    for text in Literals(source).texts:
        line = getattr(text.node, "lineno", 0)
        if found := _DUNDER.search(text.value):
            yield f"line {line}: names {found[0]} in a string"
        elif (found := _URL.search(text.value)) and not re.search(r"\s", text.value):
            yield f"line {line}: holds the address {found[0]}, which it did not before (network access)"
        elif found := _RUN_STATE.search(text.value):
            yield f"line {line}: names {found[0]}, which belongs to the test run"
        elif _LEAVING.search(text.value):
            yield f"line {line}: holds a path that leaves its folder"
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.AnnAssign, ast.arg)) and _runs(node.annotation):
            yield f"line {node.lineno}: the annotation holds code in a string"
        if isinstance(node, ast.Call) and _formats(node, source, functions):
            yield f"line {node.lineno}: a function or module is given to a format"


def _runs(annotation: ast.expr | None) -> bool:
    """Whether an annotation in quotes would call something when it is evaluated."""
    for node in ast.walk(annotation) if annotation is not None else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "(" in node.value:
            return True
    return False


def _formats(node: ast.Call, source: Source, outer: Collection[str]) -> bool:
    """`template.format(function)`: a template could ask it for its globals."""
    if not (isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "format_map")):
        return False
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    return any(isinstance(each, ast.Lambda) or _is_function(each, source, outer) for each in given)


def _is_function(node: ast.expr, source: Source, outer: Collection[str]) -> bool:
    if not isinstance(node, ast.Name):
        return False
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    bound = source.scopes.bindings(node)
    if bound is None:
        return node.id in outer
    return node.id in ("self", "cls") or any(isinstance(each, functions) for each in bound)
