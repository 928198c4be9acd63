"""What a run has reached in graded metrics: the objectives, what a run of the pipeline costs, the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_fapo.answers.prices import run_costs
from pytest_fapo.core.candidate import Attempt, MetricChange
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import SPLITS
from pytest_fapo.core.spending import RUN_COSTS
from pytest_fapo.loop.run_summary import CostChange, FrontPoint
from pytest_fapo.verdict.comparison import compare
from pytest_fapo.verdict.policy import GatePolicy


def objective_changes(before: Evaluation, after: Evaluation, policy: GatePolicy) -> list[MetricChange]:
    """Return the objectives on every split, before and after."""
    if not policy.objectives:
        return []
    comparison = compare(before, after)
    found = [comparison.metric(name, split) for name in policy.objectives for split in SPLITS]
    return [change for change in found if change is not None]


def cost_changes(before: Evaluation, after: Evaluation) -> list[CostChange]:
    """Return the mean cost of one run, over the runs that both have; replayed answers count as live ones."""
    pairs = [(trace, after.traces[name]) for name, trace in before.traces.items() if name in after.traces]
    costs = [(run_costs(old.llm_calls), run_costs(new.llm_calls)) for old, new in pairs if old.llm_calls]
    found = []
    for name in RUN_COSTS:
        both = [(was[name], now[name]) for was, now in costs if name in was and name in now]
        if both and any(was or now for was, now in both):
            means = [sum(side) / len(both) for side in zip(*both, strict=True)]
            found.append(CostChange(name=name, before=means[0], after=means[1]))
    return found


def front_of(before: Evaluation, attempts: Sequence[Attempt], policy: GatePolicy) -> list[FrontPoint]:
    """Return the trees that no other one beats in an objective without losing in another; none for one
    objective.

    Args:
        before: the user's own tree.
        attempts: all candidates; those that were not run on all of train have no place in it.
        policy: names the objectives.
    """
    names = policy.objectives
    if len(names) < 2:
        return []
    less = {name for item in before.items.values() for name in item.lower_is_better}
    own = {name: mean for name in names if (mean := before.metric_mean(name, "train")) is not None}
    points = [FrontPoint(scores=own)]
    for attempt in attempts:
        reached = {each.metric: each.after for each in attempt.verdict.metrics if each.split == "train"}
        candidate = attempt.candidate.id
        points.append(FrontPoint(candidate=candidate, scores=reached, accepted=attempt.verdict.accepted))
    whole = [point for point in points if len(point.scores) == len(names)]
    return [point for point in whole if not any(_beats(other.scores, point.scores, less) for other in whole)]


def _beats(one: Mapping[str, float], other: Mapping[str, float], less: set[str]) -> bool:
    """True if one is as good everywhere and better somewhere."""
    gains = [(other[name] - one[name]) if name in less else (one[name] - other[name]) for name in one]
    return min(gains) >= 0 and max(gains) > 0
