"""Turns the lines of a child process into an evaluation."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_fapo.evaluate.shadow import ShadowTree
from pytest_fapo.models import Case, Evaluation, ItemResult, Spending, Trace, Usage


class Gathered:
    """What the child has said so far.

    Args:
        shadow: the tree that it runs in; its path is told back as the real one.
        on_item: called with each verdict.
    """

    def __init__(self, shadow: ShadowTree, on_item: Callable[[ItemResult], None] | None) -> None:
        self.items: dict[str, ItemResult] = {}
        self.traces: dict[str, Trace] = {}
        self.cases: dict[str, Case] = {}
        self.collected: list[str] | None = None
        self.missing: list[str] = []
        self.uncollected: list[str] = []
        self.running = ""
        self.dropped_at = ""
        self.dropped_because = ""
        self.ended = False
        self.modules: list[str] = []
        self._on_item = on_item
        self._shadow_path, self._real_path = _as_in_json(shadow.path), _as_in_json(shadow.root)

    def take(self, text: bytes) -> None:
        """Take in one line of the results file."""
        line = json.loads(text.replace(self._shadow_path, self._real_path))
        kind = line["kind"]
        if kind == "item":
            self._take_item(line["record"])
        elif kind == "start":
            self.running = line["nodeid"]
        elif kind == "collected":
            self.collected, self.missing = line["nodeids"], line["missing"]
        elif kind == "uncollected":
            self.uncollected.append(line["text"] or line["nodeid"])
        elif kind == "dropped":
            self.dropped_at, self.dropped_because = line["stage"], line["reason"]
        elif kind == "end":
            self.ended, self.running, self.modules = True, "", line["modules"]

    @property
    def without_verdict(self) -> list[str]:
        """The selected items that have none."""
        return [nodeid for nodeid in self.collected or () if nodeid not in self.items]

    def evaluation(self, **fields: Any) -> Evaluation:
        """The record of the run; `fields` are those that the lines do not tell."""
        return Evaluation(
            items=self.items,
            traces=self.traces,
            cases=self.cases,
            dropped_at=self.dropped_at,
            **fields,
        )

    def spending(self) -> Spending:
        """Calls and tokens as the traces tell them."""
        total = Spending()
        for call in (call for trace in self.traces.values() for call in trace.llm_calls):
            if call.cache_hit:
                total.cache_hits += 1
            else:
                total.calls += 1
                total.usage += call.usage
        return total

    def _take_item(self, record: dict[str, Any]) -> None:
        item = ItemResult.model_validate(record["item"])
        self.items[item.nodeid] = item
        if record.get("case"):
            self.cases[item.nodeid] = Case.model_validate(record["case"])
        if record.get("trace") and item.trace_id:
            self.traces[item.trace_id] = Trace.model_validate(record["trace"])
        if self._on_item is not None:
            self._on_item(item)


def _as_in_json(path: Path) -> bytes:
    return json.dumps(os.fspath(path))[1:-1].encode()


def spent_since(path: Path, before: Spending) -> Spending:
    """What a spend file tells beyond what it told before."""
    from pytest_fapo.llm.spending import read_spending

    now = read_spending(path)
    return Spending(
        calls=now.calls - before.calls,
        cache_hits=now.cache_hits - before.cache_hits,
        usage=Usage(
            **{name: getattr(now.usage, name) - getattr(before.usage, name) for name in Usage.model_fields}
        ),
        cost=now.cost - before.cost,
        unpriced_models=[model for model in now.unpriced_models if model not in before.unpriced_models],
    )
