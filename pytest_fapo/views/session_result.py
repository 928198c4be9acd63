"""The result of a session after its tests, from which summaries, annotations and reports are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_fapo.core.diagnosis import Diagnosis
    from pytest_fapo.core.evaluation import Evaluation
    from pytest_fapo.core.gate_result import GateResult
    from pytest_fapo.loop.run_folder import RunFolder
    from pytest_fapo.loop.run_summary import Summary


class SessionResult:
    """The result of a session, from which summaries, annotations and reports are made."""

    def __init__(self, baseline: Evaluation) -> None:
        self.baseline = baseline
        """The results of this session's tests."""
        self.gate: GateResult | None = None
        self.summary: Summary | None = None
        self.run: RunFolder | None = None
        """Of an optimization."""
        self.diagnosis: Diagnosis | None = None
        """Of `--fapo-diagnose`."""
