"""Traces past what is held in memory come back from the file as they were."""

from __future__ import annotations

import pytest

from pytest_fapo.core import trace_store
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.trace import LLMCall, Trace
from pytest_fapo.core.trace_store import TraceStore
from pytest_fapo.session.item_records import run_summary, session_spending


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_store, "_HELD", 8)
    monkeypatch.setattr(trace_store, "_BLOCK", 4)


def _trace(number: int, output: str = "") -> Trace:
    return Trace(pipeline="pipeline", case_id=f"S-{number}", output=output or f"\ud800 answer {number}")


def _filled(count: int) -> TraceStore:
    store = TraceStore()
    for number in range(count):
        store[f"pipeline::S-{number}"] = _trace(number)
    return store


def test_all_traces_come_back_in_their_order() -> None:
    store = _filled(50)
    assert len(store._held) <= 8
    assert [trace.output for trace in store.values()] == [f"\ud800 answer {number}" for number in range(50)]
    assert [store[f"pipeline::S-{number}"].case_id for number in (49, 0, 25)] == ["S-49", "S-0", "S-25"]
    assert len(store) == 50
    assert store.get("pipeline::S-50") is None


def test_a_trace_that_is_replaced_keeps_its_place_and_its_new_value() -> None:
    store = _filled(50)
    store["pipeline::S-3"] = _trace(3, "another")
    for number in range(50):
        assert store[f"pipeline::S-{number}"].case_id == f"S-{number}"
    assert store["pipeline::S-3"].output == "another"
    assert list(store)[3] == "pipeline::S-3"


def test_sums_need_no_trace_from_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a session says at its end would otherwise read every trace again, several times."""
    store = TraceStore(run_summary)
    for number in range(50):
        calls = [_call(number, cache_hit=number != 7), _call(number + 100, cache_hit=True)]
        store[f"S-{number}"] = Trace(pipeline="pipeline", case_id=f"S-{number}", llm_calls=calls)
    store["S-3"] = Trace(pipeline="pipeline", case_id="S-3", llm_calls=[_call(3, cache_hit=True)])
    del store["S-4"]
    monkeypatch.delattr(TraceStore, "_read")
    spent = session_spending(store.summaries.values(), [])
    assert (spent.cache_hits, spent.calls, spent.unpriced_models) == (96, 1, ["m"])
    assert store.summaries["S-5"].keys == "key-5 key-105"
    for name in list(store):
        del store[name]
    assert not store.summaries


def _call(number: int, *, cache_hit: bool) -> LLMCall:
    return LLMCall(
        key=f"key-{number}",
        api="chat.completions",
        url="http://host.invalid",
        model="m",
        answer="yes",
        status=200,
        cache_hit=cache_hit,
    )


def test_an_evaluation_over_a_store_is_saved_whole() -> None:
    store = TraceStore()
    for number in range(50):
        store[f"S-{number}"] = _trace(number, f"answer {number}")
    saved = Evaluation.of_valid(traces=store).model_dump_json()
    read = Evaluation.model_validate_json(saved)
    assert read.traces == dict(store)
    assert type(read.traces) is dict
