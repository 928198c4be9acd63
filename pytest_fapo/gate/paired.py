"""The policy `paired`: a gain on train that chance does not explain, and a loss elsewhere excluded.

For pipelines whose answers vary: a single case may fail now and then, a real loss may not hide behind that.
The gain is tested one-sided (McNemar's exact test for pass and fail, sign flips for graded scores); the loss
by non-inferiority: the lower bound of the paired difference must not lie below minus the margin. A case is
one observation, however often it is repeated and however many tests look at it.
"""

from __future__ import annotations

from pytest_fapo.gate.figures import figures_of, points
from pytest_fapo.gate.metrics import case_differences, fallen_metric, pass_differences
from pytest_fapo.gate.policy import GatePolicy
from pytest_fapo.gate.statistics import mean_interval
from pytest_fapo.gate.strict import score_name
from pytest_fapo.gate.units import Unit, of
from pytest_fapo.gate.verdicts import verdict
from pytest_fapo.models import Evaluation, Split, Verdict


def paired_cases(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> Verdict:
    """Judge train for a gain, then val for a loss."""
    splits: list[Split] = ["train"]
    reason = _no_gain(before, after, found, policy)
    reason = reason or fallen_metric(policy, before, after, found, ["train"])
    if not reason:
        splits = ["train", "val"]
        reason = _loss("val", before, after, found, policy)
        reason = reason or fallen_metric(policy, before, after, found, ["val"])
    return verdict(before, after, found, splits=splits, stage=splits[-1], policy="paired", reason=reason)


def paired_held_out(
    before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy
) -> tuple[str, int]:
    """Why the held-out cases reject, else empty; and how many of them broke."""
    broken = sum(unit.broken for unit in of(found, "holdout"))
    if _loss("holdout", before, after, found, policy):
        return "the held-out cases do not exclude a loss", broken
    return fallen_metric(policy, before, after, found, ["holdout"]), 0


def _no_gain(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> str:
    figures = figures_of(policy, before, after, found)
    if figures is None or figures.effect <= 0:
        return f"{score_name(policy, 'train')} did not rise"
    if figures.chance > 1 - policy.confidence:
        return f"the gain on train ({points(figures.effect)}) may be chance (p = {figures.chance:.2g})"
    if policy.objective is None:
        return ""
    return _worse("train", pass_differences(of(found, "train")), policy)


def _loss(split: Split, before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> str:
    """Why a loss on a split is not excluded; whether tests pass counts beside a graded objective too."""
    mine = of(found, split)
    reason = _worse(split, pass_differences(mine), policy)
    if reason or policy.objective is None:
        return reason
    return _worse(split, case_differences(policy, before, after, mine), policy)


def _worse(split: Split, differences: list[float], policy: GatePolicy) -> str:
    if not any(difference < 0 for difference in differences):
        return ""  # no case is worse: what strict accepts, this policy does
    low, high = mean_interval(differences, 2 * policy.confidence - 1)
    if low >= -policy.margin:
        return ""
    return (
        f"{split} does not exclude a loss of more than {points(policy.margin, sign=False)} "
        f"({points(low)} to {points(high)}); more cases or --fapo-repeats tell more"
    )
