"""Findings with one cause, grouped: label, suggested fix, ceiling, artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_fapo.diagnose.links import artifacts_of_step
from pytest_fapo.models import LEVELS, Artifact, Category, Cluster, Finding, ItemResult, Level
from pytest_fapo.reading import FieldMap

_LABELS: dict[Category, str] = {
    "infrastructure": "the provider or the network failed",
    "exception": "an exception in the code",
    "tool": "a tool call failed",
    "truncated": "the answer was cut off",
    "refusal": "the model declined",
    "schema": "the output is not the structure that is read",
    "format": "the right answer in the wrong form",
    "label": "the wrong label",
    "missing-input": "an answer made up where the input has none",
    "requirement": "the text misses a requirement",
    "retrieval": "the needed passages were not found",
    "cascade": "an empty step, and nothing after it",
    "empty": "an empty answer",
    "content": "the wrong answer",
    "unknown": "no step is known to be wrong",
}
_FIXES: dict[Category, str] = {
    "infrastructure": "Repeat the run when the provider answers again.",
    "exception": "Mend the code, or make the step before it give what the code can use.",
    "tool": "Describe the tool's arguments in the prompt, or mend the tool.",
    "truncated": "Ask for a shorter answer, or raise the token limit.",
    "refusal": "Say in the prompt what the task is for and that it is to be answered.",
    "schema": "State the output contract: only JSON, which keys, which types.",
    "format": "State the output contract: the bare value, spelled exactly, and nothing else.",
    "label": "Define each label and say how to tell the confused ones apart.",
    "missing-input": "Say what to answer where the input does not give the value.",
    "requirement": "State in the prompt what the text must contain or must not.",
    "retrieval": "Retrieve more passages, or build a better query.",
    "cascade": "Give the empty step a fallback, or mend what it was given.",
    "empty": "Say that an answer is always due, and what to answer in doubt.",
    "content": "State the rule by which the value follows from the input.",
    "unknown": "Label the steps (`expected_steps`), so that the culprit can be told.",
}


_EASE: dict[Category, float] = {
    "schema": 1.5,
    "format": 1.5,
    "missing-input": 1.2,
    "requirement": 1.2,
    "content": 0.7,
    "unknown": 0.4,
}
"""How much more surely than a wrong label a cause is mended. Matters of form come first for another reason
too: while an output cannot be read, nothing else that is right about it shows."""


def make_clusters(
    findings: Sequence[Finding],
    *,
    items: Sequence[ItemResult],
    maps: Mapping[str, FieldMap],
    artifacts: Sequence[Artifact],
) -> list[Cluster]:
    """Group findings by pipeline, step, category, level and field.

    Cheapest level first, and there what promises most: many cases, sure of its cause, easily mended.
    """
    groups: dict[tuple[str, str, Category, Level, str], list[Finding]] = {}
    for finding in findings:
        key = (finding.pipeline, finding.step, finding.category, finding.level, finding.field)
        groups.setdefault(key, []).append(finding)
    weights = {item.nodeid: item.weight for item in items}
    passing = sum(item.weight for item in items if item.passed)
    total = sum(weights.values())
    linked: dict[tuple[str, str], list[str]] = {}
    clusters = []
    for key, group in groups.items():
        pipeline, step = key[0], key[1]
        if (pipeline, step) not in linked:
            linked[pipeline, step] = _links(maps.get(pipeline), step, artifacts)
        gain = sum(weights.get(nodeid, 1.0) for nodeid in {finding.nodeid for finding in group})
        clusters.append(_cluster(group, linked[pipeline, step], (passing + gain) / total if total else None))
    clusters.sort(key=lambda cluster: (LEVELS.index(cluster.level), -_mass(cluster, weights), cluster.label))
    return [
        cluster.model_copy(update={"id": f"k{number}"}) for number, cluster in enumerate(clusters, start=1)
    ]


def _cluster(group: list[Finding], artifacts: list[str], ceiling: float | None) -> Cluster:
    first = group[0]
    about = f" for {first.field}" if first.field else ""
    return Cluster(
        id="",
        label=f"{first.step or 'pipeline'}: {_LABELS[first.category]}{about}",
        pipeline=first.pipeline,
        step=first.step,
        category=first.category,
        level=first.level,
        field=first.field,
        confidence=round(sum(finding.confidence for finding in group) / len(group), 2),
        findings=group,
        suggested_fix=_FIXES[first.category],
        ceiling=ceiling,
        artifacts=artifacts,
    )


def _mass(cluster: Cluster, weights: Mapping[str, float]) -> float:
    failing = sum(weights.get(nodeid, 1.0) for nodeid in cluster.nodeids)
    return cluster.confidence * failing * _EASE.get(cluster.category, 1.0)


def _links(fields: FieldMap | None, step: str, artifacts: Sequence[Artifact]) -> list[str]:
    views = [reading.view for reading in fields.readings] if fields is not None else []
    return artifacts_of_step(step, views, artifacts)
