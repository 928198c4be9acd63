"""Exceptions raised in the user's own code."""

from __future__ import annotations

from pytest_fapo.diagnose.failure import Failure, shown
from pytest_fapo.diagnose.rules.schema import PARSE_ERRORS
from pytest_fapo.models import Finding
from pytest_fapo.reading import StepView
from pytest_fapo.reading.values import mentions, normal, texts_in, whole_text

_OF_FORM = {"SyntaxError", "ValueError", "JSONDecodeError", "ParseError", "IndexError", "AttributeError"}


def unanswered(failure: Failure) -> Finding | None:
    """An exception in a step before any model was asked: the code's own doing."""
    if failure.view is None or failure.view.trace.error is None or failure.view.asking:
        return None
    return _finding(failure)


def exception(failure: Failure) -> Finding | None:
    """An exception that left a step; the answer is to blame where the message quotes it, or where the same
    code takes what the model says in passing cases."""
    if failure.view is None or failure.view.trace.error is None:
        return None
    erring = next((step for step in failure.view.steps if step.step.error), None)
    error = (erring.step.error if erring is not None else None) or failure.view.trace.error
    asked = failure.view.last_asking(erring)
    if asked is None or not asked.answer or _is_right(failure, asked):
        return _finding(failure)
    quoted = _quotes(error, asked.answer)
    if not quoted and (erring is None or not _choked(failure, erring, asked)):
        return _finding(failure)
    by_form = quoted or error.partition(":")[0].rpartition(".")[2] in _OF_FORM
    return failure.finding(
        "format" if by_form else "content",
        asked,
        f"the code could not use the answer {shown(asked.answer, 90)} of {asked.key}: {error[:120]}",
        confidence=0.75 if quoted else 0.7,
        actual=asked.answer,
    )


def _choked(failure: Failure, erring: StepView, asked: StepView) -> bool:
    """Whether code without a model was handed the answer, raised, and takes other answers elsewhere."""
    answer = (asked.answer or "").strip()
    if erring.calls or not any(answer in text for text in texts_in(erring.step.inputs)):
        return False
    return any(
        other is not None and other.step.error is None
        for reading in failure.fields.readings
        if reading.passed
        for other in [reading.view.by_key(erring.key)]
    )


def _is_right(failure: Failure, asked: StepView) -> bool:
    """Whether the answer is one that the case's expected values mention, or one of the words that the prompt
    offers: then the code has to take it."""
    answer = asked.answer or ""
    if not normal(answer) or len(answer.split()) > 4:
        return False
    if mentions(whole_text(failure.case.expected), answer):
        return True
    known = whole_text(failure.case.inputs)
    return answer.strip() in asked.messages_text and not mentions(known, answer)


def _finding(failure: Failure) -> Finding:
    assert failure.view is not None
    erring = next((step for step in failure.view.steps if step.step.error), None)
    step = erring or failure.last_step
    error = (erring.step.error if erring is not None else None) or failure.view.trace.error or ""
    where = f"in {step.key}" if step is not None else "in the pipeline"
    return failure.finding(
        "exception", step, f"{error[:160]} was raised {where}", confidence=0.85, level="structure"
    )


def _quotes(error: str, answer: str) -> bool:
    """Whether an exception's message shows the model's answer, or a good part of it."""
    kind, _, message = error.partition(":")
    if kind.rpartition(".")[2] in PARSE_ERRORS:
        return True
    text = answer.strip()
    return 0 < len(text) <= 400 and (text[:60] in message or (len(text) <= 60 and mentions(message, text)))
