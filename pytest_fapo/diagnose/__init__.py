"""Attribution: which step of a failing case went wrong, how, and what would mend it."""

from __future__ import annotations

from pytest_fapo.diagnose.engine import diagnose
from pytest_fapo.diagnose.links import artifacts_of_step

__all__ = ["artifacts_of_step", "diagnose"]
