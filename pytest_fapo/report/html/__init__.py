"""The HTML report: one self-contained file about one session."""

from __future__ import annotations

from pytest_fapo.report.html.data import CaseEffect, Kind, ReportData, SpendPoint, Tried
from pytest_fapo.report.html.page import write_report

__all__ = ["CaseEffect", "Kind", "ReportData", "SpendPoint", "Tried", "write_report"]
