"""Examples in prompts: as many as the settings allow, and train cases only where they allow to quote them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_fapo.models import Case, ReviewProblem
from pytest_fapo.review.leakage import Added
from pytest_fapo.review.subject import Subject

_EXAMPLE = re.compile(
    r"^[\W\d_]*(example|demonstration|sample|input|question|q|ticket|text|message|query|user|customer)"
    r"[ \t]*\d*[\W_]*[:.\-–—]",
    re.IGNORECASE | re.MULTILINE,
)
_GIVES = re.compile(
    r"^[\W\d_]*(output|answer|a|label|reply|response|assistant|result|expected)[ \t]*\d*[\W_]*[:\-–—>]",
    re.IGNORECASE | re.MULTILINE,
)
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
        new = examples(change.after) - examples(change.before)
        if settings.demonstrations == "off" and new > 1:
            yield _problem(
                f"{change.address}: the edit adds {new} examples, and [tool.fapo] demonstrations is "
                f'"off"; state the rule in words.',
                change.address,
            )
        total = max(examples(change.after), _quoted(change.after, subject))
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


def examples(text: str) -> int:
    """How many examples a prompt seems to hold: inputs that are followed by what to answer."""
    return min(len(_EXAMPLE.findall(text)), len(_GIVES.findall(text))) or len(_ARROW.findall(text)) // 2


def _quoted(text: str, subject: Subject) -> int:
    """How many of the declared cases stand in the text."""
    named = set(subject.candidate.demonstrations)
    added = Added(text, [])
    return sum(_stands_in(added, case) for case in subject.cases if case.id in named)


def _stands_in(added: Added, case: Case) -> bool:
    from pytest_fapo.review.leakage.corpus import Corpus

    return any(added.has(field.words) for field in Corpus([case]).inputs)


def _problem(message: str, address: str = "") -> ReviewProblem:
    return ReviewProblem(check="demonstrations", message=message, address=address)
