"""Nothing of the labelled cases may stand in a prompt or in code, of whatever split, in clear or encoded."""

from __future__ import annotations

from collections.abc import Iterator, Set

from pytest_fapo.models import ReviewProblem
from pytest_fapo.review.checks.demonstrations import quotable
from pytest_fapo.review.code import NotAFunction, parse_source, told
from pytest_fapo.review.leakage import Added, Corpus, Leak, answer_lists, decoded, leaks
from pytest_fapo.review.leakage.words import words_of
from pytest_fapo.review.subject import Change, Subject

MOST_LINES = 8


def leakage(subject: Subject) -> Iterator[ReviewProblem]:
    """No case id, literal answer, copied input or table of answers is brought in."""
    changes = [change for change in subject.changes if change.artifact.kind != "param"]
    if not subject.cases or not changes:
        return
    for change in changes:
        for leak in _leaks(change, subject):
            # What is read of code is not the code line by line.
            lines = leak.lines if change.artifact.kind != "function" else []
            yield ReviewProblem(
                check="leakage",
                message=f"{change.address}{_at(lines)}: {leak.message}",
                address=change.address,
                lines=lines,
            )


def _at(lines: list[int]) -> str:
    """Where in the new text it stands: the proposer knows its own text, so this gives no case away."""
    if not lines:
        return ""
    shown = ", ".join(map(str, lines[:MOST_LINES])) + (" and more" if len(lines) > MOST_LINES else "")
    return f" (line{'s' if len(lines) > 1 else ''} {shown} of the new text)"


def _leaks(change: Change, subject: Subject) -> Iterator[Leak]:
    corpus = subject.corpus
    allowed = quotable(subject) if change.artifact.kind != "function" else set()
    known = [*subject.known_texts, *(" ".join(label) for label in corpus.labels), change.before]
    text = _readable(change)
    added = Added(text, known)
    found = [*leaks(added, corpus, allowed), *answer_lists(added, corpus)]
    yield from found
    if not found:
        yield from _hidden(text, known, corpus, allowed)


def _hidden(text: str, known: list[str], corpus: Corpus, allowed: Set[int]) -> Iterator[Leak]:
    """What stands there for a reader who decodes."""
    plain = set(words_of(text))
    for reading in decoded(text):
        if any(len(word) > 3 and word not in plain for word in corpus.cases_with.keys() & words_of(reading)):
            for leak in leaks(Added(reading, known), corpus, allowed):
                yield Leak(f"(decoded) {leak.message}", [])
                return


def _readable(change: Change) -> str:
    """What a text says; of code, its strings, tables and comments."""
    if change.artifact.kind != "function":
        return change.after
    try:
        return told(parse_source(change.after, change.artifact.name.rpartition(".")[2]))
    except NotAFunction:
        return change.after
