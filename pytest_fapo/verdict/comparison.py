"""Two evaluations of the same items, side by side: units (a test on a case with all its repeats) and what
changed of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from statistics import fmean
from typing import NamedTuple, TypeAlias

from pytest_fapo.core.candidate import SplitChange
from pytest_fapo.core.evaluation import Evaluation, ItemResult, weighted_mean
from pytest_fapo.core.record import Split
from pytest_fapo.verdict.policy import GatePolicy

Chance: TypeAlias = frozenset[tuple[str, str]]
"""Changes that fresh samples have shown to be chance: metric (empty for pass and fail) and unit."""

_NONE: frozenset[str] = frozenset()


class Unit(NamedTuple):
    """One test on one case (or one test without a case); its repeats are no independent observations."""

    nodeids: tuple[str, ...]
    """Of its repeats, the first one first."""
    split: Split | None
    weight: float
    before: float
    """Share of its repeats that pass, 0 to 1; an item that is missing or was skipped does not pass."""
    after: float
    case: str = ""
    """Equal for tests that look at the same run of a pipeline; a test without a case has its own."""
    chance: frozenset[str] = _NONE
    """What of its changes is chance: the empty name for pass and fail, and names of metrics."""

    @property
    def name(self) -> str:
        return self.nodeids[0]

    @property
    def flaky(self) -> bool:
        """Its own repeats differ on the tree before: its changes say nothing."""
        return 0.0 < self.before < 1.0

    @property
    def broken(self) -> bool:
        """It passed every time before, and passes in at most half of its repeats now."""
        return self.before == 1.0 and self.after <= 0.5 and "" not in self.chance

    @property
    def fixed(self) -> bool:
        """It never passed before, and passes in more than half of its repeats now."""
        return self.before == 0.0 and self.after > 0.5 and "" not in self.chance

    @property
    def difference(self) -> float:
        """-1 to 1; 0 where it is chance."""
        return 0.0 if "" in self.chance else self.after - self.before


def units(
    before: Evaluation,
    after: Evaluation,
    nodeids: Iterable[str] | None = None,
    *,
    chance: Chance = frozenset(),
) -> list[Unit]:
    """The units of `before`, with their results in both evaluations.

    Args:
        before: says which units there are: those of which an item counts.
        after: the other evaluation.
        nodeids: look at these items only.
        chance: changes that are known to be chance.
    """
    known: dict[str, frozenset[str]] = {}
    for metric, name in chance:
        known[name] = known.get(name, _NONE) | {metric}
    groups: dict[str, list[ItemResult]] = {}
    for nodeid in before.items if nodeids is None else nodeids:
        item = before.items.get(nodeid)
        if item is not None:
            groups.setdefault(item.first_nodeid, []).append(item)
    return [_unit_of(items, after, known) for items in groups.values() if any(item.counts for item in items)]


def _unit_of(items: list[ItemResult], after: Evaluation, chance: Mapping[str, frozenset[str]]) -> Unit:
    if len(items) > 1:
        items = sorted(items, key=lambda item: item.repeat)
    first, later = items[0], after.items
    passed = sum(item.passed for item in items)
    passes = sum(item.nodeid in later and later[item.nodeid].passed for item in items)
    return Unit(
        nodeids=tuple([item.nodeid for item in items]),
        case=first.nodeid if first.case_id is None else f"{first.pipeline}::{first.case_id}",
        split=first.split,
        weight=first.weight,
        before=passed / len(items),
        after=passes / len(items),
        chance=chance.get(first.nodeid, _NONE),
    )


def of_split(found: Iterable[Unit], split: Split | None) -> list[Unit]:
    """The units of one split; None gives the tests without a case."""
    return [unit for unit in found if unit.split == split]


def newly_failing(before: Evaluation, after: Evaluation, nodeids: Iterable[str]) -> list[str]:
    """Items that passed before and do not pass now: failed, skipped, or not there any more."""
    return [nodeid for nodeid in nodeids if _is_passed(before, nodeid) and not _is_passed(after, nodeid)]


def newly_passing(before: Evaluation, after: Evaluation, nodeids: Iterable[str]) -> list[str]:
    """Items that counted and failed before, and pass now."""
    return [
        nodeid
        for nodeid in nodeids
        if nodeid in before.items
        and before.items[nodeid].counts
        and not before.items[nodeid].passed
        and _is_passed(after, nodeid)
    ]


def nodeids_of(evaluation: Evaluation, split: Split) -> list[str]:
    """Node ids of the items of a split."""
    return [nodeid for nodeid, item in evaluation.items.items() if item.split == split]


def split_change(before: Evaluation, after: Evaluation, split: Split) -> SplitChange:
    """The split's score on the items of `before`, in both; a missing item counts as failing."""
    items = before.in_split(split)
    return SplitChange(before=_share(items, before), after=_share(items, after))


def _share(items: list[ItemResult], evaluation: Evaluation) -> float | None:
    return weighted_mean((item.weight, _is_passed(evaluation, item.nodeid)) for item in items)


def _is_passed(evaluation: Evaluation, nodeid: str) -> bool:
    item = evaluation.items.get(nodeid)
    return item is not None and item.passed


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
