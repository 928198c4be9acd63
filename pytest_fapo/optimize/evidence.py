"""What proposers are shown: train cases only, and the memory without a single val or held-out case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.config import Settings
from pytest_fapo.diagnose import artifacts_of_step
from pytest_fapo.models import (
    LEVELS,
    Attempt,
    Cluster,
    Diagnosis,
    Evaluation,
    Evidence,
    EvidenceCase,
    Finding,
    Level,
    Repair,
    Verdict,
)
from pytest_fapo.optimize.sources import pipeline_sources
from pytest_fapo.optimize.standing import Best
from pytest_fapo.reading import TraceView


def train_evidence(evaluation: Evaluation, pipeline: str, nodeids: Iterable[str] = ()) -> list[EvidenceCase]:
    """The train cases of a pipeline as proposers may see them; no other split ever leaves here.

    Args:
        evaluation: where outcome and trace come from.
        pipeline: name of the pipeline fixture.
        nodeids: these items only; all where empty.
    """
    wanted = set(nodeids)
    found: dict[str, EvidenceCase] = {}
    for nodeid, item in evaluation.items.items():
        case = evaluation.cases.get(nodeid)
        if item.split != "train" or item.pipeline != pipeline or case is None or not item.counts:
            continue
        if wanted and nodeid not in wanted:
            continue
        assert case.split == "train"
        known = found.get(item.first_nodeid)
        if known is not None and (item.passed or not known.passed):
            continue  # one repeat tells what happened, a failing one where there is one
        found[item.first_nodeid] = EvidenceCase(
            case=case,
            nodeid=nodeid,
            passed=item.passed,
            explanation=item.explanation,
            feedback=item.feedback,
            trace=evaluation.trace_of(item),
        )
    return list(found.values())


def make_evidence(
    cluster: Cluster,
    *,
    best: Best,
    level: Level,
    diagnosis: Diagnosis,
    attempts: Sequence[Attempt],
    store: ArtifactStore,
    settings: Settings,
    escalation: str = "",
) -> Evidence:
    """Everything that a proposer may know of one cluster.

    Args:
        cluster: what is to be mended.
        best: the tree that edits build on.
        level: the highest level that may be edited now.
        diagnosis: of the best tree.
        attempts: all that was tried.
        store: the artifacts as of the best tree.
        settings: for demonstrations.
        escalation: why the levels below `level` were left.
    """
    allowed = LEVELS[: LEVELS.index(level) + 1]
    return Evidence(
        cluster=cluster,
        cases=cluster_cases(best.evaluation, cluster),
        artifacts=[artifact for each in allowed for artifact in store.all(each)],
        level=level,
        memory=visible(attempts),
        parent=best.candidate,
        together=_together(cluster, best.evaluation, diagnosis, store),
        sources=pipeline_sources(store, settings),
        demonstrations=settings.demonstrations,
        max_demonstrations=settings.max_demonstrations,
        creatable=store.creatable(),
        escalation=escalation,
    )


def cluster_cases(evaluation: Evaluation, cluster: Cluster) -> list[EvidenceCase]:
    """Return the train cases of the cluster's own sources; other tests may say other things of the ids."""
    sets = {cluster.label_set, *(finding.label_set for finding in cluster.findings)}
    cases = train_evidence(evaluation, cluster.pipeline)
    return [item for item in cases if item.case.label_set in sets]


def make_repair(attempt: Attempt, before: Evaluation, after: Evaluation, pipeline: str) -> Repair:
    """The way back of a candidate that won but broke something: the broken train cases, and counts."""
    verdict = attempt.verdict
    broken = [nodeid for nodeid in verdict.broken if _split_of(before, nodeid) == "train"]
    return Repair(
        candidate=attempt.candidate,
        broken=train_evidence(after, pipeline, broken) if broken else [],
        broken_val=sum(_split_of(before, nodeid) == "val" for nodeid in verdict.broken),
        broken_holdout=verdict.broken_hidden > 0,
    )


def visible(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The memory as proposers may see it: nothing of single val or held-out cases.

    Of val a count remains; of the held-out cases the one bit that the verdict's reason states.
    """
    return [attempt.model_copy(update={"verdict": _blind(attempt)}) for attempt in attempts]


def _blind(attempt: Attempt) -> Verdict:
    verdict = attempt.verdict
    known = set(attempt.candidate.targets)
    splits = {split: value for split, value in verdict.splits.items() if split != "holdout"}
    train_only = verdict.stage in ("targeted", "train")
    return verdict.model_copy(
        update={
            "splits": splits,
            "fixed": [nodeid for nodeid in verdict.fixed if nodeid in known],
            "broken": verdict.broken if train_only else [],
            "broken_hidden": 0,
            "flaky": [nodeid for nodeid in verdict.flaky if nodeid in known],
        }
    )


def _split_of(evaluation: Evaluation, nodeid: str) -> str | None:
    item = evaluation.items.get(nodeid)
    return item.split if item is not None else None


def _together(
    cluster: Cluster, evaluation: Evaluation, diagnosis: Diagnosis, store: ArtifactStore
) -> list[Cluster]:
    """One cluster for each further step that is at fault in the same cases."""
    found = []
    for step in cluster.also:
        same = [
            other for other in diagnosis.clusters if other.step == step and other.pipeline == cluster.pipeline
        ]
        findings = [
            finding.model_copy(
                update={"step": step, "also": [cluster.step], **_labels(finding, step, evaluation)}
            )
            for finding in cluster.findings
            if step in finding.also
        ]
        if not findings:
            continue
        traces = [trace for trace in evaluation.traces.values() if trace.pipeline == cluster.pipeline]
        views = [TraceView(trace) for trace in traces]
        artifacts = same[0].artifacts if same else artifacts_of_step(step, views, store.all())
        found.append(
            cluster.model_copy(
                update={
                    "id": f"{cluster.id}/{step}",
                    "label": f"{step}: at fault together with {cluster.step}",
                    "step": step,
                    "field": "",
                    "findings": findings,
                    "also": [cluster.step],
                    "artifacts": artifacts,
                }
            )
        )
    return found


def _labels(finding: Finding, step: str, evaluation: Evaluation) -> dict[str, object]:
    """What the further step should have given, and what it gave."""
    case, item = evaluation.cases.get(finding.nodeid), evaluation.items.get(finding.nodeid)
    trace = evaluation.trace_of(item) if item is not None else None
    output = next((each.output for each in trace.steps if each.key == step), None) if trace else None
    return {"expected": case.expected_steps.get(step) if case is not None else None, "actual": output}
