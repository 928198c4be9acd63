"""The policy `strict`: the targeted failures shrink, and nothing that passed before fails anywhere.

With repeats, a test on a case counts as passing before only where it passed every time; it is broken where it
now passes in at most half of its repeats. What passed sometimes is flaky: by itself it is no gain and no
loss; that all of it together has become steadier counts where chance does not explain it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.gate.metrics import fallen_metric, objective_differences, pass_differences
from pytest_fapo.gate.policy import GatePolicy
from pytest_fapo.gate.statistics import sign_flip_test
from pytest_fapo.gate.steadying import steadied
from pytest_fapo.gate.units import Unit, of
from pytest_fapo.gate.verdicts import count, fail, verdict
from pytest_fapo.models import Evaluation, Split, Verdict

_EQUAL = 1e-9
_BUT_FLAKY = ", but for tests that passed now and then before"
_SUNK = 0.05
"""So unlikely by chance must a fall be that shows in no single case."""


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
        return _lost(broken)
    if policy.objective is None:
        rises = any(unit.fixed for unit in train) or steadied(train)
    else:
        rises = sum(objective_differences(policy, before, after, _steady(train))) > _EQUAL
    if not rises:
        flaky = sum(objective_differences(policy, before, after, train)) > _EQUAL
        return f"{score_name(policy, 'train')} did not rise{_BUT_FLAKY if flaky else ''}"
    if policy.objective is None and _sinks(train):
        return f"{score_name(policy, 'train')} fell"
    return fallen_metric(policy, before, after, found, ["train"])


def _val(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> str:
    val = of(found, "val")
    broken = [unit for unit in val if unit.broken]
    if broken:
        return _lost(broken)
    if policy.objective is None:
        falls = _sinks(val)
    else:
        falls = sum(objective_differences(policy, before, after, _steady(val))) < -_EQUAL
    if falls:
        flaky = sum(objective_differences(policy, before, after, val)) >= -_EQUAL
        return f"{score_name(policy, 'val')} fell{_BUT_FLAKY if flaky else ''}"
    return fallen_metric(policy, before, after, found, ["val"])


def _steady(found: Sequence[Unit]) -> list[Unit]:
    return [unit for unit in found if not unit.flaky]


def _sinks(found: Sequence[Unit]) -> bool:
    """True where more repeats fail than before than chance explains, though no case is broken."""
    differences = pass_differences(found)
    return sum(differences) < -_EQUAL and sign_flip_test([-each for each in differences]) <= _SUNK


def _lost(broken: Sequence[Unit]) -> str:
    """How many tests of one split broke, in words."""
    lost = f"{count(len(broken), f'{broken[0].split} test')} that passed before"
    if any(unit.after > 0 for unit in broken):
        return f"{lost} {'passes' if len(broken) == 1 else 'pass'} in at most half of their repeats now"
    return f"{lost} {fail(len(broken))} now"


def score_name(policy: GatePolicy, split: Split) -> str:
    """What has to rise on a split, in words."""
    if policy.objective is not None:
        return f"the metric {policy.objective!r} on {split}"
    return f"the {split} score"
