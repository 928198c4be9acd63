"""The cases of a closed set of labels, and the words chosen for each label."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_fapo.propose.playbook.view import Seen, View
from pytest_fapo.propose.playbook.words import Lexicon, Term
from pytest_fapo.reading.values import normal, plain

MOST_TEXTS = 200
"""Cases of one label that are learned from."""
THINGS = "mentions things like"
_LINE = re.compile(rf"^(.+?): .*{THINGS} (.+?)\.$")
_REST = frozenset(
    {"other", "others", "general", "misc", "miscellaneous", "none", "unknown", "normal", "default"}
)


@dataclass
class Sorting:
    """Labelled train texts, and what they teach about the labels of one field."""

    view: View
    name: str
    labels: list[Any]
    known: dict[str, list[str]] = field(default_factory=dict)
    """Label -> words that the prompt's own section gives already."""

    @cached_property
    def cases(self) -> dict[str, list[Seen]]:
        found: dict[str, list[Seen]] = {plain(label): [] for label in self.labels}
        for seen in self.view.labelled(self.name):
            key = plain(self.view.expected(seen, self.name))
            if key in found:
                found[key].append(seen)
        return {label: _some(listed) for label, listed in found.items()}

    @cached_property
    def lexicon(self) -> Lexicon:
        texts = self.view.main_texts()
        return Lexicon(
            {label: [texts[seen.case.key] for seen in found] for label, found in self.cases.items()}
        )

    @cached_property
    def default(self) -> str:
        """A label for everything else: named so, or much bigger than its one or two siblings."""
        named = [label for label in self.cases if normal(label) in _REST]
        if len(named) == 1:
            return named[0]
        sizes = {label: len(found) for label, found in self.cases.items()}
        biggest = max(sizes, key=lambda label: (sizes[label], label))
        return biggest if len(sizes) <= 3 and sizes[biggest] >= 0.6 * sum(sizes.values()) else ""

    def terms(self, size: int, *, least: int = 2) -> dict[str, list[Term]]:
        """The words for each label but the default: those that stand there already, then new ones.

        Args:
            size: how many new words a label gets at most.
            least: in how many of the label's texts a word must occur.
        """
        chosen: dict[str, list[Term]] = {}
        for label, found in self.cases.items():
            if label == self.default:
                continue
            start = [self.lexicon.term(label, words) for words in self.known.get(label, [])]
            urgent = [not seen.passed for seen in found]
            chosen[label] = self.lexicon.cover(label, size, urgent=urgent, start=start, least=max(least, 2))
            if least < 2:
                chosen[label] += self._single(label, chosen[label])
            elif not chosen[label]:
                chosen[label] = self.lexicon.cover(label, size, urgent=urgent)
        return chosen

    def _single(self, label: str, chosen: list[Term], most: int = 6) -> list[Term]:
        """Words of the failing texts that no chosen word occurs in, though each occurs in one text only."""
        found: list[Term] = []
        for seen, document in zip(self.cases[label], self.lexicon.documents[label], strict=True):
            if not seen.targets or any(term.stem in document for term in [*chosen, *found]):
                continue
            own = [term for term in self.lexicon.speaking(label, least=1) if term.stem in document]
            own = [term for term in own if not term.misses and " " not in term.stem]
            own.sort(key=lambda term: (-len(term.surface), term.stem))
            found += own[:2]
        return found[:most]


def _some(cases: list[Seen]) -> list[Seen]:
    """Not too many: all that fail, as far as they fit, and others evenly spread."""
    if len(cases) <= MOST_TEXTS:
        return cases
    failing = [seen for seen in cases if not seen.passed][: MOST_TEXTS // 2]
    passing = [seen for seen in cases if seen.passed]
    step = -(-len(passing) // (MOST_TEXTS - len(failing))) or 1
    return [*failing, *passing[::step]]


def known_words(lines: Sequence[str]) -> dict[str, list[str]]:
    """The words that definitions written earlier give."""
    found = {}
    for line in lines:
        match = _LINE.match(line)
        if match:
            found[match.group(1)] = [words.strip() for words in match.group(2).split(",")]
    return found


def definition_lines(
    sorting: Sorting, terms: dict[str, list[Term]], *, only: Sequence[str] = ()
) -> list[str]:
    """One line per label; empty where the texts teach too little.

    Args:
        sorting: the labelled texts.
        terms: the words for each label.
        only: define these labels and leave the others to the model.
    """
    taught = [label for label in sorting.cases if terms.get(label) and (not only or label in only)]
    if len(taught) < (1 if sorting.default or only else 2):
        return []
    lines = []
    for label in taught:
        words = ", ".join(term.surface for term in terms[label])
        lines.append(f"{label}: the {sorting.view.noun} {THINGS} {words}.")
    if only:
        return lines
    lines += priority_lines(sorting, terms)
    if sorting.default:
        lines.append(f"{sorting.default}: everything else; choose it when none of the above fits.")
    return lines


def priority_lines(sorting: Sorting, terms: dict[str, list[Term]], limit: int = 5) -> list[str]:
    """Which label wins where the words of two occur together, as far as the cases agree."""
    wins: Counter[tuple[str, str]] = Counter()
    for label, documents in sorting.lexicon.documents.items():
        for document in documents:
            hits = {other: sum(term.stem in document for term in chosen) for other, chosen in terms.items()}
            own = hits.get(label, 0)
            wins.update(
                (label, other) for other, count in hits.items() if other != label and count >= own > 0
            )
    strict = sorted(
        (-count, winner, loser)
        for (winner, loser), count in wins.items()
        if count >= 2 and wins[loser, winner] * 4 <= count
    )
    return [
        f"If both {winner} and {loser} seem to fit, choose {winner}." for _, winner, loser in strict[:limit]
    ]


def contrast_lines(sorting: Sorting, pairs: Sequence[tuple[str, str]], limit: int = 4) -> list[str]:
    """What speaks for one label rather than the one that it was taken for."""
    texts = sorting.view.main_texts()
    lines = []
    for right, wrong in pairs[:limit]:
        if right not in sorting.cases or wrong not in sorting.cases:
            continue
        both = {label: [texts[seen.case.key] for seen in sorting.cases[label]] for label in (right, wrong)}
        urgent = [bool(seen.targets) for seen in sorting.cases[right]]
        chosen = Lexicon(both).cover(right, 5, urgent=urgent)
        if len(chosen) >= 2:
            words = ", ".join(term.surface for term in chosen)
            lines.append(f"Choose {right} rather than {wrong} when the {sorting.view.noun} {THINGS} {words}.")
    return lines
