"""The policy `strict`: the targeted failures shrink, and nothing that passed before fails anywhere.

With repeats, a test on a case counts as passing before only where it passed every time; it is broken where it
now passes in at most half of its repeats. What passed sometimes is flaky: by itself it is no gain and no
loss; that all of it together has become steadier counts where chance does not explain it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.gate.metrics import fallen_metric, objective_differences
from pytest_fapo.gate.policy import GatePolicy
from pytest_fapo.gate.steadying import steadied
from pytest_fapo.gate.units import Unit, of
from pytest_fapo.gate.verdicts import count, fail, verdict
from pytest_fapo.models import Evaluation, Split, Verdict

_EQUAL = 1e-9


def strict_cases(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> Verdict:
    """Judge train, then val."""
    reason = _train(before, after, found, policy)
    if reason:
        return verdict(before, after, found, splits=("train",), stage="train", policy="strict", reason=reason)
    reason = _val(before, after, found, policy)
    return verdict(before, after, found, splits=("train", "val"), stage="val", policy="strict", reason=reason)


def strict_held_out(
    before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy
) -> tuple[str, int]:
    """Why the held-out cases reject, else empty; and how many of them broke."""
    broken = [unit for unit in of(found, "holdout") if unit.broken]
    if broken:
        return "held-out cases that passed before fail now", len(broken)
    return fallen_metric(policy, before, after, found, ["holdout"]), 0


def broken_tests(found: Sequence[Unit], splits: Sequence[Split | None]) -> list[str]:
    """Names of the units of these splits that broke."""
    return [unit.name for unit in found if unit.split in splits and unit.broken]


def _train(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> str:
    train = of(found, "train")
    broken = [unit for unit in train if unit.broken]
    if broken:
        return f"{count(len(broken), 'train test')} that passed before {fail(len(broken))} now"
    steady = [unit for unit in train if not unit.flaky]
    rises = sum(objective_differences(policy, before, after, steady)) > _EQUAL
    if not rises and (policy.objective is not None or not steadied(train)):
        return f"{_score(policy, 'train')} did not rise"
    return fallen_metric(policy, before, after, found, ["train"])


def _val(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> str:
    val = of(found, "val")
    broken = [unit for unit in val if unit.broken]
    if broken:
        return f"{count(len(broken), 'val test')} that passed before {fail(len(broken))} now"
    steady = [unit for unit in val if not unit.flaky]
    if sum(objective_differences(policy, before, after, steady)) < -_EQUAL:
        return f"{_score(policy, 'val')} fell"
    return fallen_metric(policy, before, after, found, ["val"])


def _score(policy: GatePolicy, split: Split) -> str:
    if policy.objective is not None:
        return f"the metric {policy.objective!r} on {split}"
    return f"the {split} score"
