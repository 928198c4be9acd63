"""The step that gave the value at which the failing assertion looked, and the steps that had a part in it."""

from __future__ import annotations

from typing import Any

from pytest_fapo.diagnosis.assertions import read_requirement
from pytest_fapo.diagnosis.failure import Failure
from pytest_fapo.diagnosis.field_map import OUTPUT, output_leaves, readable_output
from pytest_fapo.diagnosis.loose_values import is_blank, mentions, same, texts_in, whole_text
from pytest_fapo.diagnosis.trace_view import StepView


def answering_step(failure: Failure) -> StepView | None:
    """Return the step whose output is the asserted value, with a model if one is; else one whose output
    contains it; else the last step that asked a model. Of code that gives it the model asked before it has
    the say.
    """
    steps = _origins(failure)
    asked = next((step for step in steps if step.calls), None)
    if asked is not None or not steps or failure.view is None:
        return asked or failure.last_step
    return failure.view.last_model_step(steps[0]) or steps[0]


def had_a_part(failure: Failure, step: StepView) -> bool:
    """True unless the trace shows that a step's output went nowhere near the asserted value."""
    assert failure.view is not None
    origins = _origins(failure)
    if not origins or not whole_text([step.output, step.answer]).strip():
        return True
    if any(step.ran_within(origin) or origin.ran_within(step) or step is origin for origin in origins):
        return True
    reached = [step]
    for other in failure.view.steps:
        if other.order > step.order and any(went_into(each, other) for each in reached):
            reached.append(other)
    return any(step is origin or step.ran_within(origin) for step in reached for origin in origins)


def _origins(failure: Failure) -> list[StepView]:
    """Return the steps whose output equals the asserted value, in order; where none does, those that contain
    it.
    """
    if failure.view is None:
        return []
    values = [value for value in asserted_values(failure) if not is_blank(value)]
    steps = [step for step in failure.view.steps if step.output is not None or step.answer]
    equal = [step for step in steps if any(_gives(step, value) for value in values)]
    return equal or [step for step in steps if any(_contains(step, value) for value in values)]


def asserted_values(failure: Failure) -> list[Any]:
    """Return the pipeline's own values that the failing assertion compared, as far as it can be told."""
    if failure.reading is None:
        return []
    output = output_leaves(failure.reading.view.trace.output)
    paths = [
        carrier.path
        for name in failure.failing_fields
        for carrier in failure.fields.carriers.get(name, [])
        if carrier.step == OUTPUT
    ]
    values = [output[path] for path in dict.fromkeys(paths) if path in output]
    if not values:
        forms = (failure.fields.forms.asserted.get(name, {}) for name in failure.failing_fields)
        values = [each[failure.case.key] for each in forms if failure.case.key in each]
    if values:
        return values
    assertion = failure.assertion
    sides = [side for side in (assertion.left, assertion.right) if side is not None]
    if read_requirement(assertion, failure.case.expected) is not None or assertion.operator == "in":
        sides = sides[1:] if assertion.operator in ("in", "not in") else []
        sides += [assertion.argument] if assertion.argument is not None else []
    known = [side.value for side in sides if side.known]
    return [value for value in output.values() if any(same(value, each) for each in known)]


def _gives(step: StepView, value: Any) -> bool:
    return any(same(value, leaf) for leaf in output_leaves(readable_output(step)).values())


def _contains(step: StepView, value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_contains(step, entry) for entry in value)
    return isinstance(value, (str, int, float)) and mentions(whole_text(readable_output(step)), value)


def went_into(step: StepView, other: StepView) -> bool:
    """True if something of a step's output is in what another one was given, as far as that is known."""
    if other.step.inputs is None and not other.calls:
        return True
    given = "\n".join((whole_text(other.step.inputs), other.messages_text))
    return any(mentions(given, text) for text in (*texts_in(step.output), *texts_in(step.answer)))
