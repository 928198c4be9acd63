"""Findings with one cause, grouped: label, suggested fix, ceiling, artifacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from pytest_fapo.diagnose.levels import Scene, settled_level
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


_OF_NO_LABEL = frozenset({"exception", "tool", "truncated", "refusal", "cascade", "empty"})
"""Causes that are the same whatever a test's labels are."""

FieldMaps = Mapping[tuple[str, str], FieldMap]
"""By pipeline and label set."""


def make_clusters(
    findings: Sequence[Finding],
    *,
    items: Sequence[ItemResult],
    maps: FieldMaps,
    artifacts: Sequence[Artifact],
) -> list[Cluster]:
    """Group findings by pipeline, step, category, level, field, and the labels that they speak of.

    Cheapest level first; there the cases in which one step alone is at fault, because an edit of it shows
    by itself; and there what promises most: many cases, sure of its cause, easily mended.
    """
    places = {_place(finding) for finding in findings}
    links = {place: _links(maps.get(place[:2]), place[2], artifacts) for place in places}
    scenes = {
        place: Scene(place[2], linked, artifacts, maps.get(place[:2])) for place, linked in links.items()
    }
    levels: dict[tuple[_Place, Category, Level], Level] = {}
    groups: dict[_Key, list[Finding]] = {}
    for finding in findings:
        kind = (_place(finding), finding.category, finding.level)
        if kind not in levels:
            levels[kind] = settled_level(finding, scenes[kind[0]])
        settled = finding.model_copy(update={"level": levels[kind]})
        groups.setdefault(_key(settled), []).append(settled)
    weights = {item.nodeid: item.weight for item in items}
    clusters = []
    for group in groups.values():
        solved = {finding.nodeid for finding in group}
        linked = (artifact for place in dict.fromkeys(map(_place, group)) for artifact in links[place])
        addresses = list(dict.fromkeys(artifact.address for artifact in linked))
        clusters.append(_cluster(group, addresses, _score_with(solved, items)))
    clusters.sort(key=lambda cluster: _rank(cluster, weights))
    return [
        cluster.model_copy(update={"id": f"k{number}"}) for number, cluster in enumerate(clusters, start=1)
    ]


def ceilings(clusters: Sequence[Cluster], items: Sequence[ItemResult]) -> dict[Level, float]:
    """The train score if every cluster up to a level were solved, for each level."""
    found: dict[Level, float] = {}
    solved: set[str] = set()
    for level in LEVELS:
        solved |= {nodeid for cluster in clusters if cluster.level == level for nodeid in cluster.nodeids}
        score = _score_with(solved, items)
        if score is not None:
            found[level] = score
    return found


_Place = tuple[str, str, str]
_Key = tuple[str, str, str, Category, Level, str, tuple[str, ...]]


def _place(finding: Finding) -> _Place:
    return (finding.pipeline, finding.label_set, finding.step)


def _key(finding: Finding) -> _Key:
    speaks_of_none = finding.category in _OF_NO_LABEL and not finding.field and finding.expected is None
    return (
        finding.pipeline,
        "" if speaks_of_none else finding.label_set,
        finding.step,
        finding.category,
        finding.level,
        finding.field,
        tuple(finding.also),
    )


def _score_with(solved: Collection[str], items: Sequence[ItemResult]) -> float | None:
    """The weighted share of items that pass or would."""
    total = sum(item.weight for item in items)
    good = sum(item.weight for item in items if item.passed or item.nodeid in solved)
    return good / total if total else None


def _rank(cluster: Cluster, weights: Mapping[str, float]) -> tuple[int, bool, float, str, str, str]:
    mass = round(_mass(cluster, weights), 9)  # a sum's last bits go by the order in which the tests ran
    first = min(cluster.nodeids, default="")
    return LEVELS.index(cluster.level), bool(cluster.also), -mass, cluster.label, cluster.pipeline, first


def _cluster(group: list[Finding], artifacts: list[str], ceiling: float | None) -> Cluster:
    first = group[0]
    about = f" for {first.field}" if first.field else ""
    steps = " and ".join([first.step or "pipeline", *first.also])
    return Cluster(
        id="",
        label=f"{steps}: {_LABELS[first.category]}{about}",
        pipeline=first.pipeline,
        label_set=Counter(finding.label_set for finding in group).most_common(1)[0][0],
        step=first.step,
        category=first.category,
        level=first.level,
        field=first.field,
        confidence=round(sum(finding.confidence for finding in group) / len(group), 2),
        findings=group,
        also=first.also,
        suggested_fix=_FIXES[first.category],
        ceiling=ceiling,
        artifacts=artifacts,
    )


def _mass(cluster: Cluster, weights: Mapping[str, float]) -> float:
    failing = sum(weights.get(nodeid, 1.0) for nodeid in cluster.nodeids)
    return cluster.confidence * failing * _EASE.get(cluster.category, 1.0)


def _links(fields: FieldMap | None, step: str, artifacts: Sequence[Artifact]) -> list[Artifact]:
    views = [reading.view for reading in fields.readings] if fields is not None else []
    by_address = {artifact.address: artifact for artifact in artifacts}
    return [by_address[address] for address in artifacts_of_step(step, views, artifacts)]
