"""Results before and after, side by side: units (a test on a case with all its repeats) and what changed of
each. Both gates stand on them: a candidate's compares two evaluations (`compare`), the merge gate an
evaluation with the baseline (`baseline_comparison.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import fmean
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from pytest_fapo.core.candidate import MetricChange, SplitChange
from pytest_fapo.core.evaluation import Evaluation, ItemResult, weighted_mean
from pytest_fapo.core.record import Split
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.verdict.reasons import Aim
from pytest_fapo.verdict.statistics import EQUAL

Chance: TypeAlias = frozenset[tuple[str, str]]
"""Changes that fresh samples have shown to be chance: metric (empty for pass and fail) and unit."""

Metrics: TypeAlias = Mapping[str, tuple[float, float]]
"""Graded metric to the means of its merit over the repeats, before and after."""

_NONE: frozenset[str] = frozenset()
_UNGRADED: Metrics = MappingProxyType({})


class Unit(NamedTuple):
    """One test on one case (or one test without a case); its repeats are no independent observations."""

    nodeids: tuple[str, ...]
    """Of its repeats, the first one first."""
    split: Split | None
    weight: float
    passes: tuple[int, int]
    """Repeats that passed, before and after; an item that is missing or was skipped does not pass."""
    repeats: tuple[int, int]
    """All its repeats, before and after."""
    case: str = ""
    """Equal for tests that look at the same run of a pipeline; a test without a case has its own."""
    pipeline: str = ""
    metrics: Metrics = _UNGRADED
    """Merits (`ItemResult.merit`) of the metrics that it had before; one that is lost since counts as the
    worst that was seen."""
    lower: frozenset[str] = _NONE
    """Metrics of which less is better: their merits are negative."""
    chance: frozenset[str] = _NONE
    """The parts of its changes that are chance: the empty name for pass and fail, and names of metrics."""

    @property
    def name(self) -> str:
        return self.nodeids[0]

    @property
    def before(self) -> float:
        """Share of its repeats that pass, 0 to 1."""
        return self.passes[0] / self.repeats[0]

    @property
    def after(self) -> float:
        return self.passes[1] / self.repeats[1]

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


@dataclass(frozen=True)
class Comparison:
    """Two evaluations of the same items."""

    before: Evaluation
    after: Evaluation
    units: list[Unit]
    """Of `before`."""

    def of_split(self, split: Split | None) -> list[Unit]:
        """Return the units of one split; None gives the tests without a case."""
        return of_split(self.units, split)

    def score(self, split: Split) -> SplitChange:
        """Return the split's score on the items of `before`, in both; a missing item counts as failing."""
        items = self.before.in_split(split)
        return SplitChange(before=_share(items, self.before), after=_share(items, self.after))

    def metric(self, name: str, split: Split) -> MetricChange | None:
        """Return a metric's means over the cases of a split that had it before; None where none had it."""
        mine = [each for each in _by_case(self.of_split(split)) if any(name in unit.metrics for unit in each)]
        if not mine:
            return None
        lower = any(name in unit.lower for each in mine for unit in each)
        pairs = [[unit.metrics[name] for unit in each if name in unit.metrics] for each in mine]
        before, after = (fmean(fmean(pair[side] for pair in case) for case in pairs) for side in (0, 1))
        changes = [sum(now - was for was, now in case) for case in pairs]
        return MetricChange(
            metric=name,
            split=split,
            lower_is_better=lower,
            cases=len(mine),
            before=(-before or 0.0) if lower else before,  # not -0
            after=(-after or 0.0) if lower else after,
            better=sum(change > EQUAL for change in changes),
            worse=sum(change < -EQUAL for change in changes),
        )

    def was_run(self, unit: Unit) -> bool:
        """True if a repeat of it has a result after."""
        return any(nodeid in self.after.items for nodeid in unit.nodeids)


def compare(before: Evaluation, after: Evaluation, *, chance: Chance = frozenset()) -> Comparison:
    """Lay two evaluations beside each other.

    Args:
        before: says which units there are: those of which an item counts.
        after: the other evaluation.
        chance: changes that are known to be chance.
    """
    known: dict[str, frozenset[str]] = {}
    for metric, name in chance:
        known[name] = known.get(name, _NONE) | {metric}
    groups: dict[str, list[ItemResult]] = {}
    for item in before.items.values():
        groups.setdefault(item.first_nodeid, []).append(item)
    worst = _worst_scores(before)
    units = [
        _unit_of(items, after, known, worst)
        for items in groups.values()
        if any(item.counts for item in items)
    ]
    return Comparison(before, after, units)


def _unit_of(
    items: list[ItemResult],
    after: Evaluation,
    chance: Mapping[str, frozenset[str]],
    worst: Mapping[str, float],
) -> Unit:
    if len(items) > 1:
        items = sorted(items, key=lambda item: item.repeat)
    first, later = items[0], after.items
    passes = sum(item.nodeid in later and later[item.nodeid].passed for item in items)
    return Unit(
        nodeids=tuple([item.nodeid for item in items]),
        split=first.split,
        weight=first.weight,
        passes=(sum(item.passed for item in items), passes),
        repeats=(len(items), len(items)),
        case=first.nodeid if first.case_id is None else f"{first.pipeline}::{first.case_id}",
        pipeline=first.pipeline or "",
        metrics=_metrics_of(items, after, worst) if worst else _UNGRADED,
        lower=frozenset(name for item in items for name in item.lower_is_better),
        chance=chance.get(first.nodeid, _NONE),
    )


def _worst_scores(evaluation: Evaluation) -> dict[str, float]:
    worst: dict[str, float] = {}
    for item in evaluation.items.values():
        for name, merit in merits_of(item).items():
            worst[name] = min(worst.get(name, 0.0), merit)
    return worst


def merits_of(item: ItemResult) -> dict[str, float]:
    """Return all scores of an item, so signed that higher is better."""
    less = item.lower_is_better
    return {name: -score if name in less else score for name, score in item.scores.items()}


def _metrics_of(items: Sequence[ItemResult], after: Evaluation, worst: Mapping[str, float]) -> Metrics:
    found = {}
    merits = [merits_of(item) for item in items]
    later = [after.items.get(item.nodeid) for item in items]
    merits_now = [merits_of(item) if item is not None else {} for item in later]
    for name in dict.fromkeys(name for item in items for name in item.scores):
        was = [each[name] for each in merits if name in each]
        now = [each.get(name, worst[name]) for each in merits_now]
        found[name] = (sum(was) / len(was), sum(now) / len(now))
    return found


def of_split(units: Iterable[Unit], split: Split | None) -> list[Unit]:
    """Return the units of one split; None gives the tests without a case."""
    return [unit for unit in units if unit.split == split]


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


def _share(items: list[ItemResult], evaluation: Evaluation) -> float | None:
    return weighted_mean((item.weight, _is_passed(evaluation, item.nodeid)) for item in items)


def _is_passed(evaluation: Evaluation, nodeid: str) -> bool:
    item = evaluation.items.get(nodeid)
    return item is not None and item.passed


# --- differences ----------------------------------------------------------------------------------------


def metric_differences(metric: str, units: Iterable[Unit]) -> list[float]:
    """After minus before of each unit that had the metric before; 0 where the change is chance."""
    return [
        0.0 if metric in unit.chance else unit.metrics[metric][1] - unit.metrics[metric][0]
        for unit in units
        if metric in unit.metrics
    ]


def aim_differences(aim: Aim, units: Sequence[Unit]) -> list[float]:
    """Return the values that must rise, one weighted difference per unit."""
    if aim is not None:
        return metric_differences(aim, units)
    return weighted([(unit.difference, unit.weight) for unit in units])


def case_differences(aim: Aim, units: Sequence[Unit]) -> list[float]:
    """As `aim_differences`, one per case: tests that look at one run are not independent."""
    if aim is None:
        return pass_differences(units)
    grouped = [metric_differences(aim, each) for each in _by_case(units)]
    return [fmean(differences) for differences in grouped if differences]


def unit_of_aim(aim: Aim, units: Iterable[Unit]) -> float:
    """Return the size in which a margin counts: 1 for shares of tests, for a metric what its scale ends with.

    That of a metric of which less is better, or more than 100, ends with its largest value before.
    """
    if aim is None:
        return 1.0
    values = [abs(unit.metrics[aim][0]) for unit in units if aim in unit.metrics]
    less = any(aim in unit.lower for unit in units)
    return scale_end(max(values, default=1.0), lower=less)


SCALES = (1.0, 5.0, 10.0, 100.0)
"""Where scales of scores usually end."""


def scale_end(largest: float, *, lower: bool) -> float:
    """Return the end of the scale that a metric's values are probably on."""
    if not lower:
        largest = next((end for end in SCALES if largest <= end), largest)
    return largest or 1.0


def pass_differences(units: Sequence[Unit]) -> list[float]:
    """By how much the share of a case's tests that pass has changed, weighted; one per case."""
    return weighted(
        [
            (fmean(unit.difference for unit in each), fmean(unit.weight for unit in each))
            for each in _by_case(units)
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


def _by_case(units: Iterable[Unit]) -> list[list[Unit]]:
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        groups.setdefault(unit.case, []).append(unit)
    return list(groups.values())


# --- graded metrics -------------------------------------------------------------------------------------


def graded_metrics(units: Iterable[Unit]) -> set[str]:
    """Return the metrics that these units had before."""
    return {name for unit in units for name in unit.metrics}


class FallenMetric(NamedTuple):
    """A metric whose mean over some units is lower than it may be."""

    name: str
    fall: float
    allowed: float
    differences: list[float]
    lower: bool
    """True if less is better: it rose."""


def fallen_metrics(
    units: Sequence[Unit], names: Iterable[str], policy: GatePolicy, *, rounding: float
) -> Iterator[FallenMetric]:
    """Yield the metrics whose means fell by more than the policy allows.

    Args:
        units: of one split.
        names: of the metrics that are guarded.
        policy: says by how much each may fall.
        rounding: what is no fall.
    """
    for name in sorted(names):
        differences = metric_differences(name, units)
        change = fmean(differences) if differences else 0.0
        allowed = policy.guarded.get(name, 0.0)
        if change < -allowed - rounding:
            lower = any(name in unit.lower for unit in units)
            yield FallenMetric(name, -change, allowed, differences, lower)


def unsteady_metrics(one: Evaluation, other: Evaluation) -> list[str]:
    """Return the metrics that differ between two evaluations of one tree on the same answers.

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
