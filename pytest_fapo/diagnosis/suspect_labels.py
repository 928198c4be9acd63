"""Labels that may be wrong: failing cases whose label more than the pipeline's answer contradicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.label_votes import BY_ANSWERS, BY_LABELS, LabelConflict, LabelVotes
from pytest_fapo.core.similar_cases import InputTexts, label_text
from pytest_fapo.diagnosis.failure import Failure, FailureAttribution, shown
from pytest_fapo.diagnosis.label_rules import (
    by_number,
    computed,
    counted,
    of_one_shape,
    proportional,
    same_text,
)
from pytest_fapo.diagnosis.label_signs import (
    MOST,
    Doubt,
    LabeledAnswer,
    Sign,
    exchanged,
    in_place,
    labeled_answers,
    like_doubted,
    not_given,
    odd_form,
    other_form,
    succession,
)
from pytest_fapo.diagnosis.loose_values import is_blank, mentions, whole_text
from pytest_fapo.diagnosis.word_signs import telling_words, words_given

SAME = 0.9
"""Inputs this similar are one input, whatever their labels are made of."""

_NEIGHBORS = 0.75
"""The most sureness of neighbors, however many: of unseen pipelines they have accused right labels, too."""

VOUCHED = 0.8
"""Where so many of the other cases with an answer have one label, the answer speaks for it."""

_SIGNS: tuple[Sign, ...] = (
    exchanged,
    odd_form,
    other_form,
    of_one_shape,
    by_number,
    proportional,
    computed,
    counted,
    in_place,
    words_given,
    same_text,
    telling_words,
    not_given,
)
"""The surest last."""


def doubted_labels(failing: Sequence[Failure], passing: Sequence[Failure]) -> dict[str, Doubt]:
    """Return the failing items of one test whose label may be wrong, by node id."""
    once_right = {each.item.first_nodeid for each in passing}
    failing = [each for each in failing if each.item.first_nodeid not in once_right]
    found: dict[str, Doubt] = {}
    for name in dict.fromkeys(name for failure in failing for name in _fields_of(failure)):
        rows = labeled_answers(name, failing, passing)
        of_field: dict[str, Doubt] = {}
        for sign in _SIGNS:
            doubts = list(sign(rows))
            if len(doubts) <= ceil(MOST * len(rows)):
                of_field |= {row.nodeid: doubt for row, doubt in doubts}
        of_field |= dict(_contradicted(rows))
        of_field |= {row.nodeid: doubt for row, doubt in like_doubted(rows, of_field)}
        found |= of_field
    return {**dict(_same_inputs(failing, passing)), **found}


def _fields_of(failure: Failure) -> list[str]:
    """Return the fields that a failure is about; where its assertion tells none, the only labeled one."""
    labeled = [name for name, labels in failure.fields.expected.items() if failure.case.key in labels]
    return failure.failing_fields or (labeled if len(labeled) == 1 else [])


def doubt(attribution: FailureAttribution, doubt: Doubt) -> None:
    """Give a failing case whose label may be wrong the finding that says so: no rule is made of it."""
    finding, failure = attribution.finding, attribution.failure
    if finding.category == "infrastructure" or (failure.view is not None and failure.view.trace.error):
        return  # there is no answer that could be compared
    evidence = f"the label may be wrong: {shown(failure.case.expected, 80)} here, {doubt.reason}"
    beside = doubt.beside.id if doubt.beside is not None else ""
    changes: dict[str, object] = {"category": "mislabeled", "step": "", "also": [], "level": "structure"}
    changes |= {"confidence": doubt.sure, "evidence": evidence, "beside": beside}
    changes |= {"expected": failure.case.expected, "actual": doubt.right}
    attribution.finding = Finding.model_validate({**dict(finding), **changes})


def _same_inputs(failing: Sequence[Failure], passing: Sequence[Failure]) -> Iterator[tuple[str, Doubt]]:
    """Failing cases with an input that another case has with another label; where cases near the two tell
    which one is odd, that one alone.
    """
    cases = list(
        {each.case.key: each.case for each in (*failing, *passing) if each.case.expected is not None}.values()
    )
    votes = LabelVotes(cases, [label_text(case.expected) for case in cases], BY_LABELS)
    beside: dict[str, LabelConflict] = {}
    for one, other, similarity in sorted(votes.texts.pairs(SAME), key=lambda pair: -pair[2]):
        copies = votes.texts.near_copy(one, other, similarity) and not votes.texts.turned(one, other)
        if not copies or votes.labels[one] == votes.labels[other]:
            continue
        odd = votes.of_pair(one, other)
        beside.setdefault(odd.case.key, odd)
        if odd.against == odd.support + 1:
            beside.setdefault(odd.other.key, replace(odd, case=odd.other, other=odd.case))
    for failure in failing:
        if failure.case.key in beside:
            yield failure.item.nodeid, _of_conflict(replace(beside[failure.case.key], against=1))


def _contradicted(rows: Sequence[LabeledAnswer]) -> Iterator[tuple[str, Doubt]]:
    """Failing cases whose neighbors, which the pipeline answers alike, agree on another label of a class."""
    rows = [row for row in rows if not is_blank(row.answer) and not isinstance(row.label, list)]
    if len({row.label_text for row in rows}) < 2 or 3 * len({row.label_text for row in rows}) > len(rows):
        return

    def comparable(texts: InputTexts, one: int, other: int) -> bool:
        """True if both get one answer, and differ in more than a number: that may be what they are about."""
        spoken = (set(texts.words[each]) - set(texts.numbers[each]) for each in (one, other))
        same_numbers = texts.numbers[one] == texts.numbers[other]
        return rows[one].answer_text == rows[other].answer_text and (
            same_numbers or len(set(map(frozenset, spoken))) > 1
        )

    votes = LabelVotes([row.case for row in rows], [row.label_text for row in rows], BY_ANSWERS, comparable)
    if not _near_agree(votes, rows):
        return
    for number, row in enumerate(rows):
        if row.passed:
            continue
        usual = _usual_label(row, rows)
        conflict = votes.against(number, exception=2 if usual else 0)
        if conflict is None or usual == row.label_text or _says(row.case, row.label, conflict.other):
            continue
        own = max(
            (near for other, near in votes.near[number].items() if rows[other].label_text == row.label_text),
            default=0.0,
        )
        if own <= conflict.similarity or usual == label_text(conflict.other.expected):
            yield row.nodeid, _of_conflict(conflict)


def _says(case: Case, label: Any, other: Case) -> bool:
    """True if the input of a case says its label, and that of the other one does not."""
    own, its = whole_text(case.inputs), whole_text(other.inputs)
    return mentions(own, label) and not mentions(its, label)


def _near_agree(votes: LabelVotes, rows: Sequence[LabeledAnswer]) -> bool:
    """True if the neighbors of most cases have their label: elsewhere likeness tells nothing of labels."""
    agreed = []
    for number, near in votes.near.items():
        others = Counter(rows[other].label_text for other in near)
        if others:
            agreed.append(others[rows[number].label_text] == max(others.values()))
    return 2 * sum(agreed) > len(agreed)


def _usual_label(row: LabeledAnswer, rows: Sequence[LabeledAnswer]) -> str:
    """Return the label of nearly all other cases with the same answer; empty where they have none in
    common.
    """
    alike = [other.label_text for other in rows if other is not row and other.answer_text == row.answer_text]
    label, times = max(Counter(alike).items(), key=lambda pair: pair[1], default=("", 0))
    return label if times >= max(VOUCHED * len(alike), BY_ANSWERS.elsewhere) else ""


def _of_conflict(conflict: LabelConflict) -> Doubt:
    """Of two cases alone either label may be the wrong one."""
    same = conflict.similarity == 1
    how = "of the same input" if same else f"of much the same input ({conflict.similarity:.0%})"
    more = f" and {conflict.against - 1} more near it" if conflict.against > 1 else ""
    other = conflict.other
    reason = f"and {shown(other.expected, 80)} in case {other.id}{more}, {how}"
    sure = min(succession(conflict.against), _NEIGHBORS) if conflict.against > 1 else 0.5
    return Doubt(reason, sure, other.expected, other)
