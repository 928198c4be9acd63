"""What a session has come to, once its tests have run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_fapo.models import Diagnosis, Evaluation, GateResult
    from pytest_fapo.optimize import RunDirectory
    from pytest_fapo.report import Summary


class Done:
    """What a session has come to: what summaries, annotations and reports are made of."""

    def __init__(self, baseline: Evaluation) -> None:
        self.baseline = baseline
        """What this session's tests gave."""
        self.gate: GateResult | None = None
        self.summary: Summary | None = None
        self.run: RunDirectory | None = None
        """Of an optimization."""
        self.diagnosis: Diagnosis | None = None
        """Of `--fapo-diagnose`."""
