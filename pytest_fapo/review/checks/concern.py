"""One concern per candidate, so that a verdict is about one thing."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_fapo.models import ReviewProblem
from pytest_fapo.review.subject import Subject

JOINT = "joint"
"""A technique with this word in its name declares that its edits belong together (and names the step)."""


def single_concern(subject: Subject) -> Iterator[ReviewProblem]:
    """A prompt-level candidate edits one artifact, unless it is declared to be a joint edit of one step."""
    candidate = subject.candidate
    if candidate.level != "prompt" or len(subject.changes) < 2:
        return
    if JOINT in candidate.technique.lower() and candidate.step:
        return
    addresses = ", ".join(change.address for change in subject.changes)
    yield ReviewProblem(
        check="single-concern",
        message=(
            f"The candidate edits {len(subject.changes)} artifacts ({addresses}); "
            f"edit the one that matters most for this cause and leave the others."
        ),
    )
