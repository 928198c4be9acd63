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


def definitions(view: View) -> Iterator[Advice]:
    """One line per label with the words that speak for it, and lines for those that get confused."""
    for name in fields_in_question(view):
        labels = [label for label in view.fields.closed_set(name) if label is not None]
        if not 2 <= len(labels) <= MOST_LABELS or all(_is_identifier(label) for label in labels):
            continue
        confused = [seen for seen in view.targets if _confused(view, seen, name, labels)]
        mends = frozenset(nodeid for seen in confused for nodeid in seen.targets)
        title = f"How to choose {_article(view.caption(name))}"
        why = _hypothesis(view, name, confused)
        for grade, lines in enumerate(_variants(view, name, labels, title, confused)):
            if lines:
                yield Advice(NAME, title, lines, why, mends=mends, grade=grade)


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
    counts = Counter(
        (plain(view.expected(seen, name)), plain(view.told(seen, name)).strip()) for seen in confused
    )
    return [pair for pair, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))]


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
