"""Values that are right and still never equal to their label: of another type, or in another order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.diagnosis.asserted_step import answering_step
from pytest_fapo.diagnosis.failure import Failure, shown
from pytest_fapo.diagnosis.field_map import output_leaves
from pytest_fapo.diagnosis.label_values import AnyOf, Near
from pytest_fapo.diagnosis.loose_values import alike, is_number, read_json, same, same_entries


def never_equal(failure: Failure) -> Finding | None:
    """The finding that a value says the same as its label in another way, with what would help."""
    return None if _is_forgiven(failure) else _of_another_type(failure) or _reordered(failure)


def _is_forgiven(failure: Failure) -> bool:
    """True if cases pass although their value is not equal to its label: the test does not ask for that."""
    memo, entry = failure.fields.memo, ("unequal and passing", *failure.failing_fields)
    if entry not in memo:
        outputs = [
            (reading.case.key, output_leaves(reading.view.trace.output))
            for reading in failure.fields.readings
            if reading.passed
        ]
        labels = failure.fields.expected
        memo[entry] = any(
            key in labels[name]
            and name in output
            and not same(_without_tolerance(labels[name][key]), output[name])
            for name in failure.failing_fields or labels
            for key, output in outputs
        )
    return bool(memo[entry])


def _without_tolerance(label: Any) -> Any:
    """Return a label without its tolerance."""
    return float(label) if isinstance(label, Near) else label


def _of_another_type(failure: Failure) -> Finding | None:
    """A number or truth value and a text that says it: no wording makes one of a model's plain answer."""
    step = answering_step(failure)
    for name, expected, actual in _compared(failure):
        kinds = (_kind(expected), _kind(actual))
        if "a text" not in kinds or len(set(kinds)) < 2 or "" in kinds or not alike(expected, actual):
            continue
        if step is None or read_json(step.answer or "") is not None:
            continue
        finding = failure.finding(
            "format",
            step,
            f"the label {shown(expected)} is {kinds[0]}, and the output {shown(actual)} is {kinds[1]}: "
            "they are never equal, whatever the prompt says",
            confidence=0.85,
            level="structure",
            field=name,
            expected=expected,
            actual=actual,
        )
        how = "answer == 'yes'" if "a truth value" in kinds else "int(...)"
        fix = f"Convert the value in the code, such as by {how}, or compare it as a text in the test."
        return finding.model_copy(update={"fix": fix})
    return None


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    return "a number" if is_number(value) else "a text" if isinstance(value, str) else ""


def _reordered(failure: Failure) -> Finding | None:
    """The right entries in another order, where the test compares the order, too."""
    for name, expected, actual in _compared(failure):
        lists = isinstance(expected, list) and not isinstance(expected, AnyOf) and isinstance(actual, list)
        differ = lists and same_entries(expected, actual) and not same(expected, actual)
        if differ and failure.assertion.operator == "==":
            finding = failure.finding(
                "format",
                answering_step(failure),
                f"{name or 'the output'} has the right entries in another order: {shown(actual)} instead of "
                f"{shown(expected)}",
                confidence=0.8,
                field=name,
                expected=expected,
                actual=actual,
            )
            fix = "Say the order in the prompt; if it does not matter, compare sorted lists in the test."
            return finding.model_copy(update={"fix": fix})
    return None


def _compared(failure: Failure) -> Iterator[tuple[str, Any, Any]]:
    """(field, label, the output's value) of what a failure may be about."""
    if failure.reading is None:
        return
    output = output_leaves(failure.reading.view.trace.output)
    names = failure.failing_fields or [
        name for name, values in failure.fields.expected.items() if failure.case.key in values
    ]
    for name in names:
        if name in output:
            yield name, failure.expected_value(name), output[name]
