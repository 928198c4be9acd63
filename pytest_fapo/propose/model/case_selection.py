"""The train cases that an optimizer is shown: few, and every kind of confusion among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from pydantic import JsonValue

from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.evidence import Evidence, EvidenceCase
from pytest_fapo.core.record import canonical_json


@dataclass(frozen=True)
class CaseGroup:
    """All items of one case: a case may be judged by several tests."""

    case: Case
    items: tuple[EvidenceCase, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def confusion(self) -> str:
        """Equal for cases that go wrong alike: what was expected, what came, and in which field."""
        return canonical_json([[each.field, each.expected, each.actual] for each in self.findings])


def failing_groups(evidence: Evidence) -> list[CaseGroup]:
    """Return the cluster's cases, one of each confusion in turn, the most frequent confusion first."""
    wanted = {finding.nodeid for finding in evidence.cluster.findings}
    groups = _by_case(evidence, lambda item: item.nodeid in wanted)
    kinds: dict[str, list[CaseGroup]] = {}
    for group in groups:
        kinds.setdefault(group.confusion, []).append(group)
    ranked = sorted(kinds.values(), key=len, reverse=True)
    return _in_turn(ranked)


def passing_groups(evidence: Evidence) -> list[CaseGroup]:
    """Return the cases that pass, for contrast: first those that an earlier attempt broke, then those whose
    expected answer takes part in a confusion of the cluster, one of each answer in turn.
    """
    failing = {item.case.key for item in _train(evidence) if not item.passed}
    groups = _by_case(evidence, lambda item: item.passed and item.case.key not in failing)
    broken = {nodeid for attempt in evidence.memory for nodeid in attempt.verdict.broken}
    warned = [group for group in groups if any(item.nodeid in broken for item in group.items)]
    confused = _confused_values(evidence)
    related: dict[str, list[CaseGroup]] = {}
    others: list[CaseGroup] = []
    for group in groups:
        if group in warned:
            continue
        shared = sorted(_scalars(group.case.expected) & confused)
        if shared:
            related.setdefault(shared[0], []).append(group)
        else:
            others.append(group)
    return [*warned, *_in_turn(list(related.values())), *others]


def groups_of(items: Iterable[EvidenceCase]) -> list[CaseGroup]:
    """Items by case; train only."""
    cases: dict[str, list[EvidenceCase]] = {}
    for item in items:
        if item.case.split == "train":
            cases.setdefault(item.case.key, []).append(item)
    return [CaseGroup(case=group[0].case, items=tuple(group)) for group in cases.values()]


def _train(evidence: Evidence) -> list[EvidenceCase]:
    """Only train, whatever the evidence holds: a last line of defence for the other splits."""
    return [item for item in evidence.cases if item.case.split == "train"]


def _by_case(evidence: Evidence, keep: Callable[[EvidenceCase], bool]) -> list[CaseGroup]:
    findings = {finding.nodeid: finding for finding in evidence.cluster.findings}
    items: dict[str, list[EvidenceCase]] = {}
    for item in _train(evidence):
        if keep(item):
            items.setdefault(item.case.key, []).append(item)
    return [
        CaseGroup(
            case=group[0].case,
            items=tuple(group),
            findings=tuple(findings[item.nodeid] for item in group if item.nodeid in findings),
        )
        for group in items.values()
    ]


def _in_turn(kinds: Sequence[Sequence[CaseGroup]]) -> list[CaseGroup]:
    return [group for row in zip_longest(*kinds) for group in row if group is not None]


def _confused_values(evidence: Evidence) -> set[str]:
    values: Iterable[JsonValue] = (
        side for finding in evidence.cluster.findings for side in (finding.expected, finding.actual)
    )
    return set().union(*(_scalars(side) for side in values))


def _scalars(value: JsonValue) -> set[str]:
    """Return the single values in a JSON value, as text."""
    if isinstance(value, dict):
        return set().union(*(_scalars(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(_scalars(part) for part in value))
    return set() if value is None or value == "" else {canonical_json(value)}
