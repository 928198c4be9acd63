"""One failing item with the data that the rules need, and the step that first held a wrong value in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Category, Level
from pytest_fapo.core.text import one_line
from pytest_fapo.diagnosis.assertions import Assertion, read_assertion, read_requirement
from pytest_fapo.diagnosis.field_map import OUTPUT, Carrier, CaseRun, FieldMap
from pytest_fapo.diagnosis.loose_values import (
    alike,
    is_blank,
    mentions,
    normal,
    plain,
    same,
    texts_in,
    whole_text,
)
from pytest_fapo.diagnosis.trace_view import StepView, TraceView

_BY_PROMPT: frozenset[Category] = frozenset(
    {"refusal", "schema", "format", "label", "missing-input", "requirement", "empty", "content", "unknown"}
)

MAX_SHOWN = 160


class Failure:
    """A failing item, its trace, its explanation, and what its siblings taught about the fields."""

    def __init__(self, item: ItemResult, case: Case, reading: CaseRun | None, fields: FieldMap) -> None:
        self.item = item
        self.case = case
        self.reading = reading
        self.fields = fields

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
        if assertion.operator not in ("==", "is", "in") or assertion.left is None or assertion.right is None:
            return False
        expected = self.expected_value(name)
        if assertion.operator == "in":
            wanted = expected if isinstance(expected, list) else [expected]
            listed = assertion.right.text[:1] in ("[", "(", "{")
            return listed and any(same(item, assertion.left.value) for item in wanted)
        return any(
            (operand.known and same(expected, operand.value))
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
    """A value in a sentence: on one line, cut where it is long."""
    text = one_line(value if isinstance(value, str) else plain(value), most=limit)
    return f"'{text}'" if isinstance(value, str) else text


def excerpt(text: Any, value: Any, limit: int = MAX_SHOWN) -> str:
    """A text in a sentence, cut around a value that it holds."""
    line = one_line(plain(text))
    index = line.lower().find(plain(value).strip().lower())
    start = max(0, index - limit // 2)
    if len(line) <= limit or start == 0:
        return shown(text if isinstance(text, str) else line, limit)
    end = start + limit - 2
    return f"'…{line[start:end]}{'…' if end < len(line) else ''}'"


def _same_start(pieces: list[str], expected: Any) -> bool:
    text = normal(expected)
    return bool(pieces) and all(normal(piece) in text for piece in pieces)


def _recordable(value: Any) -> Any:
    return value if not isinstance(value, str) or len(value) <= 2000 else value[:2000] + "…"


def is_alike(expected: Any, actual: Any) -> bool:
    """Right but for the form."""
    return alike(expected, actual) and not same(expected, actual)


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

    @property
    def unsure(self) -> bool:
        return self.finding.confidence < UNSURE and self.finding.category != "infrastructure"

    @property
    def group(self) -> tuple[str, ...]:
        """Equal for items that look alike: what holds for some of them probably holds for all."""
        finding = self.finding
        other = self.other.step if self.other is not None else ""
        return (finding.pipeline, finding.label_set, finding.step, finding.category, finding.field, other)

    def change(self, **fields: object) -> None:
        """Give the finding other values."""
        self.finding = self.finding.model_copy(update=fields)


@dataclass(frozen=True)
class Blame:
    """A step that is known to hold a wrong value."""

    field: str
    step: StepView
    carrier: Carrier
    expected: Any
    actual: Any
    downstream: str = ""
    """The field whose failure was asked about, where an earlier wrong field explains it."""


def blame_fields(failure: Failure) -> Blame | None:
    """The culprit of the fields that a failure is about; the earliest where there are several."""
    blames = [blame for name in failure.failing_fields if (blame := blame_field(failure, name)) is not None]
    if not blames:
        return None
    first = min(blames, key=lambda blame: blame.step.order)
    return upstream(failure, first.step, first.field) or first


def blame_field(failure: Failure, name: str) -> Blame | None:
    """The first step holding a wrong value of a field, after the last one that held the right value."""
    reading = failure.reading
    if reading is None:
        return None
    expected = failure.expected_value(name)
    wrong: Blame | None = None
    for carrier in failure.fields.carriers.get(name, []):
        step = reading.view.by_key(carrier.step)
        if step is None:
            continue
        try:
            actual = failure.fields.value_at(reading, carrier)
        except KeyError:
            continue
        if failure.fields.right(reading, carrier, expected) or (
            is_alike(expected, actual) and _form_is_taken(failure, name, carrier)
        ):
            wrong = None
        elif wrong is None:
            wrong = Blame(name, step, carrier, expected, actual)
    return wrong


def _form_is_taken(failure: Failure, name: str, carrier: Carrier) -> bool:
    """True if cases pass although this place holds the right value in another form: then what follows can
    read the form, and it is not what went wrong."""
    memo, key = failure.fields.memo, ("form taken", name, carrier.step, carrier.path)
    if key not in memo:
        other = counted = 0
        for reading in failure.fields.readings:
            expected = failure.fields.expected.get(name, {}).get(reading.case.key)
            if not reading.passed or expected is None:
                continue
            try:
                value = failure.fields.value_at(reading, carrier)
            except KeyError:
                continue
            counted += 1
            other += is_alike(expected, value)
        memo[key] = other / counted if counted >= 2 else 0.0
    return memo[key] >= 0.5


def upstream(failure: Failure, step: StepView, name: str) -> Blame | None:
    """An earlier step whose wrong value of another field went into `step` and explains its failure."""
    for other in failure.fields.expected:
        if other == name or failure.case.key not in failure.fields.expected[other]:
            continue
        blame = blame_field(failure, other)
        if blame is None or blame.step.order >= step.order:
            continue
        if _reaches(blame.actual, step) and _explains(failure, other, name):
            return Blame(other, blame.step, blame.carrier, blame.expected, blame.actual, downstream=name)
    return None


def _reaches(actual: Any, step: StepView) -> bool:
    if is_blank(actual):
        return False
    given = "\n".join((whole_text(step.step.inputs), step.messages_text))
    return any(mentions(given, text) for text in texts_in(actual))


def _explains(failure: Failure, cause: str, effect: str) -> bool:
    """True if `effect` mostly holds where `cause` is right; taken for granted where too few cases tell."""
    memo, key = failure.fields.memo, ("explains", cause, effect)
    if key not in memo:
        right = [reading for reading in failure.fields.readings if _field_right(failure, reading, cause)]
        verdicts = [_field_right(failure, reading, effect) for reading in right]
        counted = [verdict for verdict in verdicts if verdict is not None]
        memo[key] = 1.0 if len(counted) < 3 else sum(counted) / len(counted)
    return memo[key] >= 0.5


def _field_right(failure: Failure, reading: CaseRun, name: str) -> bool | None:
    """True if a run ended with the right value; None where neither carrier nor text tells."""
    values = failure.fields.expected.get(name, {})
    if reading.case.key not in values:
        return None
    expected = values[reading.case.key]
    for carrier in reversed(failure.fields.carriers.get(name, [])):
        try:
            return failure.fields.right(reading, carrier, expected)
        except KeyError:
            continue
    if isinstance(expected, list) and expected and all(isinstance(item, str) for item in expected):
        text = whole_text(reading.view.trace.output)
        return all(mentions(text, item) for item in expected)
    return None


def value_category(failure: Failure, step: StepView, name: str, expected: Any, actual: Any) -> Category:
    """In what way a value is wrong."""
    answer = step.answer or ""
    if is_blank(expected) and (not is_blank(actual) or actual):
        return "missing-input"
    if is_alike(expected, actual):
        return "format"
    closed = failure.fields.closed_set(name) if name in failure.fields.expected else []
    for text in _haystacks(actual, answer):
        if _holds_right(text, expected, closed):
            return "format"
    if is_blank(actual) and not answer.strip():
        return "empty"
    if any(same(expected, label) for label in closed):
        return "label"
    return "content"


def _haystacks(actual: Any, answer: str) -> list[str]:
    """Texts that may hold the right value in the wrong form: the value itself, and a short plain answer."""
    haystacks = [actual] if isinstance(actual, str) else []
    if len(answer.split()) <= 60 and "{" not in answer:
        haystacks.append(answer)
    return haystacks


def _holds_right(text: str, expected: Any, closed: list[Any]) -> bool:
    if isinstance(expected, (list, dict, bool)) or is_blank(expected):
        return False
    if len(plain(expected).strip()) < 2 and len(text) > 40:
        return False
    if not mentions(text, expected):
        return False
    if isinstance(expected, str) and re.search(r"\d", expected):
        return _is_last_given(text, expected)
    others = [label for label in closed if not same(label, expected) and not mentions(plain(expected), label)]
    return not any(mentions(text, label) for label in others)


def _is_last_given(text: str, expected: str) -> bool:
    """True if it is the last of all values made like it (identifiers, dates, numbers) in a text."""
    pieces = re.split(r"(\d+)", expected.strip())
    shape = "".join(r"\d+" if piece.isdigit() else re.escape(piece) for piece in pieces)
    matches = re.findall(rf"(?<!\w){shape}(?!\w)", text, re.I)
    return not matches or normal(matches[-1]) == normal(expected)


def is_code(failure: Failure, blame: Blame) -> bool:
    """True if the blamed step asked no model itself."""
    return not blame.step.calls and blame.carrier.step != OUTPUT
