"""Definitions of labels, contrasted: which words speak for which label, and which wins where both do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.sorting import Sorting, contrast_lines, definition_lines, known_words
from pytest_fapo.propose.playbook.techniques.label_set import fields_in_question
from pytest_fapo.propose.playbook.view import Seen, View, listed
from pytest_fapo.reading.values import alike, plain

NAME = "label definitions"
MOST_LABELS = 40
MIDDLING, RICH, TERSE, MORE = 6, 10, 4, 3
"""Words per label: at first, in the richer variant, in the terse one; and how many a revision adds."""
SINGLE = 3
"""Labels that are tried one by one."""
FREQUENT, MOST_PAIRS = 4, 8
"""Of large sets: cases that a label needs, and pairs of labels that are told apart."""


def definitions(view: View) -> Iterator[Advice]:
    """One line per label with the words that speak for it, and lines for those that get confused."""
    for name in fields_in_question(view):
        labels = [label for label in view.fields.closed_set(name) if label is not None]
        few = 2 <= len(labels) <= MOST_LABELS and not all(map(_is_identifier, labels))
        labels = labels if few else _frequent(view, name)
        if len(labels) < 2:
            continue
        confused = [seen for seen in view.targets if _confused(view, seen, name, labels)]
        mends = frozenset(nodeid for seen in confused for nodeid in seen.targets)
        title = f"How to choose {_article(view.caption(name))}"
        why = _hypothesis(view, name, confused)
        variants = _variants(view, name, labels, title, confused)
        for grade, lines in enumerate(variants if few else [_contrasts(view, name, labels, confused)]):
            if lines:
                yield Advice(NAME, title, lines, why, mends=mends, grade=grade)


def _frequent(view: View, name: str) -> list[Any]:
    """Of a large or open set of labels those that are frequent enough to learn something about."""
    values = [view.expected(seen, name) for seen in view.labelled(name)]
    if any(isinstance(value, (list, dict)) or len(plain(value).split()) > 6 for value in values):
        return []
    counts = Counter(plain(value) for value in values if value is not None)
    frequent = {value for value, count in counts.items() if count >= FREQUENT}
    return list({plain(value): value for value in values if plain(value) in frequent}.values())


def _contrasts(view: View, name: str, labels: list[Any], confused: Sequence[Seen]) -> list[str]:
    """Lines for the pairs that are confused more than once."""
    counts = Counter(_pair(view, name, seen) for seen in confused)
    pairs = [pair for pair in _pairs(view, name, confused) if counts[pair] >= 2]
    return contrast_lines(Sorting(view, name, labels), pairs, limit=MOST_PAIRS)


def _variants(
    view: View, name: str, labels: list[Any], title: str, confused: Sequence[Seen]
) -> Iterator[list[str]]:
    """Definitions, best first: of all labels, with contrasts, of the most missed labels one by one, more.

    Where the prompt has the section already, its words stay and the variants add to them.
    """
    pairs = _pairs(view, name, confused)
    missed = [
        label for label, _ in Counter(plain(view.expected(seen, name)) for seen in confused).most_common()
    ]
    known = known_words(view.document.section_lines(title))
    sorting = Sorting(view, name, labels, known)
    terms = sorting.terms(MORE if known else MIDDLING)
    plainly = definition_lines(sorting, terms)
    contrasts = contrast_lines(sorting, pairs)
    yield plainly
    yield [*plainly, *contrasts] if contrasts else []
    for label in missed[:SINGLE]:
        yield definition_lines(sorting, terms, only=[label, *known])
    yield definition_lines(sorting, sorting.terms(MIDDLING, least=1), only=[*missed, *known])
    yield contrasts if not known else []
    yield definition_lines(sorting, sorting.terms(2 * MORE if known else RICH))
    terse = Sorting(view, name, labels)
    yield definition_lines(terse, terse.terms(TERSE))


def _pairs(view: View, name: str, confused: Sequence[Seen]) -> list[tuple[str, str]]:
    """(right, wrong) of the confused cases, the most frequent first."""
    counts = Counter(_pair(view, name, seen) for seen in confused)
    return [pair for pair, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))]


def _pair(view: View, name: str, seen: Seen) -> tuple[str, str]:
    return plain(view.expected(seen, name)), plain(view.told(seen, name)).strip()


def _is_identifier(label: Any) -> bool:
    return isinstance(label, str) and any(char.isdigit() for char in label)


def _confused(view: View, seen: Seen, name: str, labels: Sequence[Any]) -> bool:
    told, expected = view.told(seen, name), view.expected(seen, name)
    return not alike(expected, told) and any(alike(label, told) for label in labels)


def _article(caption: str) -> str:
    return caption if caption.startswith('"') else f"the {caption}"


def _hypothesis(view: View, name: str, confused: Sequence[Seen]) -> str:
    worst = [f"{right} for {wrong}" for right, wrong in _pairs(view, name, confused)[:2]]
    examples = f" (it should be {listed(worst, last='and')})" if worst else ""
    return (
        f"The labels are named but not told apart, so the model confuses them{examples.replace(chr(34), '')}."
    )
