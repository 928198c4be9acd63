"""The cost of LLM calls: counts, tokens and US dollars, as a record and as text."""

from __future__ import annotations

from pydantic import Field

from pytest_fapo.core.record import Record
from pytest_fapo.core.text import count, listing
from pytest_fapo.core.trace import Usage

RUN_COSTS = ("tokens", "usd", "seconds")
"""Metrics of every run that no test has to record, less is better: tokens in and out, price, and the time
that model calls took, added up."""


class Spending(Record):
    """LLM calls of one evaluation, one run or one optimizer, by where the answer came from."""

    calls: int = 0
    """Requests sent to a provider (or to the offline model)."""
    cache_hits: int = 0
    usage: Usage = Field(default_factory=Usage)
    """Tokens of the sent requests only."""
    cost: float = 0.0
    """USD of the sent requests whose model has a known price."""
    unpriced_models: list[str] = Field(default_factory=list)
    listed: float = 0.0
    """USD at list prices of the answers whose host sells at no known price; 0 where nothing is listed."""
    test_calls: int = 0
    """The part of `calls` that tests made beside their runs: models that judge an output."""
    test_cache_hits: int = 0
    """The same part of `cache_hits`."""
    test_cost: float = 0.0
    """The same part of `cost`."""

    def __add__(self, other: Spending) -> Spending:
        return Spending(
            calls=self.calls + other.calls,
            cache_hits=self.cache_hits + other.cache_hits,
            usage=self.usage + other.usage,
            cost=self.cost + other.cost,
            unpriced_models=sorted({*self.unpriced_models, *other.unpriced_models}),
            listed=self.listed + other.listed,
            test_calls=self.test_calls + other.test_calls,
            test_cache_hits=self.test_cache_hits + other.test_cache_hits,
            test_cost=self.test_cost + other.test_cost,
        )

    def __sub__(self, earlier: Spending) -> Spending:
        """Return the spending since `earlier`, a state of the same account."""
        return Spending(
            calls=self.calls - earlier.calls,
            cache_hits=self.cache_hits - earlier.cache_hits,
            usage=self.usage - earlier.usage,
            cost=self.cost - earlier.cost,
            unpriced_models=[model for model in self.unpriced_models if model not in earlier.unpriced_models],
            listed=self.listed - earlier.listed,
            test_calls=self.test_calls - earlier.test_calls,
            test_cache_hits=self.test_cache_hits - earlier.test_cache_hits,
            test_cost=self.test_cost - earlier.test_cost,
        )


def money(usd: float) -> str:
    """US dollars: `$1,204.50`, `$0.42`, `$0.0031`."""
    if usd == 0 or usd >= 0.01:
        return f"${usd:,.2f}"
    return f"${usd:.2g}" if usd >= 0.0001 else "under $0.0001"


def tokens_text(spending: Spending) -> str:
    """`120,304 in, 20,113 out`."""
    return f"{spending.usage.input_tokens:,} in, {spending.usage.output_tokens:,} out"


def cost_text(spending: Spending) -> str:
    """Return the cost of the sent calls as text; a model with no known price is named, never guessed at."""
    if not spending.calls:
        return "nothing: no call was sent"
    unknown = listing(spending.unpriced_models)
    if not unknown:
        return money(spending.cost)
    known = f"{money(spending.cost)} and more: " if spending.cost else ""
    if not spending.listed:
        return f"{known}no price known for {unknown}"
    about = "" if spending.listed < 0.0001 else "about "
    return f"{known}no price: {unknown} at this host (list price would be {about}{money(spending.listed)})"


def for_judges(part: float) -> str:
    """` (12 judge calls)`: the part of calls, or of what they cost, that tests made beside their runs."""
    if not part:
        return ""
    return f" ({count(part, 'judge call')})" if isinstance(part, int) else f" ({money(part)} for judges)"
