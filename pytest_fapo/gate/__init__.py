"""The gate: whether a candidate is accepted, decided on paired results of the same items before and after."""

from __future__ import annotations

from pytest_fapo.gate.compare import newly_failing, newly_passing, of_split
from pytest_fapo.gate.confirm import Confirmation, Tree, settled
from pytest_fapo.gate.judge import SUITE, judge_cases, judge_suite
from pytest_fapo.gate.metrics import unsteady_metrics
from pytest_fapo.gate.policy import GatePolicy, policy_of
from pytest_fapo.gate.sequential import error_of
from pytest_fapo.gate.units import Chance

__all__ = [
    "SUITE",
    "Chance",
    "Confirmation",
    "GatePolicy",
    "Tree",
    "error_of",
    "judge_cases",
    "judge_suite",
    "newly_failing",
    "newly_passing",
    "of_split",
    "policy_of",
    "settled",
    "unsteady_metrics",
]
