"""Options that must not act in a child, whether they stand in `addopts`, in PYTEST_ADDOPTS or elsewhere."""

from __future__ import annotations

from typing import Any

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

ALL: dict[str, Any] = {**PRINTING, **SPREADING, **STOPPING, **SELECTING, **REPORTING, **COMMANDS, **COVERAGE}


def neutralize(options: Any) -> None:
    """Set every known option of this namespace to the value with which it does nothing."""
    for name, value in ALL.items():
        if hasattr(options, name):
            setattr(options, name, value)
