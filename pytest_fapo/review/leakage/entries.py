"""One line that leads from a single case's particulars to its answer: `waffle iron, Ghent: refund`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pytest_fapo.review.leakage.added import Added
from pytest_fapo.review.leakage.corpus import Corpus, contains
from pytest_fapo.review.leakage.hits import Hit, quote
from pytest_fapo.review.leakage.words import TRIGGERS, content_of, words_of

CLUE = 3
"""So many meaningful words, all of one case's input and hardly any others beside them, are that case."""
DESCRIPTION = 4
"""The same where each word alone stands in many cases, and all together in few."""
FEW = 2
_RARE = 2
_SHARE = 0.75
_SHORTEST = 3
_NAME = re.compile(r"(?<=[\w,;)'’\"] )[\"'(]?([A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ]{2,})\b")
_WORD = re.compile(r"[^\W\d_]{4,}")
_ALL_NOUNS = 0.15
"""Where so many words within sentences have a capital, capitals do not tell names (as in German)."""


def single_entries(added: Added, corpus: Corpus) -> Iterator[Hit]:
    """Cases of which a new line gives particulars together with their answer."""
    names = _names(corpus)
    for segment in added.segments:
        words = words_of(segment)
        clue = {word for word in content_of(words) if word not in TRIGGERS and word not in corpus.keys}
        told = _told_by_particulars(clue, names, added, corpus) or _described(clue, corpus)
        for number in sorted(told):
            if any(contains(words, answer) for answer in corpus.answers[number]):
                what = f"a line made of its input {quote(tuple(sorted(clue)))}"
                yield Hit(corpus.cases[number], what, added.line_of(words))


def _told_by_particulars(clue: set[str], names: set[str], added: Added, corpus: Corpus) -> set[int]:
    """Cases that all particulars of the line belong to, numbers read from the left or from the right."""
    told: set[int] = set()
    for read in (lambda word: word, _backwards):
        readings = {read(word) for word in clue if word not in added.known_words}
        rare = {word for word in readings if len(word) >= _SHORTEST and _few(word, corpus)}
        holders = set.intersection(*(corpus.cases_with[word] for word in rare)) if rare else set()
        told.update(number for number in holders if _is_of(number, clue, rare, names, corpus))
    return told


def _few(word: str, corpus: Corpus) -> bool:
    return 0 < len(corpus.cases_with.get(word, ())) <= FEW


def _backwards(word: str) -> str:
    return word[::-1] if any(map(str.isdigit, word)) else word


def _described(clue: set[str], corpus: Corpus) -> set[int]:
    """The few cases that all of these words together describe, though none of them does alone."""
    known = [word for word in clue if word in corpus.cases_with and not corpus.is_label(word)]
    if len(known) < DESCRIPTION or len(known) < 0.5 * len(clue):
        return set()
    holders = set.intersection(*(corpus.cases_with[word] for word in known))
    if len(holders) > FEW:
        return set()
    return {number for number in holders if len(known) >= 0.4 * corpus.content_size(number)}


def _is_of(number: int, clue: set[str], rare: set[str], names: set[str], corpus: Corpus) -> bool:
    """Whether the line speaks of this case: by a name or number, or by nothing but what its input says."""
    if any(word in names or word.isdigit() for word in rare):
        return True
    answers = {word for answer in corpus.answers[number] for word in answer}
    own = [word for word in clue - answers if number in corpus.cases_with.get(word, ())]
    return len(own) >= CLUE and len(rare) >= _RARE and len(own) >= _SHARE * len(clue - answers)


def _names(corpus: Corpus) -> set[str]:
    """Words that the inputs write with a capital within sentences, and never without."""
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
