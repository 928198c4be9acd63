"""The policy `target`: every split reaches a share, or comes nearer to it; single cases may change places.

For a first rough pass over a poor pipeline. A split at or above the target may fall as far as the target, one
below it may not fall at all. Tests without a case are guarded as ever.
"""

from __future__ import annotations

from pytest_fapo.gate.compare import change
from pytest_fapo.gate.metrics import fallen_metric, objective_differences
from pytest_fapo.gate.policy import GatePolicy
from pytest_fapo.gate.strict import score_name
from pytest_fapo.gate.units import Unit, of
from pytest_fapo.gate.verdicts import verdict
from pytest_fapo.models import Evaluation, Split, Verdict
from pytest_fapo.percents import percent

_EQUAL = 1e-9


def target_cases(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> Verdict:
    """Judge train, which must rise, then val, which must not fall below the target or what it was."""
    train = objective_differences(policy, before, after, of(found, "train"))
    reason = f"{score_name(policy, 'train')} did not rise" if sum(train) <= _EQUAL else ""
    reason = reason or fallen_metric(policy, before, after, found, ["train"])
    if reason:
        return verdict(before, after, found, splits=["train"], stage="train", policy="target", reason=reason)
    reason = _below("val", before, after, found, policy) or fallen_metric(
        policy, before, after, found, ["val"]
    )
    return verdict(before, after, found, splits=["train", "val"], stage="val", policy="target", reason=reason)


def target_held_out(
    before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy
) -> tuple[str, int]:
    """Why the held-out cases reject, else empty; and how many of them broke."""
    if _below("holdout", before, after, found, policy):
        broken = sum(unit.broken for unit in of(found, "holdout"))
        return "the held-out cases fell below the target and what they were", broken
    return fallen_metric(policy, before, after, found, ["holdout"]), 0


def _below(split: Split, before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> str:
    score = change(before, after, split)
    if score.before is None:
        return ""
    floor = min(score.before, policy.target if policy.target is not None else 1.0)
    mine = [(unit, unit.weight * len(unit.nodeids)) for unit in of(found, split)]
    luck = sum((unit.after - unit.before - unit.difference) * weight for unit, weight in mine)
    if (score.after or 0.0) - luck / sum(weight for _, weight in mine) >= floor - _EQUAL:
        return ""
    return f"the {split} score fell below {percent(floor)}"
