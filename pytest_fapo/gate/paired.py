"""The policy `paired`: a gain on train that chance does not explain, and a loss elsewhere excluded.

For pipelines whose answers vary: a single case may fail now and then, a real loss may not hide behind that.
The gain is tested one-sided (McNemar's exact test for pass and fail, sign flips for graded scores); the loss
by non-inferiority: the lower bound of the paired difference's interval must not lie below minus the margin.
"""

from __future__ import annotations

from pytest_fapo.gate.metrics import fallen_metric, objective_differences
from pytest_fapo.gate.policy import GatePolicy
from pytest_fapo.gate.statistics import mean_interval, sign_flip_test
from pytest_fapo.gate.units import Unit, of
from pytest_fapo.gate.verdicts import verdict
from pytest_fapo.models import Evaluation, Split, Verdict


def paired_cases(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> Verdict:
    """Judge train for a gain, then val for a loss."""
    train = objective_differences(policy, before, after, of(found, "train"))
    chance = sign_flip_test(train)
    effect = sum(train) / len(train) if train else 0.0
    figures = {"effect": effect, "interval": mean_interval(train, policy.confidence), "p_value": chance}
    splits: list[Split] = ["train"]
    if chance > 1 - policy.confidence:
        reason = _no_gain(effect, chance)
    else:
        reason = fallen_metric(policy, before, after, found, ["train"])
    if not reason:
        splits = ["train", "val"]
        reason = _loss("val", before, after, found, policy)
        reason = reason or fallen_metric(policy, before, after, found, ["val"])
    made = verdict(before, after, found, splits=splits, stage=splits[-1], policy="paired", reason=reason)
    if not reason:
        made = made.model_copy(update={"reason": f"{made.reason}; train {_points(effect)}, p = {chance:.2g}"})
    return made.model_copy(update=figures)


def paired_held_out(
    before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy
) -> tuple[str, int]:
    """Why the held-out cases reject, else empty; and how many of them broke."""
    broken = sum(unit.broken for unit in of(found, "holdout"))
    if _loss("holdout", before, after, found, policy):
        return "the held-out cases do not exclude a loss", broken
    return fallen_metric(policy, before, after, found, ["holdout"]), 0


def _loss(split: Split, before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> str:
    differences = objective_differences(policy, before, after, of(found, split))
    if not any(differences):
        return ""
    low, high = mean_interval(differences, policy.confidence)
    if low >= -policy.margin:
        return ""
    return (
        f"{split} does not exclude a loss of more than {_points(policy.margin, sign=False)} "
        f"({_points(low)} to {_points(high)}); more cases or --fapo-repeats tell more"
    )


def _no_gain(effect: float, chance: float) -> str:
    if effect <= 0:
        return "the train score did not rise"
    return f"the gain on train ({_points(effect)}) may be chance (p = {chance:.2g})"


def _points(share: float, *, sign: bool = True) -> str:
    number = 100 * share
    return f"{number:+.1f} points" if sign else f"{number:.3g} points"
