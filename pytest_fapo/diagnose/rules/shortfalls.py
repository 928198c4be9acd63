"""Steps that hand over less than in the passing cases: a text cut short, a list with too few entries."""

from __future__ import annotations

from pytest_fapo.diagnose.blame import blame_fields
from pytest_fapo.diagnose.failure import Failure, shown
from pytest_fapo.models import Finding
from pytest_fapo.reading import StepView
from pytest_fapo.reading.values import texts_in

ENOUGH = 3
"""Passing cases that it takes to know what is usual."""
MOST_CUT = 0.3
"""Share of passing cases whose text may be cut too: then the cut is not what makes the difference."""


def cut_short(failure: Failure) -> Finding | None:
    """A code step that gave only the beginning of the text that it was given."""
    for step in _before_the_answer(failure):
        if step.calls or not is_cut(step):
            continue
        others = _elsewhere(failure, step, passed=True)
        if len(others) >= ENOUGH and sum(map(is_cut, others)) <= MOST_CUT * len(others):
            return failure.finding(
                "retrieval",
                step,
                f"{step.key} gave only the first {len(step.output)} characters of the text that it was "
                "given; where cases pass, it gives the whole",
                confidence=0.75,
                level="param",
                actual=step.output,
            )
    return None


def too_few(failure: Failure) -> Finding | None:
    """A step with a model whose list has fewer entries than in any passing case."""
    for step in _before_the_answer(failure):
        if not step.calls or not isinstance(step.output, list):
            continue
        usual = [len(o.output) for o in _elsewhere(failure, step, passed=True) if isinstance(o.output, list)]
        if len(usual) >= ENOUGH and len(step.output) < min(usual):
            return failure.finding(
                "format",
                step,
                f"{step.key} gave {len(step.output)} of what are {min(usual)} or more where cases pass: "
                f"{shown(step.answer or step.output, 100)}",
                confidence=0.7,
                actual=step.answer,
            )
    return None


def is_cut(step: StepView) -> bool:
    """Whether a step's output is a text that it was given, without its end."""
    output = step.output
    if not isinstance(output, str) or len(output) < 20:
        return False
    head = output.rstrip(" .…")
    return any(
        len(text.strip()) > len(output) and text.startswith(head) for text in texts_in(step.step.inputs)
    )


def _before_the_answer(failure: Failure) -> list[StepView]:
    """The steps before the one that carries the wrong value."""
    if failure.view is None:
        return []
    blame = blame_fields(failure)
    last = blame.step if blame is not None else failure.last_step
    return [step for step in failure.view.steps if last is not None and step.order < last.order]


def _elsewhere(failure: Failure, step: StepView, *, passed: bool) -> list[StepView]:
    found = [reading.view.by_key(step.key) for reading in failure.fields.readings if reading.passed is passed]
    return [other for other in found if other is not None]
