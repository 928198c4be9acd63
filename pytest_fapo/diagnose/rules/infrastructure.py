"""The provider or the network failed: kept apart, because no edit helps."""

from __future__ import annotations

import re

from pytest_fapo.diagnose.failure import Failure
from pytest_fapo.models import Finding, LLMCall
from pytest_fapo.reading import StepView

_ERRORS = re.compile(
    r"CacheMiss|NetworkRefused|BudgetExceeded|RateLimit|OverloadedError|APIConnection|APITimeout|InternalServerError"
    r"|ServiceUnavailable|AuthenticationError|PermissionDeniedError|ConnectError|ConnectTimeout|ReadTimeout"
    r"|WriteTimeout|PoolTimeout|ReadError|RemoteProtocolError|ConnectionError|ConnectionReset"
    r"|ConnectionRefused|TimeoutError|CaseTimeout|gaierror|SSLError|APIStatusError"
)


def no_answer(failure: Failure) -> Finding:
    """The finding of an item of which a call got no whole answer: there is no other."""
    lacking = failure.item.unanswered[0]
    what = f"no answer from the model ({lacking.reason})" + (f": {lacking.words}" if lacking.words else "")
    return failure.finding("infrastructure", _asking(failure), what, confidence=0.95, level="structure")


def infrastructure(failure: Failure) -> Finding | None:
    """An LLM request that never got its answer, or an error type that only infrastructure raises."""
    kind = failure.assertion.error or failure.item.error_type.rpartition(".")[2]
    call = _failed_call(failure)
    if call is not None and not _rejected_by_code(failure, kind):
        what = f"answered {call.status}" if call.status else f"gave no answer ({call.error or 'no response'})"
        step = (
            next((view for view in failure.view.steps if call in view.calls), None) if failure.view else None
        )
        return failure.finding(
            "infrastructure", step, f"the LLM endpoint {what}", confidence=0.95, level="structure"
        )
    if kind and _ERRORS.search(kind):
        message = failure.assertion.message.splitlines()
        about = f": {message[0][:160]}" if message and message[0] else ""
        return failure.finding(
            "infrastructure", _erring(failure), f"{kind}{about}", confidence=0.9, level="structure"
        )
    return None


def _asking(failure: Failure) -> StepView | None:
    """The step that got no answer; None where the test itself had asked."""
    call = _failed_call(failure)
    if call is None or failure.view is None:
        return None
    return next((view for view in failure.view.steps if call in view.calls), None)


def _failed_call(failure: Failure) -> LLMCall | None:
    """The first call that failed and was not repeated with success."""
    if failure.view is None:
        return None
    calls = failure.view.trace.llm_calls
    answered = {call.key for call in calls if not _failed(call)}
    return next((call for call in calls if _failed(call) and call.key not in answered), None)


def _failed(call: LLMCall) -> bool:
    return (call.status is not None and call.status >= 400) or (
        call.error is not None and call.answer is None and not call.tool_calls
    )


def _rejected_by_code(failure: Failure, kind: str) -> bool:
    """A request that the provider refused as malformed: the user's code made it so."""
    call = _failed_call(failure)
    return call is not None and call.status in (400, 413, 422) and kind not in ("", "AssertionError")


def _erring(failure: Failure) -> StepView | None:
    if failure.view is None:
        return None
    return next((view for view in failure.view.steps if view.step.error), None)
