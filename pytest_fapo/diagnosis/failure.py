"""One failing item with the data that the rules need, and what is held to be its cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Category, Level
from pytest_fapo.core.text import one_line
from pytest_fapo.diagnosis.assertions import Assertion, read_assertion, read_requirement
from pytest_fapo.diagnosis.field_map import OUTPUT, CaseRun, FieldMap
from pytest_fapo.diagnosis.label_values import AnyOf, Near
from pytest_fapo.diagnosis.loose_values import (
    alike,
    is_number,
    normal,
    plain,
    same,
)
from pytest_fapo.diagnosis.trace_view import StepView, TraceView

_BY_PROMPT: frozenset[Category] = frozenset(
    {"refusal", "schema", "format", "label", "missing-input", "requirement", "empty", "content", "unknown"}
)

MAX_SHOWN = 160


class Failure:
    """A failing item, its trace, its explanation, and what its siblings taught about the fields."""

    def __init__(
        self,
        item: ItemResult,
        case: Case,
        reading: CaseRun | None,
        fields: FieldMap,
        asked: Sequence[str] | None = None,
    ) -> None:
        self.item = item
        self.case = case
        self.reading = reading
        self.fields = fields
        self._asked = asked

    def asked_about(self, names: Sequence[str]) -> Failure:
        """Return the same item, looked at as if it had failed for these fields: so passing items are
        compared.
        """
        return Failure(self.item, self.case, self.reading, self.fields, names)

    @property
    def view(self) -> TraceView | None:
        return self.reading.view if self.reading is not None else None

    @cached_property
    def assertion(self) -> Assertion:
        return read_assertion(self.item.explanation, self.item.error_type)

    @property
    def last_step(self) -> StepView | None:
        """The last step that asked a model, else the last step."""
        if self.view is None:
            return None
        return self.view.last_model_step() or (self.view.steps[-1] if self.view.steps else None)

    def expected_value(self, name: str) -> Any:
        return self.fields.expected.get(name, {}).get(self.case.key)

    @cached_property
    def failing_fields(self) -> list[str]:
        """The expected fields that this failure is about, as far as explanation and output tell."""
        if self.reading is None:
            return []
        if self._asked is not None:
            return list(self._asked)
        own = [name for name, values in self.fields.expected.items() if self.case.key in values]
        explained = [name for name in own if self._explained(name)]
        if not explained and read_requirement(self.assertion, self.case.expected) is not None:
            return []
        wrong = [name for name in own if self.wrong_at_end(name)]
        both = [name for name in explained if name in wrong]
        return both or explained or wrong

    def _explained(self, name: str) -> bool:
        assertion, last = self.assertion, name.rpartition(".")[2]
        if assertion.differing:
            return last in assertion.differing
        if assertion.error == "KeyError":
            return bool(last) and last == assertion.message.strip("'\"")
        if assertion.call == "any":
            return name in self.fields.forms.references
        if assertion.operator not in ("==", "is", "in") or assertion.left is None or assertion.right is None:
            return False
        expected = self.expected_value(name)
        if assertion.operator == "in":
            wanted = expected if isinstance(expected, list) else [expected]
            listed = assertion.right.text[:1] in ("[", "(", "{")
            if isinstance(expected, AnyOf):
                return listed
            return listed and any(same(item, assertion.left.value) for item in wanted)
        return any(
            (operand.known and _is_label(expected, operand.value))
            or (not operand.known and _same_start(operand.pieces(), expected))
            for operand in (assertion.right, assertion.left)
        )

    def wrong_at_end(self, name: str) -> bool:
        """True if the pipeline's own output holds another value for a field; False where it does not say."""
        if self.reading is None:
            return False
        for carrier in self.fields.carriers.get(name, []):
            if carrier.step == OUTPUT:
                try:
                    return not self.fields.right(self.reading, carrier, self.expected_value(name))
                except KeyError:
                    return True
        return False

    def finding(
        self,
        category: Category,
        step: StepView | None,
        evidence: str,
        *,
        confidence: float,
        level: Level | None = None,
        field: str = "",
        expected: Any = None,
        actual: Any = None,
        name: str = "",
    ) -> Finding:
        """A finding on this item; the level follows from category and step unless given."""
        asked = step is not None and bool(step.calls)
        if level is None:
            level = "prompt" if category in _BY_PROMPT and (asked or step is None) else "structure"
        return Finding(
            nodeid=self.item.nodeid,
            case_id=self.case.id,
            pipeline=self.item.pipeline or "",
            label_set=self.case.label_set,
            step=name or (step.key if step is not None else ""),
            category=category,
            level=level,
            confidence=confidence,
            evidence=evidence,
            expected=_recordable(expected),
            actual=_recordable(actual),
            field=field,
            explanation=self.item.explanation,
        )


def shown(value: Any, limit: int = MAX_SHOWN) -> str:
    """Return a value in a sentence: on one line, cut where it is long."""
    text = one_line(value if isinstance(value, str) else plain(value), most=limit)
    return f"'{text}'" if isinstance(value, str) else text


def excerpt(text: Any, value: Any, limit: int = MAX_SHOWN) -> str:
    """Return a text in a sentence, cut around a value that it holds."""
    line = one_line(plain(text))
    index = line.lower().find(plain(value).strip().lower())
    start = max(0, index - limit // 2)
    if len(line) <= limit or start == 0:
        return shown(text if isinstance(text, str) else line, limit)
    end = start + limit - 2
    return f"'…{line[start:end]}{'…' if end < len(line) else ''}'"


def _is_label(expected: Any, value: Any) -> bool:
    """True if a value that pytest printed is the label itself; sets are printed in any order."""
    if isinstance(expected, list) and isinstance(value, list):
        return alike(list(expected), value)
    if isinstance(expected, Near):
        return is_number(value) and abs(expected - value) <= 1e-5 * max(1.0, abs(expected))
    return same(expected, value)


def _same_start(pieces: list[str], expected: Any) -> bool:
    text = normal(expected)
    return bool(pieces) and all(normal(piece) in text for piece in pieces)


def _recordable(value: Any) -> Any:
    return value if not isinstance(value, str) or len(value) <= 2000 else value[:2000] + "…"


UNSURE = 0.6
"""Findings below this confidence are read by a model and tried by interventions."""

AttributeHook = Callable[[Evaluation, ItemResult], "Finding | None"]
"""The user's own rule; the first that speaks decides, before all others."""


@dataclass(frozen=True)
class Opinion:
    """A reader's opinion of one failing item."""

    nodeid: str
    step: str
    category: Category
    level: Level | None
    """None where the table of categories is to decide."""
    confidence: float
    evidence: str


@dataclass
class FailureAttribution:
    """A failing item, what is held to be its cause, and what a reader holds against that."""

    failure: Failure
    finding: Finding
    other: Opinion | None = None
    """A reader's opinion where it names another step."""
    without_labels: Finding | None = None
    """What the rules would say without the labels of the case's steps; None where it has none."""

    @property
    def unsure(self) -> bool:
        apart = self.finding.category in ("infrastructure", "mislabeled")
        return self.finding.confidence < UNSURE and not apart

    @property
    def group(self) -> tuple[str, ...]:
        """Equal for items that look alike: what holds for some of them probably holds for all."""
        finding = self.finding
        other = self.other.step if self.other is not None else ""
        return (finding.pipeline, finding.label_set, finding.step, finding.category, finding.field, other)

    def change(self, **fields: object) -> None:
        """Give the finding other values."""
        self.finding = self.finding.model_copy(update=fields)
