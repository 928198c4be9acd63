"""How tests compare their labels: with any of several references, or within a tolerance.

Read from what pytest says of failing cases, and from what passes although it is not equal.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_fapo.core.case import Case
from pytest_fapo.core.trace import Trace
from pytest_fapo.diagnosis.assertions import Assertion
from pytest_fapo.diagnosis.label_values import AnyOf, Near
from pytest_fapo.diagnosis.loose_values import alike, is_number, leaves, same, to_number

MOST_OFF = 0.05
"""Relative difference; what passes with a larger one was not compared as a number."""


def expected_fields(expected: Any) -> dict[str, Any]:
    """Return the labels of a case by dotted path; a bare label has the empty path."""
    if expected is None:
        return {}
    return {path: value for path, value in leaves(_with_references(expected)) if not isinstance(value, dict)}


def _with_references(value: Any) -> Any:
    """Return the same with `{"any_of": [...]}` as references."""
    if isinstance(value, Mapping):
        if value.keys() == {"any_of"} and isinstance(value["any_of"], list):
            return AnyOf(value["any_of"])
        return {key: _with_references(inner) for key, inner in value.items()}
    return value


@dataclass
class LabelForms:
    """Record of what was learned of each field, by dotted path."""

    references: set[str] = field(default_factory=set)
    """Fields whose lists are references, of which one suffices."""
    tolerances: dict[str, float] = field(default_factory=dict)
    asserted: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The value that a failing test compared with the label, by key of the case."""
    nothing: set[str] = field(default_factory=set)
    """Keys of the cases whose label is None: what their test compared with None."""

    @classmethod
    def of(
        cls, failing: Iterable[tuple[Case, Assertion]], runs: Iterable[tuple[Case, Trace, bool]]
    ) -> LabelForms:
        """Return the forms that failing assertions state and passing runs show."""
        forms = cls()
        for case, assertion in failing:
            forms._read(case, assertion)
        passing: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
        for case, trace, passed in runs:
            if passed:
                for name, value in expected_fields(case.expected).items():
                    passing[name] += [(value, given) for given in _outputs(trace.output, name)]
        for name, pairs in passing.items():
            forms._learn(name, pairs)
        return forms

    def fields(self, case: Case) -> dict[str, Any]:
        """Return the labels of a case by dotted path, in the form in which they are compared."""
        if case.key in self.nothing:
            return {"": None}
        return {name: self._formed(name, value) for name, value in expected_fields(case.expected).items()}

    def _formed(self, name: str, value: Any) -> Any:
        if name in self.references and isinstance(value, list):
            return AnyOf(value)
        if name in self.tolerances and isinstance(value, (int, float)) and not isinstance(value, bool):
            return Near(value, self.tolerances[name])
        return value

    def _read(self, case: Case, assertion: Assertion) -> None:
        labels = expected_fields(case.expected)
        left, right = assertion.left, assertion.right
        with_none = right is not None and right.text == "None" and assertion.operator in ("==", "is")
        if case.expected is None and with_none and left is not None and left.known:
            self.nothing.add(case.key)
            labels = {"": None}
        if assertion.operator == "in" and right is not None and right.text[:1] in ("[", "(", "{"):
            self.references |= {
                name
                for name, value in labels.items()
                if isinstance(value, list) and value and _lists(right.text, value)
            }
        if assertion.call == "any":
            lists = [name for name, value in labels.items() if isinstance(value, list)]
            self.references |= set(lists if len(lists) == 1 else ())
        for name, value in labels.items():
            actual = _compared_with(assertion, value)
            if actual is not None:
                self.asserted.setdefault(name, {})[case.key] = actual
        for name, tolerance in _tolerances(assertion, labels):
            self.tolerances[name] = max(tolerance, self.tolerances.get(name, 0.0))

    def _learn(self, name: str, pairs: list[tuple[Any, Any]]) -> None:
        lists = [(value, given) for value, given in pairs if isinstance(value, list)]
        single = [any(alike(one, given) for one in value) for value, given in lists if _is_scalar(given)]
        several = any(len(value) > 1 for value, _ in lists)
        if several and len(single) == len(lists) and 2 * sum(single) > len(single):
            self.references.add(name)
        numbers = [(value, number) for value, given in pairs if (number := to_number(given)) is not None]
        off = [(abs(value - number), abs(value)) for value, number in numbers if is_number(value)]
        if off and all(miss <= MOST_OFF * size for miss, size in off) and max(off)[0] > 1e-9:
            self.tolerances[name] = max(max(off)[0], self.tolerances.get(name, 0.0))


def _compared_with(assertion: Assertion, label: Any) -> Any:
    """Return the other side of an equality with a label, or what is none of its references."""
    left, right = assertion.left, assertion.right
    if left is None or right is None or not (left.known and right.known):
        return None
    if assertion.operator == "in" and isinstance(label, list) and alike(label, right.value):
        return left.value
    if assertion.operator not in ("==", "is"):
        return None
    if same(label, right.value) or (isinstance(label, list) and alike(label, right.value)):
        return left.value
    return right.value if same(label, left.value) else None


def _lists(text: str, references: list[Any]) -> bool:
    """True if a printed list shows the references, in any case; pytest cuts long ones."""
    shown = text.casefold()
    held = sum(str(each).casefold() in shown for each in references)
    return held == len(references) or ("..." in text and held > 0)


def _tolerances(assertion: Assertion, labels: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the numeric fields that an assertion compares within a tolerance."""
    numbers = {name: value for name, value in labels.items() if is_number(value)}
    for side in (assertion.left, assertion.right):
        match = re.fullmatch(r"(\S+) ± (\S+)", side.text.strip()) if side is not None else None
        center, tolerance = (to_number(part) for part in match.groups()) if match else (None, None)
        if center is not None and tolerance is not None:
            rounding = 1e-5 * abs(center)
            yield from (
                (name, tolerance) for name, value in numbers.items() if abs(value - center) <= rounding
            )
    bound = assertion.right
    below = assertion.call == "abs" and assertion.operator in ("<", "<=")
    if below and bound is not None and len(numbers) == 1 and isinstance(bound.value, (int, float)):
        yield next(iter(numbers)), float(bound.value)


def _outputs(output: Any, name: str) -> list[Any]:
    """Return what an output holds for a field: under its name, or as the only value."""
    if not isinstance(output, Mapping):
        return [output]
    last = name.rpartition(".")[2]
    return [value for path, value in leaves(output) if last and path.rpartition(".")[2] == last]


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)
