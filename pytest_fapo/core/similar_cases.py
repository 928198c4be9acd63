"""Cases whose inputs say nearly the same.

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

_LETTER = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_LETTER}]|[^\W_{_LETTER}]+")
"""Words; every letter of scripts that do not part them."""

_NEGATION = re.compile(
    r"not|no|never|none|without|neither|nor|cannot|t|only|except|un\w+|non|kein\w*|nicht|ohne|pas|sans|sin|nunca"
)
"""Words that turn the meaning of a sentence that is otherwise the same (`t`: of `don't`)."""

_CANDIDATES = 50
"""A case is compared with so many others that share its rarest words."""


@dataclass(frozen=True)
class SimilarPair:
    """Two cases with much the same inputs, in the order in which they were given."""

    first: Case
    second: Case
    similarity: float
    """0 to 1; 1 if all words are the same, in the same order."""
    same_numbers: bool
    """True if the same numbers are in both: invoices 701 and 702 are two things."""
    turned: bool = False
    """True if a negation is in one of them alone."""

    @property
    def same_words(self) -> bool:
        """True if the inputs differ in upper case, punctuation and spaces alone."""
        return self.similarity == 1.0

    @property
    def near_copy(self) -> bool:
        """True if one case says nothing that the other one does not."""
        return _is_near_copy(self.similarity, self.same_numbers)


def similar_cases(cases: Sequence[Case], least: float = NEAR_COPY) -> list[SimilarPair]:
    """Return the pairs of cases whose inputs are at least so similar, the most similar first.

    Args:
        cases: of one or several splits and sources.
        least: similarity, above 0 to 1.
    """
    texts = InputTexts(cases)
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


@dataclass
class InputTexts:
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
        """Cases by the words that are in them."""
        found: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(self.words):
            for word in set(words):
                found[word].append(number)
        return found

    def turned(self, one: int, other: int) -> bool:
        """True if a negation is in one of the two alone."""
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
        """Yield every pair at least so similar, as places: such sets share one of the rarest words of
        each.
        """
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
    """Words, each time that they are there, and pairs of neighbors."""
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
