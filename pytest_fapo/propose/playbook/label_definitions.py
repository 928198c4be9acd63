"""Definitions of labels: the words that speak for each label, and which label wins where both do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_fapo.diagnosis.loose_values import alike, normal, plain
from pytest_fapo.propose.playbook.answer_contract import fields_in_question
from pytest_fapo.propose.playbook.label_terms import Lexicon, Term
from pytest_fapo.propose.playbook.prompt_evidence import Advice, PromptEvidence, StepCase, listed

MOST_TEXTS = 200
"""Cases of one label that are learned from."""

LIKENESS = "mentions things like"

_LINE = re.compile(rf"^(.+?): .*{LIKENESS} (.+?)\.$")

_REST = frozenset(
    {"other", "others", "general", "misc", "miscellaneous", "none", "unknown", "normal", "default"}
)


@dataclass
class LabeledTexts:
    """Labeled train texts, and what they teach about the labels of one field."""

    view: PromptEvidence
    name: str
    labels: list[Any]
    known: dict[str, list[str]] = field(default_factory=dict)
    """Label -> words that the prompt's own section gives already."""

    @cached_property
    def cases(self) -> dict[str, list[StepCase]]:
        by_label: dict[str, list[StepCase]] = {plain(label): [] for label in self.labels}
        for seen in self.view.labeled(self.name):
            key = plain(self.view.expected(seen, self.name))
            if key in by_label:
                by_label[key].append(seen)
        return {label: _sampled(listed) for label, listed in by_label.items()}

    @cached_property
    def lexicon(self) -> Lexicon:
        texts = self.view.main_texts()
        return Lexicon(
            {label: [texts[seen.case.key] for seen in cases] for label, cases in self.cases.items()}
        )

    @cached_property
    def default(self) -> str:
        """A label for everything else: named so, or much bigger than its one or two siblings."""
        named = [label for label in self.cases if normal(label) in _REST]
        if len(named) == 1:
            return named[0]
        sizes = {label: len(cases) for label, cases in self.cases.items()}
        biggest = max(sizes, key=lambda label: (sizes[label], label))
        return biggest if len(sizes) <= 3 and sizes[biggest] >= 0.6 * sum(sizes.values()) else ""

    def terms(self, size: int, *, least: int = 2) -> dict[str, list[Term]]:
        """Return the words for each label but the default: those that stand there already, then new ones.

        Args:
            size: how many new words a label gets at most.
            least: in how many of the label's texts a word must occur.
        """
        chosen: dict[str, list[Term]] = {}
        for label, cases in self.cases.items():
            if label == self.default:
                continue
            start = [self.lexicon.term(label, words) for words in self.known.get(label, [])]
            urgent = [not seen.passed for seen in cases]
            chosen[label] = self.lexicon.cover(label, size, urgent=urgent, start=start, least=max(least, 2))
            if least < 2:
                chosen[label] += self._single(label, chosen[label])
            elif not chosen[label]:
                chosen[label] = self.lexicon.cover(label, size, urgent=urgent)
        return chosen

    def _single(self, label: str, chosen: list[Term], most: int = 6) -> list[Term]:
        """Return the words of the failing texts that no chosen word occurs in, though each occurs in one text
        only.
        """
        singles: list[Term] = []
        for seen, document in zip(self.cases[label], self.lexicon.documents[label], strict=True):
            if not seen.targets or any(term.stem in document for term in [*chosen, *singles]):
                continue
            own = [term for term in self.lexicon.speaking(label, least=1) if term.stem in document]
            own = [term for term in own if not term.misses and " " not in term.stem]
            own.sort(key=lambda term: (-len(term.surface), term.stem))
            singles += own[:2]
        return singles[:most]


def _sampled(cases: list[StepCase]) -> list[StepCase]:
    """Not too many: all that fail, as far as they fit, and others evenly spread."""
    if len(cases) <= MOST_TEXTS:
        return cases
    failing = [seen for seen in cases if not seen.passed][: MOST_TEXTS // 2]
    passing = [seen for seen in cases if seen.passed]
    step = -(-len(passing) // (MOST_TEXTS - len(failing))) or 1
    return [*failing, *passing[::step]]


def known_words(lines: Sequence[str]) -> dict[str, list[str]]:
    """Return the words that definitions written earlier give."""
    known = {}
    for line in lines:
        match = _LINE.match(line)
        if match:
            known[match.group(1)] = [words.strip() for words in match.group(2).split(",")]
    return known


def definition_lines(
    texts_by_label: LabeledTexts, terms: dict[str, list[Term]], *, only: Sequence[str] = ()
) -> list[str]:
    """One line per label; empty where the texts teach too little.

    Args:
        texts_by_label: the labeled texts.
        terms: the words for each label.
        only: define these labels and leave the others to the model.
    """
    taught = [label for label in texts_by_label.cases if terms.get(label) and (not only or label in only)]
    if len(taught) < (1 if texts_by_label.default or only else 2):
        return []
    lines = []
    for label in taught:
        words = ", ".join(term.surface for term in terms[label])
        lines.append(f"{label}: the {texts_by_label.view.noun} {LIKENESS} {words}.")
    if only:
        return lines
    lines += priority_lines(texts_by_label, terms)
    if texts_by_label.default:
        lines.append(f"{texts_by_label.default}: everything else; choose it when none of the above fits.")
    return lines


def priority_lines(texts_by_label: LabeledTexts, terms: dict[str, list[Term]], limit: int = 5) -> list[str]:
    """Return which label wins if terms of two occur together, as far as the cases agree."""
    wins: Counter[tuple[str, str]] = Counter()
    for label, documents in texts_by_label.lexicon.documents.items():
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


def contrast_lines(
    texts_by_label: LabeledTexts, pairs: Sequence[tuple[str, str]], limit: int = 4
) -> list[str]:
    """Return the terms that speak for one label rather than the one that it was mistaken for."""
    texts = texts_by_label.view.main_texts()
    lines = []
    for right, wrong in pairs[:limit]:
        if right not in texts_by_label.cases or wrong not in texts_by_label.cases:
            continue
        both = {
            label: [texts[seen.case.key] for seen in texts_by_label.cases[label]] for label in (right, wrong)
        }
        urgent = [bool(seen.targets) for seen in texts_by_label.cases[right]]
        chosen = Lexicon(both).cover(right, 5, urgent=urgent)
        if len(chosen) >= 2:
            words = ", ".join(term.surface for term in chosen)
            lines.append(
                f"Choose {right} rather than {wrong} when the {texts_by_label.view.noun} {LIKENESS} {words}."
            )
    return lines


DEFINITIONS = "label definitions"

MOST_LABELS = 40

MIDDLING, RICH, TERSE, MORE = 6, 10, 4, 3
"""Words per label: at first, in the richer variant, in the terse one; and how many a revision adds."""

SINGLE = 3
"""Labels that are tried one by one."""

FREQUENT, MOST_PAIRS = 4, 8
"""Of large sets: cases that a label needs, and pairs of labels that are told apart."""


def definitions(view: PromptEvidence) -> Iterator[Advice]:
    """One line per label with the words that speak for it, and lines for those that get confused."""
    for name in fields_in_question(view):
        labels = [label for label in view.fields.closed_set(name) if label is not None]
        few = 2 <= len(labels) <= MOST_LABELS and not all(map(_is_identifier, labels))
        labels = labels if few else _frequent(view, name)
        if len(labels) < 2:
            continue
        confused = [seen for seen in view.targets if _confused(view, seen, name, labels)]
        fixes = frozenset(nodeid for seen in confused for nodeid in seen.targets)
        title = f"How to choose {_article(view.caption(name))}"
        why = _hypothesis(view, name, confused)
        variants = _variants(view, name, labels, title, confused)
        for grade, lines in enumerate(variants if few else [_contrasts(view, name, labels, confused)]):
            if lines:
                yield Advice(DEFINITIONS, title, lines, why, fixes=fixes, grade=grade)


def _frequent(view: PromptEvidence, name: str) -> list[Any]:
    """Of a large or open set of labels those that are frequent enough to learn something about."""
    values = [view.expected(seen, name) for seen in view.labeled(name)]
    if any(isinstance(value, (list, dict)) or len(plain(value).split()) > 6 for value in values):
        return []
    counts = Counter(plain(value) for value in values if value is not None)
    frequent = {value for value, count in counts.items() if count >= FREQUENT}
    return list({plain(value): value for value in values if plain(value) in frequent}.values())


def _contrasts(view: PromptEvidence, name: str, labels: list[Any], confused: Sequence[StepCase]) -> list[str]:
    """Return the lines for the pairs that are confused more than once."""
    counts = Counter(_pair(view, name, seen) for seen in confused)
    pairs = [pair for pair in _pairs(view, name, confused) if counts[pair] >= 2]
    return contrast_lines(LabeledTexts(view, name, labels), pairs, limit=MOST_PAIRS)


def _variants(
    view: PromptEvidence, name: str, labels: list[Any], title: str, confused: Sequence[StepCase]
) -> Iterator[list[str]]:
    """Definitions, best first: of all labels, with contrasts, of the most missed labels one by one, more.

    Where the prompt has the section already, its words stay and the variants add to them.
    """
    pairs = _pairs(view, name, confused)
    missed = [
        label for label, _ in Counter(plain(view.expected(seen, name)) for seen in confused).most_common()
    ]
    known = known_words(view.document.section_lines(title))
    texts_by_label = LabeledTexts(view, name, labels, known)
    terms = texts_by_label.terms(MORE if known else MIDDLING)
    plainly = definition_lines(texts_by_label, terms)
    contrasts = contrast_lines(texts_by_label, pairs)
    yield plainly
    yield [*plainly, *contrasts] if contrasts else []
    for label in missed[:SINGLE]:
        yield definition_lines(texts_by_label, terms, only=[label, *known])
    yield definition_lines(texts_by_label, texts_by_label.terms(MIDDLING, least=1), only=[*missed, *known])
    yield contrasts if not known else []
    yield definition_lines(texts_by_label, texts_by_label.terms(2 * MORE if known else RICH))
    terse = LabeledTexts(view, name, labels)
    yield definition_lines(terse, terse.terms(TERSE))


def _pairs(view: PromptEvidence, name: str, confused: Sequence[StepCase]) -> list[tuple[str, str]]:
    """(right, wrong) of the confused cases, the most frequent first."""
    counts = Counter(_pair(view, name, seen) for seen in confused)
    return [pair for pair, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))]


def _pair(view: PromptEvidence, name: str, seen: StepCase) -> tuple[str, str]:
    return plain(view.expected(seen, name)), plain(view.answer_of(seen, name)).strip()


def _is_identifier(label: Any) -> bool:
    return isinstance(label, str) and any(char.isdigit() for char in label)


def _confused(view: PromptEvidence, seen: StepCase, name: str, labels: Sequence[Any]) -> bool:
    answer, expected = view.answer_of(seen, name), view.expected(seen, name)
    return not alike(expected, answer) and any(alike(label, answer) for label in labels)


def _article(caption: str) -> str:
    return caption if caption.startswith('"') else f"the {caption}"


def _hypothesis(view: PromptEvidence, name: str, confused: Sequence[StepCase]) -> str:
    worst = [f"{right} for {wrong}" for right, wrong in _pairs(view, name, confused)[:2]]
    examples = f" (it should be {listed(worst, last='and')})" if worst else ""
    return (
        f"The labels are named but not told apart, so the model confuses them{examples.replace(chr(34), '')}."
    )
