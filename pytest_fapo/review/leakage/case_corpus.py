"""The corpus of all cases: their fields, the words common in it, and the values that are labels.

What a detector finds is named here too, so that a case of a hidden split is never given away.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from pydantic import JsonValue

from pytest_fapo.core.case import Case
from pytest_fapo.core.text import count
from pytest_fapo.review.leakage.added_text import (
    STOPWORDS,
    Words,
    content_of,
    is_spaceless,
    joined,
    parts_of,
    weight_of,
    words_of,
)

SHOWN = 3


class LeakHit(NamedTuple):
    """One trace of one case in a new text."""

    case: Case
    what: str
    """The repeated text, for cases that may be shown: `6 words of the input: “…”`."""
    line: int = 0
    """The line of the new text where it stands, 1 for the first; 0 where that is not known."""


def sentences(hits: Iterable[LeakHit], action: str, remedy: str) -> Iterator[str]:
    """One message for all hits of a detector; cases outside train are neither named nor quoted.

    Args:
        hits: at least one, or nothing is said.
        action: what the edit does, such as `copies text of`.
        remedy: what would pass.
    """
    by_case = {id(hit.case): hit for hit in hits}
    shown = [hit for hit in by_case.values() if hit.case.split == "train"]
    hidden = len(by_case) - len(shown)
    parts = []
    if shown:
        examples = "; ".join(f"{hit.case.id}: {hit.what}" for hit in shown[:SHOWN])
        more = f"; and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        parts.append(f"{action} {count(len(shown), 'train case')} ({examples}{more})")
    if hidden:
        parts.append(f"{action} {count(hidden, 'case')} outside of train (not shown)")
    if parts:
        yield f"The new text {' and '.join(parts)}; {remedy}."


def quote(words: tuple[str, ...], limit: int = 12) -> str:
    """Return the words for a message, shortened."""
    if words and is_spaceless(words[0]):
        limit *= 3
    return "“" + joined(words[:limit]) + (" …" if len(words) > limit else "") + "”"


_NAME = re.compile(r"[^\W\d_][^\W_]*(?:[_-][^\W_]+){0,8}\??")
"""A name as programs write it; the public Banking77 has one that ends in a question mark."""

LABEL_WORDS = 8
"""A label has at most this many words; what is longer is an answer in prose."""


class CaseField(NamedTuple):
    """One string (or number) somewhere in a case."""

    case: Case
    number: int
    """The case's, in the corpus."""
    role: str
    """`input` or `expected answer`, as messages call it."""
    key: str
    """The location in the case; all members of one list share a key."""
    value: str | int | float
    words: Words
    label_set: str = ""
    """Of an expected answer: which set of labels it is one of."""

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)


class CaseCorpus:
    """All cases, each once, with all labels that the tests' sources give it."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._given = list(cases)  # keeps them alive, so that `corpus_of` can know them by identity
        known: dict[tuple[str, str], int] = {}
        self.cases: list[Case] = []
        labels: list[CaseField] = []
        for case in {(case.key, str(case.inputs)): case for case in cases}.values():
            number = known.setdefault((case.id, str(case.inputs)), len(self.cases))
            if number == len(self.cases):
                self.cases.append(case)
            labels += _expected(case, self.cases[number], number)
        inputs = (field for number, case in enumerate(self.cases) for field in _inputs(case, number))
        self.fields = [*inputs, *labels]
        self.inputs = [field for field in self.fields if field.role == "input"]
        self.expected = [field for field in self.fields if field.role != "input"]
        self.common_from = max(3, math.ceil(len(self.cases) * 0.02))
        """The number of cases from which a shared phrase is common, not one case's text."""
        self._shared: dict[tuple[Words, bool], bool] = {}
        self._shared_squeezed: dict[str, bool] = {}

    @cached_property
    def cases_with(self) -> dict[str, set[int]]:
        """Word to the numbers of the cases that hold it."""
        index: dict[str, set[int]] = defaultdict(set)
        for field in self.fields:
            for word in field.words:
                index[word].add(field.number)
        return index

    @cached_property
    def parts(self) -> list[dict[str, float]]:
        """Of each case the pieces of its inputs' words, each with the share of a word that it is."""
        found: list[dict[str, float]] = [{} for _ in self.cases]
        for field in self.inputs:
            if field.is_text:
                found[field.number].update(parts_of(str(field.value)))
        return found

    @cached_property
    def cases_with_part(self) -> dict[str, list[int]]:
        """Piece of a word to the numbers of the cases whose inputs hold it."""
        index: dict[str, list[int]] = defaultdict(list)
        for number, parts in enumerate(self.parts):
            for part in parts:
                index[part].append(number)
        return index

    @cached_property
    def answers(self) -> list[list[Words]]:
        """Of each case its expected values."""
        found: list[list[Words]] = [[] for _ in self.cases]
        for field in self.expected:
            if field.words:
                found[field.number].append(field.words)
        return found

    def is_common(self, word: str) -> bool:
        """True if `word` says nothing about one case in particular."""
        short_number = word.isdigit() and len(word) < 6
        return (
            word in STOPWORDS
            or short_number
            or len(word) < 4
            or len(self.cases_with.get(word, ())) >= self.common_from
        )

    def is_label(self, word: str) -> bool:
        """True if `word` is a part of a label."""
        return any(word in label for label in self.labels)

    def content_size(self, number: int) -> int:
        """Return the number of different meaningful words in the inputs of a case."""
        texts = (field.words for field in self._of_case[number] if field.role == "input")
        return len({word for words in texts for word in content_of(words)})

    def is_rare(self, word: str) -> bool:
        """True if at most two cases hold `word`."""
        return word not in STOPWORDS and len(self.cases_with.get(word, ())) <= 2

    def shared(self, words: Words, *, content: bool = False) -> bool:
        """True if this run of words is in so many cases that it is a common phrase."""
        key = (words, content)
        if key not in self._shared:
            self._shared[key] = self._is_shared(words, content=content)
        return self._shared[key]

    def shared_squeezed(self, part: str) -> bool:
        """The same of a run of characters, where nothing stands between the words."""
        if part not in self._shared_squeezed:
            holders = {field.number for field in self.fields if part in "".join(field.words)}
            self._shared_squeezed[part] = len(holders) >= self.common_from
        return self._shared_squeezed[part]

    def _is_shared(self, words: Words, *, content: bool) -> bool:
        holders = [self.cases_with.get(word, set()) for word in words]
        candidates = set.intersection(*holders) if holders else set()
        if len(candidates) < self.common_from:
            return False
        found = 0
        for number in candidates:
            texts = (field.words for field in self._of_case[number])
            if any(contains(content_of(text) if content else text, words) for text in texts):
                found += 1
                if found >= self.common_from:
                    return True
        return False

    @cached_property
    def _of_case(self) -> list[list[CaseField]]:
        by_case: list[list[CaseField]] = [[] for _ in self.cases]
        for field in self.fields:
            by_case[field.number].append(field)
        return by_case

    @cached_property
    def labels(self) -> set[Words]:
        """Expected values that are names of classes: prompts must be able to say them."""
        by_key: dict[tuple[str, str], list[CaseField]] = defaultdict(list)
        for field in self.expected:
            if field.words and weight_of(field.words) <= LABEL_WORDS:
                by_key[field.label_set, field.key].append(field)
        return {label for fields in by_key.values() for label in _labels_of(fields)}

    @cached_property
    def keys(self) -> set[str]:
        """Words of the names of expected fields: part of every output contract."""
        return {word for field in self.expected for word in words_of(field.key)}


_LAST: list[tuple[list[int], CaseCorpus]] = []


def corpus_of(cases: Sequence[Case]) -> CaseCorpus:
    """Return the corpus of the cases; the last one is kept, as every candidate of a run is held against the
    same.
    """
    key = [id(case) for case in cases]
    if not _LAST or _LAST[0][0] != key:
        _LAST[:] = [(key, CaseCorpus(cases))]
    return _LAST[0][1]


def contains(text: Words, run: Words) -> bool:
    """True if `run` is in `text`, word after word."""
    size = len(run)
    return any(text[index : index + size] == run for index in range(len(text) - size + 1))


def _labels_of(fields: list[CaseField]) -> Iterator[Words]:
    """A closed set is all labels, and so are names as programs write them; in an open set what comes back."""
    values = [field.words for field in fields]
    counts = Counter(values)
    if _are_names({str(field.value) for field in fields}):
        yield from counts
        return
    variety = len(counts) / len(values)
    names = all(len(value) == 1 for value in counts)
    codes = len({value[0] for value in counts}) == 1 and all(value[-1].isdigit() for value in counts)
    closed = variety <= 0.5 or ((names or codes) and variety <= 0.8)
    for value, times in counts.items():
        if closed or (times > 1 and len(value) <= 4):
            yield value


def _are_names(values: set[str]) -> bool:
    """True for names such as `card_arrival`, which few cases hold twice where there are many labels."""
    joints = sum("_" in value or "-" in value for value in values)
    numbered = sum(any(map(str.isdigit, value)) for value in values)
    named = all(map(_NAME.fullmatch, values)) and numbered <= 0.2 * len(values)
    return named and joints >= max(2, 0.25 * len(values))


def _inputs(case: Case, number: int) -> Iterator[CaseField]:
    for value, _ in _leaves(case.inputs, ""):
        yield CaseField(case, number, "input", "", value, words_of(str(value)))


def _expected(case: Case, first: Case, number: int) -> Iterator[CaseField]:
    """Yield the labels of a case, as those of the case of the same id and inputs that came first."""
    for value, key in (*_leaves(case.expected, ""), *_leaves(dict(case.expected_steps), "step")):
        yield CaseField(first, number, "expected answer", key, value, words_of(str(value)), case.label_set)


def _leaves(value: JsonValue, key: str) -> Iterator[tuple[str | int | float, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, key)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield value, key
