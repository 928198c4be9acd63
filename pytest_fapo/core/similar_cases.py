"""Cases whose inputs say nearly the same, and labels that such cases contradict.

Similarity is that of two sets: the words of the inputs and their neighborhoods. Pairs are found over the rare
words first, so that ten thousand cases take seconds.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import ceil
from typing import Any

from pytest_fapo.core.case import Case
from pytest_fapo.core.record import canonical_json

NEAR_COPY = 0.75
"""Inputs this similar, with the same numbers in them, are near copies of each other."""

NEAR = 0.6
"""Inputs this similar can speak against a label when several of them agree."""

_LETTER = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_LETTER}]|[^\W_{_LETTER}]+")
"""Words; every letter of scripts that do not part them."""

_NEGATION = re.compile(
    r"not|no|never|none|without|neither|nor|cannot|t|only|except|un\w+|non|kein\w*|nicht|ohne|pas|sans|sin|nunca"
)
"""Words that turn the meaning of a sentence that is otherwise the same (`t`: of `don't`)."""

_CANDIDATES = 50
"""A case is compared with so many others that share its rarest words."""

_WITNESSES = 3
"""So many near cases must agree on another label before they speak against one."""

_AGREED = 0.6
"""The share of all near cases that must agree on it."""

_EXCEPTION = 6
"""A label that near cases give to fewer than one in so many of them is the exception among them."""


@dataclass(frozen=True)
class SimilarPair:
    """Two cases with much the same inputs, in the order in which they were given."""

    first: Case
    second: Case
    similarity: float
    """0 to 1; 1 if all words are the same, in the same order."""
    same_numbers: bool
    """True if the same numbers stand in both: invoices 701 and 702 are two things."""
    turned: bool = False
    """True if a negation stands in one of them alone."""

    @property
    def same_words(self) -> bool:
        """True if the inputs differ in upper case, punctuation and spaces alone."""
        return self.similarity == 1.0

    @property
    def near_copy(self) -> bool:
        """True if one case says nothing that the other one does not."""
        return _is_near_copy(self.similarity, self.same_numbers)


@dataclass(frozen=True)
class LabelConflict:
    """A label that the label of a case with the same or nearly the same inputs contradicts."""

    case: Case
    """The one whose label fewer of the near cases have."""
    other: Case
    similarity: float
    against: int
    """Near cases that have the other's label; 1 if there is that one alone, and either label may be wrong."""
    support: int
    """Further near cases that have the case's own label."""

    @property
    def same_words(self) -> bool:
        """True if the inputs of both are the same."""
        return self.similarity == 1.0

    @property
    def one_sided(self) -> bool:
        """True if the near cases tell which of the two labels is the odd one."""
        return self.against > self.support + 1


def similar_cases(cases: Sequence[Case], least: float = NEAR_COPY) -> list[SimilarPair]:
    """Return the pairs of cases whose inputs are at least so similar, the most similar first.

    Args:
        cases: of one or several splits and sources.
        least: similarity, above 0 to 1.
    """
    texts = _Texts(cases)
    found = sorted(texts.pairs(least), key=lambda pair: -pair[2])
    return [
        SimilarPair(
            cases[one],
            cases[other],
            similarity,
            same_numbers=texts.numbers[one] == texts.numbers[other],
            turned=texts.turned(one, other),
        )
        for one, other, similarity in found
    ]


def label_conflicts(cases: Sequence[Case]) -> list[LabelConflict]:
    """Return the labels that cases with the same or nearly the same inputs contradict, the surest first.

    Equal inputs (but for upper case, punctuation and spaces) with two labels contradict each other in any
    case. Nearly equal ones do where labels are classes: where at least three near cases agree on
    another label and next to none has the case's own, and no word that only this case has explains its label;
    or where two long inputs differ in a word or two that are neither numbers nor negations.

    Args:
        cases: those of which labels may be compared, each with its label in `expected`; without one it is
            left out.
    """
    labeled = [case for case in cases if case.expected is not None]
    texts, labels = _Texts(labeled), _Labels(labeled)
    near: dict[int, dict[int, float]] = defaultdict(dict)
    for one, other, similarity in texts.pairs(NEAR):
        near[one][other] = near[other][one] = similarity
    found = [conflict for number in near if (conflict := _voted(number, near[number], texts, labels))]
    told = {id(conflict.case) for conflict in found}
    for one in sorted(near):
        for other, similarity in near[one].items():
            pair = {id(labeled[one]), id(labeled[other])}
            if other < one or labels.of[one] == labels.of[other] or told & pair:
                continue
            copy = similarity == 1.0 or (labels.classes and texts.near_copy(one, other, similarity))
            if copy and not (similarity < 1.0 and texts.turned(one, other)):
                found.append(_of_pair(one, other, near, texts, labels))
                told |= pair
    return sorted(found, key=lambda conflict: (-conflict.similarity, -conflict.against))


def label_text(label: Any) -> str:
    """Return a label as it is compared: upper case and outer spaces do not matter."""
    return canonical_json(_folded(label))


def input_text(inputs: Any) -> str:
    """Return the inputs of a case as one text for reading: the values alone."""
    return " · ".join(text for _, text in _leaves(inputs, "") if text.strip())


def input_key(inputs: Any) -> str:
    """Return what inputs have in common that differ in upper case, punctuation and spaces alone."""
    return canonical_json([[name, " ".join(_words(text)) or text] for name, text in _leaves(inputs, "")])


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(value.casefold().split())
    if isinstance(value, Mapping):
        return {key: _folded(inner) for key, inner in value.items()}
    return [_folded(inner) for inner in value] if isinstance(value, list) else value


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """(path, text) of every value that is no mapping or list."""
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from _leaves(value[key], f"{name}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{name}.{number}")
    elif value is not None:
        yield name, value if isinstance(value, str) else canonical_json(value)


class _Labels:
    """The labels of cases as they are compared."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.of = [label_text(case.expected) for case in cases]
        self.counts = Counter(self.of)

    @property
    def classes(self) -> bool:
        """True if labels repeat: half of the cases share theirs with another one."""
        shared = sum(count for count in self.counts.values() if count > 1)
        return 2 * shared >= len(self.of) > 0


@dataclass
class _Texts:
    """The words of the inputs of cases; what all cases have in common is no input of theirs."""

    cases: Sequence[Case]
    words: list[list[str]] = field(init=False)
    """Of each case, in order."""

    def __post_init__(self) -> None:
        leaves = [dict(_leaves(case.inputs, "")) for case in self.cases]
        values: dict[str, set[str]] = defaultdict(set)
        counts: Counter[str] = Counter()
        for each in leaves:
            counts.update(each.keys())
            for name, text in each.items():
                values[name].add(text)
        many = len(self.cases) > 2
        constant = {name for name in values if many and len(values[name]) == 1 < counts[name] == len(leaves)}
        self.words = [
            [word for name, text in each.items() if name not in constant for word in _words(text)]
            for each in leaves
        ]

    @cached_property
    def holders(self) -> dict[str, list[int]]:
        """Cases by the words that stand in them."""
        found: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(self.words):
            for word in set(words):
                found[word].append(number)
        return found

    def turned(self, one: int, other: int) -> bool:
        """True if a negation stands in one of the two alone."""
        differing = set(self.words[one]) ^ set(self.words[other])
        return any(_NEGATION.fullmatch(word) for word in differing)

    @cached_property
    def numbers(self) -> list[list[str]]:
        """The words with a digit in each case."""
        return [_numbers(words) for words in self.words]

    def near_copy(self, one: int, other: int, similarity: float) -> bool:
        """True if two cases that are so similar are near copies."""
        return _is_near_copy(similarity, self.numbers[one] == self.numbers[other])

    def pairs(self, least: float) -> Iterator[tuple[int, int, float]]:
        """Every pair at least so similar, as places: such sets share one of the rarest words of each."""
        features = [_features(words) for words in self.words]
        frequency = Counter(each for found in features for each in found)
        ordered = [sorted(found, key=lambda each: (frequency[each], each)) for found in features]
        index: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number in sorted(range(len(features)), key=lambda number: len(features[number])):
            mine = features[number]
            prefix = ordered[number][: len(mine) - ceil(least * len(mine)) + 1]
            for other in _candidates(prefix, index, features, least * len(mine)):
                common = len(mine & features[other])
                similarity = common / (len(mine) + len(features[other]) - common)
                if similarity >= least:
                    if self.words[number] != self.words[other]:
                        similarity = min(similarity, 0.99)
                    yield min(number, other), max(number, other), similarity
            for each in prefix:
                index[each].append(number)


def _is_near_copy(similarity: float, same_numbers: bool) -> bool:
    return same_numbers and similarity >= NEAR_COPY


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _numbers(words: Sequence[str]) -> list[str]:
    return sorted(word for word in words if any(character.isdigit() for character in word))


def _features(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    """Words, each time that they stand there, and pairs of neighbors."""
    seen: Counter[str] = Counter()
    found: set[tuple[str, ...]] = set(pairwise(words))
    for word in words:
        seen[word] += 1
        found.add((word, "", str(seen[word])))
    return frozenset(found)


def _candidates(
    prefix: Sequence[tuple[str, ...]],
    index: Mapping[tuple[str, ...], list[int]],
    features: Sequence[frozenset[tuple[str, ...]]],
    shortest: float,
) -> list[int]:
    """Earlier, shorter cases that share a word of the prefix, those with the rarest words first."""
    found: dict[int, None] = {}
    for each in prefix:
        for other in reversed(index.get(each, ())):
            if len(features[other]) < shortest:
                break  # they are in the order of their length
            found[other] = None
            if len(found) >= _CANDIDATES:
                return list(found)
    return list(found)


def _voted(number: int, near: Mapping[int, float], texts: _Texts, labels: _Labels) -> LabelConflict | None:
    """The conflict of one case with what its near cases agree on."""
    if not labels.classes:
        return None
    mine = labels.of[number]
    counts = Counter(labels.of[other] for other in near)
    support = counts.pop(mine, 0)
    if not counts:
        return None
    label, against = counts.most_common(1)[0]
    if against < _WITNESSES or against < _AGREED * len(near) or support * _EXCEPTION > against:
        return None
    witnesses = [other for other in near if labels.of[other] == label]
    alike = [other for other in near if labels.of[other] == mine]
    if all(texts.turned(number, other) for other in witnesses):
        return None
    if _explained(number, witnesses, texts, labels):
        return None
    same_numbers = any(texts.numbers[number] == texts.numbers[other] for other in witnesses)
    if not same_numbers and _decided(number, alike, witnesses, texts):
        return None
    nearest = max(witnesses, key=lambda other: near[other])
    return LabelConflict(texts.cases[number], texts.cases[nearest], near[nearest], against, support)


def _explained(number: int, witnesses: Sequence[int], texts: _Texts, labels: _Labels) -> bool:
    """True if a word that the witnesses lack goes with the case's label elsewhere."""
    common = Counter(word for other in witnesses for word in set(texts.words[other]))
    for word in set(texts.words[number]):
        if common[word] * _EXCEPTION > len(witnesses):
            continue
        elsewhere = [other for other in texts.holders[word] if other != number]
        alike = sum(labels.of[other] == labels.of[number] for other in elsewhere)
        if len(elsewhere) >= 2 and alike >= _AGREED * len(elsewhere):
            return True
    return False


def _decided(number: int, alike: Sequence[int], witnesses: Sequence[int], texts: _Texts) -> bool:
    """True if a number may decide: all with the case's label lie on one side of it, or between two others."""
    mine = [_values(texts.words[other]) for other in (number, *alike)]
    others = [_values(texts.words[other]) for other in witnesses]
    for place in range(min(map(len, (*mine, *others)))):
        inside, outside = [each[place] for each in mine], [each[place] for each in others]
        if min(inside) > max(outside) or max(inside) < min(outside):
            return True
        if alike and not any(min(inside) <= each <= max(inside) for each in outside):
            return True
    return False


def _values(words: Sequence[str]) -> list[int]:
    return [int(word) for word in words if word.isdecimal()]


def _of_pair(
    one: int, other: int, near: Mapping[int, Mapping[int, float]], texts: _Texts, labels: _Labels
) -> LabelConflict:
    """A conflict of two; the case is the one whose label fewer of all that are near to either have."""
    votes = Counter(labels.of[number] for number in {*near[one], *near[other]} - {one, other})
    if votes[labels.of[one]] > votes[labels.of[other]]:
        one, other = other, one
    support, against = votes[labels.of[one]], votes[labels.of[other]] + 1
    return LabelConflict(texts.cases[one], texts.cases[other], near[one][other], against, support)
