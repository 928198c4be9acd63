"""Is a gain the candidate's or the luck of the answers? The parent is asked once more for what was mended."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.gate.units import units
from pytest_fapo.models import Evaluation, Verdict

ASKED = 5
"""So many of the mended train items are asked again at most."""


def to_confirm(before: Evaluation, after: Evaluation) -> list[str]:
    """Node ids of train items that failed on the parent and pass with the candidate, evenly chosen.

    Empty where the answers come from a stand-in on this machine, which does not vary, and where nothing that
    was mended made a call.
    """
    fixed = [unit.name for unit in units(before, after) if unit.split == "train" and unit.fixed]
    varying = [nodeid for nodeid in fixed if _may_vary(before, nodeid)]
    step = max(1, len(varying) / ASKED)
    return [varying[int(place * step)] for place in range(min(ASKED, len(varying)))]


def confirmed(asked: Sequence[str], again: Evaluation, verdict: Verdict) -> Verdict:
    """The verdict in view of a second sample of the parent.

    Args:
        asked: what `to_confirm` gave.
        again: these items on the parent's tree, with fresh answers.
        verdict: an accepting one.

    Returns:
        the verdict, rejecting where most of what the candidate mends passes without it too.
    """
    passed = [nodeid for nodeid in asked if nodeid in again.items and again.items[nodeid].passed]
    if 2 * len(passed) < len(asked):
        return verdict
    share = f"{len(passed)} of {len(asked)} mended cases"
    reason = f"noise: asked once more, {share} pass without the edit too"
    update = {"accepted": False, "stage": "confirm", "reason": reason, "flaky": passed}
    return verdict.model_copy(update=update)


def _may_vary(evaluation: Evaluation, nodeid: str) -> bool:
    trace = evaluation.trace_of(evaluation.items[nodeid])
    return trace is not None and any(not call.offline for call in trace.llm_calls)
