"""Definitions of labels, contrasted: which words speak for which label, and which wins where both do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.techniques.label_set import fields_in_question
from pytest_fapo.propose.playbook.view import Seen, View, listed
from pytest_fapo.propose.playbook.words import Lexicon, Term
from pytest_fapo.reading.values import alike, normal, plain

NAME = "label definitions"
MOST_LABELS = 40
SIZES = (6, 10, 16, 4)
"""Terms per label in each variant: a middling one first, then richer ones, at last a terse one."""


@dataclass
class Sorting:
    """The cases of a closed set with the terms chosen for each label."""

    name: str
    labels: list[str]
    cases: dict[str, list[Seen]]
    terms: dict[str, list[Term]]
    lexicon: Lexicon
    default: str = ""

    def hits(self, label: str, number: int) -> dict[str, int]:
        """Which labels' terms occur in a case, and how many."""
        document = self.lexicon.documents[label][number]
        counts = {other: sum(term.stem in document for term in terms) for other, terms in self.terms.items()}
        return {other: count for other, count in counts.items() if count}


def definitions(view: View) -> Iterator[Advice]:
    """One line per label with the words that speak for it, and lines for those that get confused."""
    for name in fields_in_question(view):
        labels = [label for label in view.fields.closed_set(name) if label is not None]
        if not 2 <= len(labels) <= MOST_LABELS or all(_is_identifier(label) for label in labels):
            continue
        confused = [seen for seen in view.targets if _confused(view, seen, name, labels)]
        mends = frozenset(nodeid for seen in confused for nodeid in seen.targets)
        for grade, size in enumerate(SIZES):
            sorting = sort_cases(view, name, labels, size)
            lines = definition_lines(view, sorting)
            if lines:
                title = f"How to choose {_article(view.caption(name))}"
                yield Advice(NAME, title, lines, _hypothesis(view, name), mends=mends, grade=grade)


def sort_cases(view: View, name: str, labels: Sequence[Any], size: int) -> Sorting:
    """Learn the terms of each label from the train texts."""
    texts = view.main_texts()
    cases: dict[str, list[Seen]] = {plain(label): [] for label in labels}
    for seen in view.labelled(name):
        key = plain(view.expected(seen, name))
        if key in cases:
            cases[key].append(seen)
    lexicon = Lexicon({label: [texts[seen.case.id] for seen in found] for label, found in cases.items()})
    terms = {
        label: lexicon.cover(label, size, urgent=[not seen.passed for seen in found])
        for label, found in cases.items()
    }
    sorting = Sorting(name, [plain(label) for label in labels], cases, terms, lexicon)
    sorting.default = _default(sorting)
    if sorting.default:
        sorting.terms = {label: found for label, found in terms.items() if label != sorting.default}
    return sorting


def definition_lines(view: View, sorting: Sorting) -> list[str]:
    """The section's rules; empty where the texts teach nothing."""
    taught = [label for label in sorting.labels if sorting.terms.get(label)]
    if len(taught) < (1 if sorting.default else 2):
        return []
    lines = []
    for label in taught:
        words = ", ".join(term.surface for term in sorting.terms[label])
        lines.append(f"{label}: the {view.noun} mentions things like {words}.")
    lines += priority_lines(sorting)
    if sorting.default:
        lines.append(f"{sorting.default}: everything else; choose it when none of the above fits.")
    return lines


def priority_lines(sorting: Sorting, limit: int = 5) -> list[str]:
    """Which label wins where the words of two occur together, as far as the cases agree."""
    wins: Counter[tuple[str, str]] = Counter()
    for label, found in sorting.cases.items():
        for number in range(len(found)):
            hits = sorting.hits(label, number)
            for other, count in hits.items():
                if other != label and hits.get(label, 0) and count >= hits[label]:
                    wins[label, other] += 1
    strict = [
        (count, winner, loser)
        for (winner, loser), count in wins.items()
        if count >= 2 and wins[loser, winner] * 4 <= count
    ]
    strict.sort(key=lambda entry: (-entry[0], entry[1], entry[2]))
    return [
        f"If both {winner} and {loser} seem to fit, choose {winner}." for _, winner, loser in strict[:limit]
    ]


def _default(sorting: Sorting) -> str:
    """A label for everything else: named so, or the big one that no words tell."""
    named = [label for label in sorting.labels if normal(label) in _REST]
    if len(named) == 1:
        return named[0]
    sizes = {label: len(found) for label, found in sorting.cases.items()}
    biggest = max(sizes, key=lambda label: (sizes[label], label))
    if len(sizes) <= 3 and sizes[biggest] >= 0.6 * sum(sizes.values()):
        return biggest
    return ""


_REST = frozenset(
    ["other", "others", "general", "misc", "miscellaneous", "none", "unknown", "normal", "default", "else"]
)


def _is_identifier(label: Any) -> bool:
    return isinstance(label, str) and any(char.isdigit() for char in label)


def _confused(view: View, seen: Seen, name: str, labels: Sequence[Any]) -> bool:
    told, expected = view.told(seen, name), view.expected(seen, name)
    return not alike(expected, told) and any(alike(label, told) for label in labels)


def _article(caption: str) -> str:
    return caption if caption.startswith('"') else f"the {caption}"


def _hypothesis(view: View, name: str) -> str:
    pairs = Counter(
        (plain(view.expected(seen, name)), plain(view.told(seen, name))[:30]) for seen in view.targets
    )
    worst = [f"{right} for {wrong}" for (right, wrong), _ in pairs.most_common(2)]
    confused = listed([plain(value) for value in worst], last="and") if worst else "labels"
    return f"The labels are named but not defined, so the model confuses them (should be {confused})."
