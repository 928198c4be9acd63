"""The gate: whether a candidate is accepted, decided on paired results of the same items before and after."""

from __future__ import annotations

from pytest_fapo.gate.compare import newly_failing, newly_passing, of_split
from pytest_fapo.gate.strict import SUITE, judge_cases, judge_suite

__all__ = ["SUITE", "judge_cases", "judge_suite", "newly_failing", "newly_passing", "of_split"]
