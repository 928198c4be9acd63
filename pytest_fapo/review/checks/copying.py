"""Nothing of the labelled cases may stand in a prompt or in code, of whatever split, in clear or encoded."""

from __future__ import annotations

from collections.abc import Iterator, Set

from pytest_fapo.models import ReviewProblem
from pytest_fapo.review.checks.demonstrations import quotable
from pytest_fapo.review.code import NotAFunction, parse_source, told
from pytest_fapo.review.leakage import Added, Corpus, answer_lists, decoded, leaks
from pytest_fapo.review.leakage.words import words_of
from pytest_fapo.review.subject import Change, Subject


def leakage(subject: Subject) -> Iterator[ReviewProblem]:
    """No case id, literal answer, copied input or table of answers is brought in."""
    changes = [change for change in subject.changes if change.artifact.kind != "param"]
    if not subject.cases or not changes:
        return
    for change in changes:
        for message in dict.fromkeys(_messages(change, subject)):
            yield ReviewProblem(
                check="leakage", message=f"{change.address}: {message}", address=change.address
            )


def _messages(change: Change, subject: Subject) -> Iterator[str]:
    corpus = subject.corpus
    allowed = quotable(subject) if change.artifact.kind != "function" else set()
    known = [*subject.known_texts, *(" ".join(label) for label in corpus.labels), change.before]
    text = _readable(change)
    added = Added(text, known)
    found = [*leaks(added, corpus, allowed), *answer_lists(added, corpus)]
    yield from found
    if not found:
        yield from _hidden(text, known, corpus, allowed)


def _hidden(text: str, known: list[str], corpus: Corpus, allowed: Set[int]) -> Iterator[str]:
    """What stands there for a reader who decodes."""
    plain = set(words_of(text))
    for reading in decoded(text):
        if any(len(word) > 3 and word not in plain for word in corpus.cases_with.keys() & words_of(reading)):
            for message in leaks(Added(reading, known), corpus, allowed):
                yield f"(decoded) {message}"
                return


def _readable(change: Change) -> str:
    """What a text says; of code, its strings, tables and comments."""
    if change.artifact.kind != "function":
        return change.after
    try:
        return told(parse_source(change.after, change.artifact.name.rpartition(".")[2]))
    except NotAFunction:
        return change.after
