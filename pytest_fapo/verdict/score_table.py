"""The table of scores, before and after: each pipeline as a whole, per split, tag group and metric; and
floors missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

from pytest_fapo.core.baseline import Baseline, CaseBaseline, fixture_of, passed_share
from pytest_fapo.core.evaluation import Evaluation, weighted_mean
from pytest_fapo.core.gate_result import GateProblem, SplitScore
from pytest_fapo.core.record import SPLITS, Split
from pytest_fapo.verdict import gate_problems
from pytest_fapo.verdict.baseline_comparison import baseline_cases
from pytest_fapo.verdict.baseline_contents import ItemGroup, item_groups
from pytest_fapo.verdict.policy import EVERY_PIPELINE, Floor


class _ScoredBefore(NamedTuple):
    split: Split
    case: CaseBaseline


class _ScoredAfter(NamedTuple):
    group: ItemGroup
    tags: tuple[str, ...]


def score_rows(
    evaluation: Evaluation, baseline: Baseline | None, floors: Iterable[Floor]
) -> list[SplitScore]:
    """One row per group of each pipeline.

    Args:
        evaluation: now; may hold cases that the baseline does not know.
        baseline: None where there is none.
        floors: put on the rows that they are for.
    """
    before: dict[str, list[_ScoredBefore]] = {}
    for name, split, _, case in baseline_cases(baseline) if baseline is not None else ():
        before.setdefault(name, []).append(_ScoredBefore(split, case))
    after: dict[str, list[_ScoredAfter]] = {}
    for group in item_groups(evaluation):
        case_now = evaluation.cases.get(group.first.nodeid)
        tags = tuple(case_now.tags) if case_now else ()
        after.setdefault(group.pipeline, []).append(_ScoredAfter(group, tags))
    limits = list(floors)
    rows: list[SplitScore] = []
    for name in sorted({*before, *after}):
        rows += _rows(name, before.get(name, []), after.get(name, []), limits)
    return rows


def _rows(
    name: str, before: list[_ScoredBefore], after: list[_ScoredAfter], floors: list[Floor]
) -> Iterator[SplitScore]:
    splits = [
        split
        for split in SPLITS
        if any(each.split == split for each in before) or any(each.group.split == split for each in after)
    ]
    tags = {tag for each in before for tag in each.case.tags} | {tag for each in after for tag in each.tags}
    metrics = {metric for each in before for metric in each.case.scores}
    metrics |= {metric for each in after for item in each.group.items for metric in item.scores}
    groups = ["all", *splits, *(f"tag:{tag}" for tag in sorted(tags))]
    for group in groups:
        chosen = [each for each in before if _is_in(group, each.split, each.case.tags)]
        now = [each for each in after if _is_in(group, each.group.split, each.tags)]
        yield _row(name, group, now, _share_before(chosen), _share_after(now), floors)
    for metric in sorted(metrics):
        was = [each.case.scores[metric] for each in before if metric in each.case.scores]
        values, scored = _metric_after(metric, after)
        mean = fmean(values) if values else None
        lower = any(metric in item.lower_is_better for each in scored for item in each.group.items)
        row = _row(name, f"metric:{metric}", scored, fmean(was) if was else None, mean, floors)
        yield row.model_copy(update={"lower_is_better": lower})


def _row(
    name: str,
    group: str,
    now: list[_ScoredAfter],
    before: float | None,
    after: float | None,
    floors: list[Floor],
) -> SplitScore:
    limits = [floor.share for floor in floors if concerns(floor, name, group)]
    cases = len({each.group.case_id for each in now})
    return SplitScore(
        pipeline=name,
        group=group,
        cases=cases,
        before=before,
        after=after,
        floor=max(limits) if limits else None,
    )


def concerns(floor: Floor, pipeline: str, group: str) -> bool:
    """True if a floor applies to this row."""
    if floor.kind in ("tag", "metric"):
        return floor.name == group
    if floor.kind == "split" or (not floor.kind and floor.name in SPLITS):
        return floor.subject == group
    return group == "all" and floor.subject in (EVERY_PIPELINE, pipeline, fixture_of(pipeline))


def _is_in(group: str, split: Split, tags: Iterable[str]) -> bool:
    kind, _, tag = group.partition(":")
    return tag in tags if kind == "tag" else group in ("all", split)


def _share_before(cases: list[_ScoredBefore]) -> float | None:
    found = [
        (each.case.weight, share)
        for each in cases
        for result in each.case.items.values()
        if (share := passed_share(result)) is not None
    ]
    return weighted_mean(found)


def _share_after(groups: list[_ScoredAfter]) -> float | None:
    return weighted_mean((item.weight, item.passed) for each in groups for item in each.group.counting)


def _metric_after(metric: str, groups: list[_ScoredAfter]) -> tuple[list[float], list[_ScoredAfter]]:
    """Return the metric's mean per case, and where it was scored."""
    values: dict[str, list[float]] = {}
    scored = []
    for each in groups:
        found = [item.scores[metric] for item in each.group.items if metric in item.scores]
        if found:
            values.setdefault(each.group.case_id, []).extend(found)
            scored.append(each)
    return [fmean(found) for found in values.values()], scored


def floor_problems(rows: Sequence[SplitScore], floors: Sequence[Floor]) -> list[GateProblem]:
    """Floors that are missed, and those that nothing is measured against."""
    problems = []
    for floor in floors:
        mine = [row for row in rows if concerns(floor, row.pipeline, row.group)]
        if not any(row.after is not None for row in mine):
            problems.append(_unknown_floor(floor, rows))
        problems += [
            gate_problems.floor_missed(row, row.after, floor.share)
            for row in mine
            if row.after is not None and row.model_copy(update={"floor": floor.share}).missed
        ]
    return problems


def _unknown_floor(floor: Floor, rows: Sequence[SplitScore]) -> GateProblem:
    scored = [row for row in rows if row.after is not None]
    return gate_problems.unknown_floor(
        floor.name, sorted({row.pipeline for row in scored} | {row.group for row in scored} - {"all"})
    )
