"""How each policy judges a candidate on its cases: `strict`, `paired`, `target`; and the words of its
verdict.

`strict`: the targeted failures shrink, and nothing that passed before fails anywhere. `paired`: a gain
on train
that chance does not explain, and a loss elsewhere excluded. `target`: every split reaches a share or
comes nearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_fapo.core.candidate import Verdict
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Split
from pytest_fapo.core.text import percent
from pytest_fapo.verdict.comparison import (
    Unit,
    case_differences,
    fallen_metric,
    objective_differences,
    of_split,
    pass_differences,
    split_change,
)
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.verdict.statistics import mean_interval, sign_flip_test


def make_verdict(
    before: Evaluation,
    after: Evaluation,
    found: Sequence[Unit],
    *,
    splits: Sequence[Split],
    stage: str,
    policy: str,
    reason: str = "",
) -> Verdict:
    """A verdict that accepts, or with a reason one that rejects.

    Args:
        before: the parent's evaluation.
        after: the candidate's.
        found: the units of both.
        splits: those that were looked at.
        stage: which one decides.
        policy: its name.
        reason: why it is rejected; empty where it is not.
    """
    seen = [unit for unit in found if unit.split in ("train", "val")]
    fixed = [unit.name for unit in seen if unit.fixed]
    # What was dropped before its turn did not break; what is missing from a whole evaluation did.
    broken = [unit.name for unit in seen if unit.broken and (not after.dropped_at or _was_run(unit, after))]
    return Verdict(
        accepted=not reason,
        reason=reason or _gain_text(fixed, broken),
        stage=stage,
        splits={split: split_change(before, after, split) for split in splits},
        fixed=fixed,
        broken=broken,
        policy=policy,
        flaky=[unit.name for unit in seen if (unit.flaky and unit.difference) or "" in unit.chance],
    )


def _was_run(unit: Unit, after: Evaluation) -> bool:
    return any(nodeid in after.items for nodeid in unit.nodeids)


def _gain_text(fixed: Sequence[str], broken: Sequence[str]) -> str:
    lost = "nothing broken" if not broken else f"{len(broken)} broken"
    return f"{counted(len(fixed), 'test')} fixed, {lost}"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def fails(number: int) -> str:
    return "fails" if number == 1 else "fail"


def first_two(names: Sequence[str]) -> str:
    """The first two of some names, the others counted."""
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Figures:
    """The paired difference on train, one observation per case."""

    effect: float
    interval: tuple[float, float]
    chance: float
    """One-sided p-value: how likely so large a gain is where nothing has changed."""

    def __str__(self) -> str:
        return f"train {points(self.effect)}, p = {self.chance:.2g}"


def figures_of(
    policy: GatePolicy, before: Evaluation, after: Evaluation, found: list[Unit]
) -> Figures | None:
    """The figures; None where train has nothing that could be compared."""
    differences = case_differences(policy, before, after, of_split(found, "train"))
    if not differences:
        return None
    low, high = mean_interval(differences, _CONFIDENCE)
    if policy.objective is None:
        low, high = max(low, -1.0), min(high, 1.0)
    effect = sum(differences) / len(differences)
    return Figures(effect, (low, high), sign_flip_test(differences))


def with_figures(
    verdict: Verdict, policy: GatePolicy, before: Evaluation, after: Evaluation, found: list[Unit]
) -> Verdict:
    """The verdict with effect, interval and p-value where policy, metric or repeats speak of chance.

    Left out where not all of train was run.
    """
    repeated = any(len(unit.nodeids) > 1 for unit in found)
    estimated = repeated or policy.name == "paired" or policy.objective is not None
    whole = all(nodeid in after.items for unit in of_split(found, "train") for nodeid in unit.nodeids)
    figures = figures_of(policy, before, after, found) if estimated and whole else None
    if figures is None:
        return verdict
    update: dict[str, object] = {"effect": figures.effect, "interval": figures.interval}
    if verdict.accepted:
        update["reason"] = f"{verdict.reason}; {figures}"
    return verdict.model_copy(update={**update, "p_value": figures.chance})


def points(share: float, *, sign: bool = True) -> str:
    """A share as percentage points."""
    number = 100 * share
    return f"{number:+.1f} points" if sign else f"{number:.3g} points"


STEADIER_BY_CHANCE = 0.001
"""Small, since a run asks this of many candidates; fresh runs have to confirm it (`confirm`)."""


def steadier(found: Sequence[Unit]) -> bool:
    """Whether tests that passed only sometimes before pass more often now, by more than chance explains.

    All train cases are weighed, not those alone that varied: what was picked for its bad luck looks better
    the next time anyway.
    """
    train = of_split(found, "train")
    if not any(unit.flaky and unit.difference > 0 for unit in train):
        return False
    return sign_flip_test(pass_differences(train)) <= STEADIER_BY_CHANCE


_EQUAL = 1e-9

_BUT_FLAKY = ", but for tests that passed now and then before"

_SUNK = 0.05
"""So unlikely by chance must a fall be that shows in no single case."""


def strict_cases(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> Verdict:
    """Judge train, then val."""
    reason = _train(before, after, found, policy)
    if reason:
        return make_verdict(
            before, after, found, splits=("train",), stage="train", policy="strict", reason=reason
        )
    reason = _val(before, after, found, policy)
    return make_verdict(
        before, after, found, splits=("train", "val"), stage="val", policy="strict", reason=reason
    )


def strict_held_out(
    before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy
) -> tuple[str, int]:
    """Why the held-out cases reject, else empty; and how many of them broke."""
    broken = [unit for unit in of_split(found, "holdout") if unit.broken]
    if broken:
        return "held-out cases that passed before fail now", len(broken)
    return fallen_metric(policy, before, after, found, ["holdout"]), 0


def broken_tests(found: Sequence[Unit], splits: Sequence[Split | None]) -> list[str]:
    """Names of the units of these splits that broke."""
    return [unit.name for unit in found if unit.split in splits and unit.broken]


def _train(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> str:
    train = of_split(found, "train")
    broken = [unit for unit in train if unit.broken]
    if broken:
        return _lost_text(broken)
    if policy.objective is None:
        rises = any(unit.fixed for unit in train) or steadier(train)
    else:
        rises = sum(objective_differences(policy, before, after, _not_flaky(train))) > _EQUAL
    if not rises:
        flaky = sum(objective_differences(policy, before, after, train)) > _EQUAL
        return f"{score_name(policy, 'train')} did not rise{_BUT_FLAKY if flaky else ''}"
    if policy.objective is None and _sinks(train):
        return f"{score_name(policy, 'train')} fell"
    return fallen_metric(policy, before, after, found, ["train"])


def _val(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> str:
    val = of_split(found, "val")
    broken = [unit for unit in val if unit.broken]
    if broken:
        return _lost_text(broken)
    if policy.objective is None:
        falls = _sinks(val)
    else:
        falls = sum(objective_differences(policy, before, after, _not_flaky(val))) < -_EQUAL
    if falls:
        flaky = sum(objective_differences(policy, before, after, val)) >= -_EQUAL
        return f"{score_name(policy, 'val')} fell{_BUT_FLAKY if flaky else ''}"
    return fallen_metric(policy, before, after, found, ["val"])


def _not_flaky(found: Sequence[Unit]) -> list[Unit]:
    return [unit for unit in found if not unit.flaky]


def _sinks(found: Sequence[Unit]) -> bool:
    """True where more repeats fail than before than chance explains, though no case is broken."""
    differences = pass_differences(found)
    return sum(differences) < -_EQUAL and sign_flip_test([-each for each in differences]) <= _SUNK


def _lost_text(broken: Sequence[Unit]) -> str:
    """How many tests of one split broke, in words."""
    lost = f"{counted(len(broken), f'{broken[0].split} test')} that passed before"
    if any(unit.after > 0 for unit in broken):
        return f"{lost} {'passes' if len(broken) == 1 else 'pass'} in at most half of their repeats now"
    return f"{lost} {fails(len(broken))} now"


def score_name(policy: GatePolicy, split: Split) -> str:
    """What has to rise on a split, in words."""
    if policy.objective is not None:
        return f"the metric {policy.objective!r} on {split}"
    return f"the {split} score"


def paired_cases(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> Verdict:
    """Judge train for a gain, then val for a loss."""
    splits: list[Split] = ["train"]
    reason = _no_gain(before, after, found, policy)
    reason = reason or fallen_metric(policy, before, after, found, ["train"])
    if not reason:
        splits = ["train", "val"]
        reason = _loss("val", before, after, found, policy)
        reason = reason or fallen_metric(policy, before, after, found, ["val"])
    return make_verdict(before, after, found, splits=splits, stage=splits[-1], policy="paired", reason=reason)


def paired_held_out(
    before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy
) -> tuple[str, int]:
    """Why the held-out cases reject, else empty; and how many of them broke."""
    broken = sum(unit.broken for unit in of_split(found, "holdout"))
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
    return _worse("train", pass_differences(of_split(found, "train")), policy)


def _loss(split: Split, before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> str:
    """Why a loss on a split is not excluded; whether tests pass counts beside a graded objective too."""
    mine = of_split(found, split)
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


def target_cases(before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy) -> Verdict:
    """Judge train, which must rise, then val, which must not fall below the target or what it was."""
    train = objective_differences(policy, before, after, of_split(found, "train"))
    reason = f"{score_name(policy, 'train')} did not rise" if sum(train) <= _EQUAL else ""
    reason = reason or fallen_metric(policy, before, after, found, ["train"])
    if reason:
        return make_verdict(
            before, after, found, splits=["train"], stage="train", policy="target", reason=reason
        )
    reason = _below_target("val", before, after, found, policy) or fallen_metric(
        policy, before, after, found, ["val"]
    )
    return make_verdict(
        before, after, found, splits=["train", "val"], stage="val", policy="target", reason=reason
    )


def target_held_out(
    before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy
) -> tuple[str, int]:
    """Why the held-out cases reject, else empty; and how many of them broke."""
    if _below_target("holdout", before, after, found, policy):
        broken = sum(unit.broken for unit in of_split(found, "holdout"))
        return "the held-out cases fell below the target and what they were", broken
    return fallen_metric(policy, before, after, found, ["holdout"]), 0


def _below_target(
    split: Split, before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy
) -> str:
    score = split_change(before, after, split)
    if score.before is None:
        return ""
    floor = min(score.before, policy.target if policy.target is not None else 1.0)
    mine = [(unit, unit.weight * len(unit.nodeids)) for unit in of_split(found, split)]
    luck = sum((unit.after - unit.before - unit.difference) * weight for unit, weight in mine)
    if (score.after or 0.0) - luck / sum(weight for _, weight in mine) >= floor - _EQUAL:
        return ""
    return f"the {split} score fell below {percent(floor)}"
