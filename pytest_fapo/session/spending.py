"""What the LLM calls of a session's traces come to."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_fapo.errors import BudgetExceeded, CacheMiss
from pytest_fapo.models import LLMCall, Spending

_REFUSED = tuple(f"{kind.__name__}:" for kind in (CacheMiss, BudgetExceeded))
"""How the record of a call begins its error where the call was never sent."""


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
