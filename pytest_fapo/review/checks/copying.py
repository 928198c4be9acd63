"""Nothing of the labelled cases may stand in a prompt, of whatever split."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_fapo.models import ReviewProblem
from pytest_fapo.review.leakage import Added, Corpus, leaks
from pytest_fapo.review.subject import Subject


def leakage(subject: Subject) -> Iterator[ReviewProblem]:
    """No case id, literal answer, copied input or table of answers is brought in."""
    if not subject.cases or not subject.changes:
        return
    corpus = Corpus(subject.cases)
    known = [*subject.known_texts, *(" ".join(label) for label in corpus.labels)]
    for change in subject.changes:
        for message in leaks(Added(change.after, [*known, change.before]), corpus):
            yield ReviewProblem(
                check="leakage", message=f"{change.address}: {message}", address=change.address
            )
