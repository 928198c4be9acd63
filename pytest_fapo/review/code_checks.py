"""The checks of rewritten and new functions: readable source, signature, imports, reach, no known cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_fapo.core.candidate import ReviewProblem
from pytest_fapo.review.code.case_conditions import Singling, conditional_hits, length_hits
from pytest_fapo.review.code.code_context import Around, CodeModule, read_module
from pytest_fapo.review.code.code_literals import Literals
from pytest_fapo.review.code.code_review import CodeChange, code_problems
from pytest_fapo.review.code.proposed_function import FunctionSource, NotAFunction, parse_source
from pytest_fapo.review.leakage.case_corpus import sentences
from pytest_fapo.review.review_subject import EditedText, ReviewSubject
from pytest_fapo.review.scope_checks import case_files


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
    singling: Singling | None = None
    for change in changes:
        code = _code_change(change, changes, subject)
        for found in code_problems(code):
            message = f"{change.address}: {found.message}."
            yield ReviewProblem(
                check=found.check, message=message, address=change.address, blocks=found.blocks
            )
        if subject.cases:
            known = [text for each in changes for text in (_file(subject, each.artifact.path), each.before)]
            singling = singling or Singling(subject.corpus, [*subject.known_texts, *known])
            hits = [*conditional_hits(Literals(code.after, code.around), singling)]
            hits += length_hits(code.after, singling)
            for message in sentences(hits, "is made for", "decide by a rule that holds for all such cases"):
                yield ReviewProblem(
                    check="conditionals", message=f"{change.address}: {message}", address=change.address
                )


def _code_change(change: EditedText, changes: Sequence[EditedText], subject: ReviewSubject) -> CodeChange:
    """The change with what is known around it; its source was found readable before."""
    after = parse_source(change.after, _own_name(change))
    others = [
        _before(other)
        for other in changes
        if other is not change and not other.created and other.artifact.path == change.artifact.path
    ]
    return CodeChange(
        after=after,
        around=_around(change, changes, subject),
        before=None if change.created else _before(change),
        others=[source for source in others if source is not None],
    )


def _own_name(change: EditedText) -> str:
    return change.artifact.name.rpartition(".")[2]


def _before(change: EditedText) -> FunctionSource | None:
    try:
        return parse_source(change.before, _own_name(change))
    except NotAFunction:
        return None


def _around(change: EditedText, changes: Sequence[EditedText], subject: ReviewSubject) -> Around:
    path = change.artifact.path
    prompts = [artifact.path for artifact in subject.artifacts("prompt") if not artifact.name]
    prompts += [other.artifact.path for other in subject.changes if other.created and not other.artifact.name]
    created = [_own_name(other) for other in subject.changes if other.created and other.artifact.path == path]
    return Around(
        module=read_module(path, _file(subject, path)),
        created=frozenset(created),
        imports=tuple(subject.settings.imports),
        prompts=tuple(dict.fromkeys(prompts)),
        constants=frozenset(
            artifact.name.rpartition(".")[2]
            for artifact in subject.artifacts("prompt")
            if artifact.path.endswith(".py") and artifact.name.replace(".", "_").isidentifier()
        ),
        case_files=frozenset(file.rpartition("/")[2] for file in case_files(subject.cases)),
        project=lambda dotted: _project_module(dotted, subject),
        editable=lambda file: (
            subject.store.in_scope(file, "structure")
            or any(artifact.path == file for artifact in subject.artifacts("structure"))
        ),
    )


def _project_module(dotted: str, subject: ReviewSubject) -> CodeModule | None:
    """The project's own module of that name, from the root or from `src`."""
    stem = dotted.replace(".", "/")
    for path in (f"{stem}.py", f"{stem}/__init__.py", f"src/{stem}.py", f"src/{stem}/__init__.py"):
        if path in subject.store.files or (subject.store.root / path).is_file():
            return read_module(path, _file(subject, path))
    return None


def _file(subject: ReviewSubject, path: str) -> str:
    """A file's text as of the parent; empty where it cannot be read."""
    data = subject.store.files.get(path)
    if data is None:
        data = _on_disk(subject.store.root, path)
    return data.decode("utf-8", errors="replace")


def _on_disk(root: Path, path: str) -> bytes:
    try:
        return (root / path).read_bytes()
    except OSError:
        return b""
