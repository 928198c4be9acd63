"""What was valid before is valid after: Python modules, and prompts kept in JSON, YAML or TOML."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_fapo.errors import ArtifactError
from pytest_fapo.models import ReviewProblem
from pytest_fapo.review.subject import Change, Subject
from pytest_fapo.review.templates.front_matter import front_matter_problems
from pytest_fapo.review.templates.structured import structured_problems


def syntax(subject: Subject) -> Iterator[ReviewProblem]:
    """The edits can be written into their files, and the files still parse."""
    try:
        subject.store.render(subject.candidate.edits)
    except ArtifactError as error:
        yield ReviewProblem(check="syntax", message=f"{error}.")
        return
    for change in subject.changes:
        for message in _structured(change):
            yield ReviewProblem(check="syntax", message=message, address=change.address)


def _structured(change: Change) -> Iterator[str]:
    if change.artifact.kind == "file":
        for message in front_matter_problems(change.artifact.path, change.before, change.after):
            yield f"{change.address}: {message}"
        for message in structured_problems(change.artifact.path, change.before, change.after):
            yield f"{change.address}: {message}"
