"""The decisions of each policy, for both gates: `strict`, `paired`, `target`.

`strict`: the targeted failures shrink, and nothing that passed before fails anywhere. `paired`: a gain on
train that chance does not explain, and a loss elsewhere excluded; for a merge an exact test that says worse,
whatever single cases do. `target`: every split reaches a share, or a candidate brings it nearer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from pytest_fapo.core.gate_result import GateProblem, SplitScore
from pytest_fapo.core.record import SPLITS, Split
from pytest_fapo.verdict import gate_problems, reasons
from pytest_fapo.verdict.comparison import (
    Comparison,
    Unit,
    aim_differences,
    case_differences,
    fallen_metrics,
    graded_metrics,
    metric_differences,
    of_split,
    pass_differences,
    unit_of_aim,
)
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.verdict.statistics import (
    EQUAL,
    Table,
    fall_test,
    least_possible,
    mean_interval,
    sign_flip_test,
)

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Figures:
    """A paired difference, one observation per case."""

    effect: float
    """Mean over the cases, -1 to 1 for pass and fail."""
    interval: tuple[float, float]
    chance: float
    """One-sided p-value: how likely so large a change is where nothing has changed."""
    aim: reasons.Aim = field(default=None, kw_only=True)
    """The objective that it is of; None for pass and fail."""

    def __str__(self) -> str:
        return reasons.figures(self.effect, self.chance, self.aim)


@dataclass(frozen=True)
class Fall(Figures):
    """The result of the exact test on some cases and the baseline."""

    hopeless: bool
    """True if not even the failure of every case would count."""
    cases: int


@dataclass(frozen=True)
class PolicyRules(ABC):
    """A policy's answers; a sentence is empty where nothing speaks against the candidate."""

    policy: GatePolicy

    @abstractmethod
    def gain(self, comparison: Comparison) -> str:
        """Return why train shows no gain."""

    @abstractmethod
    def loss(self, comparison: Comparison, split: Split) -> str:
        """Return why a split rejects a candidate: it lost, or a loss is not excluded."""

    def merge_problems(
        self, units: Sequence[Unit], rows: Sequence[SplitScore]
    ) -> tuple[list[GateProblem], Fall | None]:
        """Tell what says that accuracy fell against the baseline, beside single cases and metrics.

        Args:
            units: all of them, with their results in the baseline.
            rows: the table of scores.

        Returns:
            what is wrong, and the figures of the pipeline that fares worst.
        """
        return [], None


def rules_of(policy: GatePolicy) -> PolicyRules:
    """Return the rules of a policy, by its name."""
    return _RULES[policy.name](policy)


# --- strict ---------------------------------------------------------------------------------------------

STEADIER_BY_CHANCE = 0.001
"""Small, since a run asks this of many candidates; fresh runs have to confirm it (`confirmation.py`)."""

_SUNK = 0.05
"""So unlikely by chance must a fall be that shows in no single case."""


class StrictRules(PolicyRules):
    """One case that breaks decides."""

    def gain(self, comparison: Comparison) -> str:
        """Something is fixed, passes more often or is better by an objective, and nothing is broken."""
        train, objectives = comparison.of_split("train"), self.policy.objectives
        broken = [unit for unit in train if unit.broken]
        if broken:
            return _lost(broken)
        better = [name for name in objectives if sum(metric_differences(name, _not_flaky(train))) > EQUAL]
        if not better and not any(unit.fixed for unit in train) and not pass_rate_rose(train):
            flaky = any(sum(aim_differences(aim, train)) > EQUAL for aim in objectives or (None,))
            return reasons.train_did_not_rise(objectives, flaky=flaky)
        return reasons.score_fell("train") if _sinks(train) else self._worse(train, "train")

    def loss(self, comparison: Comparison, split: Split) -> str:
        """Nothing is broken, score and objectives do not sink; of held-out cases the score is not asked."""
        mine = comparison.of_split(split)
        broken = [unit for unit in mine if unit.broken]
        if broken:
            return _lost(broken)
        if split != "holdout" and _sinks(mine):
            return reasons.score_fell(split, flaky=sum(aim_differences(None, mine)) >= -EQUAL)
        return self._worse(mine, split)

    def _worse(self, units: Sequence[Unit], split: Split) -> str:
        """Return which objective got worse by more than it may."""
        steady = _not_flaky(units)
        for metric in fallen_metrics(steady, self.policy.objectives, self.policy, rounding=EQUAL):
            flaky = sum(metric_differences(metric.name, units)) >= -EQUAL
            return reasons.metric_fell(metric.name, split, metric.fall, lower=metric.lower, flaky=flaky)
        return ""


def pass_rate_rose(units: Sequence[Unit]) -> bool:
    """True if tests that passed only sometimes before pass more often now, by more than chance explains.

    All train cases are weighed, not those alone that varied: what was picked for its bad luck looks better
    the next time anyway.
    """
    train = of_split(units, "train")
    if not any(unit.flaky and unit.difference > 0 for unit in train):
        return False
    return sign_flip_test(pass_differences(train)) <= STEADIER_BY_CHANCE


def _not_flaky(units: Sequence[Unit]) -> list[Unit]:
    return [unit for unit in units if not unit.flaky]


def _sinks(units: Sequence[Unit]) -> bool:
    """True where more repeats fail than before than chance explains, though no case is broken."""
    differences = pass_differences(units)
    return sum(differences) < -EQUAL and sign_flip_test([-each for each in differences]) <= _SUNK


def _lost(broken: Sequence[Unit]) -> str:
    split = broken[0].split
    assert split is not None
    return reasons.passed_before(split, len(broken), seldom=any(unit.after > 0 for unit in broken))


# --- paired ---------------------------------------------------------------------------------------------

PER_PUSH = 100
"""A gate asks its question at every push: it is so many times as careful as a single comparison."""

COLLAPSE = 0.2
"""A loss of this share fails at the level of a single comparison: small suites must not fall unseen."""


class PairedRules(PolicyRules):
    """All cases together decide, one observation per case."""

    def gain(self, comparison: Comparison) -> str:
        """Chance does not explain the rise; where the objective is graded, tests do not pass less often."""
        figures = train_figures(self.policy, comparison.units)
        if figures is None or figures.effect <= 0:
            return reasons.train_did_not_rise(self.policy.objectives)
        if figures.chance > allowed_chance(self.policy):
            return reasons.gain_may_be_chance(figures.effect, figures.chance, figures.aim)
        train = comparison.of_split("train")
        return self._worse("train", train, but=figures.aim)

    def loss(self, comparison: Comparison, split: Split) -> str:
        """A loss beyond the margin is excluded; whether tests pass counts beside a graded objective too."""
        return self._worse(split, comparison.of_split(split), but="")

    def _worse(self, split: Split, units: Sequence[Unit], but: reasons.Aim) -> str:
        """Return which loss is not excluded, of the share of passing tests and of each objective.

        Args:
            split: to be named.
            units: of it.
            but: the aim that is known to have risen.
        """
        aims = dict.fromkeys([None, *self.policy.objectives])
        for aim in aims:
            differences = case_differences(aim, units) if aim != but else []
            if not any(difference < 0 for difference in differences):
                continue  # no case is worse: what strict accepts, this policy does
            margin = self.policy.margin * unit_of_aim(aim, units)
            low, high = mean_interval(differences, 2 * self.policy.confidence - 1)
            if low < -margin:
                return reasons.loss_not_excluded(split, margin, low, high, aim)
        return ""

    def merge_problems(
        self, units: Sequence[Unit], rows: Sequence[SplitScore]
    ) -> tuple[list[GateProblem], Fall | None]:
        """Each pipeline over all its cases, and each of its splits for a collapse."""
        problems, worst = [], None
        limit = levels(self.policy)
        for name in sorted({unit.pipeline for unit in units}):
            mine = [unit for unit in units if unit.pipeline == name]
            whole = fall(mine, self.policy)
            worst = whole if worst is None or whole.chance < worst.chance else worst
            if whole.hopeless:
                problems.append(gate_problems.too_few_cases(name, whole.cases))
            elif whole.chance <= limit.any_loss or _collapsed(whole, limit):
                problems.append(_less_often(f"pipeline {name!r}", whole))
            else:
                for split in SPLITS:
                    part = fall(of_split(mine, split), self.policy)
                    if _collapsed(part, limit):
                        problems.append(_less_often(f"the {split} cases of pipeline {name!r}", part))
        return problems, worst


def allowed_chance(policy: GatePolicy) -> float:
    """Return the p-value that a gain may have; several aims share it."""
    return (1 - policy.confidence) / len(possible_gains(policy))


def possible_gains(policy: GatePolicy) -> Sequence[reasons.Aim]:
    """Return what a gain may be in: an objective, or tests that pass."""
    return (*policy.objectives, None)


def train_figures(policy: GatePolicy, units: Sequence[Unit]) -> Figures | None:
    """Return the paired difference on train, of the aim that chance explains least; None where nothing
    compares.
    """
    train = of_split(units, "train")
    found = [(aim, case_differences(aim, train)) for aim in possible_gains(policy)]
    return surest([(aim, differences) for aim, differences in found if differences])


def surest(found: Sequence[tuple[reasons.Aim, Sequence[float]]]) -> Figures | None:
    """Return the figures of the aim that chance explains least; the first of those that are equal."""
    figures = [
        Figures(
            sum(differences) / len(differences),
            _as_shares(interval) if aim is None else interval,
            sign_flip_test(differences),
            aim=aim,
        )
        for aim, differences in found
        for interval in [mean_interval(differences, _CONFIDENCE)]
    ]
    return min(figures, key=lambda each: each.chance, default=None)


def fall(units: Sequence[Unit], policy: GatePolicy) -> Fall:
    """Return the paired figures of these units and the baseline."""
    tables = _tables(units)
    differences = pass_differences(units)
    worst = pass_differences([unit._replace(passes=(unit.passes[0], 0)) for unit in units])
    all_lost = sum(worst) / len(worst) if worst else 0.0
    return Fall(
        effect=sum(differences) / len(differences) if differences else 0.0,
        interval=_as_shares(mean_interval(differences, _CONFIDENCE)),
        chance=fall_test(tables),
        hopeless=all_lost <= -COLLAPSE and least_possible(tables) > levels(policy).collapse,
        cases=len(tables),
    )


class Levels(NamedTuple):
    """p-values at which a fall counts."""

    any_loss: float
    collapse: float


def levels(policy: GatePolicy) -> Levels:
    """With a confidence of 0.95: 0.0005, and 0.025 for a collapse."""
    chance = 1 - policy.confidence
    return Levels(chance / PER_PUSH, chance / 2)


def _as_shares(interval: tuple[float, float]) -> tuple[float, float]:
    return max(interval[0], -1.0), min(interval[1], 1.0)


def _collapsed(figures: Fall, limit: Levels) -> bool:
    return figures.effect <= -COLLAPSE + EQUAL and figures.chance <= limit.collapse


def _tables(units: Sequence[Unit]) -> list[list[Table]]:
    ordered = sorted(units, key=lambda unit: unit.case)
    return [
        [Table(unit.passes, unit.repeats, unit.weight) for unit in each]
        for _, each in groupby(ordered, key=lambda unit: unit.case)
    ]


def _less_often(what: str, figures: Fall) -> GateProblem:
    return gate_problems.passes_less_often(
        what, figures.effect, figures.cases, figures.interval, figures.chance
    )


# --- target ---------------------------------------------------------------------------------------------


class TargetRules(PolicyRules):
    """The score of every split is held against one share."""

    @property
    def _share(self) -> float:
        return self.policy.target if self.policy.target is not None else 1.0

    def gain(self, comparison: Comparison) -> str:
        """Train rises."""
        train = comparison.of_split("train")
        if any(sum(aim_differences(aim, train)) > EQUAL for aim in possible_gains(self.policy)):
            return ""
        return reasons.train_did_not_rise(self.policy.objectives)

    def loss(self, comparison: Comparison, split: Split) -> str:
        """The split does not fall below the target, nor below what it was; nor does any objective."""
        for metric in fallen_metrics(
            comparison.of_split(split), self.policy.objectives, self.policy, rounding=EQUAL
        ):
            return reasons.metric_fell(metric.name, split, metric.fall, lower=metric.lower)
        score = comparison.score(split)
        if score.before is None:
            return ""
        floor = min(score.before, self._share)
        mine = [(unit, unit.weight * len(unit.nodeids)) for unit in comparison.of_split(split)]
        luck = sum((unit.after - unit.before - unit.difference) * weight for unit, weight in mine)
        if (score.after or 0.0) - luck / sum(weight for _, weight in mine) >= floor - EQUAL:
            return ""
        return reasons.fell_below(split, floor)

    def merge_problems(
        self, units: Sequence[Unit], rows: Sequence[SplitScore]
    ) -> tuple[list[GateProblem], Fall | None]:
        """The splits that do not reach the target."""
        return [
            gate_problems.target_missed(row.pipeline, row.group, row.after, self._share)
            for row in rows
            if row.group in SPLITS and row.after is not None and row.after < self._share - EQUAL
        ], None


_RULES: dict[str, type[PolicyRules]] = {"strict": StrictRules, "paired": PairedRules, "target": TargetRules}


# --- under every policy ---------------------------------------------------------------------------------


def metric_loss(comparison: Comparison, split: Split, policy: GatePolicy) -> str:
    """Return which guarded metric fell on a split by more than it may; empty where none did."""
    units = comparison.of_split(split)
    names = graded_metrics(units) - set(policy.objectives) - policy.unjudged
    for metric in fallen_metrics(units, names, policy, rounding=EQUAL):
        return reasons.metric_fell(metric.name, split, metric.fall, lower=metric.lower)
    return ""


_ROUNDING = 1e-6
"""Scores stand rounded in the baseline."""


def merge_metric_problems(units: Sequence[Unit], policy: GatePolicy) -> list[GateProblem]:
    """Named metrics whose mean fell on a split; under `paired` only where chance does not explain it."""
    names = {*policy.guarded, *policy.objectives}
    problems = []
    for pipeline in sorted({unit.pipeline for unit in units}):
        mine = [unit for unit in units if unit.pipeline == pipeline]
        for name in sorted(names):
            for split in SPLITS:
                problems += [
                    gate_problems.baseline_metric_fell(pipeline, metric, split)
                    for metric in fallen_metrics(of_split(mine, split), [name], policy, rounding=_ROUNDING)
                    if policy.name != "paired" or not _explained_by_chance(metric.differences, policy)
                ]
    return problems


def _explained_by_chance(differences: Sequence[float], policy: GatePolicy) -> bool:
    return sign_flip_test([-difference for difference in differences]) > levels(policy).any_loss


def broken_tests(units: Sequence[Unit], splits: Sequence[Split | None]) -> list[str]:
    """Return names of the units of these splits that broke."""
    return [unit.name for unit in units if unit.split in splits and unit.broken]


def held_out_loss(comparison: Comparison, policy: GatePolicy) -> tuple[str, int]:
    """Return why the held-out cases reject a candidate, else empty; and the number of them that broke."""
    reason = rules_of(policy).loss(comparison, "holdout")
    broken = len(broken_tests(comparison.units, ("holdout",)))
    if reason and policy.one_case_decides and not broken:
        return reason, 0  # of an objective
    if reason:
        return reasons.held_out_lost(policy.name), broken
    return metric_loss(comparison, "holdout", policy), 0
