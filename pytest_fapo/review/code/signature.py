"""Whether callers and tests can go on calling a rewritten function as they did."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from pytest_fapo.review.code.endings import falls_through
from pytest_fapo.review.code.source import Function, Source


class _Parameter(NamedTuple):
    name: str
    kind: str
    default: ast.expr | None


def signature_problems(before: Source, after: Source) -> Iterator[str]:
    """What changed about a function that its callers rely on."""
    old, new = before.function, after.function
    if isinstance(old, ast.AsyncFunctionDef) != isinstance(new, ast.AsyncFunctionDef):
        now, was = ("async", "plain") if isinstance(new, ast.AsyncFunctionDef) else ("plain", "async")
        yield f"becomes {now} where it was {was}; its callers would break"
    if _yields(before) != _yields(after):
        yield "becomes a generator" if _yields(after) else "is no generator any more"
    yield from _decorators(old, new)
    yield from _parameters(old, new)
    if not _yields(before):
        yield from _returns(before, after)


def default_changes(before: Source, after: Source) -> Iterator[str]:
    """Parameters whose default differs: callers that leave them out get another value."""
    new = {parameter.name: parameter for parameter in _listed(after.function)}
    for old in _listed(before.function):
        now = new.get(old.name)
        if old.default is not None and now is not None and now.default is not None:
            was, becomes = ast.unparse(old.default), ast.unparse(now.default)
            if was != becomes:
                yield f"changes the default of {old.name} from {was} to {becomes}"


def _yields(source: Source) -> bool:
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in source.own_nodes)


def _decorators(old: Function, new: Function) -> Iterator[str]:
    kept = [_decorator(node) for node in new.decorator_list]
    for name in map(_decorator, old.decorator_list):
        if name in kept:
            kept.remove(name)
        else:
            yield f"drops the decorator @{name}; keep it"
    for name in kept:
        if name.rpartition(".")[2] in (
            "staticmethod",
            "classmethod",
            "property",
            "contextmanager",
            "overload",
        ):
            yield f"adds the decorator @{name}, which changes how the function is called"


def _decorator(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


def _parameters(old: Function, new: Function) -> Iterator[str]:
    now = {parameter.name: parameter for parameter in _listed(new)}
    for parameter in _listed(old):
        same = now.get(parameter.name)
        if same is None:
            yield f"drops the parameter {parameter.name}; its callers give it"
        elif not _takes(same.kind, parameter.kind):
            yield f"makes the parameter {parameter.name} {same.kind} where it was {parameter.kind}"
        elif parameter.default is not None and same.default is None:
            yield f"takes away the default of the parameter {parameter.name}"
    known = [parameter.name for parameter in _listed(old)]
    for parameter in _listed(new):
        if parameter.name not in known and parameter.default is None and not parameter.kind.startswith("*"):
            yield f"asks for a new parameter {parameter.name}; give it a default"
    before, after = _positional(old), _positional(new)
    if set(before) <= set(after) and after[: len(before)] != before:
        yield f"changes the order of its parameters ({', '.join(after)} where it was {', '.join(before)})"


def _takes(now: str, before: str) -> bool:
    return now == before or (now == "positional or keyword" and before in ("positional", "keyword"))


def _listed(function: Function) -> list[_Parameter]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    bare: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    found = [
        _Parameter(
            each.arg, "positional" if each in arguments.posonlyargs else "positional or keyword", default
        )
        for each, default in zip(positional, [*bare, *arguments.defaults], strict=True)
    ]
    found += [
        _Parameter(each.arg, "keyword", default)
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.vararg is not None:
        found.append(_Parameter(arguments.vararg.arg, "*", None))
    if arguments.kwarg is not None:
        found.append(_Parameter(arguments.kwarg.arg, "**", None))
    return found


def _positional(function: Function) -> list[str]:
    return [each.arg for each in (*function.args.posonlyargs, *function.args.args)]


def _returns(before: Source, after: Source) -> Iterator[str]:
    if not _gives(before):
        return
    if not _gives(after):
        yield "no longer returns anything"
    elif not falls_through(before.function.body) and falls_through(after.function.body):
        yield "may end without a return, where it always returned before"


def _gives(source: Source) -> bool:
    return any(isinstance(node, ast.Return) and node.value is not None for node in source.own_nodes)
