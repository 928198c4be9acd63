"""The candidates of a run: the list, the tree they form, and a pack with the rest of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_fapo.core.candidate import Attempt
from pytest_fapo.core.record import SPLITS
from pytest_fapo.core.spending import cost_text, for_judges
from pytest_fapo.core.text import duration, score_pair
from pytest_fapo.loop.run_summary import attempt_outcome, candidate_title
from pytest_fapo.verdict.case_effect import CaseEffect
from pytest_fapo.views.html.embedding import NAME, clipped_text, packed
from pytest_fapo.views.html.report_data import CaseRow, ReportData, TriedCandidate

CandidateState = Literal["accepted", "merged", "rejected", "blocked", "failed"]

_EDIT = 200_000

_DETAIL_LIMITS = (600, 200, 60, 0)


def candidate_state(attempt: Attempt) -> CandidateState:
    """Return the state of a candidate."""
    if attempt.verdict.accepted:
        return "accepted"
    if attempt.verdict.kept:
        return "merged"
    if not attempt.candidate.edits:
        return "failed"
    if any(problem.blocks for problem in attempt.review.problems):
        return "blocked"
    return "rejected"


def candidate_list(data: ReportData, rows: Sequence[CaseRow]) -> list[dict[str, Any]]:
    """One entry a candidate, without texts that may be long; cases by their number."""
    causes = _causes(data)
    numbers = {nodeid: row.number for row in rows for nodeid in row.tests}
    entries = []
    for tried in data.attempts:
        verdict = tried.attempt.verdict
        fixes, breaks = (
            sorted({numbers[nodeid] for nodeid in nodeids if nodeid in numbers})
            for nodeids in (verdict.fixed, verdict.broken)
        )
        entries.append({**_entry(tried, causes), "fixes": fixes, "breaks": breaks})
    return entries


def candidate_packs(data: ReportData, rows: Sequence[CaseRow], *, budget: int) -> list[str]:
    """Edits, reviews and the effect on every case; one pack a candidate.

    Args:
        data: the report's.
        rows: all cases; effects refer to them by number.
        budget: characters that all packs may have together; outputs are cut shorter until they fit.
    """
    positions = {nodeid: (row.number, pair.name) for row in rows for nodeid, pair in row.tests.items()}
    packs: list[str] = []
    for limit in _DETAIL_LIMITS:
        packs = [packed(_detail(tried, positions, limit)) for tried in data.attempts]
        if sum(map(len, packs)) <= budget:
            break
    return packs


def _causes(data: ReportData) -> dict[tuple[str, str], str]:
    """Tree and cluster id to the cluster's label."""
    return {
        (tree, cluster.id): cluster.label
        for tree, diagnosis in data.diagnoses.items()
        for cluster in diagnosis.clusters
    }


def _entry(tried: TriedCandidate, causes: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    attempt = tried.attempt
    candidate, verdict = attempt.candidate, attempt.verdict
    scores = {
        split: [verdict.splits[split].before, verdict.splits[split].after]
        for split in SPLITS
        if split in verdict.splits
    }
    return {
        "id": candidate.id,
        "parent": candidate.parent,
        "merges": candidate.merges,
        "repairs": candidate.repairs,
        "kept": verdict.kept,
        "what": clipped_text(candidate_title(candidate) or candidate.proposer, NAME),
        "level": candidate.level,
        "proposer": candidate.proposer,
        "cause": clipped_text(causes.get((candidate.parent, candidate.cluster), ""), NAME),
        "state": candidate_state(attempt),
        "outcome": clipped_text(attempt_outcome(attempt), _DETAIL_LIMITS[0]),
        "stage": verdict.stage,
        "scores": scores,
        "objectives": [
            [each.metric, each.split, *score_pair(each.before, each.after), each.gain]
            for each in verdict.metrics
        ],
        "fixed": len(verdict.fixed),
        "broken": len(verdict.broken) + verdict.broken_hidden,
        "calls": attempt.spending.calls,
        "hits": attempt.spending.cache_hits,
        "testCalls": for_judges(attempt.spending.test_calls),
        "testHits": for_judges(attempt.spending.test_cache_hits),
        "cost": cost_text(attempt.spending) + for_judges(attempt.spending.test_cost),
        "time": duration(attempt.duration),
    }


def _detail(tried: TriedCandidate, positions: Mapping[str, tuple[int, str]], limit: int) -> dict[str, Any]:
    attempt = tried.attempt
    candidate, verdict = attempt.candidate, attempt.verdict
    return {
        "hypothesis": clipped_text(candidate.hypothesis, 10 * _DETAIL_LIMITS[0]),
        "targets": len(candidate.targets),
        "quoted": candidate.demonstrations,
        "revised": attempt.revised,
        "edits": [
            [
                clipped_text(edit.address, NAME),
                clipped_text(edit.before, _EDIT),
                clipped_text(edit.after, _EDIT),
            ]
            for edit in candidate.edits
        ],
        "problems": [
            [
                problem.check,
                clipped_text(problem.message, 10 * _DETAIL_LIMITS[0]),
                problem.address[:NAME],
                problem.blocks,
            ]
            for problem in attempt.review.problems
        ],
        "reason": clipped_text(verdict.reason, 10 * _DETAIL_LIMITS[0]),
        "policy": verdict.policy,
        "effect": verdict.effect,
        "effectOf": verdict.effect_of,
        "interval": verdict.interval,
        "p": verdict.p_value,
        "hidden": verdict.broken_hidden,
        "inert": verdict.inert,
        "effects": _effects(tried, positions, limit),
    }


def _effects(tried: TriedCandidate, positions: Mapping[str, tuple[int, str]], limit: int) -> list[list[Any]]:
    """Kind, case, test, output and explanation of each item on which the candidate had an effect."""
    known = {effect.nodeid: effect for effect in tried.effects}
    verdict = tried.attempt.verdict
    kinds: dict[str, str] = {nodeid: effect.kind for nodeid, effect in known.items()}
    kinds.update(dict.fromkeys(verdict.fixed, "fixed"))
    kinds.update(dict.fromkeys(verdict.broken, "broken"))
    kinds.update({nodeid: "noise" for nodeid in verdict.flaky if nodeid in kinds})
    order = ("broken", "fixed", "noise", "changed")
    found = []
    listed: set[int] = set()
    for nodeid in sorted(kinds, key=lambda nodeid: order.index(kinds[nodeid])):
        number = positions.get(nodeid, (-1, ""))[0]
        if kinds[nodeid] == "changed" and number in listed:
            continue  # its output is shown already
        listed.add(number)
        found.append(_effect_entry(nodeid, kinds[nodeid], known.get(nodeid), positions, limit))
    return found


def _effect_entry(
    nodeid: str,
    kind: str,
    effect: CaseEffect | None,
    positions: Mapping[str, tuple[int, str]],
    limit: int,
) -> list[Any]:
    number, test = positions.get(nodeid, (-1, nodeid))
    test = clipped_text(test, NAME)
    if effect is None or not limit:
        return [kind, number, test, "", ""]
    output = effect.after if isinstance(effect.after, str) else json.dumps(effect.after, ensure_ascii=False)
    return [kind, number, test, clipped_text(output, limit), clipped_text(effect.explanation, limit)]


@dataclass
class TreeNode:
    """One candidate."""

    id: str
    state: CandidateState
    what: str
    outcome: str
    note: str = ""
    """The relation to other candidates than its parent."""


@dataclass
class TrunkRing:
    """One tree of the trunk: the user's own or an accepted candidate's."""

    node: TreeNode | None = None
    """None for the user's own files."""
    tried: list[TreeNode] = field(default_factory=list)
    """The candidates tried on it and not accepted themselves."""


def candidate_tree(attempts: Sequence[TriedCandidate]) -> list[TrunkRing]:
    """Return the trunk from the user's files to the last accepted candidate."""
    rings = {"": TrunkRing()}
    last = ""
    for tried in attempts:
        candidate = tried.attempt.candidate
        if tried.attempt.verdict.accepted:
            aside = f"on {candidate.parent or 'your files'}" if candidate.parent != last else ""
            rings[candidate.id] = TrunkRing(_node(tried, aside))
            last = candidate.id
    for tried in attempts:
        if not tried.attempt.verdict.accepted:
            rings.get(tried.attempt.candidate.parent, rings[""]).tried.append(_node(tried))
    return list(rings.values())


def _node(tried: TriedCandidate, aside: str = "") -> TreeNode:
    attempt = tried.attempt
    candidate = attempt.candidate
    note = ", ".join(filter(None, [aside, _note(tried)]))
    return TreeNode(
        candidate.id, candidate_state(attempt), candidate_title(candidate), attempt_outcome(attempt), note
    )


def _note(tried: TriedCandidate) -> str:
    candidate = tried.attempt.candidate
    if candidate.merges:
        return f"merges {' and '.join(candidate.merges)}"
    return f"repairs {candidate.repairs}" if candidate.repairs else ""
