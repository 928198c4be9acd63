"""The checks of rewritten and new functions: readable source, what it is written with, and its signature."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

from pytest_fapo.core.candidate import ReviewProblem
from pytest_fapo.review.code.allow_list import AllowList
from pytest_fapo.review.code.proposed_function import FunctionSource, NotAFunction, parse_source
from pytest_fapo.review.review_subject import EditedText, ReviewSubject

_KINDS = {
    0: "plain",
    inspect.CO_COROUTINE: "async",
    inspect.CO_GENERATOR: "a generator",
    inspect.CO_ASYNC_GENERATOR: "an async generator",
}

_REBINDING = frozenset(("staticmethod", "classmethod", "property", "contextmanager", "overload"))


def readable(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """Each new source is that of one function, and can be read without harm."""
    for change in subject.changes:
        if change.artifact.kind == "function" and change.after.strip():
            try:
                _parse(change, change.after)
            except NotAFunction as reason:
                message = f"The new source of {change.address} {reason}."
                yield ReviewProblem(check="syntax", message=message, address=change.address)


def rewriting(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """Everything that is checked about code before it runs."""
    for change in subject.changes:
        if change.artifact.kind != "function":
            continue
        found = [(check, message, True) for check, message in AllowList(change, subject).problems()]
        found += [("signature", message, blocks) for message, blocks in _signature_problems(change)]
        for check, message, blocks in dict.fromkeys(found):
            message = f"{change.address}: {message}."
            yield ReviewProblem(check=check, message=message, address=change.address, blocks=blocks)


def _parse(change: EditedText, text: str) -> FunctionSource:
    return parse_source(text, change.artifact.name.rpartition(".")[2])


def _signature_problems(change: EditedText) -> Iterator[tuple[str, bool]]:
    """Yield the changes of a function that break its callers, and whether they do so for sure."""
    try:
        before, after = _parse(change, change.before), _parse(change, change.after)
    except NotAFunction:
        return  # it is new
    old, new = before.function, after.function
    was, now = (_KINDS[each.code.co_flags & sum(_KINDS)] for each in (before, after))
    if was != now:
        yield f"becomes {now} where it was {was}; its callers would break", True
    had, has = ({ast.unparse(each).partition("(")[0] for each in one.decorator_list} for one in (old, new))
    for name in sorted(had - has):
        yield f"drops the decorator @{name}; keep it", True
    for name in sorted(has - had):
        if name.rpartition(".")[2] in _REBINDING:
            yield f"adds the decorator @{name}, which changes how the function is called", True
    if not _takes_the_same(before, after):
        arguments = f"takes ({ast.unparse(new.args)}) where it took ({ast.unparse(old.args)})"
        yield f"{arguments}; keep its parameters, and give further ones a default", True
    if _returns_value(old) and not _returns_value(new) and "generator" not in was:
        yield "no longer returns anything", True
    defaults = _defaults(new.args)
    for name, default in _defaults(old.args).items():
        if defaults.get(name, default) != default:
            yield f"changes the default of {name} from {default} to {defaults[name]}", False


def _returns_value(function: ast.AST) -> bool:
    return any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(function))


def _takes_the_same(before: FunctionSource, after: FunctionSource) -> bool:
    """True if whatever the old function could be called with fits the new one."""
    old, new = before.function.args, after.function.args
    first, then = ([each.arg for each in (*args.posonlyargs, *args.args)] for args in (old, new))
    keys, more = ({each.arg for each in args.kwonlyargs} for args in (old, new))
    needed = {*first, *keys} - _defaults(old).keys()
    return (
        then[: len(first)] == first
        and len(new.posonlyargs) <= len(old.posonlyargs)
        and keys <= more
        and {*then, *more} - _defaults(new).keys() <= needed
        and bool(old.vararg) <= bool(new.vararg)
        and bool(old.kwarg) <= bool(new.kwarg)
    )


def _defaults(given: ast.arguments) -> dict[str, str]:
    """Parameters that may be left out, with what they are then."""
    places = [*given.posonlyargs, *given.args]
    positional = zip(reversed(places), reversed(given.defaults), strict=False)
    named = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return {each.arg: ast.unparse(value) for each, value in (*positional, *named) if value is not None}
