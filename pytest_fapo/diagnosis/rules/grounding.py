"""Answers that could not be right because the step's inputs lack them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.diagnosis.blame import Blame, blame_chooser, blame_fields
from pytest_fapo.diagnosis.failure import Failure, shown
from pytest_fapo.diagnosis.field_map import CaseRun, FieldMap
from pytest_fapo.diagnosis.label_values import AnyOf
from pytest_fapo.diagnosis.loose_values import is_blank, mentions, normal, plain, same, texts_in, whole_text
from pytest_fapo.diagnosis.rules.lost_words import word_loser
from pytest_fapo.diagnosis.trace_view import StepView

MOSTLY_GIVEN = 0.7
"""Share of passing cases whose answering step was given the right answer."""


def not_given(failure: Failure) -> Finding | None:
    """A value that the answering step was not given, though in passing cases it is: blamed on the step that
    lost it, or on the one that finds it elsewhere.

    Where that step asks a model, it is its answer that lacks the value, which is a matter of its prompt;
    unless its code has others look for the value, shows the model a part only of what it was given, or takes
    a part only of what the model named.
    """
    question = _question(failure)
    if question is None or failure.view is None:
        return None
    name, expected, asked = question
    if _withheld(failure, name, asked, expected):
        explanation = f"{shown(expected)} was in the input of {asked.key} and not in what it sent"
        return _grounding_finding(
            failure, asked, name, expected, asked, explanation, confidence=0.75, by_model=False
        )
    given = _was_given(failure.fields, failure.reading, asked, expected) and not _gave_up(
        failure, name, asked
    )
    if not _values(expected) or given or _abstains(failure, name, expected):
        return None
    if _share_given(failure, name, asked) < MOSTLY_GIVEN:
        return None
    lost = _loser(failure, asked, expected)
    if lost is not None:
        explanation = f"{shown(expected)} was in the input of {lost.key} and not in its output"
        return _grounding_finding(failure, lost, name, expected, asked, explanation, confidence=0.8)
    finder = None if _in_case(failure, expected) else _finder(failure, name, asked)
    if finder is None:
        return None
    dropped = word_loser(failure, asked)
    if dropped is not None:
        step, word = dropped
        explanation = f"{shown(word)} was in the input of {step.key} and in nothing that it gave"
        return _grounding_finding(failure, step, name, expected, asked, explanation, confidence=0.75)
    chosen = blame_chooser(failure, finder, name, expected)
    if chosen is not None:
        return chosen
    explanation = f"what {finder.key} found does not contain {shown(expected)}"
    return _grounding_finding(failure, finder, name, expected, asked, explanation, confidence=0.75)


def _grounding_finding(
    failure: Failure,
    step: StepView,
    name: str,
    expected: Any,
    asked: StepView,
    explanation: str,
    *,
    confidence: float,
    by_model: bool | None = None,
) -> Finding:
    if by_model is None:
        by_model = bool(step.calls) and not _has_finder(failure, step) and not _is_limited(failure, step)
    return failure.finding(
        "content" if by_model else "retrieval",
        step,
        f"{explanation}, so {asked.key} could not answer right; in passing cases it was there",
        confidence=confidence,
        level="prompt" if by_model else "param",
        field=name,
        expected=expected,
        actual=step.output,
    )


def _has_finder(failure: Failure, step: StepView) -> bool:
    """True if steps without a model ran inside of a step, and gave texts that the step passed on or used."""
    assert failure.view is not None
    inner = [other for other in failure.view.steps if other.step.parent == step.step.index]
    return any(not other.calls and isinstance(other.output, list) for other in inner)


def _withheld(failure: Failure, name: str, asked: StepView, expected: Any) -> bool:
    """True if the step's own code kept a value from its model, which in passing cases sees it."""
    if not _holds_value(whole_text(asked.step.inputs), expected) or _holds_value(
        asked.messages_text, expected
    ):
        return False
    return (
        _share_of_passing(failure, name, ("sent", name, asked.key), partial(_sent, asked.key)) >= MOSTLY_GIVEN
    )


def _sent(key: str, reading: CaseRun, value: Any) -> bool:
    step = reading.view.by_key(key)
    return step is not None and _holds_value(step.messages_text, value)


def _is_limited(failure: Failure, step: StepView) -> bool:
    """True if the step's code took a fixed number of the entries that its model named."""
    if not isinstance(step.output, list) or not step.answer:
        return False
    lines = step.answer.strip().splitlines()
    named = lines if len(lines) > 1 else re.split(r"[\s,;]+", step.answer.strip())
    others = [reading.view.by_key(step.key) for reading in failure.fields.readings]
    lengths = {len(other.output) for other in others if other and isinstance(other.output, list)}
    return len(named) > len(step.output) and lengths == {len(step.output)}


def _question(failure: Failure) -> tuple[str, Any, StepView] | None:
    """The failing field, its right value, and the step that answered."""
    if failure.view is None:
        return None
    blame: Blame | None = blame_fields(failure)
    names = [blame.field] if blame is not None else failure.failing_fields
    if not names:
        return None
    asked = failure.view.last_model_step(blame.step if blame is not None else None)
    return (names[0], failure.expected_value(names[0]), asked) if asked is not None else None


def _values(expected: Any) -> list[str]:
    """Texts by which a value is known again; flags and single letters stand everywhere."""
    if is_blank(expected) or isinstance(expected, bool):
        return []
    return [text for text in texts_in(expected) if len(text.strip()) >= 2 or text.strip().isdigit()]


def _holds_value(text: str, expected: Any) -> bool:
    values = _values(expected)
    enough = any if isinstance(expected, AnyOf) else all
    return bool(values) and enough(mentions(text, value) for value in values)


def _was_given(fields: FieldMap, reading: CaseRun | None, asked: StepView, expected: Any) -> bool:
    """True if the step (any call of it) was told a value by what went into it; by its prompt it is not."""
    if reading is None:
        return False
    steps = [step for step in reading.view.steps if step.name == asked.name]
    prompt = fields.prompt_lines(asked.name)
    sent = [line for step in steps for line in step.messages_text.splitlines() if line not in prompt]
    # What the step was called with is no part of the prompt, though it may be the same in all cases.
    given = [whole_text(step.step.inputs) for step in steps]
    return _holds_value("\n".join([*given, *sent]), expected)


def _gave_up(failure: Failure, name: str, asked: StepView) -> bool:
    """True if the answer is what the model says where it was not given the value: then the value is in
    what it was given by chance only (the same number in another passage)."""
    said = normal(asked.answer or "")
    memo, entry = failure.fields.memo, ("gave up", name, asked.key, said)
    if entry not in memo:
        memo[entry] = float(_says_so_elsewhere(failure, name, asked, said))
    return bool(memo[entry])


def _says_so_elsewhere(failure: Failure, name: str, asked: StepView, said: str) -> bool:
    like: list[bool] = []
    for reading in failure.fields.readings:
        other = reading.view.by_key(asked.key)
        if other is None or normal(other.answer or "") != said:
            continue
        if reading.passed:
            return False
        value = failure.fields.expected.get(name, {}).get(reading.case.key)
        like.append(not _was_given(failure.fields, reading, asked, value))
    return len(like) >= 4 and sum(like) >= 0.6 * len(like)


def _share_given(failure: Failure, name: str, asked: StepView) -> float:
    entry = ("given", name, asked.name)
    return _share_of_passing(
        failure, name, entry, lambda reading, value: _was_given(failure.fields, reading, asked, value)
    )


def _share_gave(failure: Failure, name: str, key: str) -> float:
    return _share_of_passing(
        failure, name, ("gave", name, key), lambda reading, value: _gave(reading, key, value)
    )


def _share_of_passing(
    failure: Failure, name: str, entry: tuple[str, ...], holds: Callable[[CaseRun, Any], bool]
) -> float:
    """Share of the passing cases, of two or more, of which `holds` holds."""
    memo = failure.fields.memo
    if entry in memo:
        return memo[entry]
    verdicts = []
    for reading in failure.fields.readings:
        value = failure.fields.expected.get(name, {}).get(reading.case.key)
        if reading.passed and _values(value) and not _abstains(failure, name, value):
            verdicts.append(holds(reading, value))
    memo[entry] = sum(verdicts) / len(verdicts) if len(verdicts) >= 2 else 0.0
    return memo[entry]


def _abstains(failure: Failure, name: str, value: Any) -> bool:
    """True if a label says that there is no answer, whatever its words: the one label of several cases that
    no step of them is ever told, while most others are."""
    memo = failure.fields.memo
    if ("abstentions", name) not in memo:
        told: dict[str, list[bool]] = defaultdict(list)
        for reading in failure.fields.readings:
            label = failure.fields.expected.get(name, {}).get(reading.case.key)
            if reading.passed and _values(label):
                told[plain(label)].append(_was_in_data(reading, label))
        never = [label for label, group in told.items() if len(group) >= 2 and not any(group)]
        others = [any(group) for label, group in told.items() if label not in never]
        only = len(never) == 1 and len(others) >= 2 and sum(others) >= MOSTLY_GIVEN * len(others)
        memo |= {("abstains", name, label): 1.0 for label in never if only}
        memo["abstentions", name] = 1.0
    return ("abstains", name, plain(value)) in memo


def _was_in_data(reading: CaseRun, value: Any) -> bool:
    """True if a value is in the data that the steps had before one of them gave it; prompts are none."""
    for step in reading.view.steps:
        if _holds_value(whole_text(step.step.inputs), value):
            return True
        if same(value, step.output):
            return False
        if _holds_value(whole_text(step.output), value):
            return True
    return False


def _loser(failure: Failure, asked: StepView, expected: Any) -> StepView | None:
    """The last step before the answer that was given the value and did not pass it on."""
    assert failure.view is not None
    before = [step for step in failure.view.steps if step.order < asked.order and step.name != asked.name]
    for step in reversed(before):
        if step.output is None or _holds_value(whole_text(step.output), expected):
            continue
        if _holds_value(whole_text(step.step.inputs), expected) and _passes_on(failure, step):
            return step
    return None


def _passes_on(failure: Failure, step: StepView) -> bool:
    """True if the step hands over texts: in passing cases its output holds the right values."""
    return any(_share_gave(failure, name, step.key) >= MOSTLY_GIVEN for name in failure.failing_fields)


def _finder(failure: Failure, name: str, asked: StepView) -> StepView | None:
    """The first step before the answer whose output tells the right value in passing cases: those after it
    hand on what it found."""
    assert failure.view is not None
    for step in failure.view.steps:
        if step.order >= asked.order or step.name == asked.name or isinstance(step.output, str):
            continue
        if _share_gave(failure, name, step.key) >= MOSTLY_GIVEN:
            return _in_charge(failure, name, step)
    return None


def _in_charge(failure: Failure, name: str, finder: StepView) -> StepView:
    """The step that has the finder look again and again, where there is one: how often is its decision."""
    assert failure.view is not None
    parent = finder.step.parent
    calls = [step for step in failure.view.steps if step.name == finder.name and step.step.parent == parent]
    for step in failure.view.steps:
        inner = step.step.index == parent and step.step.parent is not None
        if inner and len(calls) >= 2 and _share_gave(failure, name, step.key) >= MOSTLY_GIVEN:
            return step
    return finder


def _gave(reading: CaseRun, key: str, value: Any) -> bool:
    step = reading.view.by_key(key)
    return step is not None and _holds_value(whole_text(step.output), value)


def _in_case(failure: Failure, expected: Any) -> bool:
    return _holds_value(whole_text(failure.case.inputs), expected)
