"""What each stage of a run has spent: the baseline, the optimizer's work, the candidates, the proofs."""

from __future__ import annotations

from pathlib import Path

from pytest_fapo.answers.spend_file import spending_by_stage
from pytest_fapo.core.spending import Spending
from pytest_fapo.loop.blind_evaluation import HELD_OUT
from pytest_fapo.verdict.candidate_gate import SUITE

STAGES = ("baseline", "diagnosing", "proposing", "reviewing", "candidates", HELD_OUT, "proof")
"""In the order in which a run meets them."""

_STAGE_OF = {"": "baseline", "unpatched copy": "baseline", "interventions": "diagnosing", SUITE: "proof"}
"""Where a stage of an evaluation has another name for its reader; all others try candidates."""


def stage_spending(spend_file: Path) -> dict[str, Spending]:
    """Return the spending of each stage that sent a call, in their order."""
    spent: dict[str, Spending] = {}
    for name, spending in spending_by_stage(spend_file).items():
        stage = _STAGE_OF.get(name, name if name in STAGES else "candidates")
        spent[stage] = spent.get(stage, Spending()) + spending
    return {stage: spent[stage] for stage in STAGES if stage in spent and spent[stage].calls}
