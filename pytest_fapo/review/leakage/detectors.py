"""All detectors of leaked cases, with what each finding is called and what would pass instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from pytest_fapo.review.leakage.added import Added
from pytest_fapo.review.leakage.answers import case_ids, identifiers, literal_answers, tables
from pytest_fapo.review.leakage.copies import copied_text, quoted, reworded, taken_apart
from pytest_fapo.review.leakage.corpus import Corpus
from pytest_fapo.review.leakage.entries import single_entries
from pytest_fapo.review.leakage.hits import Hit, sentences


class _Detector(NamedTuple):
    find: Callable[[Added, Corpus], Iterator[Hit]]
    action: str
    remedy: str


_GENERAL = "say what all such cases have in common, in words of your own and without examples from the cases"

DETECTORS = (
    _Detector(case_ids, "names the id of", "a prompt must not know the cases; state a general rule"),
    _Detector(copied_text, "copies text of", _GENERAL),
    _Detector(quoted, "quotes", _GENERAL),
    _Detector(reworded, "retells", _GENERAL),
    _Detector(taken_apart, "retells", _GENERAL),
    _Detector(
        identifiers,
        "names an identifier of",
        "describe its form, or show it with a made-up one such as 00000",
    ),
    _Detector(
        literal_answers,
        "gives away the answer of",
        "describe how to find the answer instead of the answer itself",
    ),
    _Detector(single_entries, "is made for", _GENERAL),
    _Detector(tables, "holds a table with the answers of", "state the rule behind the answers"),
)


class Leak(NamedTuple):
    """What one detector found."""

    message: str
    lines: list[int]
    """The lines of the new text where it stands, as far as they are known."""


def leaks(added: Added, corpus: Corpus, quotable: Set[int] = frozenset()) -> Iterator[Leak]:
    """One message per detector that finds something; a case is told once, by the first that finds it.

    Args:
        added: what is new.
        corpus: the cases.
        quotable: `id()` of the cases that may be quoted.
    """
    told: set[int] = set(quotable)
    for detector in DETECTORS:
        hits = [hit for hit in detector.find(added, corpus) if id(hit.case) not in told]
        told.update(id(hit.case) for hit in hits)
        lines = sorted({hit.line for hit in hits} - {0})
        yield from (Leak(message, lines) for message in sentences(hits, detector.action, detector.remedy))
