"""Outputs that should be structured and are not, lack fields, are empty one after another, or cut short."""

from __future__ import annotations

import re
from typing import Any

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.diagnosis.blame import blame_fields
from pytest_fapo.diagnosis.failure import Failure, shown
from pytest_fapo.diagnosis.field_map import FieldMap
from pytest_fapo.diagnosis.loose_values import (
    alike,
    leaves,
    looks_like_json,
    normal,
    plain,
    read_json,
    texts_in,
)
from pytest_fapo.diagnosis.trace_view import StepView

PARSE_ERRORS = {"JSONDecodeError", "ValidationError", "YAMLError", "ParserError", "ScannerError"}

_VALUE_ERRORS = {"KeyError", "ValueError", "TypeError", "IndexError", "AttributeError", "LookupError"}


def schema(failure: Failure) -> Finding | None:
    """A parse that failed on a model's answer, or an answer that is JSON in the siblings but not here."""
    return _from_exception(failure) or _from_siblings(failure)


def _from_exception(failure: Failure) -> Finding | None:
    kind = _error_type(failure)
    if failure.view is None or kind not in PARSE_ERRORS | _VALUE_ERRORS:
        return None
    erring = next((step for step in failure.view.steps if step.step.error), None)
    step = failure.view.last_model_step(erring) or failure.last_step
    if step is None or not step.calls:
        return None
    answer = step.answer or ""
    reading = read_json(answer)
    missing = _missing_key(failure, step, answer, kind)
    if missing is not None or kind == "KeyError":
        return missing
    if kind in PARSE_ERRORS:
        what = "JSON inside other text" if reading is not None and not reading.clean else "no valid JSON"
        if reading is not None and reading.clean:
            what = "JSON that the code did not accept"
        message = failure.assertion.message
        return failure.finding(
            "schema", step, f"{step.key} answered with {what}: {shown(answer, 90)} ({kind}: {message[:80]})",
            confidence=0.9, actual=answer,
        )  # fmt: skip
    if _json_elsewhere(failure.fields, step.key) and (reading is None or not reading.clean):
        return failure.finding(
            "schema", step, f"{step.key} answered {shown(answer, 90)}, elsewhere JSON; {kind}",
            confidence=0.85, actual=answer,
        )  # fmt: skip
    return None


def _missing_key(failure: Failure, step: StepView, answer: str, kind: str) -> Finding | None:
    reading = read_json(answer)
    has = (
        {path for path, _ in leaves(reading.value)} if reading and isinstance(reading.value, dict) else set()
    )
    message = failure.assertion.message or (failure.view.trace.error if failure.view else "") or ""
    key = message.strip().strip("'\"")
    if kind != "KeyError":
        lacking = [name for name in failure.fields.expected if name and has and name not in has]
        key = next((name for name in lacking if re.search(rf"\b{re.escape(name)}\b", message)), "")
    if not key or key in has:
        return None
    if not (
        looks_like_json(answer) or _json_elsewhere(failure.fields, step.key) or key in failure.fields.expected
    ):
        return None
    near = next((path for path in has if normal(path) == normal(key)), "")
    spelled = f", which it spelled {near!r}" if near else ""
    return failure.finding(
        "schema",
        step,
        f"{step.key} gave no field {key!r}{spelled}: {shown(answer, 90)}",
        confidence=0.85,
        actual=answer,
        expected=key,
    )


def _from_siblings(failure: Failure) -> Finding | None:
    """Without an exception: the code swallowed an answer that it could not parse."""
    if failure.view is None:
        return None
    for step in failure.view.model_steps:
        answer = step.answer or ""
        reading = read_json(answer)
        if not answer.strip() or (reading is not None and reading.clean):
            continue
        if (
            reading is not None
            and isinstance(reading.value, dict)
            and _ignored(step, reading.value)
            and _is_asked_for(failure, reading.value)
        ):
            return failure.finding(
                "schema", step, f"{step.key} wrapped its JSON in other text and the code did not read it: "
                f"{shown(answer, 90)}", confidence=0.8, actual=answer,
            )  # fmt: skip
        if reading is None and _json_elsewhere(failure.fields, step.key):
            return failure.finding(
                "schema", step, f"{step.key} answered {shown(answer, 90)}, in other cases with JSON",
                confidence=0.8, actual=answer,
            )  # fmt: skip
    return None


def _ignored(step: StepView, answered: dict[str, object]) -> bool:
    """True if nothing of an answer's JSON reached the step's own output, but for the answer as it came."""
    raw = (step.answer or "").strip()
    if step.output is None or (isinstance(step.output, str) and raw in step.output):
        return False
    values = [plain(value) for _, value in leaves(answered) if value not in (None, "", [])]
    text = plain([value for value in texts_in(step.output) if raw not in value])
    return bool(values) and not any(value in text for value in values)


def _is_asked_for(failure: Failure, answered: dict[str, object]) -> bool:
    """True if the failure may be about an answer's JSON: its keys, its values, or no other model asked."""
    assert failure.view is not None
    names = failure.failing_fields
    if not names or len(failure.view.model_steps) == 1:
        return True
    found = list(leaves(answered))
    keys = {path.rpartition(".")[2] for path, _ in found}
    return any(
        name.rpartition(".")[2] in keys
        or any(alike(failure.expected_value(name), value) for _, value in found)
        for name in names
    )


def _json_elsewhere(fields: FieldMap, key: str) -> bool:
    """True if a step's answers are clean JSON in most passing cases."""
    entry = ("JSON elsewhere", key)
    if entry not in fields.memo:
        fields.memo[entry] = _clean_share(fields, key)
    return fields.memo[entry] >= 0.7


def _clean_share(fields: FieldMap, key: str) -> float:
    clean = answered = 0
    for reading in fields.readings:
        step = reading.view.by_key(key)
        if reading.passed and step is not None and step.answer:
            answered += 1
            reading_of = read_json(step.answer)
            clean += reading_of is not None and reading_of.clean
    return clean / answered if answered else 0.0


def _error_type(failure: Failure) -> str:
    kind = failure.assertion.error or failure.item.error_type.rpartition(".")[2]
    if kind and kind != "AssertionError":
        return kind
    raised = (failure.view.trace.error or "") if failure.view is not None else ""
    return raised.partition(":")[0].rpartition(".")[2]


_NOTHING: tuple[Any, ...] = (None, "", [], {})


def cascade(failure: Failure) -> Finding | None:
    """An early empty step with nothing but empties after it."""
    empties = _empty_steps(failure)
    if failure.view is None or len(empties) < 2:
        return None
    first = empties[0]
    after = [step for step in failure.view.steps if step.order > first.order and not _encloses(step, first)]
    speaking = [step for step in after if step.output is not None or step.answer]
    if not speaking or not all(_is_empty(step) for step in speaking):
        return None
    names = ", ".join(step.key for step in empties[1:])
    return failure.finding(
        "cascade",
        first,
        f"{first.key} came back empty, and so did {names}",
        confidence=0.8,
        level="structure",
    )


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
    others = [view for reading in fields.readings if (view := reading.view.by_key(step.key))]
    return bool(step.calls) or any(not _is_empty(other) for other in others)


def _encloses(step: StepView, inner: StepView) -> bool:
    return step.step.index < inner.step.index and step.order > inner.order


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
    """True if a step's output is a text that it was given, without its end."""
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
        others = _passing_views(failure, key)
        memo[entry] = sum(map(is_cut, others)) / len(others) if len(others) >= ENOUGH else 1.0
    return memo[entry]


def _fewest(failure: Failure, key: str) -> int:
    """The fewest entries that the step's list has in a passing case; 0 where too few tell."""
    memo, entry = failure.fields.memo, ("fewest", key)
    if entry not in memo:
        counts = [len(step.output) for step in _passing_views(failure, key) if isinstance(step.output, list)]
        memo[entry] = min(counts) if len(counts) >= ENOUGH else 0
    return int(memo[entry])


def _passing_views(failure: Failure, key: str) -> list[StepView]:
    views = [reading.view.by_key(key) for reading in failure.fields.readings if reading.passed]
    return [step for step in views if step is not None]
