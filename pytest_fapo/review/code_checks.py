"""The checks of rewritten and new functions: readable source, signature, and what it is written with."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pytest_fapo.core.candidate import ReviewProblem
from pytest_fapo.review.code.allow_list import AllowList, CodeChange, CodeFile
from pytest_fapo.review.code.proposed_function import Function, FunctionSource, NotAFunction, parse_source
from pytest_fapo.review.review_subject import EditedText, ReviewSubject


def readable(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """Each new source is that of one function, and can be read without harm."""
    for change in subject.changes:
        if change.artifact.kind == "function" and change.after.strip():
            try:
                parse_source(change.after, _own_name(change))
            except NotAFunction as reason:
                message = f"The new source of {change.address} {reason}."
                yield ReviewProblem(check="syntax", message=message, address=change.address)


def rewriting(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """Everything that is checked about code before it runs."""
    changes = [change for change in subject.changes if change.artifact.kind == "function"]
    for change in changes:
        after = parse_source(change.after, _own_name(change))
        reading = AllowList(_code(change, changes, subject, after))
        found = [(check, message, True) for check, message in dict.fromkeys(reading.problems())]
        before = None if change.created else _before(change)
        if before is not None:
            found += [("signature", message, True) for message in signature_problems(before, after)]
            found += [("signature", message, False) for message in default_changes(before, after)]
        for check, message, blocks in found:
            message = f"{change.address}: {message}."
            yield ReviewProblem(check=check, message=message, address=change.address, blocks=blocks)


def _code(
    change: EditedText, changes: Sequence[EditedText], subject: ReviewSubject, after: FunctionSource
) -> CodeChange:
    path = change.artifact.path
    here = [other for other in changes if other.artifact.path == path]
    prompts = [artifact.path for artifact in subject.artifacts("prompt") if not artifact.name]
    prompts += [artifact.path for artifact in subject.artifacts("structure") if not artifact.name]
    prompts += [other.artifact.path for other in subject.changes if other.created and not other.artifact.name]
    return CodeChange(
        after=after,
        file=CodeFile(path, _text_of(subject, path)),
        earlier=[source for other in here if not other.created and (source := _before(other)) is not None],
        created=frozenset(_own_name(other) for other in here if other.created),
        imports=tuple(subject.settings.imports),
        prompts=tuple(prompts),
        project=lambda dotted: _project_file(dotted, subject),
        editable=lambda file: (
            subject.store.in_scope(file, "structure")
            or any(artifact.path == file for artifact in subject.artifacts("structure"))
        ),
    )


def _own_name(change: EditedText) -> str:
    return change.artifact.name.rpartition(".")[2]


def _before(change: EditedText) -> FunctionSource | None:
    try:
        return parse_source(change.before, _own_name(change))
    except NotAFunction:
        return None


def _project_file(dotted: str, subject: ReviewSubject) -> CodeFile | None:
    """The project's own module of that name, from the root or from `src`."""
    stem = dotted.replace(".", "/")
    for path in (f"{stem}.py", f"{stem}/__init__.py", f"src/{stem}.py", f"src/{stem}/__init__.py"):
        if path in subject.store.files or (subject.store.root / path).is_file():
            return CodeFile(path, _text_of(subject, path))
    return None


def _text_of(subject: ReviewSubject, path: str) -> str:
    """A file's text as of the parent; empty where it cannot be read."""
    data = subject.store.files.get(path)
    if data is None:
        try:
            data = (subject.store.root / path).read_bytes()
        except OSError:
            return ""
    return data.decode("utf-8", errors="replace")


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
