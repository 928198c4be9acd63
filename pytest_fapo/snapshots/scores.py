"""The scores of a pipeline's baseline, per split, tag and metric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import fmean
from typing import NamedTuple

from pytest_fapo.models import SPLITS, CaseBaseline, PipelineBaseline, passed_share
from pytest_fapo.percents import percent
from pytest_fapo.snapshots.markdown import code, table


class _Score(NamedTuple):
    cases: int
    share: float


def scores_table(pipeline: PipelineBaseline) -> str:
    """The table: weighted share of passing items per split and tag, mean of each graded metric."""
    rows: list[list[str]] = []
    for split in SPLITS:
        cases = pipeline.cases.get(split, {})
        if split in pipeline.scores:
            rows.append([split, str(len(cases)), percent(pipeline.scores[split], decimals=1)])
    everything = list(_cases(pipeline))
    for tag in sorted({tag for case in everything for tag in case.tags}):
        found = _share(case for case in everything if tag in case.tags)
        if found is not None:
            rows.append([f"tag {code(tag)}", str(found.cases), percent(found.share, decimals=1)])
    for metric in sorted({name for case in everything for name in case.scores}):
        values = [case.scores[metric] for case in everything if metric in case.scores]
        rows.append([f"metric {code(metric)}", str(len(values)), f"{fmean(values):.4g}"])
    return table(["Group", "Cases", "Score"], rows, numbers=2)


def _cases(pipeline: PipelineBaseline) -> Iterator[CaseBaseline]:
    for split in SPLITS:
        yield from pipeline.cases.get(split, {}).values()


def _share(cases: Iterable[CaseBaseline]) -> _Score | None:
    counted, total, passed = 0, 0.0, 0.0
    for case in cases:
        shares = [share for share in map(passed_share, case.items.values()) if share is not None]
        counted += bool(shares)
        total += case.weight * len(shares)
        passed += case.weight * sum(shares)
    return _Score(counted, passed / total) if total else None
