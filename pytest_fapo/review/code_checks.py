"""The checks of rewritten and new functions: readable source, signature, and what it is written with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_fapo.core.candidate import ReviewProblem
from pytest_fapo.review.code.allow_list import AllowList, CodeChange, CodeFile
from pytest_fapo.review.code.call_contract import default_changes, signature_problems
from pytest_fapo.review.code.proposed_function import FunctionSource, NotAFunction, parse_source
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
