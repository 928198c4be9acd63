"""Steps that drop a word of the question on the way to what the answering step is told."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from pytest_fapo.diagnosis.asserted_step import went_into
from pytest_fapo.diagnosis.failure import Failure
from pytest_fapo.diagnosis.field_map import readable_output
from pytest_fapo.diagnosis.loose_values import whole_text
from pytest_fapo.diagnosis.trace_view import StepView

_KEPT = 0.8
"""The share of the passing cases asking with a word whose passages have it."""

_ENOUGH = 4
"""Passing cases that tell."""


def word_loser(failure: Failure, asked: StepView) -> tuple[StepView, str] | None:
    """(step, word) where the passages for an answer lack a word of the question, as hardly a passing case's
    do: the first step that was given the word and handed on others without it.
    """
    if failure.reading is None or failure.view is None:
        return None
    before = [step for step in failure.view.steps if step.order < asked.order and not step.ran_within(asked)]
    passages = next(
        (step for step in reversed(before) if isinstance(step.output, list) and went_into(step, asked)), None
    )
    if passages is None:
        return None
    lacking = _words(failure.case.inputs) & _kept_words(failure, passages.key) - _words(passages.output)
    for step in before if lacking else ():
        given, gave = _words(step.step.inputs), _words([readable_output(step), step.answer])
        handed_on = step is passages or (went_into(step, passages) and not step.ran_within(passages))
        for word in sorted(lacking & given - gave):
            if handed_on and gave & given:
                return step, word
    return None


def _kept_words(failure: Failure, key: str) -> frozenset[str]:
    """Return the words that are in some case's passages, and in those of all but a few passing cases that ask
    with them; none where too few passing cases ask with such words.
    """
    told: set[str] = set()
    asked: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    passing = []
    for reading in failure.fields.readings:
        step = reading.view.by_key(key)
        passages = _words(step.output) if step is not None else frozenset()
        told |= passages
        if reading.passed and step is not None:
            passing.append(_words(reading.case.inputs))
            asked.update(passing[-1])
            kept.update(passing[-1] & passages)
    words = frozenset(word for word in told if kept[word] >= _KEPT * asked[word])
    return words if sum(bool(question & words) for question in passing) >= _ENOUGH else frozenset()


def _words(value: Any) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W_]{3,}|\d+", whole_text(value).casefold()))
