"""Steps that came back with nothing."""

from __future__ import annotations

from typing import Any

from pytest_fapo.diagnose.failure import Failure
from pytest_fapo.models import Finding
from pytest_fapo.reading import FieldMap, StepView

_NOTHING: tuple[Any, ...] = (None, "", [], {})


def cascade(failure: Failure) -> Finding | None:
    """An early empty step with nothing but empties after it."""
    found = _empty_steps(failure)
    if failure.view is None or len(found) < 2:
        return None
    first = found[0]
    after = [step for step in failure.view.steps if step.order > first.order and not _encloses(step, first)]
    speaking = [step for step in after if step.output is not None or step.answer]
    if not speaking or not all(_is_empty(step) for step in speaking):
        return None
    names = ", ".join(step.key for step in found[1:])
    return failure.finding(
        "cascade",
        first,
        f"{first.key} came back empty, and so did {names}",
        confidence=0.8,
        level="structure",
    )


def empty(failure: Failure) -> Finding | None:
    """A step that came back empty though its siblings did not."""
    found = _empty_steps(failure)
    if not found:
        return None
    step = found[0]
    what = "the model answered with an empty text" if step.calls and not step.answer else "it came back empty"
    return failure.finding("empty", step, f"{what}; in other cases it does not", confidence=0.6)


def _empty_steps(failure: Failure) -> list[StepView]:
    if failure.view is None:
        return []
    return [
        step for step in failure.view.steps if _is_empty(step) and _speaks_elsewhere(failure.fields, step)
    ]


def _is_empty(step: StepView) -> bool:
    output = step.output.strip() if isinstance(step.output, str) else step.output
    return output in _NOTHING and not (step.answer or "").strip()


def _speaks_elsewhere(fields: FieldMap, step: StepView) -> bool:
    """A function that never returns anything is not empty, it is a procedure."""
    others = [found for reading in fields.readings if (found := reading.view.by_key(step.key))]
    return bool(step.calls) or any(not _is_empty(other) for other in others)


def _encloses(step: StepView, inner: StepView) -> bool:
    return step.step.index < inner.step.index and step.order > inner.order
