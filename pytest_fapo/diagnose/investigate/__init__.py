"""Interventions: a failing case is run again with a step's output mended, to see which step is the cause."""

from __future__ import annotations

from pytest_fapo.diagnose.investigate.conduct import Intervene, investigate

__all__ = ["Intervene", "investigate"]
