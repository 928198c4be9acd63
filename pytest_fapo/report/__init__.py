"""What the user reads: live progress, the diagnosis, the question before writing, the closing summary."""

from __future__ import annotations

from pytest_fapo.report.asking import Change, ask, choose
from pytest_fapo.report.attempts import candidate_line
from pytest_fapo.report.baseline_update import BaselineUpdate, render_update
from pytest_fapo.report.closing import render_summary, summary_markdown
from pytest_fapo.report.diagnosis import render_diagnosis
from pytest_fapo.report.merge_gate import render_gate
from pytest_fapo.report.progress import Progress
from pytest_fapo.report.session_lines import session_lines
from pytest_fapo.report.summary import SplitResult, StopReason, Summary, Writing

__all__ = [
    "BaselineUpdate",
    "Change",
    "Progress",
    "SplitResult",
    "StopReason",
    "Summary",
    "Writing",
    "ask",
    "candidate_line",
    "choose",
    "render_diagnosis",
    "render_gate",
    "render_summary",
    "render_update",
    "session_lines",
    "summary_markdown",
]
