"""Signs of a wrong label in the case itself, in what its pipeline was given, or in all cases together.

Each sign asks for what a slip of the labeler explains and a fault of the pipeline does not, and none speaks
where many cases show it: then the pipeline is the cause.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from statistics import median
from typing import Any

from pytest_fapo.core.case import Case
from pytest_fapo.core.similar_cases import InputTexts, input_text, label_text
from pytest_fapo.core.text import count
from pytest_fapo.diagnosis.asserted_step import asserted_values
from pytest_fapo.diagnosis.failure import Failure, shown
from pytest_fapo.diagnosis.label_values import AnyOf, unit_slip
from pytest_fapo.diagnosis.loose_values import alike, is_blank, mentions, plain, same, to_number, whole_text

MOST = 1 / 6
"""The share of all cases that may show a sign."""

CASES = 4
"""Other cases in which a word must stand to tell a label, and cases of a label that must share a word."""

NEARLY = 0.85
"""The share of these that is nearly all of them: labels that are wrong, too, are among the others."""

_GIVEN = 0.95
"""The share of passing cases whose label is in what was given, where labels are taken from it."""

PASSING = 5
"""Passing cases that must be there to learn from."""

_USUAL_FORM = 0.75
"""The share of all labels that must be made up alike."""

_SLIP = 0.9
"""The likeness of a label with a misspelled letter."""


@dataclass(frozen=True)
class Doubt:
    """Evidence against the label of a failing case."""

    reason: str
    """After "…here, ": a clause."""
    sure: float
    right: Any
    """The label that the evidence speaks for."""
    beside: Case | None = None
    """The case to look at for comparison."""


@dataclass(frozen=True, eq=False)
class LabeledAnswer:
    """One case: its label in one field, and the pipeline's answer."""

    failure: Failure
    label: Any
    answer: Any
    """None where none can be told; of a passing case the label."""
    passed: bool

    @property
    def case(self) -> Case:
        return self.failure.case

    @property
    def nodeid(self) -> str:
        return self.failure.item.nodeid

    @cached_property
    def label_text(self) -> str:
        return label_text(self.label)

    @cached_property
    def answer_text(self) -> str:
        return label_text(self.answer)

    @cached_property
    def units(self) -> frozenset[str]:
        """The label, or the members of one that is a list."""
        return units_of(self.label)


def labeled_answers(name: str, failing: Sequence[Failure], passing: Sequence[Failure]) -> list[LabeledAnswer]:
    """Return the cases of a test that say what a field should be."""
    rows = []
    for failure, passed in (*((each, False) for each in failing), *((each, True) for each in passing)):
        label = failure.expected_value(name)
        if label is None or isinstance(label, (dict, AnyOf)):
            continue
        answers = [label] if passed else asserted_values(failure.asked_about([name]))
        rows.append(LabeledAnswer(failure, label, answers[0] if answers else None, passed))
    return rows


Sign = Callable[[Sequence[LabeledAnswer]], Iterator[tuple[LabeledAnswer, Doubt]]]


def not_given(rows: Sequence[LabeledAnswer]) -> Iterator[tuple[LabeledAnswer, Doubt]]:
    """The answer is in what the pipeline was given, in a line about what the case is about,
    and the label is nowhere in it, as those of passing cases do.
    """
    given = _SeenLines([row.case for row in rows], [given_lines(row.failure) for row in rows])
    passing = [n for n, row in enumerate(rows) if row.passed and not given.named(row.label)]
    there = [n for n in passing if given.lines_with(n, rows[n].label)]
    if len(passing) < PASSING or len(there) < _GIVEN * len(passing):
        return
    usual = median(given.covered(n, rows[n].label) for n in there)
    for number, row in enumerate(rows):
        label, answer = row.label, row.answer
        if row.passed or given.named(label) or not (_is_plain(label) and _is_plain(answer)):
            continue
        if is_blank(answer):
            continue
        another_form = (
            alike(label, answer) or mentions(plain(answer), label) or mentions(plain(label), answer)
        )
        left, right = to_number(label), to_number(answer)
        slip = left is not None and right is not None and unit_slip(left, right)
        if another_form or slip or given.lines_with(number, label):
            continue
        if given.lines_with(number, answer) and given.covered(number, answer) >= usual:
            line = min(given.lines_with(number, answer), key=len)
            reason = (
                f"which is nowhere in what the pipeline was given, as all labels of "
                f"{count(len(there), 'passing case')} do; its answer does: {shown(line, 100)}"
            )
            yield row, Doubt(reason, 0.6, answer)


def in_place(rows: Sequence[LabeledAnswer]) -> Iterator[tuple[LabeledAnswer, Doubt]]:
    """The answer stands beside a word of the input, as nearly all labels do, and the label does elsewhere."""
    beside = [_beside(row.case, row.label) for row in rows]
    passing = [beside[number] for number, row in enumerate(rows) if row.passed]
    if sum(map(bool, passing)) < max(PASSING, NEARLY * len(passing)):
        return
    counts = Counter(word for words in passing for word in words)
    usual = {word for word, times in counts.items() if times >= _GIVEN * len(passing)}
    usual = {word for word in usual if 4 * sum(word in words for words in beside) >= 3 * len(rows)}
    for number, row in enumerate(rows):
        its = _beside(row.case, row.answer) & usual
        if not row.passed and beside[number] and its and not beside[number] & usual:
            place, word = min(its)
            reason = (
                f"which does not stand {place} {shown(word)} in the input, as the labels of "
                f"{count(counts[place, word], 'passing case')} do; the answer {shown(row.answer, 40)} does"
            )
            yield row, Doubt(reason, 0.75, row.answer)


def _beside(case: Case, value: Any) -> frozenset[tuple[str, str]]:
    """Return the words of an input that stand before or after a value in it."""
    if not _is_plain(value):
        return frozenset()
    words = re.findall(r"[^\W_]+", input_text(case.inputs).casefold())
    wanted = re.findall(r"[^\W_]+", plain(value).casefold())
    found = set()
    for start in range(len(words) - len(wanted) + 1 if wanted else 0):
        end = start + len(wanted)
        if words[start:end] == wanted:
            found |= {("after", words[start - 1])} if start else set()
            found |= {("before", words[end])} if end < len(words) else set()
    return frozenset(found)


def special_lines(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """Leave out the lines that most cases have."""
    usual = _usual_lines(lines)
    return [[line for line in each if line not in usual] for each in lines]


def _usual_lines(lines: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return the lines that most cases have, in the order in which they come, and how often they do."""
    frequency = Counter(line for each in lines for line in dict.fromkeys(each))
    return {line: times for line, times in frequency.items() if times > max(len(lines) / 2, 2)}


class _SeenLines:
    """The lines that pipelines were given for one case and not for most."""

    def __init__(self, cases: Sequence[Case], lines: Sequence[Sequence[str]]) -> None:
        self._lines = special_lines(lines)
        self._common = "\n".join(_usual_lines(lines))
        texts = InputTexts(cases)
        self._about = [
            {word for word in words if not has_digit(word) and 2 * len(texts.holders[word]) <= len(cases)}
            for words in texts.words
        ]

    def named(self, value: Any) -> bool:
        """True for what the prompts themselves name: labels of a set, and what to say of nothing."""
        return is_blank(value) or mentions(self._common, value)

    def lines_with(self, number: int, value: Any) -> list[str]:
        return [line for line in self._lines[number] if mentions(line, value)]

    def covered(self, number: int, value: Any) -> float:
        """Return the greatest share of the words that make the input special in one line with a value."""
        about = self._about[number]
        lines = self.lines_with(number, value)
        return max((sum(mentions(line, word) for word in about) for line in lines), default=0) / (
            len(about) or 1
        )


def given_lines(failure: Failure) -> list[str]:
    """Return the lines that were given before a model had said anything: what models say may be wrong
    itself.
    """
    first = next(iter(failure.view.model_steps), None) if failure.view is not None else None
    calls = first.calls if first is not None else []
    told = [message for call in calls for message in call.messages if not _by_model(message)]
    return whole_text([failure.case.inputs, told]).splitlines()


def _by_model(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant"


def exchanged(rows: Sequence[LabeledAnswer]) -> Iterator[tuple[LabeledAnswer, Doubt]]:
    """The label is what the pipeline answers in another failing case, and its answer is the label of one:
    two rows exchanged, or some shifted by one. Only where hardly a label repeats.
    """
    labels = Counter(row.label_text for row in rows)
    failing = [row for row in rows if not row.passed and row.answer is not None]
    answers = Counter(row.answer_text for row in failing)
    if 2 * sum(times == 1 for times in labels.values()) < len(rows):
        return
    labeled = {row.label_text: row for row in failing if labels[row.label_text] == 1}
    answered = {row.answer_text: row for row in failing if answers[row.answer_text] == 1}
    for row in failing:
        source, other = answered.get(row.label_text), labeled.get(row.answer_text)
        if source is not None and other is not None and source is not row and labels[row.label_text] == 1:
            reason = (
                f"which the pipeline answers in case {source.case.id}; its answer here is the label of case "
                f"{other.case.id}: labels may have changed places"
            )
            yield row, Doubt(reason, 0.75, row.answer, other.case)


def other_form(rows: Sequence[LabeledAnswer]) -> Iterator[tuple[LabeledAnswer, Doubt]]:
    """The label says what the answer says, but is written as none of the labels that pass."""
    passing = Counter(_form(row.label, rows) for row in rows if row.passed)
    if passing.total() < PASSING:
        return
    for row in rows:
        if row.passed or isinstance(row.label, list) or row.answer is None or same(row.label, row.answer):
            continue
        mine, its = _form(row.label, rows), _form(row.answer, rows)
        usual = passing[its] >= PASSING or passing[its] >= 0.8 * passing.total()
        if mine not in passing and usual and (alike(row.label, row.answer) or _misspelled(row)):
            beside = next(other for other in rows if other.passed and _form(other.label, rows) == its)
            reason = (
                f"which is written otherwise than {count(passing[its], 'label')} that pass, such as "
                f"{shown(beside.label, 40)}; the answer is {shown(row.answer, 40)}"
            )
            yield row, Doubt(reason, 0.75, row.answer, beside.case)


def odd_form(rows: Sequence[LabeledAnswer]) -> Iterator[tuple[LabeledAnswer, Doubt]]:
    """The label has another number of digits, or other marks, than all labels that pass and most others."""
    named = [row for row in rows if not is_blank(row.label) and _is_plain(row.label)]
    forms = Counter(_made_up(row.label) for row in named)
    passing = Counter(_made_up(row.label) for row in named if row.passed)
    labels = Counter(row.label_text for row in named)
    if len(passing) != 1 or passing.total() < 2 * CASES or 3 * len(labels) < 2 * len(named):
        return
    usual = next(iter(passing))
    if len(re.sub(r"[^9]", "", usual)) < CASES or forms[usual] < _USUAL_FORM * len(named):
        return
    for row in named:
        odd = _made_up(row.label) != usual and labels[row.label_text] == 1
        if odd and not row.passed:
            beside = next(other for other in named if other.passed)
            reason = (
                f"made up otherwise than {count(passing.total(), 'label')} that pass, such as "
                f"{shown(beside.label, 40)}"
            )
            yield row, Doubt(reason, 0.6, row.answer, beside.case)


def _made_up(value: Any) -> str:
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d", "9", plain(value)))


def _form(value: Any, rows: Sequence[LabeledAnswer]) -> str:
    """The type of a value and its make-up; where labels repeat, the label itself."""
    if not isinstance(value, str):
        return type(value).__name__
    classes = 3 * len({row.label_text for row in rows}) <= len(rows)
    return value if classes else _made_up(value)


def _misspelled(row: LabeledAnswer) -> bool:
    label, answer = plain(row.label), plain(row.answer)
    if min(len(label), len(answer)) < 6 or has_digit(label + answer):
        return False
    return SequenceMatcher(None, label.casefold(), answer.casefold()).ratio() >= _SLIP


def like_doubted(
    rows: Sequence[LabeledAnswer], doubts: dict[str, Doubt]
) -> Iterator[tuple[LabeledAnswer, Doubt]]:
    """The label is that of two or more cases, all of which fail and are doubted for other reasons."""
    alike: dict[str, list[LabeledAnswer]] = defaultdict(list)
    for row in rows:
        alike[row.label_text].append(row)
    for group in alike.values():
        doubted = [row for row in group if row.nodeid in doubts]
        left = [row for row in group if row.nodeid not in doubts]
        if len(doubted) >= 2 and len(left) <= len(doubted) and not any(row.passed for row in group):
            for row in left:
                reason = f"as in {len(doubted)} cases whose label is doubted, such as {doubted[0].case.id}"
                yield row, Doubt(reason, 0.5, row.answer, doubted[0].case)


def succession(witnesses: int) -> float:
    """By the rule of succession."""
    return round((witnesses + 1) / (witnesses + 2), 2)


def units_of(value: Any) -> frozenset[str]:
    return frozenset(map(label_text, value)) if isinstance(value, list) else frozenset([label_text(value)])


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def plain_words(cases: Sequence[Case]) -> list[frozenset[str]]:
    """Return the words of the inputs that are no numbers."""
    return [frozenset(word for word in words if not has_digit(word)) for words in InputTexts(cases).words]


def has_digit(word: str) -> bool:
    return any(sign.isdigit() for sign in word)
