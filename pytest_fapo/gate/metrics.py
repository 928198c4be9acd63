"""Graded metrics (`run.score`): their means over a split, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum
from statistics import fmean

from pytest_fapo.gate.policy import GatePolicy
from pytest_fapo.gate.units import Unit
from pytest_fapo.models import Evaluation, ItemResult, Split

_EQUAL = 1e-9


def metric_differences(
    name: str, before: Evaluation, after: Evaluation, found: Iterable[Unit]
) -> list[float]:
    """After minus before of each unit that had the metric before, means over its repeats.

    A unit that has lost the metric (its test failed before it was scored) counts as the worst that was seen;
    one whose change is known to be chance as unchanged.
    """
    differences = []
    worst = min([0.0, *(item.scores[name] for item in before.items.values() if name in item.scores)])
    for unit in found:
        was = [
            before.items[nodeid].scores[name]
            for nodeid in unit.nodeids
            if nodeid in before.items and name in before.items[nodeid].scores
        ]
        now = [
            after.items[nodeid].scores.get(name, worst) if nodeid in after.items else worst
            for nodeid in unit.nodeids
        ]
        if was:
            change = sum(now) / len(now) - sum(was) / len(was)
            differences.append(0.0 if name in unit.chance else change)
    return differences


def fallen_metric(
    policy: GatePolicy, before: Evaluation, after: Evaluation, found: Sequence[Unit], splits: Sequence[Split]
) -> str:
    """Which guarded metric fell by more than it may, in words; empty where none did."""
    known = {name for item in before.items.values() for name in item.scores}
    names = sorted(known - {policy.objective} - policy.unjudged)
    for split in splits:
        mine = [unit for unit in found if unit.split == split]
        for name in names:
            differences = metric_differences(name, before, after, mine)
            if not differences:
                continue
            change, allowed = sum(differences) / len(differences), policy.guarded.get(name, 0.0)
            if change < -allowed - _EQUAL:
                where = "held-out cases" if split == "holdout" else split
                figure = "" if split == "holdout" else f" by {-change:.3g}"
                return f"the metric {name!r} fell{figure} on {where}"
    return ""


def unsteady_metrics(one: Evaluation, other: Evaluation) -> list[str]:
    """The metrics that differ between two evaluations of one tree on the same answers.

    They measure a clock (a replayed answer comes at once), or draw lots: they tell nothing of an edit.

    Args:
        one: an evaluation.
        other: a later one of the same tree; items for which it got an answer of its own do not matter.
    """
    found: set[str] = set()
    for nodeid, item in other.items.items():
        before = one.items.get(nodeid)
        if before is None or not item.scores or not _replayed(other, item):
            continue
        found |= {name for name, score in before.scores.items() if item.scores.get(name, score) != score}
    return sorted(found)


def _replayed(evaluation: Evaluation, item: ItemResult) -> bool:
    trace = evaluation.trace_of(item)
    calls = [*item.test_calls, *(trace.llm_calls if trace is not None else ())]
    return all(call.cache_hit or call.offline for call in calls)


def objective_differences(
    policy: GatePolicy, before: Evaluation, after: Evaluation, found: Sequence[Unit]
) -> list[float]:
    """What must rise, one weighted difference per unit: the objective, or the share that passes."""
    if policy.objective is not None:
        return metric_differences(policy.objective, before, after, found)
    return weighted([(unit.difference, unit.weight) for unit in found])


def case_differences(
    policy: GatePolicy, before: Evaluation, after: Evaluation, found: Sequence[Unit]
) -> list[float]:
    """As `objective_differences`, one per case: tests that look at one run are not independent."""
    if policy.objective is None:
        return pass_differences(found)
    grouped = [metric_differences(policy.objective, before, after, each) for each in _by_case(found)]
    return [fmean(differences) for differences in grouped if differences]


def pass_differences(found: Sequence[Unit]) -> list[float]:
    """By how much the share of a case's tests that pass has changed, weighted; one per case."""
    return weighted(
        [
            (fmean(unit.difference for unit in each), fmean(unit.weight for unit in each))
            for each in _by_case(found)
        ]
    )


def weighted(differences: Sequence[tuple[float, float]]) -> list[float]:
    """Differences times their weights, so scaled that the mean of the result is the weighted mean.

    The result is the same when all weights are multiplied by one number, also in its last digits: equal
    weights leave -1, 0 and 1 what they are, and it depends on that which interval is the right one.
    """
    largest = max((weight for _, weight in differences), default=0.0)
    if not largest:
        return []
    shares = [weight / largest for _, weight in differences]
    unit = fsum(shares) / len(shares)
    return [round(value * share / unit, 12) for (value, _), share in zip(differences, shares, strict=True)]


def _by_case(found: Iterable[Unit]) -> list[list[Unit]]:
    groups: dict[str, list[Unit]] = {}
    for unit in found:
        groups.setdefault(unit.case, []).append(unit)
    return list(groups.values())
