"""The arithmetic of a run too large to make here: what a million cases take, computed from measured rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Rates:
    """Rates that were measured on a small machine; `docs/many-machines.md` says how."""

    answer_bytes: float = 1_700
    """An answer of 1.2 kB in Redis, with its key."""
    gets_per_process: float = 3_600
    shares_per_process: float = 3_800
    leases_per_process: float = 1_290
    """A lease taken and released."""
    requests_of_redis: float = 6_900
    """A second, of the server, asked by 64 connections."""
    requests_per_call: int = 5
    """Of a call that is sent: found, lease, found by now, share, release."""


@dataclass(frozen=True)
class LargeRun:
    """A run to compute; prices in USD per million tokens."""

    cases: int = 1_000_000
    calls_per_case: int = 2
    tokens_in: int = 600
    tokens_out: int = 150
    price_in: float = 0.15
    price_out: float = 0.60
    seconds_per_call: float = 1.0
    processes: int = 20
    concurrency: int = 16
    provider_per_minute: int = 10_000

    @property
    def calls(self) -> int:
        return self.cases * self.calls_per_case

    def figures(self, rates: Rates) -> Iterator[tuple[str, str]]:
        """Yield what the run takes: its price, the memory of Redis, and its time at each limit."""
        price = self.tokens_in * self.price_in + self.tokens_out * self.price_out
        at_once = self.processes * self.concurrency
        shared = rates.requests_of_redis / rates.requests_per_call
        found, lease, share = (
            1 / rate for rate in (rates.gets_per_process, rates.leases_per_process, rates.shares_per_process)
        )
        a_process = 2 * found + lease + share
        yield "price", f"${self.calls * price / 1e6:,.0f}"
        yield "Redis", f"{self.calls * rates.answer_bytes / 1e9:.1f} GB"
        yield "time", clock(self.calls * self.seconds_per_call / at_once)
        yield "time at the provider's limit", clock(self.calls / (self.provider_per_minute / 60))
        yield "time at the limit of Redis", clock(self.calls / shared)
        yield "calls a second: wanted", f"{at_once / self.seconds_per_call:,.0f}"
        yield "calls a second: Redis", f"{shared:,.0f}"
        yield "calls a second: one process", f"{1 / a_process:,.0f}"
        yield "processes until Redis saturates", f"{shared * self.seconds_per_call / self.concurrency:,.0f}"
        yield "time of the same run elsewhere, from Redis", clock(self.calls / rates.requests_of_redis)


def clock(seconds: float) -> str:
    """`1 h 44 min`; minutes alone below an hour."""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
