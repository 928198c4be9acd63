"""The plugin of an evaluation's child process: stages, the drop rule, one JSON line per item."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from typing import IO, Any

import pytest

from pytest_fapo.evaluate.neutral import neutralize
from pytest_fapo.evaluate.plain import PlainResult
from pytest_fapo.evaluate.preload import preloadable
from pytest_fapo.stash import STAGE_KEY

PLUGIN_NAME = "fapo-child"
_GOOD = ("passed", "xpassed")


class ChildPlugin:
    """Orders and selects the items by stage and reports every verdict at once.

    Args:
        spec: the evaluation's spec, see `pytest_fapo.evaluate.process`.
        results: file that takes the lines.
    """

    def __init__(self, spec: dict[str, Any], results: IO[str]) -> None:
        self.__name__ = PLUGIN_NAME  # how pytest's plugin manager will know it
        self.spec = spec
        self.dropped_at = ""
        self._stages: list[dict[str, Any]] = spec["request"]["stages"]
        self._results = results
        self._process = os.getpid()
        self._plain: dict[str, PlainResult] = {}
        self._recorded: dict[str, str] = {}
        self._stage_items: list[list[str]] = [[] for _ in self._stages]

    # --- options --------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> Generator[None, Any, Any]:
        neutralize(early_config.known_args_namespace)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> Generator[None, Any, Any]:
        neutralize(config.option)
        return (yield)

    # --- collection -----------------------------------------------------------------------------------

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write("uncollected", nodeid=report.nodeid, text=report.longreprtext)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, Any, Any]:
        """Last of all, whatever other plugins do with the order."""
        result = yield
        chosen = self._sorted_by_stage(items)
        left = set(items).difference(chosen)
        if left:
            config.hook.pytest_deselected(items=[item for item in items if item in left])
        items[:] = chosen
        taken = {name for names in self._stage_items for name in names}
        missing = [name for stage in self._stages for name in stage["nodeids"] or () if name not in taken]
        self._write("collected", nodeids=[item.nodeid for item in chosen], missing=missing)
        return result

    def _sorted_by_stage(self, items: list[pytest.Item]) -> list[pytest.Item]:
        stage_of: dict[str, int] = {}
        rest: int | None = None
        for number, stage in enumerate(self._stages):
            if stage["nodeids"] is None:
                rest = number if rest is None else rest
            for nodeid in stage["nodeids"] or ():
                stage_of.setdefault(nodeid, number)
        groups: list[list[pytest.Item]] = [[] for _ in self._stages]
        for item in items:
            stage_number = stage_of.get(item.nodeid, rest)
            if stage_number is not None:
                item.stash[STAGE_KEY] = stage_number
                groups[stage_number].append(item)
                self._stage_items[stage_number].append(item.nodeid)
        return [item for group in groups for item in group]

    # --- items ----------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Around everything else, so that other plugins have said all they have to say of the item."""
        self._write("start", nodeid=item.nodeid)
        result = yield
        if item.nodeid not in self._recorded:
            plain = self._plain.get(item.nodeid)
            if plain is not None:
                self.pytest_fapo_item(plain.record())
        self._end_stage(item)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._plain.setdefault(report.nodeid, PlainResult(report.nodeid)).add(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_fapo_item(self, record: dict[str, Any]) -> None:
        item = record["item"]
        self._recorded[item["nodeid"]] = item["outcome"]
        self._write("item", record=record)

    def _end_stage(self, item: pytest.Item) -> None:
        number = item.stash.get(STAGE_KEY, 0)
        if not self._stage_items[number] or item.nodeid != self._stage_items[number][-1]:
            return
        reason = self._why_dropped(number)
        if reason:
            self.dropped_at = self._stages[number]["name"]
            item.session.shouldstop = reason
            self._write("dropped", stage=self.dropped_at, reason=reason)

    def _why_dropped(self, number: int) -> str:
        stage = self._stages[number]
        good = {nodeid for nodeid in self._stage_items[number] if self._recorded.get(nodeid) in _GOOD}
        # A protected item may have had its turn in an earlier stage.
        harmed = sum(self._recorded.get(nodeid, "passed") not in _GOOD for nodeid in stage["protected"])
        if harmed:
            return f"dropped after stage {stage['name']!r}: {harmed} protected item(s) did not pass"
        if len(good) < stage["min_passed"]:
            total = len(self._stage_items[number])
            return (
                f"dropped after stage {stage['name']!r}: {len(good)} of {total} passed, "
                f"{stage['min_passed']} needed"
            )
        return ""

    # --- the end --------------------------------------------------------------------------------------

    def end(self, exit_code: int) -> None:
        """Write the closing line, by which the parent knows that nothing is missing."""
        self._write("end", exit_code=exit_code, modules=preloadable(self.spec["tree"]["base"]))

    def _write(self, kind: str, **values: Any) -> None:
        if os.getpid() == self._process:  # not from a fork that a test has made
            self._results.write(json.dumps({"kind": kind, **values}) + "\n")
            self._results.flush()
