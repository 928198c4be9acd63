"""The numbers behind the report's charts and its tables of scores and failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_fapo.core.baseline import passed_share
from pytest_fapo.core.evaluation import Evaluation, weighted_mean
from pytest_fapo.core.record import SPLITS
from pytest_fapo.views.html.candidate_pages import candidate_state
from pytest_fapo.views.html.report_data import CaseRow, ReportData

_POINTS = 400


@dataclass(frozen=True)
class ScoreRow:
    """One line of the table of scores."""

    group: str
    tests: int
    before: float | None
    after: float | None
    fixed: int = 0
    broken: int = 0
    floor: float | None = None
    pipeline: str = ""
    share: bool = True
    """True if the figures are shares from 0 to 1; else they are in a metric's own unit."""
    lower_is_better: bool = False

    @property
    def gain(self) -> float | None:
        """The difference, so signed that higher is better."""
        return -self.delta if self.delta is not None and self.lower_is_better else self.delta

    @property
    def missed(self) -> bool:
        """True if the score is on the wrong side of its floor."""
        if self.floor is None or self.after is None:
            return self.floor is not None
        return self.after > self.floor if self.lower_is_better else self.after < self.floor

    @property
    def delta(self) -> float | None:
        if self.before is None or self.after is None:
            return None
        return self.after - self.before


def score_rows(data: ReportData, rows: Sequence[CaseRow]) -> list[ScoreRow]:
    """Return scores per split, for a gate as it judged them."""
    if data.gate is not None and data.gate.scores:
        return [
            ScoreRow(
                group=each.group,
                tests=each.cases,
                before=each.before,
                after=each.after,
                floor=each.floor,
                pipeline=each.pipeline,
                share=not each.group.startswith("metric:"),
                lower_is_better=each.lower_is_better,
            )
            for each in data.gate.scores
        ]
    if data.summary is not None and data.summary.splits:
        graded = [
            ScoreRow(
                f"{row.metric} {row.split}{', less is better' if row.lower_is_better else ''}",
                row.cases,
                row.before,
                row.after,
                row.better,
                row.worse,
                share=False,
                lower_is_better=row.lower_is_better,
            )
            for row in data.summary.objectives
        ]
        return graded + [
            ScoreRow(row.split, row.tests, row.before, row.after, row.fixed, row.broken)
            for row in data.summary.splits
        ]
    last = data.after if data.after is not None else data.before
    if last is None:
        return []
    found = []
    for split in SPLITS:
        items = last.in_split(split)
        if items:
            before = data.before.score(split) if data.before is not None and data.after is not None else None
            found.append(ScoreRow(split, len(items), before, last.score(split)))
    return found


def tag_rows(data: ReportData, rows: Sequence[CaseRow]) -> list[ScoreRow]:
    """Return scores per tag, each test with its case's weight; the gate's own table has them where it ran."""
    if data.gate is not None and data.gate.scores:
        return []
    tagged: dict[str, list[CaseRow]] = {}
    for row in rows:
        for tag in row.case.tags:
            tagged.setdefault(tag, []).append(row)
    return [_tag_row(tag, tagged[tag]) for tag in sorted(tagged)]


def _tag_row(tag: str, rows: Sequence[CaseRow]) -> ScoreRow:
    pairs = [(row.case.weight, pair) for row in rows for pair in row.tests.values()]
    before = _share([(weight, pair.result_before) for weight, pair in pairs])
    after = _share([(weight, pair.result_after) for weight, pair in pairs])
    turned = [(pair.result_before == "passed", pair.result_after == "passed") for _, pair in pairs]
    both = before is not None
    return ScoreRow(
        group=tag,
        tests=len(pairs),
        before=before,
        after=after,
        fixed=turned.count((False, True)) if both else 0,
        broken=turned.count((True, False)) if both else 0,
    )


def _share(results: Sequence[tuple[float, str]]) -> float | None:
    shares = ((weight, passed_share(word)) for weight, word in results if word)
    return weighted_mean((weight, share) for weight, share in shares if share is not None)


# --- failures per step ----------------------------------------------------------------------------------


@dataclass
class FailureCause:
    """One line of the table of failures: a step, or one cause in it."""

    label: str
    counts: list[int]
    """Failing train cases on each tree."""


@dataclass
class FailureTable:
    """Failing train cases per step and cause, on the trees one after the other."""

    trees: list[str]
    """Candidate ids; empty for the user's own tree."""
    steps: list[tuple[FailureCause, list[FailureCause]]] = field(default_factory=list)
    total: list[int] = field(default_factory=list)

    @property
    def most(self) -> int:
        return max((number for step, _ in self.steps for number in step.counts), default=0)


def failure_table(data: ReportData) -> FailureTable:
    """Return the failures of the trees by step, the step with most failures on the first tree on top."""
    trees = list(data.diagnoses)
    cases: dict[str, dict[str, list[set[str]]]] = {}
    everything: list[set[str]] = [set() for _ in trees]
    for index, diagnosis in enumerate(data.diagnoses.values()):
        for cluster in diagnosis.clusters:
            causes = cases.setdefault(cluster.step or "(no step)", {})
            sets = causes.setdefault(_cause(cluster.label, cluster.step), [set() for _ in trees])
            sets[index].update(cluster.case_ids)
            everything[index].update(cluster.case_ids)
        outside = {finding.case_id for finding in diagnosis.infrastructure}
        if outside:
            causes = cases.setdefault("(no edit can fix it)", {})
            causes.setdefault("provider or infrastructure", [set() for _ in trees])[index].update(outside)
            everything[index].update(outside)
    found = FailureTable(trees, total=[len(each) for each in everything])
    for step, causes in cases.items():
        whole = [len(set().union(*(sets[index] for sets in causes.values()))) for index in range(len(trees))]
        parts = [FailureCause(label, [len(each) for each in sets]) for label, sets in causes.items()]
        found.steps.append((FailureCause(step, whole), sorted(parts, key=lambda each: -sum(each.counts))))
    found.steps.sort(key=lambda pair: [-number for number in pair[0].counts])
    return found


def _cause(label: str, step: str) -> str:
    """Return a cluster's label without the step's name, which stands above it."""
    return label.removeprefix(f"{step}: ") if step else label


# --- charts ---------------------------------------------------------------------------------------------


def score_chart(data: ReportData) -> dict[str, Any] | None:
    """Per split: the best tree's score after each candidate, and what each candidate itself reached."""
    if not data.attempts:
        return None
    start = data.before
    series = {}
    for split in SPLITS:
        best = _start(start, data, split)
        line, points = [best], []
        for tried in data.attempts:
            verdict = tried.attempt.verdict
            change = verdict.splits.get(split)
            reached = change.after if change is not None else None
            if verdict.accepted and reached is not None:
                best = reached
            line.append(best)
            points.append(None if reached is None else round(reached, 5))
        if any(value is not None for value in [*line, *points]):
            series[split] = {"best": line, "points": points}
    return {
        "ids": [tried.attempt.candidate.id for tried in data.attempts],
        "states": [candidate_state(tried.attempt) for tried in data.attempts],
        "splits": series,
    }


def _start(before: Evaluation | None, data: ReportData, split: Any) -> float | None:
    if before is not None:
        return before.score(split)
    changes = [tried.attempt.verdict.splits.get(split) for tried in data.attempts]
    return next((change.before for change in changes if change is not None), None)


def spend_chart(data: ReportData) -> dict[str, Any] | None:
    """Calls, cached answers and cost summed up over time, with the moments of acceptance."""
    points = list(data.spending)
    if len(points) < 2:
        return None
    step = max(1, -(-len(points) // _POINTS))
    kept = points[::step] if points[::step][-1] is points[-1] else [*points[::step], points[-1]]
    return {
        "at": [round(point.at, 2) for point in kept],
        "calls": [point.calls for point in kept],
        "hits": [point.cache_hits for point in kept],
        "cost": [round(point.cost, 6) for point in kept],
        "accepted": [
            [round(tried.at, 2), tried.attempt.candidate.id]
            for tried in data.attempts
            if tried.attempt.verdict.accepted and tried.at is not None
        ],
    }
