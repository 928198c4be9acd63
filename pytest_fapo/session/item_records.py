"""Build an item's record from pytest's reports, and add up the cost of all items' calls."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import pytest

from pytest_fapo.capture.redaction import has_secrets, redacted, redacted_value
from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import BudgetExceeded, CacheMiss, CallStopped
from pytest_fapo.core.evaluation import ItemResult
from pytest_fapo.core.record import Outcome
from pytest_fapo.core.settings import Settings
from pytest_fapo.core.spending import RUN_COSTS, Spending
from pytest_fapo.core.trace import LLMCall, Trace
from pytest_fapo.core.trace_store import RunSummary
from pytest_fapo.session.run_fixture import ItemNotes

_KEPT = frozenset({"id", "split", "origin"})
"""The fields that identify a case."""

_EXPLANATION_LINES = 12

_EXPLANATION_CHARS = 2_000


@dataclass(slots=True)
class ItemState:
    """Kept on the item from its set-up to its tear-down."""

    notes: ItemNotes = field(default_factory=ItemNotes)
    outcome: Outcome = "passed"
    explanation: str = ""
    error_type: str = ""
    duration: float = 0.0
    trace_id: str | None = None
    """Of the run that its record names."""

    def add(self, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """Take in the report of one phase; the first phase that fails decides."""
        self.duration += report.duration
        outcome = outcome_of(report)
        if self.outcome in ("failed", "error") or outcome == "passed":
            return
        self.outcome = outcome
        if call.excinfo is not None:
            self.error_type = self.notes.stopped or call.excinfo.typename
            self.explanation = _shorten(call.excinfo.exconly(tryshort=True))
            if isinstance(call.excinfo.value, CallStopped | pytest.fail.Exception):
                self.explanation = _shorten(str(call.excinfo.value))
        elif report.failed:
            self.explanation = _shorten(str(report.longrepr))


@dataclass(frozen=True)
class MetricRules:
    """Record of what the project says of graded metrics."""

    lower: frozenset[str]
    """Those of which less is better."""
    costs: tuple[str, ...]
    """Those of `RUN_COSTS` that the project names: they are recorded with every run."""

    @classmethod
    def of(cls, settings: Settings, floors: Sequence[str] | None) -> MetricRules:
        """Return the rules of a session.

        Args:
            settings: `[tool.fapo]`.
            floors: `--fapo-min-score`.
        """
        named = {*settings.objective, *settings.guarded}
        limits = [*settings.min_score, *(floor.rpartition("=")[0].strip() for floor in floors or ())]
        named |= {name.removeprefix("metric:") for name in limits if name.startswith("metric:")}
        lower = frozenset([*settings.lower_is_better, *RUN_COSTS])
        return cls(lower, tuple(name for name in RUN_COSTS if name in named))

    def scores(self, notes: ItemNotes, trace: Trace | None) -> dict[str, float]:
        """Return the scores of an item with those that its run gives by itself."""
        if not self.costs or trace is None or notes.case is None:
            return notes.scores
        from pytest_fapo.answers.prices import run_costs

        found = run_costs(trace.llm_calls)
        return {**{name: found[name] for name in self.costs if name in found}, **notes.scores}


@dataclass(frozen=True)
class ItemRecord:
    """Record of what an item that has been torn down leaves."""

    item: ItemResult
    case: Case | None
    trace: Trace | None
    """None if the item has none, or another item of its run has already brought it."""
    further_keys: list[str]

    @cached_property
    def data(self) -> dict[str, Any]:
        """As `pytest_fapo_item` gives it."""
        return {
            "item": self.item.model_dump(mode="json"),
            "case": self.case.model_dump(mode="json") if self.case else None,
            "trace": self.trace.model_dump(mode="json") if self.trace else None,
            "further_keys": self.further_keys,
        }

    def pack(self) -> str:
        """Return one line of JSON: the only form in which a record crosses from an xdist worker."""
        return json.dumps(self.data, ensure_ascii=True)

    @classmethod
    def unpack(cls, line: str) -> ItemRecord:
        """Return the record that `pack` was called on."""
        data = json.loads(line)
        return cls(
            ItemResult.model_validate(data["item"]),
            Case.model_validate(data["case"]) if data["case"] else None,
            Trace.model_validate(data["trace"]) if data["trace"] else None,
            data["further_keys"],
        )


def item_record(item: pytest.Item, state: ItemState, traced: set[str], metrics: MetricRules) -> ItemRecord:
    """Return the record of an item that has been torn down.

    Args:
        item: the item.
        state: what was gathered of it.
        traced: ids of the traces that were given before; the item's own is added.
        metrics: what the project says of graded metrics.
    """
    notes = state.notes
    state.trace_id, trace = _trace(item, notes)
    scores = {name: float(value) for name, value in metrics.scores(notes, trace).items()}
    fields = {
        "nodeid": item.nodeid,
        "outcome": state.outcome,
        "test": sys.intern(item.nodeid.split("[", 1)[0]),
        "pipeline": notes.pipeline,
        "explanation": state.explanation,
        "error_type": state.error_type,
        "scores": scores,
        "lower_is_better": [name for name in scores if name in metrics.lower],
        "judge_scores": notes.judge_scores,
        "feedback": [redacted(text) for text in notes.feedback],
        "duration": state.duration,
        "trace_id": state.trace_id,
        "producible_in": notes.producible_in,
        "test_calls": notes.further_calls,
        "unanswered": notes.unanswered,
    }
    if notes.case is not None:
        fields |= {"case_id": notes.case.id, "split": notes.case.split, "weight": notes.case.weight}
        fields["repeat"] = notes.repeat
    result = ItemResult.of_valid(
        **{name: value for name, value in fields.items() if value or name == "weight"}
    )
    new_trace = trace if state.trace_id is not None and state.trace_id not in traced else None
    if state.trace_id is not None:
        traced.add(state.trace_id)
    case = _recorded_case(notes.case) if notes.case is not None else None
    return ItemRecord(result, case, new_trace, notes.further_keys)


def _recorded_case(case: Case) -> Case:
    """Return the case without credentials: itself where it has none."""
    if not has_secrets({name: value for name, value in list(vars(case).items()) if name not in _KEPT}):
        return case
    data = case.model_dump(mode="json")
    clean = redacted_value(data, _KEPT)
    return case if clean == data else Case.model_validate(clean)


def _trace(item: pytest.Item, notes: ItemNotes) -> tuple[str | None, Trace | None]:
    if notes.execution is not None and notes.execution.trace is not None:
        return notes.execution.trace_id, notes.execution.trace
    if notes.trace is not None:
        return item.nodeid, notes.trace
    return None, None


def outcome_of(report: pytest.TestReport) -> Outcome:
    """Return the outcome as records name it."""
    expected_to_fail = hasattr(report, "wasxfail")
    if report.skipped:
        return "xfailed" if expected_to_fail else "skipped"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    return "xpassed" if expected_to_fail and report.when == "call" else "passed"


_COLOR = re.compile(r"\x1b\[[\d;]*m")


def _shorten(text: str) -> str:
    text = _COLOR.sub("", text)  # on a terminal pytest colors the difference of two values
    lines = redacted(text).strip().splitlines()  # first of all: half a secret is not known as one
    if len(lines) > _EXPLANATION_LINES:
        lines = [*lines[:_EXPLANATION_LINES], "..."]
    return "\n".join(lines)[:_EXPLANATION_CHARS]


_REFUSED = tuple(f"{kind.__name__}:" for kind in (CacheMiss, BudgetExceeded))
"""The beginnings of a call's recorded error if the call was never sent."""


def run_summary(trace: Trace) -> RunSummary:
    """Return what is kept in memory of a run."""
    calls = trace.llm_calls
    replayed = all(call.cache_hit for call in calls)
    return RunSummary(
        trace.pipeline,
        trace.case_id,
        " ".join(call.key for call in calls if call.answered),
        any(call.offline for call in calls),
        _replays(len(calls)) if replayed else spending_of(calls),
    )


@lru_cache(maxsize=1024)
def _replays(number: int) -> Spending:
    return Spending(cache_hits=number)  # the same for all runs with so many


def session_spending(runs: Collection[RunSummary], items: Iterable[ItemResult]) -> Spending:
    """Sum up what runs and the tests of items have asked."""
    replayed = Counter(run.spending.cache_hits for run in runs if not run.spending.calls)
    hits = sum(number * times for number, times in replayed.items())
    sent = [run.spending for run in runs if run.spending.calls]
    total = sum(sent, Spending(cache_hits=hits))
    tests = spending_of(call for item in items for call in item.test_calls)
    part = {"test_calls": tests.calls, "test_cache_hits": tests.cache_hits, "test_cost": tests.cost}
    return total + tests.model_copy(update=part)


def spending_of(calls: Iterable[LLMCall]) -> Spending:
    """Sum up LLM calls: those sent and those answered from the cache."""
    from pytest_fapo.answers.prices import call_cost as price
    from pytest_fapo.answers.prices import list_price

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
            total.listed += list_price(call) or 0.0
        else:
            total.cost += cost
    total.unpriced_models = sorted(unpriced)
    return total
