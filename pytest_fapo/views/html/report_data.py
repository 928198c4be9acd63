"""The data of an HTML report: what it shows, and how it is read from a run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pytest_fapo.core.candidate import Attempt
from pytest_fapo.core.diagnosis import Diagnosis
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateResult
from pytest_fapo.loop.events import CandidateJudged, Event, NoProposal
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_history import load_effects
from pytest_fapo.loop.run_summary import Summary
from pytest_fapo.loop.train_evidence import diagnosis_file
from pytest_fapo.verdict.case_effect import CaseEffect

Kind = Literal["optimize", "gate", "plain", "diagnose"]


@dataclass(frozen=True)
class TriedCandidate:
    """One candidate in the report."""

    attempt: Attempt
    at: float | None = None
    """When it was judged, seconds since the run began."""
    effects: Sequence[CaseEffect] = ()
    """The known effects beyond the node ids in the verdict; empty if it was not run."""


@dataclass(frozen=True)
class SpendPoint:
    """The spending up to one moment of a run."""

    at: float
    """Seconds since the run began."""
    calls: int
    """Requests sent so far."""
    cache_hits: int
    cost: float
    """USD."""


@dataclass(frozen=True)
class ReportData:
    """Everything that a report shows; what a session does not have is left out.

    A plain, diagnosing or gate run has only `after`: what its tests gave. An optimization has `before`, the
    user's tree, and `after`, the best tree; where nothing was accepted it has only `before`.
    """

    title: str
    """Name of the project."""
    kind: Kind
    before: Evaluation | None = None
    after: Evaluation | None = None
    attempts: Sequence[TriedCandidate] = ()
    """In the order in which they were proposed."""
    diagnoses: Mapping[str, Diagnosis] = field(default_factory=dict)
    """The diagnoses of the trees, by the accepted candidate's id; the user's own tree has the empty id."""
    spending: Sequence[SpendPoint] = ()
    gate: GateResult | None = None
    summary: Summary | None = None
    began: float | None = None
    """Epoch seconds; shown in UTC."""

    @property
    def accepted(self) -> int:
        """Return how many accepted candidates lie between `before` and `after`."""
        return sum(each.attempt.verdict.accepted for each in self.attempts)


def load_run_report(run: RunFolder, baseline: Evaluation | None = None) -> ReportData:
    """Return a run's data, whether or not it came to its end.

    Args:
        run: its directory.
        baseline: what the session's own tests gave; shown where the run did not get as far as its copy's.
    """
    events = list(run.journal.read())
    began = events[0].time if events else 0.0
    judged = _judged(events)
    accepted = [(attempt, tree) for attempt, tree, _ in judged.values() if attempt.verdict.accepted]
    before, after = run.load_evaluation("reference.json") or baseline, None
    if accepted:
        after = run.load_evaluation(f"candidates/{accepted[-1][1]}.json")
    return ReportData(
        title=run.path.parents[2].name if len(run.path.parents) > 2 else run.path.name,
        kind="optimize",
        before=before,
        after=after,
        attempts=[
            _tried(run, attempt, None if at is None else at - began) for attempt, _, at in judged.values()
        ],
        diagnoses=_diagnoses(run, ["", *(attempt.candidate.id for attempt, _ in accepted)]),
        spending=_spending(run.spend_file, began, max((event.time for event in events), default=0.0)),
        summary=_summary(run),
        began=began or None,
    )


def _tried(run: RunFolder, attempt: Attempt, at: float | None) -> TriedCandidate:
    """A verdict names as broken what a candidate that was dropped early was not run on; that is left out."""
    effects = load_effects(run, attempt.candidate.id)
    if effects:
        seen = {effect.nodeid for effect in effects}
        broken = [nodeid for nodeid in attempt.verdict.broken if nodeid in seen]
        verdict = attempt.verdict.model_copy(update={"broken": broken})
        attempt = attempt.model_copy(update={"verdict": verdict})
    return TriedCandidate(attempt, at, effects)


def _diagnoses(run: RunFolder, trees: list[str]) -> dict[str, Diagnosis]:
    found = {}
    for tree in trees:
        try:
            text = (run.path / diagnosis_file(tree)).read_bytes()
            found[tree] = Diagnosis.model_validate_json(text)
        except (OSError, ValueError):
            continue
    return found


def _judged(events: Sequence[Event]) -> dict[str, tuple[Attempt, str, float | None]]:
    """By candidate: the last word on it, its tree, and when it was said; in the order of the proposals."""
    found: dict[str, tuple[Attempt, str, float | None]] = {}
    for event in events:
        if isinstance(event, CandidateJudged | NoProposal):
            tree = event.tree if isinstance(event, CandidateJudged) else ""
            found[event.attempt.candidate.id] = (event.attempt, tree, event.time)
    return dict(sorted(found.items(), key=lambda pair: _number(pair[0])))


def _number(candidate: str) -> int:
    digits = "".join(char for char in candidate if char.isdigit())
    return int(digits) if digits else 0


def _summary(run: RunFolder) -> Summary | None:
    try:
        return Summary.model_validate_json((run.path / "summary.json").read_bytes())
    except (OSError, ValueError):
        return None


def _spending(path: Path, began: float, ended: float) -> list[SpendPoint]:
    """The spend file summed up, one point a second at most; answers from the cache carry no time."""
    points: list[SpendPoint] = []
    at, calls, hits, cost = 0.0, 0, 0, 0.0
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return points
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        kind = entry.get("event")
        at = max(at, float(entry.get("time") or 0) - began) if entry.get("time") else at
        calls += kind == "sent"
        hits += kind == "hit"
        cost += float(entry.get("cost") or 0) if kind == "done" else 0
        point = SpendPoint(at, calls, hits, cost)
        if points and at - points[-1].at < 0.25:
            points[-1] = SpendPoint(points[-1].at, calls, hits, cost)
        else:
            points.append(point)
    if points and ended - began > points[-1].at:
        points.append(SpendPoint(ended - began, calls, hits, cost))
    return points
