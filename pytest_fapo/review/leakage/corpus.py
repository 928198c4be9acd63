"""The cases as a body of text: their fields, which words are common in it, and which values are labels."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from pydantic import JsonValue

from pytest_fapo.models import Case
from pytest_fapo.review.leakage.words import STOPWORDS, Words, content_of, words_of

LABEL_WORDS = 8
"""A label has at most this many words; what is longer is an answer in prose."""


class Field(NamedTuple):
    """One string (or number) somewhere in a case."""

    case: Case
    role: str
    """`input` or `expected answer`, as messages call it."""
    key: str
    """Where it stands; all members of one list share a key."""
    value: str | int | float
    label_set: str = ""
    """Of an expected answer: which set of labels it is one of."""

    @property
    def words(self) -> Words:
        return words_of(str(self.value))

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)


class Corpus:
    """All cases, each once, with all labels that the tests' sources give it."""

    def __init__(self, cases: Sequence[Case]) -> None:
        known: dict[tuple[str, str], Case] = {}
        labels: list[Field] = []
        for case in {(case.key, str(case.inputs)): case for case in cases}.values():
            first = known.setdefault((case.id, str(case.inputs)), case)
            labels += (field._replace(case=first) for field in _expected(case))
        self.cases = list(known.values())
        self.fields = [*(field for case in self.cases for field in _inputs(case)), *labels]
        self.inputs = [field for field in self.fields if field.role == "input"]
        self.expected = [field for field in self.fields if field.role != "input"]
        self.common_from = max(3, math.ceil(len(self.cases) * 0.02))
        """What so many cases share is a common phrase, not one case's text."""

    @cached_property
    def cases_with(self) -> dict[str, set[int]]:
        """Word to the numbers of the cases that hold it."""
        index: dict[str, set[int]] = defaultdict(set)
        numbers = {id(case): number for number, case in enumerate(self.cases)}
        for field in self.fields:
            for word in field.words:
                index[word].add(numbers[id(field.case)])
        return index

    def is_common(self, word: str) -> bool:
        """Whether `word` says nothing about one case in particular."""
        short_number = word.isdigit() and len(word) < 6
        return (
            word in STOPWORDS
            or short_number
            or len(word) < 4
            or len(self.cases_with.get(word, ())) >= self.common_from
        )

    def is_label(self, word: str) -> bool:
        """Whether `word` is a part of a label."""
        return any(word in label for label in self.labels)

    def content_size(self, number: int) -> int:
        """How many different meaningful words the inputs of a case hold."""
        texts = (field.words for field in self._of_case[id(self.cases[number])] if field.role == "input")
        return len({word for words in texts for word in content_of(words)})

    def is_rare(self, word: str) -> bool:
        """Whether at most two cases hold `word`."""
        return word not in STOPWORDS and len(self.cases_with.get(word, ())) <= 2

    def shared(self, words: Words, *, content: bool = False) -> bool:
        """Whether this run of words stands in so many cases that it is a common phrase."""
        holders = [self.cases_with.get(word, set()) for word in words]
        candidates = set.intersection(*holders) if holders else set()
        if len(candidates) < self.common_from:
            return False
        found = 0
        for number in candidates:
            texts = (field.words for field in self._of_case[id(self.cases[number])])
            if any(contains(content_of(text) if content else text, words) for text in texts):
                found += 1
                if found >= self.common_from:
                    return True
        return False

    @cached_property
    def _of_case(self) -> dict[int, list[Field]]:
        by_case: dict[int, list[Field]] = defaultdict(list)
        for field in self.fields:
            by_case[id(field.case)].append(field)
        return by_case

    @cached_property
    def labels(self) -> set[Words]:
        """Expected values that are names of classes: prompts must be able to say them."""
        by_key: dict[tuple[str, str], list[Words]] = defaultdict(list)
        for field in self.expected:
            if field.words and len(field.words) <= LABEL_WORDS:
                by_key[field.label_set, field.key].append(field.words)
        return {label for values in by_key.values() for label in _labels_of(values)}

    @cached_property
    def keys(self) -> set[str]:
        """Words of the names of expected fields: part of every output contract."""
        return {word for field in self.expected for word in words_of(field.key)}


def contains(text: Words, run: Words) -> bool:
    """Whether `run` stands in `text`, word after word."""
    size = len(run)
    return any(text[place : place + size] == run for place in range(len(text) - size + 1))


def _labels_of(values: list[Words]) -> Iterator[Words]:
    """A closed set is all labels; in an open one only what comes back is."""
    counts = Counter(values)
    variety = len(counts) / len(values)
    names = all(len(value) == 1 for value in counts)
    codes = len({value[0] for value in counts}) == 1 and all(value[-1].isdigit() for value in counts)
    closed = variety <= 0.5 or ((names or codes) and variety <= 0.8)
    for value, count in counts.items():
        if closed or (count > 1 and len(value) <= 4):
            yield value


def _inputs(case: Case) -> Iterator[Field]:
    for value, _ in _leaves(case.inputs, ""):
        yield Field(case, "input", "", value)


def _expected(case: Case) -> Iterator[Field]:
    for value, key in _leaves(case.expected, ""):
        yield Field(case, "expected answer", key, value, case.label_set)
    for value, key in _leaves(dict(case.expected_steps), "step"):
        yield Field(case, "expected answer", key, value, case.label_set)


def _leaves(value: JsonValue, key: str) -> Iterator[tuple[str | int | float, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, key)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield value, key
