"""How each policy tells that accuracy fell against the baseline.

`strict`: a test on a case that passed every time in the baseline passes in at most half of its repeats.
`paired`: an exact test says that the cases of a pipeline pass less often, whatever single cases do.
`target`: a split does not reach the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import NamedTuple

from pytest_fapo.core.gate_result import GateProblem, SplitScore
from pytest_fapo.core.record import SPLITS
from pytest_fapo.core.text import percent
from pytest_fapo.verdict.candidate_policies import points
from pytest_fapo.verdict.comparison import Unit, pass_differences
from pytest_fapo.verdict.merge_comparison import BaselineComparison, BaselinePair
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.verdict.statistics import Table, fall_test, least_possible, mean_interval, sign_flip_test

PER_PUSH = 100
"""A gate asks its question at every push: it is so many times as careful as a single comparison."""

COLLAPSE = 0.2
"""A loss of this share fails at the level of a single comparison: small suites must not fall unseen."""

_EQUAL = 1e-9

_CONFIDENCE = 0.95


class Levels(NamedTuple):
    """p-values at which a fall counts."""

    any_loss: float
    collapse: float


def levels(policy: GatePolicy) -> Levels:
    """With a confidence of 0.95: 0.0005, and 0.025 for a collapse."""
    chance = 1 - policy.confidence
    return Levels(chance / PER_PUSH, chance / 2)


@dataclass(frozen=True)
class Fall:
    """What the exact test says of some cases."""

    effect: float
    """Mean difference over the cases, -1 to 1."""
    interval: tuple[float, float]
    chance: float
    """One-sided p-value."""
    hopeless: bool
    """Whether not even the failure of every case would count."""
    cases: int


def fall(pairs: Sequence[BaselinePair], policy: GatePolicy) -> Fall:
    """The paired figures of these pairs, one observation per case."""
    tables = _tables(pairs)
    differences = pass_differences([pair.unit for pair in pairs])
    low, high = mean_interval(differences, _CONFIDENCE)
    worst = pass_differences([_failing(pair) for pair in pairs])
    all_lost = sum(worst) / len(worst) if worst else 0.0
    return Fall(
        effect=sum(differences) / len(differences) if differences else 0.0,
        interval=(max(low, -1.0), min(high, 1.0)),
        chance=fall_test(tables),
        hopeless=all_lost <= -COLLAPSE and least_possible(tables) > levels(policy).collapse,
        cases=len(tables),
    )


def paired_problems(found: BaselineComparison, policy: GatePolicy) -> tuple[list[GateProblem], Fall | None]:
    """Each pipeline over all its cases, and each of its splits for a collapse.

    Returns:
        what is wrong, and the figures of the pipeline that fares worst.
    """
    problems, worst = [], None
    limit = levels(policy)
    for name in found.pipelines:
        mine = [pair for pair in found.pairs if pair.pipeline == name]
        whole = fall(mine, policy)
        worst = whole if worst is None or whole.chance < worst.chance else worst
        if whole.hopeless:
            problems.append(_too_few(name, whole))
        elif whole.chance <= limit.any_loss or _collapsed(whole, limit):
            problems.append(_worse_problem(f"pipeline {name!r}", whole))
        else:
            for split in SPLITS:
                part = fall([pair for pair in mine if pair.unit.split == split], policy)
                if _collapsed(part, limit):
                    problems.append(_worse_problem(f"the {split} cases of pipeline {name!r}", part))
    return problems, worst


def target_problems(scores: Sequence[SplitScore], policy: GatePolicy) -> list[GateProblem]:
    """The splits that do not reach the target."""
    target = policy.target if policy.target is not None else 1.0
    return [
        GateProblem(
            kind="floor",
            message=f"pipeline {row.pipeline!r}: {row.group} is at {percent(row.after, decimals=1)}, "
            f"below the target of {percent(target, decimals=1)}",
        )
        for row in scores
        if row.group in SPLITS and row.after is not None and row.after < target - _EQUAL
    ]


def _collapsed(figures: Fall, limit: Levels) -> bool:
    return figures.effect <= -COLLAPSE + _EQUAL and figures.chance <= limit.collapse


def _tables(pairs: Sequence[BaselinePair]) -> list[list[Table]]:
    ordered = sorted(pairs, key=lambda pair: pair.unit.case)
    return [
        [Table(pair.passes, pair.repeats, pair.unit.weight) for pair in each]
        for _, each in groupby(ordered, key=lambda pair: pair.unit.case)
    ]


def _failing(pair: BaselinePair) -> Unit:
    return pair.unit._replace(after=0.0)


def _worse_problem(what: str, figures: Fall) -> GateProblem:
    low, high = figures.interval
    return GateProblem(
        kind="worse",
        message=f"{what} passes less often than in the baseline: {points(figures.effect)} over "
        f"{figures.cases} cases (95 % interval {points(low)} to {points(high)}, p = {figures.chance:.2g})",
    )


def _too_few(name: str, figures: Fall) -> GateProblem:
    return GateProblem(
        kind="too-few-cases",
        message=f"pipeline {name!r} has {figures.cases} cases in the baseline, too few for the policy "
        f"'paired': it could not tell if all of them failed; repeat them, or use the policy 'strict'",
        command="pytest --fapo-gate --fapo-repeats=3",
    )


_ROUNDING = 1e-6
"""Scores stand rounded in the baseline."""


def metric_problems(found: BaselineComparison, policy: GatePolicy) -> list[GateProblem]:
    """Named metrics whose mean fell on a split; under `paired` only where chance does not explain it."""
    names = sorted({*policy.guarded, *([policy.objective] if policy.objective else [])})
    problems = []
    for pipeline in found.pipelines:
        for name in names:
            for split in SPLITS:
                pairs = [
                    pair for pair in found.pairs if (pair.pipeline, pair.unit.split) == (pipeline, split)
                ]
                differences = _metric_changes(name, pairs)
                change = fmean(differences) if differences else 0.0
                allowed = policy.guarded.get(name, 0.0)
                if change >= -allowed - _ROUNDING or _is_chance(differences, policy):
                    continue
                message = (
                    f"pipeline {pipeline!r}: the metric {name!r} fell by {-change:.3g} on {split} "
                    f"({allowed:g} allowed)"
                )
                problems.append(GateProblem(kind="metric", message=message))
    return problems


def _is_chance(differences: Sequence[float], policy: GatePolicy) -> bool:
    if policy.name != "paired":
        return False
    return sign_flip_test([-difference for difference in differences]) > levels(policy).any_loss


def _metric_changes(name: str, pairs: Sequence[BaselinePair]) -> list[float]:
    """After minus before per case; a case that has lost the metric counts as the worst that was seen."""
    before = {pair.unit.case: pair.case.scores[name] for pair in pairs if name in pair.case.scores}
    after: dict[str, list[float]] = {}
    for pair in pairs:
        values = [item.scores[name] for item in pair.group.items if name in item.scores]
        after.setdefault(pair.unit.case, []).extend(values)
    seen = [*before.values(), *(value for values in after.values() for value in values)]
    worst = min([0.0, *seen])
    return [(fmean(after[case]) if after[case] else worst) - value for case, value in before.items()]
