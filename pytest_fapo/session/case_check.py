"""What is wrong with labeled cases themselves, before any pipeline runs on them: ids, empty inputs, copies,
labels that contradict each other or are spelled in several ways.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Literal

from pytest_fapo.core.case import Case
from pytest_fapo.core.label_votes import label_conflicts
from pytest_fapo.core.record import SPLITS
from pytest_fapo.core.similar_cases import input_key, input_text, similar_cases
from pytest_fapo.core.text import count, listing

Kind = Literal["id", "empty", "copy", "near-copy", "conflict", "spelling", "split", "leak"]


@dataclass(frozen=True)
class CaseProblem:
    """Something that should not be so, and the cases that it is about."""

    kind: Kind
    message: str
    cases: list[Case] = field(default_factory=list)


def check_cases(cases: Sequence[Case]) -> list[CaseProblem]:
    """Return what is wrong with cases, one problem for each id, group of copies, pair of labels or spelling.

    Args:
        cases: of one or several files that are used together.
    """
    copies = _copies(cases)
    return [
        *_repeated_ids(cases),
        *_empty(cases),
        *_conflicts(cases),
        *(_copy("copy", group) for group in copies if len(group) > 1),
        *_near_copies([group[0] for group in copies], {id(group[0]): group for group in copies}),
        *_spellings(cases),
    ]


def _repeated_ids(cases: Sequence[Case]) -> Iterator[CaseProblem]:
    for group in _grouped(cases, lambda case: (_file(case), case.id)).values():
        if len(group) > 1:
            yield CaseProblem("id", f"the id {group[0].id!r} occurs {_times(len(group))}", group)


def _file(case: Case) -> str:
    return re.sub(r"(:\d+| #\d+)$", "", case.origin)


def _empty(cases: Sequence[Case]) -> Iterator[CaseProblem]:
    for case in cases:
        if not input_text(case.inputs).strip():
            yield CaseProblem("empty", "the inputs are empty", [case])


def _conflicts(cases: Sequence[Case]) -> Iterator[CaseProblem]:
    for conflict in label_conflicts(cases):
        inputs = "the same input" if conflict.same_words else "nearly the same input"
        message = f"{inputs}, two labels"
        if conflict.one_sided:
            message += f"; {count(conflict.against, 'such case')} {_have(conflict.against)} the second one"
        yield CaseProblem("conflict", message, [conflict.case, conflict.other])


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _copies(cases: Sequence[Case]) -> list[list[Case]]:
    """Return the cases in groups of equal inputs; those with empty ones are left out."""
    filled = [case for case in cases if input_text(case.inputs).strip()]
    return list(_grouped(filled, lambda case: input_key(case.inputs)).values())


def _near_copies(firsts: Sequence[Case], groups: Mapping[int, list[Case]]) -> Iterator[CaseProblem]:
    """Groups of cases that are near copies of each other, chains included."""
    leader = {id(case): id(case) for case in firsts}

    def lead(name: int) -> int:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    for pair in similar_cases(firsts):
        if pair.near_copy:
            leader[lead(id(pair.second))] = lead(id(pair.first))
    for found in _grouped(firsts, lambda case: lead(id(case))).values():
        if len(found) > 1:
            yield _copy("near-copy", [case for first in found for case in groups[id(first)]])


def _copy(kind: Literal["copy", "near-copy"], group: list[Case]) -> CaseProblem:
    splits = [split for split in SPLITS if any(case.split == split for case in group)]
    across = f" across {listing(splits)}" if len(splits) > 1 else ""
    what = "equal inputs" if kind == "copy" else "nearly equal inputs"
    return CaseProblem(kind, f"{count(len(group), 'case')} with {what}{across}", group)


_LIKENESS = 0.9
_SHORTEST, _COMMON, _RARE = 6, 5, 2
"""A label of so many letters that stands seldom may be a slip for one much like it that stands often."""


def _spellings(cases: Sequence[Case]) -> Iterator[CaseProblem]:
    """Labels that are the same but for upper case, spaces and punctuation, their type, or a letter."""
    by_place: dict[str, dict[Any, list[Case]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        for place, value in _labels(case.expected, ""):
            by_place[place][_exact(value)].append(case)
    for place, found in by_place.items():
        at = f" in {place[1:]!r}" if place else ""
        for group in _grouped(list(found), lambda exact: _bare(exact[1])).values():
            if len(group) > 1:
                yield _spelled(group, found, at)
        yield from (_spelled(pair, found, at) for pair in _slips(found))


def _spelled(group: Sequence[Any], found: Mapping[Any, list[Case]], at: str) -> CaseProblem:
    ordered = sorted(group, key=lambda exact: -len(found[exact]))
    names = listing(f"{exact[1]!r} ({len(found[exact])})" for exact in ordered)
    return CaseProblem(
        "spelling", f"a label{at} is spelled in several ways: {names}", [found[exact][0] for exact in ordered]
    )


def _slips(found: Mapping[Any, list[Case]]) -> Iterator[list[Any]]:
    texts = [exact for exact in found if isinstance(exact[1], str) and len(exact[1]) >= _SHORTEST]
    counts = Counter({exact: len(found[exact]) for exact in texts})
    often = [exact for exact in texts if counts[exact] >= _COMMON]
    for rare in (exact for exact in texts if counts[exact] <= _RARE):
        for common in often:
            apart = _bare(rare[1]) != _bare(common[1]) and not re.search(r"\d", rare[1] + common[1])
            if apart and SequenceMatcher(None, rare[1], common[1]).ratio() >= _LIKENESS:
                yield [common, rare]


def _labels(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _labels(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _labels(inner, place)
    elif value is not None:
        yield place, value


def _exact(value: Any) -> tuple[str, Any]:
    return type(value).__name__, value


def _bare(value: Any) -> str:
    text = str(value).casefold()
    return re.sub(r"[\s_.,;:!?'\"-]+", "", text) or text


def _times(number: int) -> str:
    return "twice" if number == 2 else f"{number:,} times"


def _grouped(items: Sequence[Any], key: Any) -> dict[Hashable, list[Any]]:
    found: dict[Hashable, list[Any]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found
