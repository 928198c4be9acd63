"""Steps whose text leaves out what the step after it needs to decide, where cases that pass keep it."""

from __future__ import annotations

import re

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.text import listing
from pytest_fapo.diagnosis.blame import blame_fields
from pytest_fapo.diagnosis.failure import Failure, shown
from pytest_fapo.diagnosis.field_map import readable_output
from pytest_fapo.diagnosis.loose_values import mentions, texts_in, whole_text
from pytest_fapo.diagnosis.trace_view import StepView

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def lost_facts(failure: Failure) -> Finding | None:
    """A text without a number of its input, with which the next model has to do.

    Most texts leave something out: it is the comparison with cases that pass that tells whether it matters.
    """
    asked = _deciding(failure)
    for step in failure.view.model_steps if failure.view is not None and asked is not None else ():
        assert asked is not None
        lost = _lost(step, asked) if step.order < asked.order and step.name != asked.name else []
        if lost:
            return failure.finding(
                "content",
                step,
                f"{step.key} left out {listing(lost)} of what it was given: {shown(step.answer, 100)}, and "
                f"{asked.key} had nothing else to go by",
                confidence=0.75,
                actual=step.answer,
            )
    return None


def _deciding(failure: Failure) -> StepView | None:
    """The step with a model that gives the failing field; in passing cases, too."""
    blame = blame_fields(failure)
    if failure.view is None or (blame is not None and blame.carrier.mode != "value"):
        return None
    if blame is not None:
        return failure.view.last_model_step(blame.step)
    for name in failure.failing_fields:
        for carrier in failure.fields.carriers.get(name, []):
            step = failure.view.by_key(carrier.step)
            if step is not None and carrier.mode == "value":
                return failure.view.last_model_step(step)
    return None


def only_source(step: StepView, asked: StepView) -> bool:
    """True if a step's output went into another one, in place of what the step itself was given."""
    given = "\n".join((whole_text(asked.step.inputs), asked.messages_text))
    texts = [text for text in texts_in(step.step.inputs) if len(text) > len(_text(step)) / 2]
    return mentions(given, _text(step)) and not any(mentions(given, text) for text in texts)


def _lost(step: StepView, asked: StepView) -> list[str]:
    """The numbers in what a step was given that were told to the deciding one by nobody."""
    if not step.answer or not only_source(step, asked):
        return []
    given = whole_text([asked.step.inputs, asked.messages_text])
    numbers = dict.fromkeys(_NUMBER.findall(whole_text(step.step.inputs)))
    return [number for number in numbers if not mentions(given, number)]


def _text(step: StepView) -> str:
    return whole_text(readable_output(step))
