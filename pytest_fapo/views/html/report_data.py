"""The data of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_fapo.core.candidate import Attempt
from pytest_fapo.core.diagnosis import Diagnosis
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateResult
from pytest_fapo.loop.run_summary import Summary
from pytest_fapo.verdict.case_effect import CaseEffect

Kind = Literal["optimize", "gate", "plain", "diagnose"]


@dataclass(frozen=True)
class TriedCandidate:
    """One candidate in the report."""

    attempt: Attempt
    at: float | None = None
    """When it was judged, seconds since the run began."""
    effects: Sequence[CaseEffect] = ()
    """The known effects beyond the node ids in the verdict; empty if it was not run."""


@dataclass(frozen=True)
class SpendPoint:
    """The spending up to one moment of a run."""

    at: float
    """Seconds since the run began."""
    calls: int
    """Requests sent so far."""
    cache_hits: int
    cost: float
    """USD."""


@dataclass(frozen=True)
class ReportData:
    """Everything that a report shows; what a session does not have is left out.

    A plain, diagnosing or gate run has only `after`: what its tests gave. An optimization has `before`, the
    user's tree, and `after`, the best tree; where nothing was accepted it has only `before`.
    """

    title: str
    """Name of the project."""
    kind: Kind
    before: Evaluation | None = None
    after: Evaluation | None = None
    attempts: Sequence[TriedCandidate] = ()
    """In the order in which they were proposed."""
    diagnoses: Mapping[str, Diagnosis] = field(default_factory=dict)
    """The diagnoses of the trees, by the accepted candidate's id; the user's own tree has the empty id."""
    spending: Sequence[SpendPoint] = ()
    gate: GateResult | None = None
    summary: Summary | None = None
    began: float | None = None
    """Epoch seconds; shown in UTC."""

    @property
    def accepted(self) -> int:
        """Return how many accepted candidates lie between `before` and `after`."""
        return sum(each.attempt.verdict.accepted for each in self.attempts)
