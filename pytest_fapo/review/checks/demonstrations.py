"""Examples in prompts: as many as the settings allow, and train cases only where they allow to quote them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from pytest_fapo.models import Case, ReviewProblem
from pytest_fapo.review.leakage import Added, Corpus
from pytest_fapo.review.subject import Subject

_ASKED = ("example", "demonstration", "sample", "input", "question", "q", "text", "message", "query", "user")
_GIVEN = ("output", "answer", "a", "label", "reply", "response", "assistant", "result", "expected")
_ARROW = re.compile(r"^.{8,}(?:->|→|=>).{1,80}$", re.MULTILINE)


def demonstrations(subject: Subject) -> Iterator[ReviewProblem]:
    """The candidate's quoted cases are of train, declared and few; examples are wanted at all."""
    settings, candidate = subject.settings, subject.candidate
    if candidate.demonstrations and settings.demonstrations != "train":
        yield _problem(
            f'The candidate quotes cases as examples, and [tool.fapo] demonstrations is "'
            f'{settings.demonstrations}"; make examples up, or leave them out.'
        )
        return
    train = {case.id for case in subject.cases if case.split == "train"}
    unknown = [name for name in candidate.demonstrations if name not in train]
    if unknown:
        yield _problem(
            f"{len(unknown)} of the cases that the candidate quotes are not in train; "
            f"quote train cases only, and name them by their ids."
        )
    most = settings.max_demonstrations
    for change in subject.changes:
        if change.artifact.level != "prompt":
            continue
        new = examples(change.after, subject) - examples(change.before, subject)
        if settings.demonstrations == "off" and new > 1:
            yield _problem(
                f"{change.address}: the edit adds {new} examples, and [tool.fapo] demonstrations is "
                f'"off"; state the rule in words.',
                change.address,
            )
        total = max(examples(change.after, subject), _quoted(change.after, subject))
        if new > 0 and total > most:
            yield _problem(
                f"{change.address}: the new text holds {total} examples; at most {most} pass "
                f"([tool.fapo] max_demonstrations).",
                change.address,
            )
    if len(set(candidate.demonstrations)) > most:
        yield _problem(
            f"The candidate quotes {len(set(candidate.demonstrations))} cases; at most {most} pass "
            f"([tool.fapo] max_demonstrations)."
        )


def quotable(subject: Subject) -> set[int]:
    """`id()` of the cases that the candidate may quote in prompts."""
    if subject.settings.demonstrations != "train":
        return set()
    named = set(subject.candidate.demonstrations)
    return {id(case) for case in subject.cases if case.split == "train" and case.id in named}


def examples(text: str, subject: Subject) -> int:
    """How many examples a prompt seems to hold: lines of input that are followed by what to answer."""
    asked = {*_ASKED, *(name for case in subject.cases for name in _keys(case.inputs))}
    given = {*_GIVEN, *(name for case in subject.cases for name in _keys(case.expected))}
    pairs = min(_beginnings(asked, text), _beginnings(given, text))
    return pairs or len(_ARROW.findall(text)) // 2


def _keys(value: object) -> list[str]:
    return [str(key).lower() for key in value] if isinstance(value, dict) else []


def _beginnings(names: Set[str], text: str) -> int:
    """Lines that begin with one of the names, a number maybe, and a colon or dash."""
    words = "|".join(re.escape(name) for name in sorted(names))
    return len(re.findall(rf"(?im)^[^A-Za-z\n]{{0,12}}(?:{words})[ \t]*\d*[^\w\n]{{0,4}}[:\-–—>]", text))


def _quoted(text: str, subject: Subject) -> int:
    """How many of the declared cases stand in the text."""
    named = set(subject.candidate.demonstrations)
    added = Added(text, [])
    return sum(_stands_in(added, case) for case in subject.cases if case.id in named)


def _stands_in(added: Added, case: Case) -> bool:
    return any(added.has(field.words) for field in Corpus([case]).inputs)


def _problem(message: str, address: str = "") -> ReviewProblem:
    return ReviewProblem(check="demonstrations", message=message, address=address)
