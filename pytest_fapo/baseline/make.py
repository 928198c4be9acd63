"""From an evaluation to the record that is committed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean

import pytest_fapo
from pytest_fapo.baseline.results import ItemGroup, first_trace, item_groups
from pytest_fapo.baseline.runs import calls_digest, output_digest, output_of, step_digests
from pytest_fapo.models import (
    SPLITS,
    Baseline,
    CaseBaseline,
    Evaluation,
    PipelineBaseline,
    Split,
    Trace,
    weighted_mean,
)

FORMAT = 1
"""Of the file; a version that writes another one reads no older one."""
_DIGITS = 6


def make_baseline(evaluation: Evaluation, *, artifacts: Mapping[str, str]) -> Baseline:
    """What is kept of an evaluation of all cases; failing cases are kept as failing.

    Args:
        evaluation: of this session; tests without a case take no part.
        artifacts: what `artifact_digests` gave for the tree that was evaluated.
    """
    pipelines: dict[str, list[ItemGroup]] = {}
    for group in item_groups(evaluation):
        pipelines.setdefault(group.pipeline, []).append(group)
    return Baseline(
        format=FORMAT,
        plugin=pytest_fapo.__version__,
        artifacts=dict(artifacts),
        pipelines={name: _pipeline(evaluation, groups) for name, groups in sorted(pipelines.items())},
    )


def _pipeline(evaluation: Evaluation, groups: list[ItemGroup]) -> PipelineBaseline:
    cases: dict[tuple[Split, str], list[ItemGroup]] = {}
    for group in groups:
        cases.setdefault((group.split, group.case_id), []).append(group)
    traces = pipeline_traces(evaluation, groups)
    found: dict[Split, dict[str, CaseBaseline]] = {}
    for split in SPLITS:
        mine = sorted(case_id for each, case_id in cases if each == split)
        if mine:
            found[split] = {case_id: _case(evaluation, cases[split, case_id]) for case_id in mine}
    return PipelineBaseline(
        models=sorted({call.model for trace in traces for call in trace.llm_calls if call.model}),
        calls=calls_digest(traces),
        repeats=max(len(group.items) for group in groups),
        scores={split: score for split in found if (score := _score(groups, split)) is not None},
        cases=found,
    )


def _case(evaluation: Evaluation, groups: list[ItemGroup]) -> CaseBaseline:
    trace = first_trace(evaluation, groups)
    first = groups[0].first
    case = evaluation.cases.get(first.nodeid)
    return CaseBaseline(
        items={group.name: group.result for group in sorted(groups, key=lambda group: group.name)},
        scores=_metrics(groups),
        tags=sorted(set(case.tags)) if case else [],
        weight=first.weight,
        calls=len(trace.llm_calls) if trace else 0,
        output=output_of(trace) if trace else "",
        output_digest=output_digest(trace) if trace else "",
        steps=step_digests(trace) if trace else [],
    )


def _metrics(groups: list[ItemGroup]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for group in groups:
        for item in group.items:
            for name, value in item.scores.items():
                values.setdefault(name, []).append(value)
    return {name: round(fmean(found), _DIGITS) for name, found in sorted(values.items())}


def _score(groups: list[ItemGroup], split: Split) -> float | None:
    items = [item for group in groups if group.split == split for item in group.counting]
    share = weighted_mean((item.weight, item.passed) for item in items)
    return None if share is None else round(share, _DIGITS)


def pipeline_traces(evaluation: Evaluation, groups: Iterable[ItemGroup]) -> list[Trace]:
    """All runs that these tests looked at."""
    names = {item.trace_id for group in groups for item in group.items if item.trace_id}
    return [evaluation.traces[name] for name in names if name in evaluation.traces]
