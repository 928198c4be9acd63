"""Tests that no output can pass: they ask for equality, and the output always has keys that no label has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.text import listing
from pytest_fapo.diagnosis.failure import Failure
from pytest_fapo.diagnosis.field_map import CaseRun, output_leaves, readable_output
from pytest_fapo.diagnosis.loose_values import same
from pytest_fapo.diagnosis.trace_view import StepView

ENOUGH = 3
"""Cases that it takes to say that an output always has a key."""


def extra_keys(failure: Failure) -> Finding | None:
    """All that is labeled is right, and there is more, in every case: said, with the assertion that would
    work."""
    if failure.reading is None or not _compares_objects(failure):
        return None
    for path, label, output in _objects(failure.case.expected, failure.reading.view.trace.output):
        extra = _always_there(failure, path)
        if not extra or not all(key in output and same(label[key], output[key]) for key in label):
            continue
        step = _giver(failure, extra[0])
        where = f"[{path!r}]" if path else ""
        keys = f"{{key: run.output{where}.get(key) for key in case.expected{where}}}"
        finding = failure.finding(
            "schema",
            step,
            f"the output always has {listing(map(repr, extra), most=4)}, which no label has, and all that is "
            "labeled is right: compared whole, no output passes",
            confidence=0.95,
            field=path,
            expected=dict(label),
            actual=dict(output),
        )
        fix = f"Compare what is labeled: assert {keys} == case.expected{where}"
        return finding.model_copy(update={"fix": fix})
    return None


def _compares_objects(failure: Failure) -> bool:
    sides = (failure.assertion.left, failure.assertion.right)
    return failure.assertion.operator == "==" and all(side and side.text[:1] == "{" for side in sides)


def _objects(
    expected: Any, output: Any, path: str = ""
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """The objects of a label, beside what the output has there: the whole, and those in its keys."""
    if isinstance(expected, Mapping) and isinstance(output, Mapping):
        yield path, expected, output
        if not path:
            for key, inner in expected.items():
                yield from _objects(inner, output.get(key), str(key))


def _always_there(failure: Failure, path: str) -> list[str]:
    """Keys that every output has at a path and no label has."""
    outputs: list[set[str]] = []
    labels: set[str] = set()
    for reading in failure.fields.readings:
        found = next((found for found in _objects(*_sides(reading)) if found[0] == path), None)
        if found is not None:
            labels |= set(found[1])
            outputs.append(set(found[2]))
    if len(outputs) < ENOUGH:
        return []
    return sorted(set.intersection(*outputs) - labels)


def _sides(reading: CaseRun) -> tuple[Any, Any]:
    return reading.case.expected, reading.view.trace.output


def _giver(failure: Failure, key: str) -> StepView | None:
    """The first step whose output has a key."""
    assert failure.view is not None
    for step in failure.view.steps:
        paths = output_leaves(readable_output(step))
        if any(key in path.split(".") for path in paths):
            return step
    return failure.last_step
