"""The data of an HTML report: how it is read from a run's folder, and the cases before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from pytest_fapo.core.candidate import Attempt
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Diagnosis
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.gate_result import GateResult
from pytest_fapo.core.record import canonical_json
from pytest_fapo.core.text import parsed_json
from pytest_fapo.core.trace import Trace
from pytest_fapo.loop.events import CandidateJudged, Event, NoProposal
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_history import load_effects
from pytest_fapo.loop.run_result import EditMade, load_result
from pytest_fapo.loop.run_summary import Summary, read_summary
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
    changes: Sequence[EditMade] = ()
    """What an optimization has written or saved."""
    began: float | None = None
    """Epoch seconds; shown in UTC."""

    @property
    def accepted(self) -> int:
        """Return how many accepted candidates lie between `before` and `after`."""
        return sum(each.attempt.verdict.accepted for each in self.attempts)


def load_run_report(run: RunFolder, baseline: Evaluation | None = None) -> ReportData:
    """Return a run's data, whether or not it finished.

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
        summary=read_summary(run.path),
        changes=_changes(run),
        began=began or None,
    )


def _changes(run: RunFolder) -> list[EditMade]:
    try:
        return load_result(run).edits
    except FapoError:
        return []


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


def _spending(path: Path, began: float, ended: float) -> list[SpendPoint]:
    """Return the spend file summed up, one point a second at most; answers from the cache carry no time."""
    points: list[SpendPoint] = []
    at, calls, hits, cost = 0.0, 0, 0, 0.0
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return points
    for line in lines:
        try:
            entry = parsed_json(line)
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


CaseStatus = Literal["broken", "fixed", "better", "failing", "passing", "new", "skipped"]

_SHORT = {"passed": "passed", "xpassed": "passed", "failed": "failed", "error": "failed"}


@dataclass
class TestPair:
    """One test on one case, with all repeats."""

    nodeid: str
    before: list[ItemResult] = field(default_factory=list)
    after: list[ItemResult] = field(default_factory=list)
    said_before: str = ""
    """The baseline file's word, where only that is known."""
    case: Case | None = None
    """With the labels of the test's own source; None for a test without a case."""

    @property
    def name(self) -> str:
        """Return the test's classes and function, with those of its parameters that are not the case."""
        function, bracket, parameters = self.nodeid.partition("[")
        name = "::".join(function.split("::")[1:]) or function
        own = parameters.removesuffix("]")
        if self.case is not None:
            own = "-".join(each for each in _without_case(own, self.case.id) if each)
        return f"{name}[{own}]" if bracket and own else name

    @property
    def result_before(self) -> str:
        return result_of(self.before) or self.said_before

    @property
    def result_after(self) -> str:
        return result_of(self.after)

    @property
    def result_last(self) -> str:
        """Return the result on the tree that is shown: the later one, where both were run."""
        return self.result_after or self.result_before


def _without_case(parameters: str, case_id: str) -> tuple[str, str]:
    """Return what is before and behind the case's id, which may hold dashes itself."""
    if parameters == case_id:
        return "", ""
    if parameters.startswith(f"{case_id}-"):
        return "", parameters[len(case_id) + 1 :]
    if parameters.endswith(f"-{case_id}"):
        return parameters[: -len(case_id) - 1], ""
    before, _, behind = parameters.partition(f"-{case_id}-")
    return before, behind


@dataclass
class CaseRow:
    """One case of one pipeline."""

    pipeline: str
    case: Case
    tests: dict[str, TestPair] = field(default_factory=dict)
    """By node id of the first repeat."""
    number: int = 0
    """Place in the report's list of cases."""

    def labels(self, read: Callable[[Case], JsonValue]) -> JsonValue:
        """Return what the tests' sources say of the case; by test where they say different things."""
        values = {pair.name: read(pair.case) for pair in self.tests.values() if pair.case is not None}
        said = {name: value for name, value in values.items() if value not in (None, {})}
        if len({canonical_json(value) for value in said.values()}) > 1:
            return dict(said)
        return next(iter(said.values()), read(self.case))

    def status(self) -> CaseStatus:
        """Return the status of the case: the worst result of its tests."""
        pairs = [(each.result_before, each.result_after) for each in self.tests.values()]
        counted = [(before, after) for before, after in pairs if after != "skipped"]
        if not counted:
            return "skipped"
        if any(before == "passed" and after != "passed" for before, after in counted):
            return "broken"
        fixed = any(
            before not in ("", "passed", "skipped") and after == "passed" for before, after in counted
        )
        if all(after == "passed" for _, after in counted):
            return "fixed" if fixed else "passing"
        return "better" if fixed else "failing"


def result_of(items: list[ItemResult]) -> str:
    """`passed`, `failed`, `skipped`, with repeats that differ `2 of 3`; empty where it was not run."""
    if not items:
        return ""
    results = [_SHORT.get(item.outcome, "skipped") for item in items]
    if len(set(results)) == 1:
        return results[0]
    counted = [word for word in results if word != "skipped"]
    passed = sum(word == "passed" for word in counted)
    return "passed" if passed == len(counted) else f"{passed} of {len(counted)}"


def case_rows(data: ReportData) -> list[CaseRow]:
    """Return all cases, in the order in which they ran."""
    rows: dict[tuple[str, str, str], CaseRow] = {}
    for evaluation, is_after in _sides(data):
        for nodeid, item in evaluation.items.items():
            case = evaluation.cases.get(nodeid)
            if case is None:
                continue
            key = (item.pipeline or "", case.id, canonical_json(case.inputs))
            row = rows.setdefault(key, CaseRow(item.pipeline or "", case, number=len(rows)))
            pair = row.tests.setdefault(item.first_nodeid, TestPair(item.first_nodeid, case=case))
            (pair.after if is_after else pair.before).append(item)
    found = list(rows.values())
    if data.gate is not None and data.before is None:
        _take_from_gate(found, data.gate)
    return found


def other_tests(data: ReportData) -> list[TestPair]:
    """Return the suite's tests without a case that fail, before or after."""
    pairs: dict[str, TestPair] = {}
    for evaluation, is_after in _sides(data):
        for nodeid, item in evaluation.items.items():
            if nodeid not in evaluation.cases:
                pair = pairs.setdefault(nodeid, TestPair(nodeid))
                (pair.after if is_after else pair.before).append(item)
    return [pair for pair in pairs.values() if "failed" in (pair.result_before, pair.result_after)]


def two_sided(data: ReportData) -> bool:
    """True if there are traces of two trees to lay side by side."""
    return data.before is not None and data.after is not None


def traces_of(evaluation: Evaluation | None, items: list[list[ItemResult]]) -> dict[int, Trace]:
    """By the number of the repeat, from 1."""
    if evaluation is None:
        return {}
    found: dict[int, Trace] = {}
    for item in (item for group in items for item in group):
        trace = evaluation.trace_of(item)
        if trace is not None:
            found.setdefault(item.repeat, trace)
    return dict(sorted(found.items()))


def _sides(data: ReportData) -> Iterator[tuple[Evaluation, bool]]:
    """Yield the evaluations; one alone is what there is now."""
    if data.before is not None:
        yield data.before, data.after is None
    if data.after is not None:
        yield data.after, True


def _take_from_gate(rows: list[CaseRow], gate: GateResult) -> None:
    """Add the baseline's result of each test: it has no traces, but the gate compared every verdict."""
    regressed = {each.nodeid: each.result_before or "passed" for each in gate.regressions}
    failed = {*gate.fixed, *gate.still_failing}
    new = set(gate.new_cases)
    if gate.verdict == "undecided" and not regressed and not failed:
        return
    for row in rows:
        if f"{row.pipeline}::{row.case.id}" in new or row.case.id in new:
            continue
        for nodeid, pair in row.tests.items():
            same = "passed" if pair.result_after == "passed" else ""
            word = regressed.get(nodeid, "failed" if nodeid in failed else same)
            pair.said_before = "passed" if word == "passed" or _all_of(word) else word


def _all_of(word: str) -> bool:
    """`3 of 3`: all repeats passed."""
    passed, mark, total = word.partition(" of ")
    return bool(mark) and passed == total
