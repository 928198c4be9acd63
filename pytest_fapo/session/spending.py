"""What the LLM calls of a session's traces come to."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_fapo.errors import BudgetExceeded, CacheMiss
from pytest_fapo.models import Evaluation, LLMCall, Spending

_REFUSED = tuple(f"{kind.__name__}:" for kind in (CacheMiss, BudgetExceeded))
"""How the record of a call begins its error where the call was never sent."""


def session_spending(evaluation: Evaluation) -> Spending:
    """Sum up what the runs of an evaluation and its tests have asked."""
    runs = spending_of(call for trace in evaluation.traces.values() for call in trace.llm_calls)
    tests = spending_of(call for item in evaluation.items.values() for call in item.test_calls)
    part = {"test_calls": tests.calls, "test_cache_hits": tests.cache_hits, "test_cost": tests.cost}
    return runs + tests.model_copy(update=part)


def spending_of(calls: Iterable[LLMCall]) -> Spending:
    """Sum up LLM calls: those sent and those answered from the cache."""
    from pytest_fapo.llm.prices import cost as price

    total = Spending()
    unpriced = set()
    for call in calls:
        if call.cache_hit:
            total.cache_hits += 1
            continue
        if (call.error or "").startswith(_REFUSED):
            continue
        total.calls += 1
        total.usage = total.usage + call.usage
        cost = price(call)
        if cost is None:
            unpriced.add(call.model or "unknown")
        else:
            total.cost += cost
    total.unpriced_models = sorted(unpriced)
    return total
