"""The HTML report of a session, and the one that each run of an optimization keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_fapo.report.pull_request import PageKind

if TYPE_CHECKING:
    from pytest_fapo.outcome import Done
    from pytest_fapo.report.html import Kind, ReportData
    from pytest_fapo.session import FapoSession
    from pytest_fapo.terminal_output import Output


def write_reports(
    config: pytest.Config, session: FapoSession, done: Done, path: Path | None, kind: PageKind, out: Output
) -> None:
    """Write `--fapo-report` and, after an optimization, the report in its run directory.

    Raises:
        FapoError: a report cannot be written.
    """
    own = done.run.path / "report.html" if done.run is not None else None
    if path is None and own is None:
        return
    from pytest_fapo.report.html import write_report

    data = _data(session, done, kind)
    for place in (own, path):
        if place is not None:
            write_report(place, data)
    out.file.write(f"fapo: HTML report: {path or own_report(done)}\n")


def own_report(done: Done) -> str:
    """Path of the report in the run directory as the user would type it; empty where there was no run."""
    if done.run is None:
        return ""
    from pytest_fapo.optimize.run_directory import shown

    return f"{shown(done.run.path)}/report.html"


def _data(session: FapoSession, done: Done, kind: PageKind) -> ReportData:
    from pytest_fapo.report.html import ReportData

    if done.run is not None:
        from pytest_fapo.optimize.reporting import load_run

        return load_run(done.run, done.baseline)
    kinds: dict[PageKind, Kind] = {"gate": "gate", "update": "gate", "diagnose": "diagnose"}
    return ReportData(
        title=session.folder.name,
        kind=kinds.get(kind, "plain"),
        after=done.baseline,
        gate=done.gate,
        diagnoses={"": done.diagnosis} if done.diagnosis is not None else {},
    )
