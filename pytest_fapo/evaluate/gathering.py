"""Turns the lines of a child process into an evaluation."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_fapo.evaluate.shadow import ShadowTree
from pytest_fapo.models import Evaluation, ItemResult, Spending


class Gathered:
    """What the child has said so far.

    Args:
        shadow: the tree that it runs in; its path is told back as the real one.
        on_item: called with each verdict.
    """

    def __init__(self, shadow: ShadowTree, on_item: Callable[[ItemResult], None] | None) -> None:
        self._told = Evaluation()
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
            item = self._told.take(line["record"])
            if self._on_item is not None:
                self._on_item(item)
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
    def items(self) -> dict[str, ItemResult]:
        """The verdicts so far, by node id."""
        return self._told.items

    @property
    def without_verdict(self) -> list[str]:
        """The selected items that have none."""
        return [nodeid for nodeid in self.collected or () if nodeid not in self.items]

    def evaluation(self, **fields: Any) -> Evaluation:
        """The record of the run; `fields` are those that the lines do not tell."""
        return self._told.model_copy(update={"dropped_at": self.dropped_at, **fields})

    def spending(self) -> Spending:
        """Calls and tokens as the traces tell them."""
        total = Spending()
        for call in (call for trace in self._told.traces.values() for call in trace.llm_calls):
            if call.cache_hit:
                total.cache_hits += 1
            else:
                total.calls += 1
                total.usage += call.usage
        for call in (call for item in self._told.items.values() for call in item.test_calls):
            if call.cache_hit:
                total.cache_hits += 1
                total.test_cache_hits += 1
            else:
                total.calls += 1
                total.test_calls += 1
                total.usage += call.usage
        return total


def _as_in_json(path: Path) -> bytes:
    return json.dumps(os.fspath(path))[1:-1].encode()
