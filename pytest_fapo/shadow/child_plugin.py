"""The plugin of an evaluation's child process: stages, the drop rule, one JSON line per item.

Options that must not act in a child are neutralized, tests without cases are recorded from pytest's own
reports, and the modules that the next child may find loaded are listed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator
from typing import IO, Any

import pytest

from pytest_fapo.capture.redaction import redacted
from pytest_fapo.core.stash import STAGE_KEY
from pytest_fapo.session.item_records import outcome_of
from pytest_fapo.shadow.inside.write_guard import GuardLog

SPREADING: dict[str, Any] = {"numprocesses": None, "dist": "no", "tx": [], "maxprocesses": None}

STOPPING: dict[str, Any] = {"maxfail": 0, "usepdb": False, "trace": False, "stepwise": False}

SELECTING: dict[str, Any] = {
    "cacheclear": False,
    "cacheshow": None,
    "collectonly": False,
    "failedfirst": False,
    "lf": False,
    "newfirst": False,
    "setuponly": False,
    "setupplan": False,
    "setupshow": False,
    "stepwise_reset": False,
    "stepwise_skip": False,
}

REPORTING: dict[str, Any] = {
    "allure_report_dir": None,
    "csv_path": None,
    "htmlpath": None,
    "json_report": False,
    "json_report_file": None,
    "log_file": None,
    "markdown_report_path": None,
    "md_report_output": None,
    "pastebin": None,
    "report_log": None,
    "xmlpath": None,
}

COMMANDS: dict[str, Any] = {"fapo_diagnose": False, "fapo_optimize": False, "fapo_resume": False}

COVERAGE: dict[str, Any] = {"cov_source": None, "no_cov": True}

PRINTING: dict[str, Any] = {"tbstyle": "no", "showcapture": "no", "showlocals": False}
"""Nobody reads a child's tracebacks, and making them costs."""

NEUTRAL_VALUES: dict[str, Any] = {
    **PRINTING,
    **SPREADING,
    **STOPPING,
    **SELECTING,
    **REPORTING,
    **COMMANDS,
    **COVERAGE,
}


def neutralize(options: Any) -> None:
    """Set every known option of this namespace to the value with which it does nothing."""
    for name, value in NEUTRAL_VALUES.items():
        if hasattr(options, name):
            setattr(options, name, value)


_EXPLANATION_LINES = 12

_EXPLANATION_CHARS = 2_000


class PlainResult:
    """Gathers the phases of one item; the first one that does not pass decides."""

    def __init__(self, nodeid: str) -> None:
        self._nodeid = nodeid
        self._outcome = "passed"
        self._explanation = ""
        self._duration = 0.0

    def add(self, report: pytest.TestReport) -> None:
        """Take in the report of set-up, call (or one of its subtests) or tear-down."""
        self._duration += report.duration
        if report.outcome not in ("passed", "failed", "skipped"):  # "rerun": another try follows
            self._outcome, self._explanation = "passed", ""
            return
        outcome = outcome_of(report)
        if outcome == "passed" or self._outcome in ("failed", "error"):
            return
        self._outcome = outcome
        self._explanation = _explanation(report)

    def record(self) -> dict[str, Any]:
        """As `pytest_fapo_item` would give it, without case and trace."""
        item = {
            "nodeid": self._nodeid,
            "test": self._nodeid.split("[", 1)[0],
            "outcome": self._outcome,
            "explanation": self._explanation,
            "error_type": _error_type(self._explanation) if self._outcome in ("failed", "error") else "",
            "duration": self._duration,
        }
        return {"item": item, "case": None, "trace": None}


def _explanation(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return redacted(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else report.longreprtext
    lines: list[str] = redacted(text).strip().splitlines()
    if len(lines) > _EXPLANATION_LINES:
        lines = [*lines[:_EXPLANATION_LINES], "..."]
    return "\n".join(lines)[:_EXPLANATION_CHARS]


def _error_type(explanation: str) -> str:
    """Return the class that an explanation starts with; a bare `assert …` comes from an AssertionError."""
    head = explanation.partition(":")[0].split("\n")[0].strip()
    if head.startswith("assert ") or head == "assert":
        return "AssertionError"
    name = head.rpartition(".")[2]
    return name if name.isidentifier() else ""


SDKS = frozenset(
    {
        *("anthropic", "anyio", "genai_prices", "httpcore", "httpcore2", "httpx", "httpx2", "openai"),
        *("pydantic", "rich"),
    }
)
"""SDKs of LLM providers, what they are made of, and tables of prices: slow to load, and the same whoever
loads them when."""

_SHARING = frozenset(
    f"multiprocessing.{name}" for name in ("heap", "shared_memory", "sharedctypes", "synchronize")
)
"""Modules that are loaded once something is shared between processes; the system keeps that in one folder."""

_OWN_PACKAGE = "pytest_fapo"

_NEVER_PRELOADED = ("pytest_fapo.plugin", "pytest_fapo.hookspecs", "pytest_fapo.shadow")


def preloadable(shadow_base: str) -> list[str]:
    """Return the modules of this process that a later one may be given ready, in the order in which they
    came.

    Args:
        shadow_base: modules from below this folder are the user's own and never taken.
    """
    names = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if file and not file.startswith(shadow_base) and _is_wanted(name):
            names.append(name)
    return names


def _is_wanted(name: str) -> bool:
    top = name.partition(".")[0]
    if top == _OWN_PACKAGE:
        return not name.startswith(_NEVER_PRELOADED)
    return top in SDKS and "pytest" not in name


PLUGIN_NAME = "fapo-child"

_GOOD = ("passed", "xpassed")


class ChildPlugin:
    """Orders and selects the items by stage and reports every verdict at once.

    Args:
        spec: the evaluation's spec, see `pytest_fapo.shadow.child_process`.
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
        stage_of: dict[str, int | None] = dict.fromkeys(self.spec["request"]["options"].get("left_out") or ())
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
        if self.spec["cage"] is None and _SHARING & sys.modules.keys():
            GuardLog(self.spec["log"]).add("write", "/dev/shm")
        self._write("end", exit_code=exit_code, modules=preloadable(self.spec["tree"]["base"]))

    def _write(self, kind: str, **values: Any) -> None:
        if os.getpid() == self._process:  # not from a fork that a test has made
            self._results.write(json.dumps({"kind": kind, **values}) + "\n")
            self._results.flush()
