"""Texts that lack required content, contain forbidden content, or are too long."""

from __future__ import annotations

from typing import Any

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.diagnosis.assertions import Requirement, stated_requirement
from pytest_fapo.diagnosis.blame import blame_chooser, upstream
from pytest_fapo.diagnosis.failure import Failure, shown
from pytest_fapo.diagnosis.loose_values import mentions, normal, texts_in, whole_text
from pytest_fapo.diagnosis.trace_view import StepView


def requirement(failure: Failure) -> Finding | None:
    """An assertion on a text: blamed on the step that wrote the text, or on what it was given."""
    if failure.view is None:
        return None
    demand = stated_requirement(failure.assertion, failure.case.expected, failure.view.trace.output)
    if demand is None:
        return None
    step = _writer(failure, demand)
    if step is None:
        return None
    cause = upstream(failure, step, demand.field)
    if cause is not None and demand.kind == "include" and not _in_inputs(failure, demand.value):
        return failure.finding(
            "label" if failure.fields.closed_set(cause.field) else "content",
            cause.step,
            f"{cause.field}: {cause.step.key} gave {shown(cause.actual)} instead of {shown(cause.expected)}, "
            f"and {step.key} went on with it: {demand.sentence}",
            confidence=0.65,
            field=cause.field,
            expected=cause.expected,
            actual=cause.actual,
        )
    return _not_retrieved(failure, demand, step) or failure.finding(
        "requirement",
        step,
        f"the text of {step.key} {demand.sentence}",
        confidence=0.8,
        field=demand.field,
        expected=demand.value,
        actual=step.answer,
    )


def _writer(failure: Failure, demand: Requirement) -> StepView | None:
    """The step that wrote the text: the first whose output is that text, else the first that holds it."""
    assert failure.view is not None
    text = normal(_final_text(failure, demand))
    for fits in (str.__eq__, str.__contains__):
        for step in failure.view.steps:
            if text and any(fits(normal(leaf), text) for leaf in texts_in(step.output)):
                return step if step.calls else failure.view.last_model_step(step) or step
    return failure.last_step


def _final_text(failure: Failure, demand: Requirement) -> str:
    """The text of the output that the assertion looked at: the one that fits its pieces, else the longest."""
    assert failure.view is not None
    texts = [text for text in texts_in(failure.view.trace.output) if text.strip()]
    for text in texts:
        if demand.pieces and all(piece in text for piece in demand.pieces):
            return text
    return max(texts, key=len, default="")


def _in_inputs(failure: Failure, value: Any) -> bool:
    text = whole_text(failure.case.inputs)
    return any(mentions(text, item) for item in texts_in(value))


def _not_retrieved(failure: Failure, demand: Requirement, writer: StepView) -> Finding | None:
    """The text lacks what passages tell elsewhere, and here they do not."""
    if demand.kind != "include" or failure.view is None or _in_inputs(failure, demand.value):
        return None
    items = list(texts_in(demand.value))
    for step in failure.view.steps:
        if step.calls or step.order >= writer.order or not isinstance(step.output, list) or not step.output:
            continue
        if any(mentions(whole_text(step.output), item) for item in items):
            continue
        if _given_elsewhere(failure, step.key, demand.field) >= 0.7:
            return blame_chooser(failure, step, demand.field, demand.value) or failure.finding(
                "retrieval",
                step,
                f"no passage that {step.key} returned tells {shown(demand.value)}",
                confidence=0.7,
                level="param",
                field=demand.field,
                expected=demand.value,
            )
    return None


def _given_elsewhere(failure: Failure, key: str, name: str) -> float:
    """Share of the passing cases whose passages tell what their text must include."""
    memo, entry = failure.fields.memo, ("told elsewhere", key, name)
    if entry not in memo:
        memo[entry] = _share_given_passages(failure, key, name)
    return memo[entry]


def _share_given_passages(failure: Failure, key: str, name: str) -> float:
    mentioned: list[bool] = []
    for reading in failure.fields.readings:
        value = failure.fields.expected.get(name, {}).get(reading.case.key)
        step = reading.view.by_key(key)
        if reading.passed and step is not None and value:
            given = whole_text(reading.case.inputs)
            items = [item for item in texts_in(value) if not mentions(given, item)]
            if items:
                mentioned.append(any(mentions(whole_text(step.output), item) for item in items))
    return sum(mentioned) / len(mentioned) if mentioned else 0.0
