"""Writes what options and CI ask for, each file by itself: one that fails keeps no other back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_fapo.errors import FapoError
from pytest_fapo.publishing.destinations import COMMENT_BYTES, Destinations, append, room_in, write
from pytest_fapo.publishing.gathering import Gathering, kind_of
from pytest_fapo.publishing.html import own_report, write_reports
from pytest_fapo.publishing.places import Places
from pytest_fapo.publishing.remarks import failing_remarks, gate_remarks, lowering_remarks, run_remarks
from pytest_fapo.report.annotations import Annotation, github_lines
from pytest_fapo.report.code_quality import code_quality_json
from pytest_fapo.report.pull_request import PullRequest, pull_request_markdown

if TYPE_CHECKING:
    from pytest_fapo.outcome import Done
    from pytest_fapo.session import FapoSession
    from pytest_fapo.terminal_output import Output


def publish_all(config: pytest.Config, session: FapoSession, done: Done, out: Output) -> None:
    """See `publish`.

    Raises:
        FapoError: a file cannot be written; the others are.
    """
    kind = kind_of(config.option)
    where = Destinations.of(config, kind, os.environ)
    failed: list[str] = []
    _try(lambda: write_reports(config, session, done, where.report, kind, out), failed)
    if where.page or where.annotations or where.code_quality is not None:
        gathering = Gathering(session, done)
        data = gathering.page(kind)
        data.report = config.option.fapo_report or own_report(done)
        _try(lambda: _write_page(where, data, out), failed)
        remarks = _remarks(data, Places(session.root, gathering.store, os.environ))
        if where.annotations:
            _print(github_lines(remarks), out)
        if where.code_quality is not None:
            report = code_quality_json(remarks, whole=session.settings.baseline)
            path = where.code_quality
            _try(lambda: write(path, report, option="--fapo-code-quality"), failed)
    if failed:
        raise FapoError("\nfapo: ".join(failed))


def _write_page(where: Destinations, data: PullRequest, out: Output) -> None:
    if where.summary is not None:
        write(where.summary, pull_request_markdown(data, limit=COMMENT_BYTES), option="--fapo-summary")
        out.file.write(f"fapo: summary for a pull request: {where.summary}\n")
    if where.step_summary is not None:
        _add_to_step(where.step_summary, data, out)


def _add_to_step(path: Path, data: PullRequest, out: Output) -> None:
    """GitHub's own summary: nobody asked for it on the command line, so it fails nothing."""
    room = room_in(path)
    page = pull_request_markdown(data, limit=room)
    if len(page.encode()) > room:
        out.file.write("fapo: the summary of this step is full already\n")
        return
    try:
        append(path, page)
    except FapoError as error:
        from pytest_fapo.terminal_output import said

        out.file.write(f"fapo: {said(error)}\n")


def _remarks(data: PullRequest, places: Places) -> list[Annotation]:
    if data.gate is not None:
        found = gate_remarks(data.gate, data.evaluation, data.changes, places)
        return found + (lowering_remarks(data.branch, data.changes, places) if data.branch else [])
    if data.summary is not None:
        return run_remarks(data.summary, data.changes, places)
    return failing_remarks(data.evaluation, places)


def _print(lines: list[str], out: Output) -> None:
    """Each on a line of its own: GitHub reads commands at the start of a line only."""
    if lines:
        out.file.write("\n" + "\n".join(lines) + "\n")
        out.file.flush()


def _try(action: Callable[[], None], failed: list[str]) -> None:
    try:
        action()
    except FapoError as error:
        failed.append(str(error))
