"""Tests that no output can pass: they ask for equality, and the output always has keys that no label has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.text import listing
from pytest_fapo.diagnosis.failure import Failure
from pytest_fapo.diagnosis.field_map import CaseRun, output_leaves, readable_output
from pytest_fapo.diagnosis.loose_values import read_json, same
from pytest_fapo.diagnosis.trace_view import StepView

ENOUGH = 3
"""Cases that it takes to say that an output always has a key."""

_ENTRIES = "[]"
"""Ends the path of the objects of a list."""

_DEEPEST = 4


def extra_keys(failure: Failure) -> Finding | None:
    """All that is labeled is right, and there is more, in every case: said, with the assertion that would
    work."""
    if failure.reading is None or not _compares_objects(failure):
        return None
    for path, label, output in _objects(*_sides(failure.reading)):
        extra = _always_there(failure, path)
        if not extra or not all(key in output and same(label[key], output[key]) for key in label):
            continue
        step = _giver(failure, extra[0])
        finding = failure.finding(
            "schema",
            step,
            f"the output always has {listing(map(repr, extra), most=4)}, which no label has, and all that is "
            "labeled is right: compared whole, no output passes",
            confidence=0.95,
            field=path.removesuffix(_ENTRIES),
            expected=dict(label),
            actual=dict(output),
        )
        return finding.model_copy(update={"fix": f"Compare what is labeled: assert {_working(path)}"})
    return None


def _working(path: str) -> str:
    """Return the assertion that would work for the objects at a path."""
    where = "".join(f"[{key!r}]" for key in path.removesuffix(_ENTRIES).split(".") if key)
    given, wanted = f"run.output{where}", f"case.expected{where}"
    if path.endswith(_ENTRIES):
        entry = "{key: given.get(key) for key in label}"
        return f"[{entry} for given, label in zip({given}, {wanted})] == {wanted}"
    return f"{{key: {given}.get(key) for key in {wanted}}} == {wanted}"


def _compares_objects(failure: Failure) -> bool:
    sides = (failure.assertion.left, failure.assertion.right)
    return failure.assertion.operator == "==" and all(side and side.text[:1] in "{[" for side in sides)


def _objects(
    expected: Any, output: Any, path: str = ""
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """The objects of a label, beside what the output has there: the whole, those in its keys, and those of a
    list.
    """
    if isinstance(expected, Mapping) and isinstance(output, Mapping):
        yield path, expected, output
        for key, inner in expected.items() if path.count(".") < _DEEPEST else ():
            yield from _objects(inner, output.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(expected, list) and isinstance(output, list) and len(expected) == len(output):
        for one, other in zip(expected, output, strict=True):
            if isinstance(one, Mapping) and isinstance(other, Mapping):
                yield path + _ENTRIES, one, other


def _always_there(failure: Failure, path: str) -> list[str]:
    """Keys that every output has at a path and no label has."""
    outputs: list[set[str]] = []
    labels: set[str] = set()
    cases = 0
    for reading in failure.fields.readings:
        found = [(label, output) for at, label, output in _objects(*_sides(reading)) if at == path]
        cases += bool(found)
        labels |= {key for label, _ in found for key in label}
        outputs += [set(output) for _, output in found]
    if cases < ENOUGH:
        return []
    return sorted(set.intersection(*outputs) - labels)


def _sides(reading: CaseRun) -> tuple[Any, Any]:
    """Return what a case expects, and what it got: of a text, the JSON that it is."""
    output = reading.view.trace.output
    found = read_json(output) if isinstance(output, str) else None
    return reading.case.expected, found.value if found is not None and found.clean else output


def _giver(failure: Failure, key: str) -> StepView | None:
    """The first step whose output has a key."""
    assert failure.view is not None
    for step in failure.view.steps:
        paths = output_leaves(readable_output(step))
        if any(key in path.split(".") for path in paths):
            return step
    return failure.last_step
