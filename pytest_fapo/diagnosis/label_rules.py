"""Rules that nearly all labels follow: of texts that differ in numbers alone, of a number, of a count.

Each says what a label would be if it were that of the other cases. It is believed where the others keep it,
and hardly a passing one does not; the label that does not is then the odd one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from math import nan
from statistics import median
from typing import Any

from pytest_fapo.core.similar_cases import InputTexts, input_text
from pytest_fapo.core.text import count
from pytest_fapo.diagnosis.failure import shown
from pytest_fapo.diagnosis.label_signs import (
    CASES,
    NEARLY,
    PASSING,
    Doubt,
    LabeledAnswer,
    has_digit,
    plain_words,
    succession,
)
from pytest_fapo.diagnosis.loose_values import is_number, normal
from pytest_fapo.diagnosis.word_signs import Found, LabelWords

_RULED = 8
"""Cases of which a rule must say what their label is."""

_AGREED = 0.75
"""The share of the cases with one text that have its label: of the others some are wrong as well."""

_BEYOND = 3
"""The labels that a rule has to tell beyond those that the commonest one is."""

_SIDE = 2
"""Cases with the next smaller and with the next greater numbers that speak for a label."""

_KEPT = 0.75
"""The share of all labels that keep a rule: in a data set with wrong labels one of ten is no rarity."""

_PASSING_KEPT = 0.9
"""The share of the passing ones; what else they are may come of wrong ones beside them."""

_CLOSE = 0.02
"""The relative difference of two numbers that are one, rounded."""

_FIRST = 4
"""Of so many numbers of an input any two may be what the label is computed of."""

_NUMBER = re.compile(r"(?<![\w.,])\d+(?:\.\d+)?(?![\w]|[.,]\d)")


def same_text(rows: Sequence[LabeledAnswer]) -> Found:
    """All others of the cases whose inputs differ in numbers alone have one other label."""
    texts = InputTexts([row.case for row in rows])
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, words in enumerate(texts.words):
        groups[tuple(word for word in words if not has_digit(word))].append(number)
    said: dict[int, int] = {}
    witnesses: dict[int, int] = {}
    for group in groups.values():
        for number in group:
            votes = Counter(rows[other].label_text for other in group if other != number)
            label, times = max(votes.items(), key=lambda vote: vote[1], default=("", 0))
            if times >= 2 and times >= _AGREED * votes.total():
                said[number] = next(n for n in group if n != number and rows[n].label_text == label)
                witnesses[number] = times
    if not _is_kept(rows, said, lambda row, other: row.label_text == rows[other].label_text):
        return
    for number, other in said.items():
        row, beside = rows[number], rows[other]
        if not row.passed and row.label_text != beside.label_text:
            reason = (
                f"and {shown(beside.label, 80)} in {count(witnesses[number], 'case')} whose input differs in "
                f"numbers alone, such as {beside.case.id}; numbers decide of no other label"
            )
            yield row, Doubt(reason, succession(witnesses[number]), beside.label, beside.case)


def by_number(rows: Sequence[LabeledAnswer]) -> Found:
    """A number of the input parts the labels, and the cases on both sides have another one."""
    if 4 * len({row.label_text for row in rows}) > len(rows):
        return
    words = LabelWords(rows, [row.case for row in rows])
    for numbers in _slots(rows):
        order = sorted(numbers, key=lambda each: (numbers[each], each))
        said: dict[int, int] = {}
        sure: set[int] = set()
        for place, number in enumerate(order):
            near = [*order[max(0, place - _SIDE) : place], *order[place + 1 : place + 1 + _SIDE]]
            votes = Counter(rows[other].label_text for other in near)
            label, times = votes.most_common(1)[0] if votes else ("", 0)
            if times >= max(2, len(near) - 1):
                said[number] = next(other for other in near if rows[other].label_text == label)
                if times == 2 * _SIDE or rows[number].answer_text == label:
                    sure.add(number)
        if not _is_kept(rows, said, lambda row, other: row.label_text == rows[other].label_text):
            continue
        for number, other in said.items():
            row, beside = rows[number], rows[other]
            if row.passed or row.label_text == beside.label_text or number not in sure:
                continue
            if not words.explained(number, list(numbers)):
                reason = (
                    f"and {shown(beside.label, 80)} in the cases whose number is next to its "
                    f"{numbers[number]:g}, such as {beside.case.id}"
                )
                yield row, Doubt(reason, 0.75, beside.label, beside.case)
        return


def proportional(rows: Sequence[LabeledAnswer]) -> Found:
    """The label is a number of the input times what it is in all other cases with a word, such as a unit."""
    words = plain_words([row.case for row in rows])
    for numbers in _slots(rows):
        ratios = {
            number: float(rows[number].label) / value
            for number, value in numbers.items()
            if value and isinstance(rows[number].label, (int, float)) and rows[number].label is not True
        }
        factors: dict[int, dict[str, float]] = defaultdict(dict)
        for number in ratios:
            for word in words[number]:
                others = [other for other in ratios if other != number and word in words[other]]
                factor = _factor(rows, [(other, ratios[other]) for other in others])
                if factor is not None:
                    factors[number][word] = factor
        said = {
            number: min(found.items(), key=lambda pair: (abs(pair[1] - ratios[number]), pair[0]))
            for number, found in factors.items()
        }
        if not _is_kept(rows, said, lambda row, told: True):
            continue
        odd = [number for number in said if not _close(said[number][1], ratios[number])]
        if any(rows[number].passed for number in odd):
            continue
        for number in odd:
            word, factor = said[number]
            right = round(factor * numbers[number], 6)
            reason = (
                f"{ratios[number]:g} times the {numbers[number]:g} of its input, and in nearly all other "
                f"cases with {shown(word)} it is {factor:g} times the number ({right:g} here)"
            )
            yield rows[number], Doubt(reason, 0.75, right)
        return


def _factor(rows: Sequence[LabeledAnswer], ratios: Sequence[tuple[int, float]]) -> float | None:
    """The factor that nearly all of several cases with different labels have in common."""
    if len(ratios) < CASES or len({rows[number].label_text for number, _ in ratios}) < 3:
        return None
    factor = median(ratio for _, ratio in ratios)
    hits = sum(_close(factor, ratio) for _, ratio in ratios)
    return factor if factor and hits >= min(NEARLY * len(ratios), len(ratios) - 1) else None


_OF_TWO: dict[str, Callable[[float, float], float]] = {
    "{0:g} times {1:g}": lambda one, other: one * other,
    "{0:g} and {1:g} together": lambda one, other: one + other,
    "{0:g} less {1:g}": lambda one, other: one - other,
    "{0:g} by {1:g}": lambda one, other: one / other if other else nan,
    "{0:g} less {1:g} %": lambda one, other: one * (1 - other / 100),
    "{1:g} % of {0:g}": lambda one, other: one * other / 100,
}

_OF_ALL: dict[str, Callable[[Sequence[float]], float]] = {
    "the sum of its numbers": sum,
    "its largest number": max,
    "its smallest number": min,
}


def computed(rows: Sequence[LabeledAnswer]) -> Found:
    """The label is not what nearly all others are: computed of two numbers of the input, or of all."""
    numbers = {
        number: found
        for number, row in enumerate(rows)
        if is_number(row.label) and len(found := _numbers(row)) >= 2
    }
    for said in _computations(numbers):
        if not _is_kept(rows, said, lambda row, told: _close(float(row.label), told[1])):
            continue
        for number, (words, value) in said.items():
            if not rows[number].passed and not _close(float(rows[number].label), value):
                reason = f"and {words} is {value:g}, as the labels of nearly all other cases are computed"
                yield rows[number], Doubt(reason, 0.8, round(value, 6))
        return


def _computations(numbers: Mapping[int, Sequence[float]]) -> Iterator[dict[int, tuple[str, float]]]:
    """Yield by case what a label would be, and how it is computed, if it were computed in one way."""
    places = range(min(map(len, numbers.values()), default=0))
    for one, other in permutations(places[:_FIRST], 2):
        for words, of_two in _OF_TWO.items():
            pairs = {number: (found[one], found[other]) for number, found in numbers.items()}
            yield {number: (words.format(*pair), of_two(*pair)) for number, pair in pairs.items()}
    for words, of_all in _OF_ALL.items():
        yield {number: (words, of_all(found)) for number, found in numbers.items()}


def counted(rows: Sequence[LabeledAnswer]) -> Found:
    """The label is not how many entries a list has, or different ones, as it is in the other cases.

    What the pipeline itself answers is no such rule: it has to hold where the pipeline fails, too.
    """
    lists: dict[str, dict[int, list[Any]]] = defaultdict(dict)
    for number, row in enumerate(rows):
        for step in row.failure.view.steps if row.failure.view is not None else ():
            if isinstance(step.output, list) and type(row.label) is int:
                lists[step.key][number] = step.output
    for key, outputs in lists.items():
        for what, measure in (("", len), ("different ", _different)):
            said = {number: measure(output) for number, output in outputs.items()}
            failing = [rows[number].label == told for number, told in said.items() if not rows[number].passed]
            if sum(failing) < CASES or 3 * sum(failing) < 2 * len(failing):
                continue
            if not _is_kept(rows, said, lambda row, told: bool(row.label == told)):
                continue
            for number, told in said.items():
                if not rows[number].passed and rows[number].label != told:
                    reason = (
                        f"and {key} gave {told} {what}entries, which is the label in nearly all other cases"
                    )
                    yield rows[number], Doubt(reason, 0.8, told)
            return


def _different(entries: list[Any]) -> int:
    return len(set(map(normal, entries)))


def _is_kept(
    rows: Sequence[LabeledAnswer], said: Mapping[int, Any], fits: Callable[[LabeledAnswer, Any], bool]
) -> bool:
    """True if nearly all labels are what a rule says, those that pass above all, and not by being common."""
    kept = [number for number, told in said.items() if fits(rows[number], told)]
    passing = [number for number in said if rows[number].passed]
    if len(said) < _RULED or len(passing) < PASSING:
        return False
    if len(set(passing) - set(kept)) > (1 - _PASSING_KEPT) * len(passing):
        return False
    commonest = max(Counter(rows[number].label_text for number in said).values())
    return len(kept) >= _KEPT * len(said) and len(kept) >= commonest + _BEYOND


def _slots(rows: Sequence[LabeledAnswer]) -> Iterator[dict[int, float]]:
    """Yield the numbers of the inputs by their place in the text, from the front and from the back."""
    listed = list(map(_numbers, rows))
    for place in (0, 1, 2, -1):
        numbers = {
            number: values[place]
            for number, values in enumerate(listed)
            if -len(values) <= place < len(values)
        }
        if len(numbers) >= NEARLY * len(rows) and len(set(numbers.values())) >= _RULED:
            yield numbers


def _numbers(row: LabeledAnswer) -> list[float]:
    return [float(each) for each in _NUMBER.findall(input_text(row.case.inputs))]


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= _CLOSE * max(abs(one), abs(other))
