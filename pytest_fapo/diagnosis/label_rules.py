"""Rules that nearly all labels follow: of texts that differ in numbers alone, of a number, of a count.

Each says what a label would be if it were that of the other cases. It is believed where the others keep it,
and hardly a passing one does not; the label that does not is then the odd one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise, permutations
from math import nan
from typing import Any

from pytest_fapo.core.similar_cases import InputTexts, input_text
from pytest_fapo.core.text import count, listing
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
from pytest_fapo.diagnosis.loose_values import is_number, normal, shape_of
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

_SHAPE = 3
"""Characters of a shape that is more than a word or a number: `w-9`."""

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
    """A number of the input parts the labels, and the cases on both sides have another one: in all cases, or
    in those in which no word settles the label.
    """
    settled = LabelWords(rows, [row.case for row in rows]).settled()
    rest = [row for number, row in enumerate(rows) if number not in settled]
    found = list(_by_number(rows))
    yield from found or (_by_number(rest) if len(rest) < len(rows) else ())


def _by_number(rows: Sequence[LabeledAnswer]) -> Found:
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
    """The label follows from a number of the input in all other cases with a word, such as a unit: it is so
    many times the number, and so much more; here it is not.
    """
    words = plain_words([row.case for row in rows])
    for numbers in _slots(rows):
        points = {
            number: (value, float(rows[number].label))
            for number, value in numbers.items()
            if is_number(rows[number].label)
        }
        lines: dict[int, dict[str, float]] = defaultdict(dict)
        for number in points:
            for word in words[number]:
                others = [points[other] for other in points if other != number and word in words[other]]
                line = _line(others)
                if line is not None:
                    lines[number][word] = line[0] * points[number][0] + line[1]
        said = {
            number: min(found.items(), key=lambda pair: (abs(pair[1] - points[number][1]), pair[0]))
            for number, found in lines.items()
        }
        odd = [number for number in said if not _close(said[number][1], points[number][1])]
        if not _is_kept(rows, said, lambda row, told: _close(told[1], float(row.label))):
            continue
        if any(rows[number].passed for number in odd):
            continue
        for number in odd:
            word, right = said[number]
            reason = (
                f"and as in nearly all other cases with {shown(word)} it follows from the "
                f"{numbers[number]:g} of its input, it is {right:g}"
            )
            yield rows[number], Doubt(reason, 0.75, round(right, 6))
        return


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Return the factor and the addend by which most of several labels follow from their numbers."""
    if len(points) < CASES or len({label for _, label in points}) < 3:
        return None
    best: tuple[int, tuple[float, float]] = (0, (0.0, 0.0))
    pairs = [((0.0, 0.0), point) for point in points] + list(pairwise(sorted(points)))
    for (one, label), (other, its) in pairs:
        if one != other:
            factor = (its - label) / (other - one)
            line = (factor, label - factor * one)
            hits = sum(_close(factor * value + line[1], found) for value, found in points)
            best = max(best, (hits, line), key=lambda each: each[0])
    return best[1] if best[1][0] and best[0] >= max(_AGREED * len(points), 3) else None


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


def of_one_shape(rows: Sequence[LabeledAnswer]) -> Found:
    """The label is not all that the input has of the shape of labels, as nearly all others are."""
    counts = Counter(shape for row in rows for shape in set(map(shape_of, _entries(row.label))))
    shapes = {shape for shape, times in counts.items() if times >= CASES}
    said = {
        number: sorted({token for token in _tokens(row) if shape_of(token) in shapes})
        for number, row in enumerate(rows)
        if _entries(row.label)
    }
    if not _is_kept(rows, said, lambda row, told: _folded(_entries(row.label)) == _folded(told)):
        return
    for number, told in said.items():
        row = rows[number]
        if not row.passed and told and _folded(_entries(row.label)) != _folded(told):
            reason = f"and the input has {listing(told, most=4)}, all of which nearly all other labels name"
            yield row, Doubt(reason, 0.75, told if isinstance(row.label, list) else told[0])


def _entries(label: Any) -> list[str]:
    """Return the texts of a label with a digit or a mark in them; words alone have no shape."""
    texts = [str(each).strip() for each in (label if isinstance(label, list) else [label])]
    return texts if all(len(shape_of(text)) >= _SHAPE for text in texts) else []


def _folded(texts: Sequence[str]) -> set[str]:
    return {text.casefold() for text in texts}


def _tokens(row: LabeledAnswer) -> list[str]:
    return [token.strip(".,;:!?()\"'") for token in input_text(row.case.inputs).split()]


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
