"""Capture in a Python process that a case has started: with the settings, cache and budget of the session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_fapo.core.settings import Settings
from pytest_fapo.session.capturing import CapturePlan, Capturing

_PATHS = ("cache_folder", "spend_file", "channel")

_PATH_LISTS = ("cache_files", "missing_files")


def begin(session: Mapping[str, Any]) -> None:
    """Turn capture on in this process, for good.

    Args:
        session: as `Capturing` hands it to its cases' processes.
    """
    plan = dict(session["plan"])
    for name in _PATHS:
        plan[name] = Path(plan[name]) if plan[name] else None
    for name in _PATH_LISTS:
        plan[name] = tuple(map(Path, plan[name]))
    capturing = Capturing(Settings.model_validate(session["settings"]), CapturePlan(**plan))
    capturing.network = None  # refused already, by what runs first in such a process
    capturing.install()
