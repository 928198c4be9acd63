"""Case ids, identifiers and literal answers; and tables that lead from the one to the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pytest_fapo.review.leakage.added import Added
from pytest_fapo.review.leakage.corpus import Corpus
from pytest_fapo.review.leakage.hits import Hit, quote
from pytest_fapo.review.leakage.words import TRIGGERS, Words, content_of, is_spaceless, weight_of, words_of

_BETWEEN_TOKENS = re.compile(r"[\s<>\"'(),;:!?]+")
_SEPARATOR = re.compile(
    r"[-=]+>|→|⇒|↦|\||=+|:|\t|\b(?:then|answer|reply|respond|output|return|label|choose|classify|is)\b",
    re.I,
)
TABLE = 3
"""So many entries of a table that are each true of their own case are no accident."""


def case_ids(added: Added, corpus: Corpus) -> Iterator[Hit]:
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
            yield Hit(case, "its id", line)


def _is_unmistakable(name: str) -> bool:
    """Whether an id is one even when its words stand apart (not `case-7`: "in case 7 days pass")."""
    return sum(character.isdigit() for character in name) >= 3 or len(re.sub(r"\W|_", "", name)) >= 8


def _is_telling(name: str) -> bool:
    """Whether an id cannot be an ordinary word or number of a prompt."""
    if name.isdigit():
        return len(name) >= 5
    digits = any(character.isdigit() for character in name)
    return (digits and len(name) >= 3) or (len(name) >= 8 and bool(re.search(r"[-_/:.]", name)))


def identifiers(added: Added, corpus: Corpus) -> Iterator[Hit]:
    """Order numbers, dates, addresses and the like that one case (or two) holds."""
    for field in corpus.fields:
        if not isinstance(field.value, str) or field.words in corpus.labels:
            continue
        for token in _BETWEEN_TOKENS.split(field.value):
            if _is_identifier(token) and added.has(words_of(token)) and _few(corpus, words_of(token)):
                told = f"{token.strip('.')!r} of its {field.role}"
                yield Hit(field.case, told, added.line_of(words_of(token)))
                break


@lru_cache(maxsize=131072)
def _is_identifier(token: str) -> bool:
    digits = sum(character.isdigit() for character in token)
    return "@" in token.strip("@") or digits >= 5 or (digits >= 3 and len(token) >= 5 and not token.isdigit())


def _few(corpus: Corpus, words: Words) -> bool:
    return any(len(corpus.cases_with.get(word, ())) <= 2 for word in words)


def literal_answers(added: Added, corpus: Corpus) -> Iterator[Hit]:
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
            yield Hit(field.case, f"its {field.role} {quote(words)}", added.line_of(words))


def _is_phrase(words: Words, corpus: Corpus) -> bool:
    """True for a name or term of a script without spaces, whose single characters are all common."""
    return all(map(is_spaceless, words)) and weight_of(words) >= 1 and not corpus.shared(words)


def tables(added: Added, corpus: Corpus) -> Iterator[Hit]:
    """Lists that give case after case its answer: `id -> answer`, `if the input says … answer …`."""
    by_id = {words_of(case.id): number for number, case in enumerate(corpus.cases)}
    numbered: list[Hit] = []
    entries: list[Hit] = []
    lines = 0
    for segment in added.segments:
        pairs = list(_pairs(segment))
        lines += any(len(left) == 1 and left[0].isdigit() for left, _ in pairs)
        for left, right in pairs:
            number = by_id.get(tuple(word for word in left if word not in ("case", "id", "item")))
            if number is not None and _gives(right, corpus.answers[number]):
                line = added.line_of(words_of(segment))
                numbered.append(Hit(corpus.cases[number], "an entry for its id", line))
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


def _by_input(left: Words, right: Words, added: Added, corpus: Corpus) -> Iterator[Hit]:
    """Cases whose input holds all of `left`, something rare in it, and whose answer `right` gives."""
    clue = [word for word in content_of(left) if word not in TRIGGERS]
    rare = [word for word in clue if corpus.is_rare(word)]
    if len(clue) < 2 or not rare:
        return
    holders = set.intersection(*(corpus.cases_with.get(word, set()) for word in clue))
    for number in holders:
        own = {word for answer in corpus.answers[number] for word in answer}
        if len({*clue} - own) >= 2 and {*rare} - own and _gives(right, corpus.answers[number]):
            what = f"an entry made of its input {quote(tuple(clue))}"
            yield Hit(corpus.cases[number], what, added.line_of((*left, *right)))


def _gives(right: Words, answers: list[Words]) -> bool:
    """Whether an answer stands at the beginning of `right`, up to three words in."""
    return any(right[place : place + len(answer)] == answer for answer in answers for place in range(4))
