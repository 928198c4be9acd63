"""Input sentences and long answers copied out of cases, disguised or not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from pytest_fapo.review.leakage.added import Added
from pytest_fapo.review.leakage.corpus import Corpus, Field, contains
from pytest_fapo.review.leakage.hits import Hit, quote
from pytest_fapo.review.leakage.words import Words, content_of, words_of

RUN = 6
"""So many words in a row, the same as in a case, are a copy."""
CONTENT_RUN = 5
"""So many meaningful words in a row, whatever small words stand between them."""
WHOLE = 4
"""A field of at least so many words that is repeated in full is a copy, however short."""
ALONE = 3
"""The same where it stands by itself: as a line, in quotation marks, before an arrow."""
TELLING = 3
"""A run of fewer meaningful words is a turn of phrase, unless it is long."""
LONG = 9
SQUEEZED = 45
"""So many characters in a row once everything but letters and digits is gone."""
WHOLE_SQUEEZED = 20


def copied_text(added: Added, corpus: Corpus) -> Iterator[Hit]:
    """Runs of words that stand in a case."""
    for field in corpus.fields:
        if field.is_text and field.words and field.words not in corpus.labels:
            run = (
                _run(added, corpus, field.words, RUN, content=False)
                or _whole(added, corpus, field.words)
                or _run(added, corpus, content_of(field.words), CONTENT_RUN, content=True)
                or _squeezed(added, corpus, field)
            )
            if run:
                yield Hit(field.case, f"{len(run)} words of its {field.role} {quote(run)}")


def _run(added: Added, corpus: Corpus, words: Words, size: int, *, content: bool) -> Words:
    """The longest run of at least `size` words that is in both; empty where there is none."""
    grams = added.grams(size, content=content)
    best: Words = ()
    start: int | None = None
    for place in range(len(words) - size + 2):
        gram = words[place : place + size]
        if len(gram) == size and gram in grams and not corpus.shared(gram, content=content):
            start = place if start is None else start
        elif start is not None:
            run, start = words[start : place + size - 1], None
            if len(content_of(run)) >= TELLING or len(run) >= LONG:
                best = max(best, run, key=len)
    return best


def _whole(added: Added, corpus: Corpus, words: Words) -> Words:
    """All of a short field."""
    if not ALONE <= len(words) < LONG or not added.has(words) or corpus.shared(words):
        return ()
    telling = len(words) >= WHOLE and len(content_of(words)) >= TELLING
    return words if telling or words in added.pieces else ()


def _squeezed(added: Added, corpus: Corpus, field: Field) -> Words:
    text = "".join(field.words)
    if len(field.words) < 3 or len(text) < WHOLE_SQUEEZED:
        return ()
    size = min(len(text), SQUEEZED)
    parts = added.squeezed_parts(size)
    for place in range(len(text) - size + 1):
        part = text[place : place + size]
        if part in parts and not _squeezed_shared(corpus, part):
            return field.words
    return ()


def _squeezed_shared(corpus: Corpus, part: str) -> bool:
    holders = {id(field.case) for field in corpus.fields if part in "".join(field.words)}
    return len(holders) >= corpus.common_from


def reworded(added: Added, corpus: Corpus) -> Iterator[Hit]:
    """A sentence made of one input's words: near-copies with another order or a word changed."""
    segments = [frozenset(content_of(words_of(segment))) for segment in added.segments]
    segments = [segment for segment in segments if len(segment) >= CONTENT_RUN]
    known_rare = {word for word in chain.from_iterable(segments) if corpus.is_rare(word)}
    for field in corpus.inputs:
        wanted = frozenset(content_of(field.words))
        if len(wanted) < CONTENT_RUN or len(wanted & known_rare) < 2:
            continue
        for segment in segments:
            both = segment & wanted
            close = len(both) >= 0.75 * len(wanted) and len(both) >= 0.4 * len(segment)
            if close and len(both) >= CONTENT_RUN and len(both & known_rare - added.known_words) >= 2:
                yield Hit(field.case, f"its input in other words, {quote(tuple(sorted(both)))}")
                break


def quoted(added: Added, corpus: Corpus) -> Iterator[Hit]:
    """Words in quotation marks that only one case (or two) says: a hint made from an example."""
    for words in added.quotations:
        if len(content_of(words)) < 3 or words in corpus.labels:
            continue
        fields = [field for field in corpus.inputs if contains(field.words, words)]
        if 0 < len({id(field.case) for field in fields}) <= 2:
            yield from (Hit(field.case, f"quoted words of its input {quote(words)}") for field in fields)
