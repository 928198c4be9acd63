"""Detectors of leaked answers: case ids, literal answers, and lines and tables that lead to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pytest_fapo.review.leakage.added_text import (
    TRIGGERS,
    AddedText,
    Words,
    content_of,
    is_spaceless,
    weight_of,
    words_of,
)
from pytest_fapo.review.leakage.case_corpus import CaseCorpus, LeakHit, contains, quote

_SEPARATOR = re.compile(
    r"[-=]+>|→|⇒|↦|\||=+|:|\t|\b(?:then|answer|reply|respond|output|return|label|choose|classify|is)\b",
    re.I,
)

TABLE = 3
"""So many entries of a table that are each true of their own case are no accident."""


def case_ids(added: AddedText, corpus: CaseCorpus) -> Iterator[LeakHit]:
    """Ids of cases, spelled as they are or with other separators."""
    text = added.after.casefold()
    for case in corpus.cases:
        name = case.id.casefold()
        if words_of(name) in corpus.labels or name in added.raw_known:
            continue
        if not _is_telling(name):
            continue
        exact = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) if name in text else None
        if exact or (_is_unmistakable(name) and added.has(words_of(name))):
            line = text.count("\n", 0, exact.start()) + 1 if exact else added.line_of(words_of(name))
            yield LeakHit(case, "its id", line)


def _is_unmistakable(name: str) -> bool:
    """True if an id is one even when its words stand apart (not `case-7`: "in case 7 days pass")."""
    return sum(character.isdigit() for character in name) >= 3 or len(re.sub(r"\W|_", "", name)) >= 8


def _is_telling(name: str) -> bool:
    """True if an id cannot be an ordinary word or number of a prompt."""
    if name.isdigit():
        return len(name) >= 5
    digits = any(character.isdigit() for character in name)
    return (digits and len(name) >= 3) or (len(name) >= 8 and bool(re.search(r"[-_/:.]", name)))


def literal_answers(added: AddedText, corpus: CaseCorpus) -> Iterator[LeakHit]:
    """Expected answers that are no label, no number and no common word."""
    for field in corpus.expected:
        words = field.words
        if not field.is_text or not words or words in corpus.labels or not added.has(words):
            continue
        telling = [
            word
            for word in words
            if not corpus.is_common(word) and word not in added.known_words and word not in corpus.keys
        ]
        if telling or weight_of(words) >= 5 or _is_phrase(words, corpus):
            yield LeakHit(field.case, f"its {field.role} {quote(words)}", added.line_of(words))


def _is_phrase(words: Words, corpus: CaseCorpus) -> bool:
    """True for a name or term of a script without spaces, whose single characters are all common."""
    return all(map(is_spaceless, words)) and weight_of(words) >= 1 and not corpus.shared(words)


def tables(added: AddedText, corpus: CaseCorpus) -> Iterator[LeakHit]:
    """Lists that give case after case its answer: `id -> answer`, `if the input says … answer …`."""
    by_id = {words_of(case.id): number for number, case in enumerate(corpus.cases)}
    numbered: list[LeakHit] = []
    entries: list[LeakHit] = []
    lines = 0
    for segment in added.segments:
        pairs = list(_pairs(segment))
        lines += any(len(left) == 1 and left[0].isdigit() for left, _ in pairs)
        for left, right in pairs:
            number = by_id.get(tuple(word for word in left if word not in ("case", "id", "item")))
            if number is not None and _is_answer(right, corpus.answers[number]):
                line = added.line_of(words_of(segment))
                numbered.append(LeakHit(corpus.cases[number], "an entry for its id", line))
            entries += _by_input(left, right, added, corpus)
    # Numbered lists of labels exist: only where most numbers lead to their own case's answer is it a table.
    if len({id(hit.case) for hit in numbered}) > TABLE and len(numbered) >= 0.6 * lines:
        yield from numbered
    if len({id(hit.case) for hit in entries}) >= TABLE:
        yield from entries


def _pairs(segment: str) -> Iterator[tuple[Words, Words]]:
    for match in list(_SEPARATOR.finditer(segment))[:8]:
        left, right = words_of(segment[: match.start()]), words_of(segment[match.end() :])
        if left and right:
            yield left, right


def _by_input(left: Words, right: Words, added: AddedText, corpus: CaseCorpus) -> Iterator[LeakHit]:
    """Yield cases whose input holds all of `left`, something rare in it, and whose answer `right` gives."""
    clue = [word for word in content_of(left) if word not in TRIGGERS]
    rare = [word for word in clue if corpus.is_rare(word)]
    if len(clue) < 2 or not rare:
        return
    holders = set.intersection(*(corpus.cases_with.get(word, set()) for word in clue))
    for number in holders:
        own = {word for answer in corpus.answers[number] for word in answer}
        if len({*clue} - own) >= 2 and {*rare} - own and _is_answer(right, corpus.answers[number]):
            what = f"an entry made of its input {quote(tuple(clue))}"
            yield LeakHit(corpus.cases[number], what, added.line_of((*left, *right)))


def _is_answer(right: Words, answers: list[Words]) -> bool:
    """True if an answer is at the beginning of `right`, up to three words in."""
    return any(right[index : index + len(answer)] == answer for answer in answers for index in range(4))


CLUE = 3
"""So many meaningful words, all of one case's input and hardly any others beside them, are that case."""

DESCRIPTION = 4
"""The same where each word alone is in many cases, and all together in few."""

FEW = 2

_RARE = 2

_SHARE = 0.75

_SHORTEST = 3

_NAME = re.compile(r"(?<=[\w,;)'’\"] )[\"'(]?([A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ]{2,})\b")

_WORD = re.compile(r"[^\W\d_]{4,}")

_ALL_NOUNS = 0.15
"""The share of capitalized words within sentences from which capitals do not mark names (as in German)."""


def single_entries(added: AddedText, corpus: CaseCorpus) -> Iterator[LeakHit]:
    """Yield cases of which a new line gives particulars together with their answer."""
    names = _names(corpus)
    for segment in added.segments:
        words = words_of(segment)
        clue = {word for word in content_of(words) if word not in TRIGGERS and word not in corpus.keys}
        known = _known_by_particulars(clue, names, added, corpus) or _described(clue, corpus)
        for number in sorted(known):
            if any(contains(words, answer) for answer in corpus.answers[number]):
                what = f"a line made of its input {quote(tuple(sorted(clue)))}"
                yield LeakHit(corpus.cases[number], what, added.line_of(words))


def _known_by_particulars(clue: set[str], names: set[str], added: AddedText, corpus: CaseCorpus) -> set[int]:
    """Return the cases that all particulars of the line belong to, numbers read from the left or from the
    right.
    """
    known: set[int] = set()
    for read in (lambda word: word, _backwards):
        readings = {read(word) for word in clue if word not in added.known_words}
        rare = {word for word in readings if len(word) >= _SHORTEST and _in_few_cases(word, corpus)}
        holders = set.intersection(*(corpus.cases_with[word] for word in rare)) if rare else set()
        known.update(number for number in holders if _is_of(number, clue, rare, names, corpus))
    return known


def _in_few_cases(word: str, corpus: CaseCorpus) -> bool:
    return 0 < len(corpus.cases_with.get(word, ())) <= FEW


def _backwards(word: str) -> str:
    return word[::-1] if any(map(str.isdigit, word)) else word


def _described(clue: set[str], corpus: CaseCorpus) -> set[int]:
    """Return the few cases that all of these words together describe, though none of them does alone."""
    known = [word for word in clue if word in corpus.cases_with and not corpus.is_label(word)]
    if len(known) < DESCRIPTION or len(known) < 0.5 * len(clue):
        return set()
    holders = set.intersection(*(corpus.cases_with[word] for word in known))
    if len(holders) > FEW:
        return set()
    return {number for number in holders if len(known) >= 0.4 * corpus.content_size(number)}


def _is_of(number: int, clue: set[str], rare: set[str], names: set[str], corpus: CaseCorpus) -> bool:
    """True if the line speaks of this case: by a name or number, or by nothing but what its input says."""
    if any(word in names or word.isdigit() for word in rare):
        return True
    answers = {word for answer in corpus.answers[number] for word in answer}
    own = [word for word in clue - answers if number in corpus.cases_with.get(word, ())]
    return len(own) >= CLUE and len(rare) >= _RARE and len(own) >= _SHARE * len(clue - answers)


def _names(corpus: CaseCorpus) -> set[str]:
    """Return the words that the inputs write with a capital within sentences, and never without."""
    text = "\n".join(str(field.value) for field in corpus.inputs if field.is_text)
    return _names_in(text)


@lru_cache(maxsize=8)
def _names_in(text: str) -> set[str]:
    found = _NAME.findall(text)
    every = _WORD.findall(text)
    if len(found) > _ALL_NOUNS * len(every):
        return set()
    small = {word for word in every if word[0].islower()}
    return {word for name in found if name.lower() not in small for word in words_of(name)}
