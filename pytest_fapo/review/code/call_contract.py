"""The contract with a function's callers: what they pass, and whether they get something back."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from pytest_fapo.review.code.proposed_function import Function, FunctionSource

_REBINDING = ("staticmethod", "classmethod", "property", "contextmanager", "overload")


class _Parameter(NamedTuple):
    name: str
    kind: str
    default: ast.expr | None


def signature_problems(before: FunctionSource, after: FunctionSource) -> Iterator[str]:
    """Yield the changes of a function that break its callers."""
    old, new = before.function, after.function
    if isinstance(old, ast.AsyncFunctionDef) != isinstance(new, ast.AsyncFunctionDef):
        now, was = ("async", "plain") if isinstance(new, ast.AsyncFunctionDef) else ("plain", "async")
        yield f"becomes {now} where it was {was}; its callers would break"
    if _yields(before) != _yields(after):
        yield "becomes a generator" if _yields(after) else "is no generator any more"
    yield from _decorators(old, new)
    yield from _parameters(old, new)
    if not _yields(before) and _returns_value(before) and not _returns_value(after):
        yield "no longer returns anything"


def default_changes(before: FunctionSource, after: FunctionSource) -> Iterator[str]:
    """Parameters whose default differs: callers that leave them out get another value."""
    new = {parameter.name: parameter for parameter in _listed(after.function)}
    for old in _listed(before.function):
        now = new.get(old.name)
        if old.default is not None and now is not None and now.default is not None:
            was, becomes = ast.unparse(old.default), ast.unparse(now.default)
            if was != becomes:
                yield f"changes the default of {old.name} from {was} to {becomes}"


def _yields(source: FunctionSource) -> bool:
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in source.own_nodes())


def _returns_value(source: FunctionSource) -> bool:
    return any(isinstance(node, ast.Return) and node.value is not None for node in source.own_nodes())


def _decorators(old: Function, new: Function) -> Iterator[str]:
    kept = [_decorator(node) for node in new.decorator_list]
    for name in map(_decorator, old.decorator_list):
        if name in kept:
            kept.remove(name)
        else:
            yield f"drops the decorator @{name}; keep it"
    for name in kept:
        if name.rpartition(".")[2] in _REBINDING:
            yield f"adds the decorator @{name}, which changes how the function is called"


def _decorator(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


def _parameters(old: Function, new: Function) -> Iterator[str]:
    was, now = ({each.name: each for each in _listed(function)} for function in (old, new))
    for name, parameter in was.items():
        same = now.get(name)
        if same is None:
            yield f"drops the parameter {name}; its callers give it"
        elif same.kind not in (parameter.kind, "positional or keyword") or parameter.kind.startswith("*"):
            if same.kind != parameter.kind:
                yield f"makes the parameter {name} {same.kind} where it was {parameter.kind}"
        elif parameter.default is not None and same.default is None:
            yield f"takes away the default of the parameter {name}"
    for name, parameter in now.items():
        if name not in was and parameter.default is None and not parameter.kind.startswith("*"):
            yield f"asks for a new parameter {name}; give it a default"
    before, after = _positional(old), _positional(new)
    if set(before) <= set(after) and after[: len(before)] != before:
        yield f"changes the order of its parameters ({', '.join(after)} where it was {', '.join(before)})"


def _listed(function: Function) -> list[_Parameter]:
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [*[None] * (len(positional) - len(given.defaults)), *given.defaults]
    kinds = ["positional"] * len(given.posonlyargs) + ["positional or keyword"] * len(given.args)
    found = [
        _Parameter(each.arg, kind, default)
        for each, kind, default in zip(positional, kinds, defaults, strict=True)
    ]
    for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        found.append(_Parameter(each.arg, "keyword", default))
    rest = (("*", given.vararg), ("**", given.kwarg))
    return found + [_Parameter(each.arg, kind, None) for kind, each in rest if each is not None]


def _positional(function: Function) -> list[str]:
    return [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
