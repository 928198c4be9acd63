"""Lists of answers one after the other, in which labels come back again and again."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_fapo.review.leakage.added import Added
from pytest_fapo.review.leakage.corpus import Corpus
from pytest_fapo.review.leakage.detectors import Leak

SHORTEST = 8
"""So many labels in a row are more than an enumeration, when they repeat."""


def answer_lists(added: Added, corpus: Corpus) -> Iterator[Leak]:
    """Rows of labels with nothing but numbers between them, in which each stands twice on average."""
    labels = {label[0] for label in corpus.labels if len(label) == 1 and not label[0].isdigit()}
    row: list[str] = []
    place = start = 0
    for place, word in enumerate([*added.words, ""]):
        if word in labels:
            start = place if not row else start
            row.append(word)
        elif not word.isdigit() or not word:
            if len(row) >= SHORTEST and len(row) >= 2 * len(set(row)) and added.has(added.words[start:place]):
                yield Leak(
                    f"The new text lists {len(row)} answers in a row ({', '.join(row[:4])} …), as the cases "
                    f"have them; state the rule behind the answers.",
                    [line] if (line := added.line_of(added.words[start:place])) else [],
                )
            row = []
