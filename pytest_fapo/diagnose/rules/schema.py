"""Outputs that should be structured and are not, or lack fields."""

from __future__ import annotations

import re

from pytest_fapo.diagnose.failure import Failure, shown
from pytest_fapo.models import Finding
from pytest_fapo.reading import FieldMap, StepView
from pytest_fapo.reading.values import leaves, looks_like_json, normal, plain, read_json

PARSE_ERRORS = {"JSONDecodeError", "ValidationError", "YAMLError", "ParserError", "ScannerError"}
_VALUE_ERRORS = {"KeyError", "ValueError", "TypeError", "IndexError", "AttributeError", "LookupError"}


def schema(failure: Failure) -> Finding | None:
    """A parse that failed on a model's answer, or an answer that is JSON in the siblings but not here."""
    return _from_exception(failure) or _from_siblings(failure)


def parse_failed(failure: Failure) -> bool:
    """Whether an exception says that an answer could not be read."""
    return _error_type(failure) in PARSE_ERRORS


def _from_exception(failure: Failure) -> Finding | None:
    kind = _error_type(failure)
    if failure.view is None or kind not in PARSE_ERRORS | _VALUE_ERRORS:
        return None
    erring = next((step for step in failure.view.steps if step.step.error), None)
    step = failure.view.last_asking(erring) or failure.last_step
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
    for step in failure.view.asking:
        answer = step.answer or ""
        reading = read_json(answer)
        if not answer.strip() or (reading is not None and reading.clean):
            continue
        if reading is not None and isinstance(reading.value, dict) and _ignored(step, reading.value):
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


def _ignored(step: StepView, told: dict[str, object]) -> bool:
    """Whether nothing of an answer's JSON reached the step's own output."""
    if step.output is None or step.output == step.answer:
        return False
    values = [plain(value) for _, value in leaves(told) if value not in (None, "", [])]
    text = plain(step.output)
    return bool(values) and not any(value in text for value in values)


def _json_elsewhere(fields: FieldMap, key: str) -> bool:
    """Whether a step's answers are clean JSON in most passing cases."""
    entry = ("JSON elsewhere", key)
    if entry not in fields.memo:
        fields.memo[entry] = _clean_share(fields, key)
    return fields.memo[entry] >= 0.7


def _clean_share(fields: FieldMap, key: str) -> float:
    clean = told = 0
    for reading in fields.readings:
        step = reading.view.by_key(key)
        if reading.passed and step is not None and step.answer:
            told += 1
            found = read_json(step.answer)
            clean += found is not None and found.clean
    return clean / told if told else 0.0


def _error_type(failure: Failure) -> str:
    kind = failure.assertion.error or failure.item.error_type.rpartition(".")[2]
    if kind and kind != "AssertionError":
        return kind
    raised = (failure.view.trace.error or "") if failure.view is not None else ""
    return raised.partition(":")[0].rpartition(".")[2]
