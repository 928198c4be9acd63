"""Write a session's files for others: a Markdown page, annotations, Code Quality and HTML reports.

Each file is written by itself; one that fails does not keep back the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.errors import FapoError
from pytest_fapo.views.annotations import (
    Annotation,
    RepositoryLocations,
    code_quality_json,
    failing_remarks,
    gate_remarks,
    github_lines,
    lowering_remarks,
    run_remarks,
)
from pytest_fapo.views.pull_request.markdown_page import pull_request_markdown
from pytest_fapo.views.pull_request.page_record import PageKind, PullRequest

if TYPE_CHECKING:
    from pytest_fapo.core.pytest_terminal import PytestTerminal
    from pytest_fapo.session.fapo_session import FapoSession
    from pytest_fapo.views.html.report_data import Kind, ReportData
    from pytest_fapo.views.session_result import SessionResult


def publish(config: pytest.Config, session: FapoSession, done: SessionResult, out: PytestTerminal) -> None:
    """Write what the options and the CI's own variables ask for.

    Args:
        config: pytest's.
        session: the plugin's session.
        done: what it has come to.
        out: pytest's terminal; says what was written, and carries GitHub's annotations.

    Raises:
        FapoError: a file cannot be written; the others are.
    """
    kind = kind_of(config.option)
    where = Destinations.of(config, kind, os.environ)
    failed: list[str] = []
    _attempt_write(lambda: write_reports(config, session, done, where.report, kind, out), failed)
    if where.page or where.annotations or where.code_quality is not None:
        from pytest_fapo.views.pull_request.page_gathering import PageGatherer

        gathering = PageGatherer(session, done)
        data = gathering.page(kind)
        data.report = config.option.fapo_report or own_report(done)
        _attempt_write(lambda: _write_page(where, data, out), failed)
        remarks = _remarks_of(data, RepositoryLocations(session.root, gathering.store, os.environ))
        if where.annotations:
            _print_lines(github_lines(remarks), out)
        if where.code_quality is not None:
            report = code_quality_json(remarks, whole=session.settings.baseline)
            path = where.code_quality
            _attempt_write(lambda: write_output(path, report, option="--fapo-code-quality"), failed)
    if failed:
        raise FapoError("\nfapo: ".join(failed))


def kind_of(option: Any) -> PageKind:
    """Return the kind of page for the session's command."""
    if option.fapo_gate:
        return "gate"
    if option.fapo_update_baseline:
        return "update"
    if option.fapo_optimize or option.fapo_resume:
        return "optimize"
    return "diagnose" if option.fapo_diagnose else "plain"


def _write_page(where: Destinations, data: PullRequest, out: PytestTerminal) -> None:
    if where.summary is not None:
        write_output(where.summary, pull_request_markdown(data, limit=COMMENT_BYTES), option="--fapo-summary")
        out.file.write(f"fapo: summary for a pull request: {where.summary}\n")
    if where.step_summary is not None:
        _add_to_step(where.step_summary, data, out)


def _add_to_step(path: Path, data: PullRequest, out: PytestTerminal) -> None:
    """GitHub's own summary: nobody asked for it on the command line, so it fails nothing."""
    room = room_in(path)
    page = pull_request_markdown(data, limit=room)
    if len(page.encode()) > room:
        out.file.write("fapo: the summary of this step is full already\n")
        return
    try:
        append_output(path, page)
    except FapoError as error:
        from pytest_fapo.capture.redaction import error_text

        out.file.write(f"fapo: {error_text(error)}\n")


def _remarks_of(data: PullRequest, locations: RepositoryLocations) -> list[Annotation]:
    if data.gate is not None:
        found = gate_remarks(data.gate, data.evaluation, data.changes, locations)
        return found + (lowering_remarks(data.branch, data.changes, locations) if data.branch else [])
    if data.summary is not None:
        return run_remarks(data.summary, data.changes, locations)
    return failing_remarks(data.evaluation, locations)


def _print_lines(lines: list[str], out: PytestTerminal) -> None:
    """Each on a line of its own: GitHub reads commands at the start of a line only."""
    if lines:
        out.file.write("\n" + "\n".join(lines) + "\n")
        out.file.flush()


def _attempt_write(action: Callable[[], None], failed: list[str]) -> None:
    try:
        action()
    except FapoError as error:
        failed.append(str(error))


COMMENT_BYTES = 65_000
"""A comment on GitHub takes 65,536 characters; what is longer is refused as a whole."""

STEP_BYTES = 1024 * 1024
"""GitHub drops a step's summary that is longer, with all that other commands of the step wrote."""


@dataclass(frozen=True)
class Destinations:
    """Files that are asked for, each None where it is not."""

    summary: Path | None
    step_summary: Path | None
    """GitHub's own file of the running step, which is appended to."""
    code_quality: Path | None
    report: Path | None
    annotations: bool
    """True if GitHub's workflow commands are printed."""

    @classmethod
    def of(cls, config: pytest.Config, kind: PageKind, environment: Mapping[str, str]) -> Destinations:
        """Read them off.

        Args:
            config: pytest's.
            kind: what the session did; a plain one leaves GitHub's summary alone unless `--fapo-summary` asks
                for one.
            environment: of this process.
        """
        option = config.option
        github = environment.get("GITHUB_ACTIONS") == "true"
        step = environment.get("GITHUB_STEP_SUMMARY") if kind != "plain" or option.fapo_summary else None
        return cls(
            summary=_placed(config, option.fapo_summary),
            step_summary=Path(step) if step else None,
            code_quality=_placed(config, option.fapo_code_quality),
            report=_placed(config, option.fapo_report),
            annotations=option.fapo_annotations == "github" or (option.fapo_annotations == "auto" and github),
        )

    @property
    def page(self) -> bool:
        """True if a Markdown page is asked for."""
        return self.summary is not None or self.step_summary is not None


def _placed(config: pytest.Config, path: str | None) -> Path | None:
    """Return a path as the user typed it, where they typed it."""
    return config.invocation_params.dir / Path(path).expanduser() if path else None


def write_output(path: Path, text: str, *, option: str) -> None:
    """Write a file whole; folders above it are made.

    Raises:
        FapoError: it cannot be written.
    """
    try:
        write_atomically(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise FapoError(f"{option}: {path} cannot be written: {error.strerror or error}") from None


def room_in(path: Path) -> int:
    """Bytes that GitHub's summary of this step can still take."""
    return max(0, STEP_BYTES - (path.stat().st_size if path.is_file() else 0))


def append_output(path: Path, text: str) -> None:
    """Add to GitHub's summary of this step.

    Raises:
        FapoError: it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise FapoError(f"GITHUB_STEP_SUMMARY: {path} cannot be written: {error.strerror or error}") from None


def write_reports(
    config: pytest.Config,
    session: FapoSession,
    done: SessionResult,
    path: Path | None,
    kind: PageKind,
    out: PytestTerminal,
) -> None:
    """Write `--fapo-report` and, after an optimization, the report in its run directory.

    Raises:
        FapoError: a report cannot be written.
    """
    own = done.run.path / "report.html" if done.run is not None else None
    if path is None and own is None:
        return
    from pytest_fapo.views.html.report_page import write_report

    data = _report_data(session, done, kind)
    for target in (own, path):
        if target is not None:
            write_report(target, data)
    out.file.write(f"fapo: HTML report: {path or own_report(done)}\n")


def own_report(done: SessionResult) -> str:
    """Return the path of the report in the run directory as the user would type it; empty where there was
    no run.
    """
    if done.run is None:
        return ""
    from pytest_fapo.loop.run_folder import typed_path

    return f"{typed_path(done.run.path)}/report.html"


def _report_data(session: FapoSession, done: SessionResult, kind: PageKind) -> ReportData:
    from pytest_fapo.views.html.report_data import ReportData, load_run_report

    if done.run is not None:
        return load_run_report(done.run, done.baseline)
    kinds: dict[PageKind, Kind] = {"gate": "gate", "update": "gate", "diagnose": "diagnose"}
    return ReportData(
        title=session.folder.name,
        kind=kinds.get(kind, "plain"),
        after=done.baseline,
        gate=done.gate,
        diagnoses={"": done.diagnosis} if done.diagnosis is not None else {},
    )
