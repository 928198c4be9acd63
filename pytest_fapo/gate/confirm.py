"""Is a gain the candidate's, or the luck of the answers? The parent is asked once more for what was mended.

Of many candidates that change nothing the luckiest looks good, most of all beside an unlucky parent:
what it failed by chance, it passes the next time.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.gate.metrics import metric_differences
from pytest_fapo.gate.policy import GatePolicy
from pytest_fapo.gate.units import Unit, units
from pytest_fapo.models import Evaluation, Verdict

ASKED = 5
"""So many of the mended train items are asked again at most."""

_STRICT = GatePolicy()


def to_confirm(before: Evaluation, after: Evaluation, *, policy: GatePolicy = _STRICT) -> list[str]:
    """Node ids of train items that failed on the parent and pass with the candidate, evenly chosen; with a
    graded objective, of those whose score has risen most.

    One item per case. Empty where the answers come from a stand-in on this machine, which does not vary, and
    where nothing that was mended made a call.
    """
    train = [unit for unit in units(before, after) if unit.split == "train"]
    gainers = {unit.case: unit.name for unit in _gainers(train, before, after, policy)}
    varying = [nodeid for nodeid in gainers.values() if _may_vary(before, nodeid)]
    if policy.objective is not None:
        return varying[:ASKED]
    step = max(1, len(varying) / ASKED)
    return [varying[int(place * step)] for place in range(min(ASKED, len(varying)))]


def confirmed(
    asked: Sequence[str],
    again: Evaluation,
    verdict: Verdict,
    *,
    policy: GatePolicy = _STRICT,
    before: Evaluation | None = None,
    after: Evaluation | None = None,
) -> Verdict:
    """The verdict in view of a second sample of the parent.

    Args:
        asked: what `to_confirm` gave.
        again: these items on the parent's tree, with fresh answers.
        verdict: an accepting one.
        policy: as for `to_confirm`.
        before: the parent's evaluation; needed with a graded objective, as is `after`.
        after: the candidate's evaluation.

    Returns:
        the verdict, rejecting where half or more of what the candidate mends comes without it too.
    """
    if policy.objective is not None and before is not None and after is not None:
        passed = [name for name in asked if _as_good(policy.objective, name, before, after, again)]
    else:
        passed = [name for name in asked if name in again.items and again.items[name].passed]
    if 2 * len(passed) < len(asked) or not asked:
        return verdict
    share = f"{len(passed)} of {len(asked)} mended cases"
    what = "pass" if policy.objective is None else "score as well"
    reason = f"noise: asked once more, {share} {what} without the edit too"
    update = {"accepted": False, "stage": "confirm", "reason": reason, "flaky": passed}
    return verdict.model_copy(update=update)


def _gainers(train: list[Unit], before: Evaluation, after: Evaluation, policy: GatePolicy) -> list[Unit]:
    if policy.objective is None:
        return [unit for unit in train if unit.fixed]
    gains = [
        (gain, unit)
        for unit in train
        for gain in metric_differences(policy.objective, before, after, [unit])
        if gain > 0
    ]
    return [unit for _, unit in sorted(gains, key=lambda each: -each[0])]


def _as_good(metric: str, name: str, before: Evaluation, after: Evaluation, again: Evaluation) -> bool:
    """Whether the item's score came nearer to the candidate's than to what it was."""
    scores = [
        evaluation.items[name].scores.get(metric) if name in evaluation.items else None
        for evaluation in (before, after, again)
    ]
    was, now, then = scores
    return was is not None and now is not None and then is not None and 2 * then >= was + now


def _may_vary(evaluation: Evaluation, nodeid: str) -> bool:
    trace = evaluation.trace_of(evaluation.items[nodeid])
    return trace is not None and any(not call.offline for call in trace.llm_calls)
