"""All detectors of leaked cases, each with its name and the advice on what would pass.

Detectors of copied sentences and of lists of answers are here; those of answers are in `leaked_answers`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from pytest_fapo.review.leakage.added_text import (
    AddedText,
    Words,
    content_of,
    is_spaceless,
    size_in,
    weight_of,
    words_of,
)
from pytest_fapo.review.leakage.case_corpus import CaseCorpus, CaseField, LeakHit, quote, sentences
from pytest_fapo.review.leakage.leaked_answers import (
    case_ids,
    literal_answers,
    single_entries,
    tables,
)

RUN = 6
"""So many words in a row, the same as in a case, are a copy."""

CONTENT_RUN = 5
"""So many meaningful words in a row, whatever small words are between them."""

WHOLE = 4
"""A field of at least so many words that is repeated in full is a copy, however short."""

ALONE = 3
"""The same where it stands by itself: as a line, in quotation marks, before an arrow."""

TELLING = 3
"""A run of fewer meaningful words is a turn of phrase, unless it is long."""

TELLING_SIGNS = 2
"""The same in scripts without spaces, where what stands between the words is left out of them."""

LONG = 9

PIECES = 4.0
"""So many words' worth of pieces, most of what an input says, are that input."""

RARE_PIECES = 1.5
"""So much of it must be of pieces that hardly another case has."""

SAME_PIECES = 0.55

SQUEEZED = 45
"""So many characters in a row once everything but letters and digits is gone."""

WHOLE_SQUEEZED = 20


def copied_text(added: AddedText, corpus: CaseCorpus) -> Iterator[LeakHit]:
    """Runs of words that are in a case."""
    for field in corpus.fields:
        if field.is_text and field.words and field.words not in corpus.labels:
            run = (
                _run(added, corpus, field.words, RUN, content=False)
                or _whole(added, corpus, field.words)
                or _run(added, corpus, content_of(field.words), CONTENT_RUN, content=True)
                or _squeezed(added, corpus, field)
            )
            if run:
                unit = "characters" if is_spaceless(run[0]) else "words"
                what = f"{len(run)} {unit} of its {field.role} {quote(run)}"
                yield LeakHit(field.case, what, added.line_of(run))


def _run(added: AddedText, corpus: CaseCorpus, words: Words, size: int, *, content: bool) -> Words:
    """Return the longest run of at least `size` words that is in both; empty where there is none."""
    size = size_in(words, size)
    grams = added.grams(size, content=content)
    best: Words = ()
    start: int | None = None
    for index in range(len(words) - size + 2):
        gram = words[index : index + size]
        if len(gram) == size and gram in grams and not corpus.shared(gram, content=content):
            start = index if start is None else start
        elif start is not None:
            run, start = words[start : index + size - 1], None
            if _is_telling(run) or weight_of(run) >= LONG:
                best = max(best, run, key=len)
    return best


def _is_telling(run: Words) -> bool:
    least = TELLING_SIGNS if is_spaceless(run[0]) else TELLING
    return weight_of(content_of(run)) >= least


def _whole(added: AddedText, corpus: CaseCorpus, words: Words) -> Words:
    """Return all of a short field."""
    weight = weight_of(words)
    if not ALONE <= weight < LONG or not added.has(words) or corpus.shared(words):
        return ()
    telling = weight >= WHOLE and _is_telling(words)
    return words if telling or words in added.pieces else ()


def _squeezed(added: AddedText, corpus: CaseCorpus, field: CaseField) -> Words:
    text = "".join(field.words)
    if len(field.words) < 3 or len(text) < WHOLE_SQUEEZED:
        return ()
    size = min(len(text), SQUEEZED)
    parts = added.squeezed_parts(size)
    for index in range(len(text) - size + 1):
        part = text[index : index + size]
        if part in parts and not corpus.shared_squeezed(part):
            return field.words
    return ()


def scattered_copies(added: AddedText, corpus: CaseCorpus) -> Iterator[LeakHit]:
    """Yield a sentence of pieces of one input's words: other endings or particles, compounds taken apart."""
    for segment, parts in added.parts:
        total = sum(parts.values())
        if total < PIECES:
            continue
        weights: dict[int, float] = defaultdict(float)
        rare: dict[int, float] = defaultdict(float)
        for part, share in parts.items():
            holders = corpus.cases_with_part.get(part, ())
            if len(holders) < corpus.common_from:
                for number in holders:
                    weights[number] += share
                    rare[number] += share if len(holders) <= 2 else 0
        for number, weight in weights.items():
            if weight < max(PIECES, 0.4 * total) or rare[number] < RARE_PIECES:
                continue
            if weight >= SAME_PIECES * sum(corpus.parts[number].values()):
                what = "most of its input, with other endings or other compounds"
                yield LeakHit(corpus.cases[number], what, added.line_of(words_of(segment)))


class _Detector(NamedTuple):
    find: Callable[[AddedText, CaseCorpus], Iterator[LeakHit]]
    action: str
    remedy: str


_GENERAL = "say what all such cases have in common, in words of your own and without examples from the cases"

DETECTORS = (
    _Detector(case_ids, "names the id of", "a prompt must not know the cases; state a general rule"),
    _Detector(copied_text, "copies text of", _GENERAL),
    _Detector(scattered_copies, "retells", _GENERAL),
    _Detector(
        literal_answers,
        "gives away the answer of",
        "describe how to find the answer instead of the answer itself",
    ),
    _Detector(single_entries, "is made for", _GENERAL),
    _Detector(tables, "holds a table with the answers of", "state the rule behind the answers"),
)


class Leak(NamedTuple):
    """A leak found by one detector."""

    message: str
    lines: list[int]
    """The lines of the new text where it stands, as far as they are known."""


def leaks(added: AddedText, corpus: CaseCorpus, quotable: Set[int] = frozenset()) -> Iterator[Leak]:
    """One message per detector that finds something; a case is reported once, by the first that finds it.

    Args:
        added: what is new.
        corpus: the cases.
        quotable: `id()` of the cases that may be quoted.
    """
    reported: set[int] = set(quotable)
    for detector in DETECTORS:
        hits = [hit for hit in detector.find(added, corpus) if id(hit.case) not in reported]
        reported.update(id(hit.case) for hit in hits)
        lines = sorted({hit.line for hit in hits} - {0})
        yield from (Leak(message, lines) for message in sentences(hits, detector.action, detector.remedy))


SHORTEST = 8
"""So many labels in a row are more than an enumeration, when they repeat."""


def answer_lists(added: AddedText, corpus: CaseCorpus) -> Iterator[Leak]:
    """Rows of labels with nothing but numbers between them, in which each is twice on average."""
    labels = {label[0] for label in corpus.labels if len(label) == 1 and not label[0].isdigit()}
    row: list[str] = []
    index = start = 0
    for index, word in enumerate([*added.words, ""]):
        if word in labels:
            start = index if not row else start
            row.append(word)
        elif not word.isdigit() or not word:
            if len(row) >= SHORTEST and len(row) >= 2 * len(set(row)) and added.has(added.words[start:index]):
                yield Leak(
                    f"The new text lists {len(row)} answers in a row ({', '.join(row[:4])} …), as the cases "
                    f"have them; state the rule behind the answers.",
                    [line] if (line := added.line_of(added.words[start:index])) else [],
                )
            row = []
