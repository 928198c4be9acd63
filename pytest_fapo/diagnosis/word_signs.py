"""Words that go with a label in nearly all other cases: in the input, or in what the pipeline was given.

In a few dozen cases chance makes many a word go with a label. So a word speaks for itself only where the
texts that have it are not one text over again, no other word that they have in common does as well, and
chance is excluded for as many words as were looked at. Where the pipeline's answer agrees, less will do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pytest_fapo.core.case import Case
from pytest_fapo.core.label_votes import BY_ANSWERS
from pytest_fapo.core.similar_cases import InputTexts
from pytest_fapo.diagnosis.failure import shown
from pytest_fapo.diagnosis.label_signs import (
    CASES,
    NEARLY,
    PASSING,
    Doubt,
    LabeledAnswer,
    given_lines,
    has_digit,
    special_lines,
    succession,
    units_of,
)
from pytest_fapo.verdict.statistics import fewer_than_chance

_CHANCE = 0.05
"""The most that words may be expected to go with a label by chance."""

_IN_ONE_CASE = 0.02
"""The same of the words of one case."""

_MOST_OF_THEM = 0.75
"""The share of the other cases with a word that must have one label: some of their labels are wrong, too."""

_COMMON = 0.75
"""A word in a larger share of the cases tells them from each other no more."""

_LONG = 4
"""Characters of a number that may be a name."""

_ALIKE = 0.5
"""The share of their words that texts have in common which are one text with other names in it."""

Found = Iterator[tuple[LabeledAnswer, Doubt]]


def telling_words(rows: Sequence[LabeledAnswer]) -> Found:
    """A word of the input goes with another label in nearly all other cases, and the pipeline's answer or the
    lack of any word for the case's own label says the same.
    """
    yield from _told_by(LabelWords(rows, [row.case for row in rows]), "their input", independent=True)


def words_given(rows: Sequence[LabeledAnswer]) -> Found:
    """The same of the words that the first model was given beside the input: passages, files, records."""
    lines = special_lines([given_lines(row.failure) for row in rows])
    if sum(map(bool, lines)) < NEARLY * len(rows):
        return
    cases = [
        row.case.model_copy(update={"inputs": "\n".join(each)}) for row, each in zip(rows, lines, strict=True)
    ]
    yield from _told_by(LabelWords(rows, cases), "what their model was given", independent=False)


@dataclass(frozen=True)
class _Told:
    """A label that nearly all other cases with a word have."""

    word: str
    unit: str
    holders: list[int]
    chance: float
    """How often chance would bring that in one of the words that were looked at, in texts that differ."""
    alone: bool
    """True if no other word that these cases have in common goes with the label as well."""


class LabelWords:
    """The words of labeled cases, and which of them go with which label.

    Args:
        rows: the labeled cases.
        cases: the same with the texts to look at as their inputs.
    """

    def __init__(self, rows: Sequence[LabeledAnswer], cases: Sequence[Case]) -> None:
        self.rows = rows
        texts = InputTexts(cases)
        # A long number that several cases have, such as a year, is a word of theirs; short ones are amounts.
        self.words = [
            frozenset(
                word
                for word in words
                if not has_digit(word) or (len(word) >= _LONG and len(texts.holders[word]) > CASES)
            )
            for words in texts.words
        ]
        self._holders: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(self.words):
            for word in words:
                self._holders[word].append(number)

    def told(self, number: int) -> list[_Told]:
        """Return what words of a case tell against its label, the most frequent word first."""
        found = []
        for word in sorted(self.words[number]):
            holders = self._others_with(word, number)
            if len(holders) < CASES:
                continue
            counts = Counter(unit for other in holders for unit in self.rows[other].units)
            for unit in counts.keys() - self.rows[number].units:
                hits = counts[unit]
                if hits < _MOST_OF_THEM * len(holders):
                    continue  # before what costs: there are as many of these as words times labels
                tries = self._tries(number)
                if self._by_chance(number, unit, hits, len(holders)) * tries <= _IN_ONE_CASE:
                    differing = self._chance(number, unit, holders, hits, tries)
                    alone = not self._told_by_another(number, unit, holders)
                    found.append(_Told(word, unit, holders, differing, alone))
        return sorted(found, key=lambda each: (-len(each.holders), -len(each.word), each.word, each.unit))

    def lacks(self, number: int) -> tuple[str, str, float] | None:
        """(label, word, chance) where a word that this case lacks stands for its label in all others."""
        for unit in sorted(self.rows[number].units):
            alike = [other for other in self._others(number) if unit in self.rows[other].units]
            if len(alike) < CASES:
                continue
            counts = Counter(word for other in alike for word in self.words[other])
            for word in sorted(
                counts.keys() - self.words[number], key=lambda word: (-counts[word], -len(word), word)
            ):
                having, total = len(self._others_with(word, number)), len(self.rows) - 1
                chance = _chance_of(counts[word], len(alike), having, total) * len(counts)
                stands = self._share(unit, self._holders[word]) >= BY_ANSWERS.goes_with
                if counts[word] >= NEARLY * len(alike) and chance <= _CHANCE and stands:
                    return unit, word, chance
        return None

    def explained(
        self, number: int, among: Sequence[int] | None = None, elsewhere: int = BY_ANSWERS.elsewhere
    ) -> bool:
        """True if for all that its label says there is a word of the case that goes with it elsewhere.

        Args:
            number: the case.
            among: the cases to look at; default: all.
            elsewhere: other cases that must have the word.
        """
        holders = [
            [other for other in self._others_with(word, number) if among is None or other in among]
            for word in self.words[number]
        ]
        return all(
            any(
                len(having) >= elsewhere and self._share(unit, having) >= BY_ANSWERS.goes_with
                for having in holders
            )
            for unit in self.rows[number].units
        )

    def settled(self) -> frozenset[int]:
        """Return the cases with a word that stands for one label, in no more than half of the cases."""
        found: set[int] = set()
        for holders in self._holders.values():
            if not CASES <= len(holders) <= len(self.rows) / 2:
                continue
            counts = Counter(unit for other in holders for unit in self.rows[other].units)
            unit, hits = counts.most_common(1)[0]
            having = sum(unit in row.units for row in self.rows)
            chance = _chance_of(hits, len(holders), having, len(self.rows)) * len(self._holders)
            if hits >= _MOST_OF_THEM * len(holders) and chance <= _CHANCE:
                found.update(holders)
        return frozenset(found)

    def _tries(self, number: int) -> int:
        """Return how many things the words of a case may tell: words that come together tell one."""
        sets = {tuple(self._others_with(word, number)) for word in self.words[number]}
        return sum(CASES <= len(holders) <= _COMMON * len(self.rows) for holders in sets) or 1

    def _others(self, number: int) -> list[int]:
        return [other for other in range(len(self.rows)) if other != number]

    def _others_with(self, word: str, number: int) -> list[int]:
        return [other for other in self._holders[word] if other != number]

    def _share(self, unit: str, numbers: Sequence[int]) -> float:
        return sum(unit in self.rows[other].units for other in numbers) / (len(numbers) or 1)

    def _chance(self, number: int, unit: str, holders: Sequence[int], hits: int, tries: int) -> float:
        """Return how often chance gives a label to so many of these cases: of those that say one thing with
        other names, and not what this case says, one counts.
        """
        counted: list[int] = []
        near = 0
        for other in holders:
            if self._are_alike(number, other):
                near += 1
            elif not any(self._are_alike(other, each) for each in counted):
                counted.append(other)
        of = near + len(counted)
        return self._by_chance(number, unit, max(of - (len(holders) - hits), 0), of) * tries

    def _by_chance(self, number: int, unit: str, hits: int, of: int) -> float:
        having = sum(unit in self.rows[other].units for other in self._others(number))
        return _chance_of(hits, of, having, len(self.rows) - 1)

    def _told_by_another(self, number: int, unit: str, holders: Sequence[int]) -> bool:
        """True if the cases have another word in common that goes with the label as well, and not in here."""
        counts = Counter(word for other in holders for word in self.words[other])
        return any(
            times >= NEARLY * len(holders)
            and self._share(unit, self._holders[word]) >= self._share(unit, holders)
            for word, times in counts.items()
            if word not in self.words[number]
        )

    def _are_alike(self, one: int, other: int) -> bool:
        mine, its = self.words[one], self.words[other]
        return len(mine & its) >= _ALIKE * len(mine | its)


@lru_cache(maxsize=4096)
def _chance_of(hits: int, of: int, having: int, total: int) -> float:
    """Return how often so many of some cases, or more, have what so many of all have."""
    return fewer_than_chance((hits, having - hits), (of, total - of))


def _told_by(words: LabelWords, where: str, *, independent: bool) -> Found:
    """Yield the doubts of words that tell another label.

    Args:
        words: of all cases.
        where: they were found.
        independent: True if the answer is a witness of its own; it is none of what it was made of.
    """
    rows = words.rows
    failing = sum(not row.passed for row in rows)
    for number, row in enumerate(rows):
        told = [] if row.passed else words.told(number)
        if not told or words.explained(number):
            continue
        meant = _meant(row, rows)
        sound = [each for each in told if each.alone and each.chance <= _CHANCE]
        hinted = words.explained(number, elsewhere=2)
        hints = told if independent and not hinted else sound
        agrees = next((each for each in hints if each.unit in meant), None)
        best = agrees or next(iter(sound), None)
        if best is None:
            continue
        lacks = words.lacks(number)
        hits = sum(best.unit in rows[other].units for other in best.holders)
        if agrees is not None:
            also = "and the pipeline's answer says so here, too"
        elif best.chance * (lacks[2] if lacks is not None else 1) * failing > _CHANCE:
            continue
        elif lacks is not None:
            also = f"and the other cases labeled {lacks[0]} have {shown(lacks[1])}, which is not in this one"
        elif not hinted and PASSING <= len(best.holders) == hits:
            also = "which no chance explains"
        else:
            continue
        beside = next(rows[other].case for other in best.holders if best.unit in rows[other].units)
        of = f"{hits} of {len(best.holders)}" if hits < len(best.holders) else f"all {hits}"
        reason = f"but {of} other cases with {shown(best.word)} in {where} have {best.unit}, {also}"
        yield row, Doubt(reason, succession(hits), beside.expected, beside)


def _meant(row: LabeledAnswer, rows: Sequence[LabeledAnswer]) -> frozenset[str]:
    """Return the labels for which an answer stands: those of nearly all other cases with it, else itself."""
    if row.answer is None or isinstance(row.answer, list):
        return frozenset() if row.answer is None else units_of(row.answer)
    alike = [other for other in rows if other is not row and other.answer_text == row.answer_text]
    counts = Counter(unit for other in alike for unit in other.units)
    usual = {unit for unit, times in counts.items() if times >= BY_ANSWERS.goes_with * len(alike)}
    return frozenset(usual) if len(alike) >= BY_ANSWERS.elsewhere and usual else units_of(row.answer)
