"""A model that answers none of the first cases is not asked for the others."""

from __future__ import annotations

import pytest

from pytest_fapo.core.errors import ModelUnavailable
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.trace import LLMCall, Trace
from pytest_fapo.session.case_progress import progress_text
from pytest_fapo.session.outage_breaker import OutageBreaker


def trace(status: int | None, error: str | None = None) -> Trace:
    call = LLMCall(key=f"{status}", api="chat.completions", url="http://x", status=status, error=error)
    return Trace(pipeline="p", case_id="c", llm_calls=[call])


def rejected() -> Trace:
    return trace(401, "HTTP 401: Incorrect API key provided")


def test_eight_cases_without_an_answer_stop_the_session_with_the_providers_own_words() -> None:
    breaker = OutageBreaker()
    for _ in range(7):
        breaker.note(rejected())
        breaker.check()
    breaker.note(Trace(pipeline="p", case_id="c"))  # a case that asks nobody says nothing
    breaker.check()
    breaker.note(rejected())
    said = r"the first 8 cases got no answer from the model \(HTTP 401\): Incorrect API key provided"
    with pytest.raises(ModelUnavailable, match=said):
        breaker.check()


def test_one_answer_is_enough_to_go_on() -> None:
    breaker = OutageBreaker()
    breaker.note(trace(200))
    for _ in range(50):
        breaker.note(rejected())
    breaker.check()


def test_progress_says_how_many_of_how_many_the_cost_and_the_time_left() -> None:
    spent = Spending(calls=68, cost=0.021)
    assert progress_text(34, 170, spent, 10.0, None) == "fapo: 34 of 170 cases · 68 calls · $0.02 · 0:40 left"
    assert progress_text(0, 1, Spending(), 10.0, 2.0) == "fapo: 0 of 1 case · 0 calls · $0.00 of $2.00"
