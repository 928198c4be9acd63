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
        if _share_cut(failure, step.key) <= MOST_CUT:
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
        usual = _fewest(failure, step.key)
        if len(step.output) < usual:
            return failure.finding(
                "format",
                step,
                f"{step.key} gave {len(step.output)} of what are {usual} or more where cases pass: "
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


def _share_cut(failure: Failure, key: str) -> float:
    """Share of the passing cases whose text the step cuts too; 1 where too few tell."""
    memo, entry = failure.fields.memo, ("cut", key)
    if entry not in memo:
        others = _passing(failure, key)
        memo[entry] = sum(map(is_cut, others)) / len(others) if len(others) >= ENOUGH else 1.0
    return memo[entry]


def _fewest(failure: Failure, key: str) -> int:
    """The fewest entries that the step's list has in a passing case; 0 where too few tell."""
    memo, entry = failure.fields.memo, ("fewest", key)
    if entry not in memo:
        counts = [len(step.output) for step in _passing(failure, key) if isinstance(step.output, list)]
        memo[entry] = min(counts) if len(counts) >= ENOUGH else 0
    return int(memo[entry])


def _passing(failure: Failure, key: str) -> list[StepView]:
    found = [reading.view.by_key(key) for reading in failure.fields.readings if reading.passed]
    return [step for step in found if step is not None]
