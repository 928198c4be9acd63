"""Gathers the records of a session's items into its evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pytest_fapo.errors import BudgetExceeded, CacheMiss
from pytest_fapo.models import Case, Evaluation, ItemResult, LLMCall, Spending, Trace

_REFUSED = tuple(f"{kind.__name__}:" for kind in (CacheMiss, BudgetExceeded))
"""How the record of a call begins its error where the call was never sent."""


class EvaluationBuilder:
    """Takes records as items end, gives the evaluation at any time."""

    def __init__(self) -> None:
        self._evaluation = Evaluation()

    def add(self, record: dict[str, Any]) -> ItemResult:
        """Take in one record; a later record of the same item (a rerun) replaces the earlier one."""
        item = ItemResult.model_validate(record["item"])
        self._evaluation.items[item.nodeid] = item
        if record.get("case"):
            self._evaluation.cases[item.nodeid] = Case.model_validate(record["case"])
        if record.get("trace") and item.trace_id:
            self._evaluation.traces[item.trace_id] = Trace.model_validate(record["trace"])
        return item

    def build(self, *, exit_code: int = 0, complete: bool = True, stopped: str = "") -> Evaluation:
        """The evaluation of what was taken in so far."""
        spending = spending_of(call for trace in self._evaluation.traces.values() for call in trace.llm_calls)
        return self._evaluation.model_copy(
            update={
                "exit_code": exit_code,
                "complete": complete,
                "stopped": stopped,
                "spending": spending,
            }
        )


def spending_of(calls: Iterable[LLMCall], price: Callable[[LLMCall], float | None] | None = None) -> Spending:
    """Sum up LLM calls: those sent and those answered from the cache."""
    from pytest_fapo.llm.prices import cost as known_price

    price = price or known_price
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
