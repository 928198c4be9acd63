"""The checks of rewritten and new functions: readable source, signature, and what it is written with."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

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
    """Return the project's own module of that name, from the root or from `src`."""
    stem = dotted.replace(".", "/")
    for path in (f"{stem}.py", f"{stem}/__init__.py", f"src/{stem}.py", f"src/{stem}/__init__.py"):
        if path in subject.store.files or (subject.store.root / path).is_file():
            return CodeFile(path, _text_of(subject, path))
    return None


def _text_of(subject: ReviewSubject, path: str) -> str:
    """Return a file's text as of the parent; empty where it cannot be read."""
    data = subject.store.files.get(path)
    if data is None:
        try:
            data = (subject.store.root / path).read_bytes()
        except OSError:
            return ""
    return data.decode("utf-8", errors="replace")


_REBINDING = ("staticmethod", "classmethod", "property", "contextmanager", "overload")


def signature_problems(before: FunctionSource, after: FunctionSource) -> Iterator[str]:
    """Yield the changes of a function that break its callers."""
    old, new = before.function, after.function
    if isinstance(old, ast.AsyncFunctionDef) != isinstance(new, ast.AsyncFunctionDef):
        now, was = ("async", "plain") if isinstance(new, ast.AsyncFunctionDef) else ("plain", "async")
        yield f"becomes {now} where it was {was}; its callers would break"
    if _yields(before) != _yields(after):
        yield "becomes a generator" if _yields(after) else "is no longer a generator"
    kept = [_decorator(node) for node in new.decorator_list]
    for name in map(_decorator, old.decorator_list):
        if name in kept:
            kept.remove(name)
        else:
            yield f"drops the decorator @{name}; keep it"
    for name in kept:
        if name.rpartition(".")[2] in _REBINDING:
            yield f"adds the decorator @{name}, which changes how the function is called"
    if not _takes_the_same(old, new):
        now, was = ast.unparse(new.args), ast.unparse(old.args)
        yield f"takes ({now}) where it took ({was}); keep its parameters, and give further ones a default"
    if not _yields(before) and _returns_value(before) and not _returns_value(after):
        yield "no longer returns anything"


def default_changes(before: FunctionSource, after: FunctionSource) -> Iterator[str]:
    """Parameters whose default differs: callers that leave them out get another value."""
    new = _parameters(after.function)
    for name, (_, was) in _parameters(before.function).items():
        becomes = new.get(name, ("", ""))[1]
        if was and becomes and was != becomes:
            yield f"changes the default of {name} from {was} to {becomes}"


def _yields(source: FunctionSource) -> bool:
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in source.own_nodes())


def _returns_value(source: FunctionSource) -> bool:
    return any(isinstance(node, ast.Return) and node.value is not None for node in source.own_nodes())


def _decorator(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


def _takes_the_same(old: Function, new: Function) -> bool:
    """True if whatever the old function could be called with fits the new one."""
    was, now = _parameters(old), _parameters(new)
    same = all(
        name in now and now[name][0] == kind and bool(default) <= bool(now[name][1])
        for name, (kind, default) in was.items()
    )
    further = all(name in was or default or kind in "**" for name, (kind, default) in now.items())
    before, after = ([name for name in found if found[name][0][:3] == "pos"] for found in (was, now))
    return same and further and after[: len(before)] == before


def _parameters(function: Function) -> dict[str, tuple[str, str]]:
    """Kind and default of each parameter by its name."""
    given = function.args
    lists = [("pos", each) for each in given.posonlyargs] + [("pos or key", each) for each in given.args]
    defaults = [*[None] * (len(lists) - len(given.defaults)), *given.defaults, *given.kw_defaults]
    lists += [("key", each) for each in given.kwonlyargs]
    found = {
        each.arg: (kind, ast.unparse(default) if default is not None else "")
        for (kind, each), default in zip(lists, defaults, strict=True)
    }
    rest = (("*", given.vararg), ("**", given.kwarg))
    return found | {each.arg: (kind, "") for kind, each in rest if each is not None}
