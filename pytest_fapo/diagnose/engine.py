"""`diagnose`: the rules over every failing case, then clusters."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.diagnose.clusters import make_clusters
from pytest_fapo.diagnose.failure import Failure
from pytest_fapo.diagnose.rules import RULES
from pytest_fapo.models import Artifact, Case, Diagnosis, Evaluation, Finding, ItemResult, Split, Trace
from pytest_fapo.reading import FieldMap, Reading, TraceView


def diagnose(
    evaluation: Evaluation, *, artifacts: Sequence[Artifact], split: Split | None = "train"
) -> Diagnosis:
    """Attribute every failing case to a step and group the findings by cause.

    Args:
        evaluation: a run of the cases; items without a case are left out.
        artifacts: the editable pieces; clusters name those that their step was seen to use.
        split: look at the cases of this split only; None looks at all.

    Never raises on odd traces: a case that no rule understands becomes a finding of low confidence.
    """
    items = [
        item
        for item in evaluation.items.values()
        if item.counts and item.nodeid in evaluation.cases and (split is None or item.split == split)
    ]
    maps = _field_maps(evaluation, items)
    findings = [_attribute(_failure(evaluation, item, maps)) for item in items if not item.passed]
    clusters = make_clusters(
        [finding for finding in findings if finding.category != "infrastructure"],
        items=items,
        maps=maps,
        artifacts=artifacts,
    )
    return Diagnosis(
        findings=findings,
        clusters=clusters,
        infrastructure=[finding for finding in findings if finding.category == "infrastructure"],
    )


def _field_maps(evaluation: Evaluation, items: list[ItemResult]) -> dict[str, FieldMap]:
    """One map per pipeline over its cases, each case once; a case passed when all its items did."""
    runs: dict[str, dict[str, tuple[Case, Trace, bool]]] = {}
    for item in items:
        trace = evaluation.trace_of(item)
        if trace is None:
            continue
        case = evaluation.cases[item.nodeid]
        of_pipeline = runs.setdefault(item.pipeline or "", {})
        before = of_pipeline.get(case.id)
        of_pipeline[case.id] = (case, trace, item.passed and (before is None or before[2]))
    return {pipeline: FieldMap.of(found.values()) for pipeline, found in runs.items()}


def _failure(evaluation: Evaluation, item: ItemResult, maps: dict[str, FieldMap]) -> Failure:
    case = evaluation.cases[item.nodeid]
    fields = maps.get(item.pipeline or "") or FieldMap([])
    trace = evaluation.trace_of(item)
    reading = None if trace is None else Reading(case, TraceView(trace, fields.helpers), passed=False)
    return Failure(item, case, reading, fields)


def _attribute(failure: Failure) -> Finding:
    for rule in RULES:
        finding = rule(failure)
        if finding is not None:
            return finding
    raise AssertionError("the last rule always gives a finding")  # pragma: no cover
