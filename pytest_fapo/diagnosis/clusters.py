"""Group findings with one cause: label, suggested fix, ceiling, artifacts, and the level at which it can be
fixed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.diagnosis import Cluster, Finding
from pytest_fapo.core.evaluation import ItemResult
from pytest_fapo.core.record import LEVELS, Category, Level
from pytest_fapo.diagnosis.artifact_links import Role, artifacts_of_step, role_of, roles_of
from pytest_fapo.diagnosis.field_map import FieldMap
from pytest_fapo.diagnosis.loose_values import mentions, texts_in, whole_text
from pytest_fapo.diagnosis.trace_view import StepView
from pytest_fapo.verdict.low_scores import LOW_SCORE

_BY_CODE = ("content", "label", "format", "empty", "cascade", "missing-input", "requirement")

_OF_MODELS: set[Role] = {"temperature", "top_p", "max_tokens", "model"}


@dataclass(frozen=True)
class Scene:
    """A step with all that may be edited, and what the runs show of it."""

    step: str
    linked: list[Artifact]
    """The artifacts that the step uses."""
    artifacts: Sequence[Artifact]
    """All that may be edited."""
    fields: FieldMap | None

    @property
    def roles(self) -> set[Role]:
        """The roles of the linked parameters."""
        return roles_of(self.linked)

    @property
    def has_own_param(self) -> bool:
        """True if a parameter is linked of whose role nothing is told: no rule about depths, limits and the
        like can then say that it is not what is wrong."""
        return any(param.text != self._most_entries for param in self._unnamed_params)

    @property
    def has_depth(self) -> bool:
        """True if a parameter is linked that bounds how many entries the step gives: by name or by value."""
        return "depth" in self.roles or any(
            param.text == self._most_entries for param in self._unnamed_params
        )

    @property
    def _unnamed_params(self) -> list[Artifact]:
        """The linked parameters whose names tell nothing of their role."""
        return [each for each in self.linked if each.level == "param" and role_of(each.address) is None]

    @cached_property
    def _most_entries(self) -> str:
        """The most entries that the step gives, as it is written; empty where it gives no lists."""
        both = (*self.outputs(passed=True), *self.outputs(passed=False))
        lengths = [len(step.output) for step, _ in both if isinstance(step.output, list)]
        return str(max(lengths)) if lengths else ""

    @property
    def scope_has_params(self) -> bool:
        return any(artifact.level == "param" for artifact in self.artifacts)

    @property
    def scope_has_functions(self) -> bool:
        return any(artifact.level == "structure" for artifact in self.artifacts)

    def outputs(self, *, passed: bool) -> list[tuple[StepView, Any]]:
        """Return the step as it was in passing or failing cases, with what the case expected."""
        readings = self.fields.readings if self.fields is not None else []
        pairs = [(reading.view.by_key(self.step), reading) for reading in readings]
        return [
            (step, reading.case.expected)
            for step, reading in pairs
            if step is not None and reading.passed is passed
        ]


def level_of_finding(finding: Finding, scene: Scene) -> Level:
    """Return the level of a finding: the table's, but for what the linked parameters and functions tell
    better.

    Where the scope names neither parameters nor functions, nothing can be told of them: the table's level
    then says what would have to be put into the scope.
    """
    if finding.category == "retrieval":
        return _of_retrieval(finding, scene)
    if finding.category == "truncated":
        return _of_truncation(finding, scene)
    if finding.category == "empty" and "turns" in scene.roles:
        return "param"
    if finding.level == "structure" and finding.category in _BY_CODE and _is_code(scene):
        return "param" if scene.roles - _OF_MODELS or scene.has_own_param else "structure"
    if finding.level == "param" and not _is_code(scene) and scene.scope_has_params:
        return "param" if scene.roles & {"temperature", "top_p"} else "prompt"
    return finding.level


def _of_truncation(finding: Finding, scene: Scene) -> Level:
    """Return a raised token limit where that is a parameter; else the prompt asks for less, if that leaves
    any room.
    """
    if "max_tokens" in scene.roles or (finding.level == "param" and scene.has_own_param):
        return "param"
    if finding.level == "param" and scene.scope_has_functions:
        return "structure"  # no room, and the limit is in the code
    return finding.level


def _of_retrieval(finding: Finding, scene: Scene) -> Level:
    """Deeper retrieval where its depth is a parameter and may be what is short; else another retrieval."""
    if not scene.scope_has_params and not scene.scope_has_functions:
        return finding.level
    if ("threshold" in scene.roles and _found_fewer(scene)) or scene.roles & {"length", "turns"}:
        return "param"
    if scene.has_own_param or (scene.has_depth and not _deep_enough(scene)):
        return "param"
    return "structure" if scene.roles or scene.scope_has_functions else finding.level


def _is_code(scene: Scene) -> bool:
    return not any(step.calls for passed in (True, False) for step, _ in scene.outputs(passed=passed))


def _found_fewer(scene: Scene) -> bool:
    """True if failing cases got fewer passages than the depth allows: something else holds them back."""
    depth = _depth(scene)
    counts = [len(step.output) for step, _ in scene.outputs(passed=False) if isinstance(step.output, list)]
    return depth is None or any(count < depth for count in counts)


def _deep_enough(scene: Scene) -> bool:
    """True if depth is not what the failing cases lack.

    Either they got fewer passages than they asked for, or what was needed came late in the list in far fewer
    passing cases than there are failing ones, in which it would have come later still.
    """
    depth = _depth(scene)
    lists = [step.output for step, _ in scene.outputs(passed=False) if isinstance(step.output, list)]
    if depth is not None and lists and all(len(output) < depth for output in lists):
        return True
    ranks, longest = [], 0
    for step, expected in scene.outputs(passed=True):
        if isinstance(step.output, list):
            longest = max(longest, len(step.output))
            ranks += [rank for rank in [_passage_rank(step.output, expected)] if rank is not None]
    late = sum(rank * 2 >= longest for rank in ranks)
    return len(ranks) >= 4 and longest >= 2 and late * 4 < max(1, len(lists))


def _passage_rank(passages: list[Any], expected: Any) -> int | None:
    """Return the place, from 0, of the first passage that tells an expected value."""
    values = [text for text in texts_in(expected) if len(text) >= 2]
    for rank, passage in enumerate(passages):
        if any(mentions(whole_text(passage), value) for value in values):
            return rank
    return None


def _depth(scene: Scene) -> int | None:
    for artifact in scene.linked:
        if artifact.level == "param" and role_of(artifact.address) == "depth" and artifact.text.isdigit():
            return int(artifact.text)
    return None


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
    "mislabeled": "the label may be wrong",
    "unknown": "no step is known to be wrong",
}

_FIXES: dict[Category, str] = {
    "infrastructure": "Run again when the provider answers.",
    "exception": "Fix the code, or make the step before it give what the code can use.",
    "tool": "Describe the tool's arguments in the prompt, or fix the tool.",
    "truncated": "Ask for a shorter answer, or raise the token limit.",
    "refusal": "Say in the prompt what the task is for and that it is to be answered.",
    "schema": "State the output contract: only JSON, which keys, which types.",
    "format": "State the output contract: the bare value, spelled exactly, and nothing else.",
    "label": "Define each label and say how to tell the confused ones apart.",
    "missing-input": "Say what to answer where the input does not give the value.",
    "requirement": "State in the prompt what the text must contain or must not.",
    "retrieval": "Retrieve more passages, or build a better query.",
    "cascade": "Give the empty step a fallback, or fix what it was given.",
    "empty": "Say that an answer is always due, and what to answer in doubt.",
    "mislabeled": "Look at the two cases, and correct the label that is wrong.",
    "content": "State the rule by which the value follows from the input.",
    "unknown": "Label the steps (`expected_steps`) to find the step at fault.",
}

_EASE: dict[Category, float] = {
    "schema": 1.5,
    "format": 1.5,
    "missing-input": 1.2,
    "requirement": 1.2,
    "content": 0.7,
    "unknown": 0.4,
}
"""The factor by which a cause is easier to fix than a wrong label. Matters of form come first for another
reason too: while an output cannot be read, nothing else that is right about it shows.
"""

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
    by itself; and there what promises most: many cases, sure of its cause, easily fixed.
    """
    locations = {_key_of(finding) for finding in findings}
    links = {key: _links(maps.get(key[:2]), key[2], artifacts) for key in locations}
    scenes = {key: Scene(key[2], linked, artifacts, maps.get(key[:2])) for key, linked in links.items()}
    levels: dict[tuple[_StepKey, Category, Level], Level] = {}
    groups: dict[_Key, list[Finding]] = {}
    for finding in findings:
        kind = (_key_of(finding), finding.category, finding.level)
        if kind not in levels:
            levels[kind] = level_of_finding(finding, scenes[kind[0]])
        leveled = finding.model_copy(update={"level": levels[kind]})
        groups.setdefault(_key(leveled), []).append(leveled)
    weights = {item.nodeid: item.weight for item in items}
    low = {item.nodeid for item in items if item.error_type == LOW_SCORE}
    clusters = []
    for group in groups.values():
        solved = {finding.nodeid for finding in group}
        linked = (artifact for key in dict.fromkeys(map(_key_of, group)) for artifact in links[key])
        addresses = list(dict.fromkeys(artifact.address for artifact in linked))
        clusters.append(_graded(_cluster(group, addresses, _score_with(solved, items)), low))
    clusters.sort(key=lambda cluster: _rank(cluster, weights))
    return [
        cluster.model_copy(update={"id": f"k{number}"}) for number, cluster in enumerate(clusters, start=1)
    ]


def ceilings(clusters: Sequence[Cluster], items: Sequence[ItemResult]) -> dict[Level, float]:
    """Return the train score that cannot be passed: if every cluster up to a level were solved, for each
    level; none of graded scores.
    """
    if any(item.error_type == LOW_SCORE for item in items):
        return {}
    reached: dict[Level, float] = {}
    solved: set[str] = set()
    for level in LEVELS:
        solved |= {nodeid for cluster in clusters if cluster.level == level for nodeid in cluster.nodeids}
        score = _score_with(solved, items)
        if score is not None:
            reached[level] = score
    return reached


_StepKey = tuple[str, str, str]

_Key = tuple[str, str, str, Category, Level, str, tuple[str, ...]]


def _key_of(finding: Finding) -> _StepKey:
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
    """Return the weighted share of items that pass or would."""
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
        suggested_fix=first.fix or _FIXES[first.category],
        ceiling=ceiling,
        artifacts=artifacts,
    )


def _graded(cluster: Cluster, low: Collection[str]) -> Cluster:
    """Return the cluster in the words of scores where none of its tests fails."""
    if not set(cluster.nodeids) <= set(low):
        return cluster
    update: dict[str, object] = {"ceiling": None}
    if cluster.category in ("content", "unknown"):
        update["label"] = f"{cluster.label.partition(':')[0]}: a low score"
        update["suggested_fix"] = "Read what the scores say of the worst cases, and ask for what they lack."
    return cluster.model_copy(update=update)


def _mass(cluster: Cluster, weights: Mapping[str, float]) -> float:
    failing = sum(weights.get(nodeid, 1.0) for nodeid in cluster.nodeids)
    return cluster.confidence * failing * _EASE.get(cluster.category, 1.0)


def _links(fields: FieldMap | None, step: str, artifacts: Sequence[Artifact]) -> list[Artifact]:
    views = [reading.view for reading in fields.readings] if fields is not None else []
    by_address = {artifact.address: artifact for artifact in artifacts}
    return [by_address[address] for address in artifacts_of_step(step, views, artifacts)]
