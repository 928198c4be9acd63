"""The record of an item that nobody else records: made from pytest's own reports of its phases."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_fapo.trace.redact import redacted

_LINES = 12
_CHARS = 2_000


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
        outcome = _outcome(report)
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


def _outcome(report: pytest.TestReport) -> str:
    expected_to_fail = hasattr(report, "wasxfail")
    if report.skipped:
        return "xfailed" if expected_to_fail else "skipped"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    return "xpassed" if expected_to_fail and report.when == "call" else "passed"


def _explanation(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return redacted(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else report.longreprtext
    lines: list[str] = redacted(text).strip().splitlines()
    if len(lines) > _LINES:
        lines = [*lines[:_LINES], "..."]
    return "\n".join(lines)[:_CHARS]


def _error_type(explanation: str) -> str:
    """The class that an explanation starts with; a bare `assert …` comes from an AssertionError."""
    head = explanation.partition(":")[0].split("\n")[0].strip()
    if head.startswith("assert ") or head == "assert":
        return "AssertionError"
    name = head.rpartition(".")[2]
    return name if name.isidentifier() else ""
