"""Calls that got no complete answer from their model: a run with one says nothing about the pipeline.

A call counts until the same request is answered: what a retry brought in the end was answered. What the
provider refused as malformed (HTTP 400, 413, 422) was answered too: the request is at fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_fapo.core.record import Record
from pytest_fapo.core.text import one_line
from pytest_fapo.core.trace import LLMCall, Trace

_LATER = frozenset({408, 409, 425, 429})
"""Statuses below 500 that say: ask again later."""

_REJECTED = frozenset({401, 402, 403, 404})
"""Statuses of a key, an account or a model that the provider does not serve: asking again does not help."""

_NO_CREDIT = re.compile(r"credit balance is too low", re.I)  # Anthropic says it with HTTP 400

_REFUSED_BY_US = ("CacheMiss", "BudgetExceeded", "NetworkRefused", "RunEnded")
"""Errors of calls that were not sent on purpose; they have words of their own."""

_KINDS = (
    (
        "host not found",
        r"name or service not known|nodename nor servname|name resolution|getaddrinfo|no address assoc",
    ),
    ("connection refused", r"refused"),
    ("TLS error", r"\bSSL|certificate|TLS"),
    ("time-out", r"time-?out|timed out|Cancelled|no answer when the run ended"),
    ("answer cut off", r"incomplete chunked read|incomplete message|ended before its end|peer closed"),
    ("connection lost", r"reset|disconnected|RemoteProtocolError|ReadError|WriteError|broken pipe|closed"),
    ("no connection", r"ConnectError|ConnectionError|unreachable"),
)

_RACE = 0.25
"""Seconds between a call's answer and the end of the one that it raced against."""

_MOST_CHARACTERS = 300


class Unanswered(Record):
    """A request to a model that got no whole answer."""

    reason: str
    """In a few words, equal for equal faults: `HTTP 500`, `connection refused`, `time-out` ..."""
    message: str = ""
    """The message of the provider, or the error of the connection."""
    model: str = ""
    url: str = ""
    rejected: bool = False
    """True if the provider does not serve this key, account or model: asking again does not help."""


def unanswered_in(trace: Trace) -> list[Unanswered]:
    """Return the requests of a run that got no whole answer; empty for a run that says something of its
    prompts.
    """
    timed_out = (trace.error or "").startswith("TimeoutError")
    return unanswered_of(trace.llm_calls, timed_out=timed_out, duration=trace.duration)


def unanswered_of(
    calls: Sequence[LLMCall], *, timed_out: bool = False, duration: float = 0.0
) -> list[Unanswered]:
    """Return the requests among these calls that got no whole answer, each once.

    Args:
        calls: of one run or one test, in the order in which they began.
        timed_out: True if what made them ended because its time was up.
        duration: how long that took, in seconds.
    """
    if all(call.answered for call in calls):
        return []
    answered = [call for call in calls if not _lacks_answer(call) and not _open(call) and not _moved(call)]
    keys = {call.key for call in answered}
    found: dict[str, Unanswered] = {}
    for call in calls:
        if call.key in keys or (call.error or "").startswith(_REFUSED_BY_US):
            continue
        if _open(call):
            # A call that its pipeline did not wait for is no outage; one that took most of its time is.
            lacking = timed_out and call.duration >= duration / 2
        elif _cancelled(call):
            lacking = timed_out or not _lost_race(call, answered)
        elif _moved(call):
            lacking = not any(_same_question(call, other) for other in answered)
        else:
            lacking = _lacks_answer(call)
        if lacking:
            found[call.key] = _described(call)
    return list(found.values())


def _lacks_answer(call: LLMCall) -> bool:
    if call.offline:
        return False  # what the project's own stand-in raises, it raises again
    if call.status is None:
        return call.error is not None
    if 200 <= call.status < 300:
        return call.error is not None
    return call.status >= 500 or call.status in _LATER or _rejects(call)


def _rejects(call: LLMCall) -> bool:
    """True if asking again would be rejected alike, whatever is asked."""
    no_credit = call.status == 400 and _NO_CREDIT.search(call.error or "") is not None
    return call.status in _REJECTED or no_credit or (call.status == 429 and "quota" in (call.error or ""))


def _open(call: LLMCall) -> bool:
    """True if the call was still under way when its run ended."""
    return call.status is None and call.error is None


def _cancelled(call: LLMCall) -> bool:
    return call.status is None and (call.error or "").startswith(("CancelledError", "GeneratorExit"))


def _moved(call: LLMCall) -> bool:
    """True for a redirect: the answer comes from elsewhere."""
    return call.status is not None and 300 <= call.status < 400


def _same_question(one: LLMCall, other: LLMCall) -> bool:
    return (one.model, one.messages) == (other.model, other.messages)


def _lost_race(call: LLMCall, answered: Sequence[LLMCall]) -> bool:
    """True if the pipeline dropped a call because another one was answered first, as hedged requests do."""
    return any(_same_question(call, other) or 0 <= call.end - other.end <= _RACE for other in answered)


def _described(call: LLMCall) -> Unanswered:
    error = call.error or ""
    message = re.sub(r"^HTTP \d+(: )?", "", error)
    return Unanswered(
        reason=_reason(call, message),
        message=one_line(message, most=_MOST_CHARACTERS),
        model=call.model,
        url=call.url,
        rejected=call.status is not None and _rejects(call),
    )


def _reason(call: LLMCall, message: str) -> str:
    if call.status is not None and not 200 <= call.status < 300:
        return f"HTTP {call.status}"
    for kind, pattern in _KINDS:
        if re.search(pattern, message, re.I):
            return kind
    if call.status is not None:
        return f"HTTP {call.status} without an answer"
    return message.partition(":")[0] or "time-out"
