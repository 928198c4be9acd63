"""May these pieces be edited at all, and is the edit made for the text that stands there now?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pytest_fapo.errors import ArtifactError
from pytest_fapo.models import ReviewProblem
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
        level = subject.level_of(address)
        if level is not None and level not in subject.levels_below:
            message = (
                f"{address} is of level {level!r}, the candidate says {candidate.level!r}; "
                f"a candidate has the highest level among its edits."
            )
            yield ReviewProblem(check="scope", message=message, address=address)
        elif level is None:
            message = f"{address} is outside of [tool.fapo.scope]; what may be edited: {_listed(subject)}."
            yield ReviewProblem(check="scope", message=message, address=address)
        elif count > 1:
            message = f"{address} is edited {count} times in one candidate; give its new text once."
            yield ReviewProblem(check="scope", message=message, address=address)


def fresh(subject: Subject) -> Iterator[ReviewProblem]:
    """Each edit's `before` is the artifact's text as of the parent, or empty where nothing is there yet."""
    for edit in subject.candidate.edits:
        if subject.level_of(edit.address) is None or subject.store.creates(edit):
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


def _listed(subject: Subject) -> str:
    addresses = [artifact.address for level in subject.levels_below for artifact in subject.artifacts(level)]
    addresses += [f"new files {pattern}" for pattern in subject.store.creatable() if len(addresses) < 8]
    shown = ", ".join(addresses[:8])
    return f"{shown} and {len(addresses) - 8} more" if len(addresses) > 8 else shown or "nothing"
