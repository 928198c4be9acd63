"""Exceptions raised in the user's own code."""

from __future__ import annotations

from pytest_fapo.diagnose.failure import Failure, shown
from pytest_fapo.diagnose.rules.schema import PARSE_ERRORS
from pytest_fapo.models import Finding
from pytest_fapo.reading.values import mentions


def unanswered(failure: Failure) -> Finding | None:
    """An exception in a step before any model was asked: the code's own doing."""
    if failure.view is None or failure.view.trace.error is None or failure.view.asking:
        return None
    return _finding(failure)


def exception(failure: Failure) -> Finding | None:
    """An exception that left a step; the answer is to blame where the message quotes it."""
    if failure.view is None or failure.view.trace.error is None:
        return None
    erring = next((step for step in failure.view.steps if step.step.error), None)
    error = (erring.step.error if erring is not None else None) or failure.view.trace.error
    asked = failure.view.last_asking(erring)
    if asked is not None and asked.answer and _quotes(error, asked.answer):
        return failure.finding(
            "format",
            asked,
            f"the code could not use the answer {shown(asked.answer, 90)} of {asked.key}: {error[:120]}",
            confidence=0.75,
            actual=asked.answer,
        )
    return _finding(failure)


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
