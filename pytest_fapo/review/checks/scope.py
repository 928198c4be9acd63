"""May these pieces be edited at all, and is the edit made for the text that stands there now?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.errors import ArtifactError
from pytest_fapo.models import Level, ReviewProblem
from pytest_fapo.review.subject import Subject


def scope(subject: Subject) -> Iterator[ReviewProblem]:
    """Path, artifact and level are allowed by the scope contract."""
    candidate = subject.candidate
    if not candidate.edits:
        yield ReviewProblem(
            check="no-op", message="The candidate holds no edit; give the new text of a prompt."
        )
    if candidate.level not in subject.levels:
        allowed = ", ".join(subject.levels)
        message = f"Edits of level {candidate.level!r} are not allowed now; allowed: {allowed}."
        yield ReviewProblem(check="scope", message=message)
        return
    counts = Counter(edit.address for edit in candidate.edits)
    for address, count in counts.items():
        if not subject.store.in_scope(address, candidate.level):
            allowed = _listed(subject.store, candidate.level)
            message = f"{address} is outside of [tool.fapo.scope]; what may be edited: {allowed}."
            yield ReviewProblem(check="scope", message=message, address=address)
        elif count > 1:
            message = f"{address} is edited {count} times in one candidate; give its new text once."
            yield ReviewProblem(check="scope", message=message, address=address)


def fresh(subject: Subject) -> Iterator[ReviewProblem]:
    """Each edit's `before` is the artifact's text as of the parent."""
    for edit in subject.candidate.edits:
        if not subject.store.in_scope(edit.address, subject.candidate.level):
            continue
        try:
            current = subject.store.get(edit.address).text
        except ArtifactError as error:
            yield ReviewProblem(check="scope", message=str(error), address=edit.address)
            continue
        if current != edit.before:
            message = (
                f"The edit of {edit.address} was made for a text that is not there; "
                f"start from the artifact's present text of {len(current)} characters."
            )
            yield ReviewProblem(check="stale", message=message, address=edit.address)


def _listed(store: ArtifactStore, level: Level) -> str:
    addresses = [artifact.address for artifact in store.all(level)]
    shown = ", ".join(addresses[:8])
    return f"{shown} and {len(addresses) - 8} more" if len(addresses) > 8 else shown or "nothing"
