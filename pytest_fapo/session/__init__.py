"""The plugin's side of one pytest session: cases become items, pipelines run, items leave records."""

from __future__ import annotations

from pytest_fapo.session.capturing import CapturePlan, prepare_folder
from pytest_fapo.session.run import Run
from pytest_fapo.session.state import FapoSession

__all__ = ["CapturePlan", "FapoSession", "Run", "prepare_folder"]
