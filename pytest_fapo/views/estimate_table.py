"""An estimate of a run's cost on the terminal: a line for each stage, how it was computed, what to type."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TextIO

from pytest_fapo.core.spending import money
from pytest_fapo.core.text import listing
from pytest_fapo.loop.estimate import Cost, CostRange, Estimate
from pytest_fapo.loop.optimize_request import Budget
from pytest_fapo.views.terminal import Terminal

_COLUMN = 12


def render_estimate(
    estimate: Estimate,
    file: TextIO,
    *,
    tty: bool = False,
    color: bool = False,
    width: int | None = None,
    command: str,
    budget: Budget,
) -> None:
    """Write the estimate.

    Args:
        estimate: what to say.
        file: where to write.
        tty: whether lines are folded to the terminal's width.
        color: whether ANSI colors may be written.
        width: columns; asked of the terminal where not given.
        command: that would start the run.
        budget: the limits that were given.
    """
    terminal = Terminal(file, tty=tty, color=color, width=width)
    terminal.line("")
    terminal.line((f"Estimate of {command} with these settings. Nothing was sent.", "bold"))
    terminal.line("")
    rows = [("", "calls", "tokens", "at list prices"), *(_row(*each) for each in estimate.stages.items())]
    terminal.table([*rows, _row("total", estimate.total)], right=(1, 2, 3))
    terminal.line("")
    for number, text in enumerate(estimate.how):
        terminal.labeled("" if number else "How", text, column=_COLUMN)
    if estimate.unpriced:
        terminal.labeled("No price", listing(estimate.unpriced), column=_COLUMN)
    limits = [f"--fapo-max-calls={budget.max_calls}"] if budget.max_calls is not None else []
    limits += [f"--fapo-budget={budget.max_cost:g}"] if budget.max_cost is not None else []
    if limits:
        terminal.labeled("Limit", f"the run stops at {listing(limits)}, whatever comes first", column=_COLUMN)
    elif not estimate.measured:
        told = "pytest; with a first run on record, the estimate is closer"
        terminal.labeled("Next", told, column=_COLUMN)
    else:
        terminal.labeled("Next", f"{command} {_limit(estimate.total.high)}", column=_COLUMN)


def _limit(most: Cost) -> str:
    """Return the option that keeps a run within the estimate."""
    if most.usd:
        return f"--fapo-budget={max(0.01, math.ceil(most.usd * 100) / 100):g}"
    return f"--fapo-max-calls={max(1, math.ceil(most.calls))}"


def _row(stage: str, cost: CostRange) -> tuple[str, str, str, str]:
    usd = "unknown"
    if cost.low.usd is not None and cost.high.usd is not None:
        usd = _span(cost.low.usd, cost.high.usd, money)
    return (
        stage,
        _span(cost.low.calls, cost.high.calls, _about),
        _span(cost.low.tokens, cost.high.tokens, _about),
        usd,
    )


def _span(low: float, high: float, said: Callable[[float], str]) -> str:
    first, last = said(low), said(high)
    return first if first == last else f"{first} to {last}"


def _about(number: float) -> str:
    """`12`, `1,200`: two figures of it are worth saying."""
    digits = max(0, math.floor(math.log10(number)) - 1) if number >= 1 else 0
    return f"{round(number, -digits):,.0f}"
