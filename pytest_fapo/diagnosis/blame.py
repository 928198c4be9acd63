"""The field that a failing item went wrong in, the step that first held a wrong value, and in what way it is
wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.record import Category
from pytest_fapo.diagnosis.failure import Failure, shown
from pytest_fapo.diagnosis.field_map import OUTPUT, Carrier, CaseRun
from pytest_fapo.diagnosis.label_values import AnyOf, unit_slip
from pytest_fapo.diagnosis.loose_values import (
    MONTHS,
    alike,
    is_blank,
    is_swapped_date,
    mentions,
    normal,
    plain,
    same,
    shape_of,
    texts_in,
    to_dates,
    to_number,
    truth_of,
    whole_text,
)
from pytest_fapo.diagnosis.trace_view import StepView


def is_alike(expected: Any, actual: Any) -> bool:
    """Right but for the form."""
    return alike(expected, actual) and not same(expected, actual)


def is_wrapped(expected: Any, actual: Any) -> bool:
    """Right to the letter, and among other words."""
    if not isinstance(actual, str) or isinstance(expected, (list, dict)) or alike(expected, actual):
        return False
    return re.search(rf"(?<!\w){re.escape(plain(expected).strip())}(?!\w)", actual) is not None


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
    """Return the culprit of the fields that a failure is about; the earliest where there are several."""
    blames = [blame for name in failure.failing_fields if (blame := blame_field(failure, name)) is not None]
    if not blames:
        return None
    first = min(blames, key=lambda blame: blame.step.order)
    return upstream(failure, first.step, first.field) or first


def blame_field(failure: Failure, name: str) -> Blame | None:
    """Return the first step holding a wrong value of a field, after the last one that held the right
    value.
    """
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
            (is_alike(expected, actual) or is_wrapped(expected, actual))
            and _form_is_taken(failure, name, carrier)
        ):
            wrong = None
        elif (wrong is None and _is_kept(failure, name, carrier)) or (
            wrong is not None and not step.calls and _is_material(failure, wrong, actual)
        ):
            wrong = Blame(name, step, carrier, expected, actual)
    return wrong


def _is_material(failure: Failure, earlier: Blame, later: Any) -> bool:
    """True if code made another value of what a model took from the case."""
    dates = bool(to_dates(earlier.actual) and to_dates(later))
    numbers = to_number(earlier.actual) is not None and to_number(later) is not None
    other = not same(later, earlier.actual) if dates else numbers and not alike(later, earlier.actual)
    return bool(earlier.step.calls) and other and is_taken(failure, earlier.actual)


def is_taken(failure: Failure, value: Any) -> bool:
    """True of a number that is the only one of its form in the case, so that no other could have been meant,
    and of a date all of whose numbers are there.
    """
    text = whole_text(failure.case.inputs).casefold()
    if to_dates(value):
        given = [str(number) for number, month in enumerate(MONTHS, start=1) if month in text]
        given += re.findall(r"\d+", text)
        mine = re.findall(r"\d+", plain(value))
        return {part.lstrip("0") for part in mine} <= {part.lstrip("0") for part in given}
    number = to_number(value)
    listed = re.findall(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w])", text)
    taken = {each for each in listed if number is not None and to_number(each) == number}
    forms = {shape_of(each) for each in taken}
    return bool(taken) and not any(shape_of(each) in forms for each in listed if each not in taken)


def _is_kept(failure: Failure, name: str, carrier: Carrier) -> bool:
    """True unless most cases pass although this place holds another value: then the value is made after it,
    and what stands there is no mistake."""
    memo, key = failure.fields.memo, ("kept", name, carrier.step, carrier.path)
    if key not in memo:
        held = [
            failure.fields.right(reading, carrier, expected)
            or is_alike(expected, failure.fields.value_at(reading, carrier))
            for reading, expected in passing_at(failure, name, carrier)
        ]
        memo[key] = sum(held) / len(held) if len(held) >= 2 else 1.0
    return memo[key] > 0.5


def passing_at(failure: Failure, name: str, carrier: Carrier) -> Iterator[tuple[CaseRun, Any]]:
    """Yield the passing runs that got to a place, with the value that is right for them."""
    for reading in failure.fields.readings:
        expected = failure.fields.expected.get(name, {}).get(reading.case.key)
        if not reading.passed or expected is None:
            continue
        try:
            failure.fields.value_at(reading, carrier)
        except KeyError:
            continue
        yield reading, expected


def _form_is_taken(failure: Failure, name: str, carrier: Carrier) -> bool:
    """True if cases pass although this place holds the right value in another form: then what follows can
    read the form, and it is not what went wrong."""
    memo, key = failure.fields.memo, ("form taken", name, carrier.step, carrier.path)
    if key not in memo:
        values = [
            (expected, failure.fields.value_at(reading, carrier))
            for reading, expected in passing_at(failure, name, carrier)
        ]
        other = [is_alike(*pair) or is_wrapped(*pair) for pair in values]
        memo[key] = sum(other) / len(other) if len(other) >= 2 else 0.0
    return memo[key] >= 0.5


def upstream(failure: Failure, step: StepView, name: str) -> Blame | None:
    """Return an earlier step whose wrong value of another field went into `step` and explains its failure."""
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
        enough = any if isinstance(expected, AnyOf) else all
        return enough(mentions(text, item) for item in expected)
    return None


def blame_chooser(failure: Failure, step: StepView, name: str, expected: Any) -> Finding | None:
    """Return the finding that a model chose the wrong thing to ask code for; None where code may be wrong.

    The code was asked just that in a passing case, too, and gave the same there: so it does what it should.

    Args:
        failure: the failing item.
        step: the code.
        name: the field that is wrong.
        expected: its right value.
    """
    chooser = _chooser(failure, step)
    if chooser is None:
        return None
    return failure.finding(
        "content",
        chooser,
        f"{step.key} gave what it gives in passing cases that ask it the same; it went by {chooser.key}, "
        f"which said {shown(chooser.answer, 80)}, and so did not come to {shown(expected)}",
        confidence=0.65,
        level="prompt",
        field=name,
        expected=expected,
        actual=chooser.output,
    )


def _chooser(failure: Failure, step: StepView) -> StepView | None:
    assert failure.view is not None
    others = failure.fields.passing_by_question.get((step.key, step.question), [])
    if step.calls or not any(same(step.output, other.output) for other in others):
        return None
    labels = [
        reading.case.expected
        for reading in failure.fields.readings
        if reading.passed and (other := reading.view.by_key(step.key)) and other.question == step.question
    ]
    if any(not same(labels[0], label) for label in labels):
        return None  # one output serves cases of several labels, and may lack what this one needs
    asked = {text for text in map(normal, texts_in(step.step.inputs)) if text}
    before = [other for other in failure.view.model_steps if other.order < step.order]
    for other in reversed(before):
        if any(normal(text) in asked for text in texts_in([other.output, other.answer])):
            return other
    return None


def value_category(failure: Failure, step: StepView, name: str, expected: Any, actual: Any) -> Category:
    """In what way a value is wrong."""
    answer = step.answer or ""
    if is_blank(expected) and (not is_blank(actual) or actual):
        return "missing-input"
    if is_alike(expected, actual) or slip_of(expected, actual):
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


def slip_of(expected: Any, actual: Any) -> str:
    """Return how a value is the right one but for a slip of form: the factor of another unit, or day and
    month in each other's place; empty where it is not.
    """
    if is_swapped_date(expected, actual):
        return "day and month have changed places"
    left, right = to_number(expected), to_number(actual)
    unit = unit_slip(left, right) if left is not None and right is not None else ""
    return f"another unit, by a factor of {unit}" if unit else ""


def _haystacks(actual: Any, answer: str) -> list[str]:
    """Texts that may hold the right value in the wrong form: the value itself, and a short plain answer."""
    haystacks = [actual] if isinstance(actual, str) else []
    if len(answer.split()) <= 60 and "{" not in answer:
        haystacks.append(answer)
    return haystacks


def _holds_right(text: str, expected: Any, closed: list[Any]) -> bool:
    if isinstance(expected, AnyOf):
        return any(_holds_right(text, reference, closed) for reference in expected)
    if isinstance(expected, bool):
        return truth_of(text.replace(",", " ").partition(" ")[0]) is expected
    if isinstance(expected, (list, dict)) or is_blank(expected):
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
