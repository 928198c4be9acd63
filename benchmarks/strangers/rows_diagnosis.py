"""Rows: the culprit of the bulk of failures, how far sureness may be believed, and wrong labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from benchmarks.planted.lab import Lab
from benchmarks.planted.table import Figure, share
from benchmarks.strangers.spec import Stranger
from pytest_fapo.core.diagnosis import Cluster, Diagnosis, Finding

STEP_BAR, LEVEL_BAR, SURE_BAR = 0.85, 0.80, 0.80
FOUND_BAR, FALSE_BAR = 0.60, 0.05
SURE = 0.8
"""A finding that says so much or more is sure of itself."""
_SUSPECT = "label may be wrong"
_BANDS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.01)


@dataclass(frozen=True)
class Diagnosed:
    """What the diagnosis found in one pipeline."""

    stranger: Stranger
    found: Diagnosis
    output: str
    code: int

    @cached_property
    def named(self) -> list[tuple[Finding, Cluster]]:
        """Every finding in its cluster, which is what the screen shows."""
        return [(finding, cluster) for cluster in self.found.clusters for finding in cluster.findings]

    @cached_property
    def judged(self) -> list[Cluster]:
        """The cluster of each finding on a case whose label is right."""
        wrong = self.stranger.wrong_ids()
        return [cluster for finding, cluster in self.named if finding.case_id not in wrong]

    @property
    def step(self) -> float:
        """Share of the failures that are laid at the door of a culprit."""
        return _part(sum(map(self.right_step, self.judged)), len(self.judged))

    @property
    def level(self) -> float:
        return _part(sum(map(self.right_level, self.judged)), len(self.judged))

    def right_step(self, cluster: Cluster) -> bool:
        fault = self.stranger.fault
        named = {fault.step, *fault.also}
        return cluster.step in named or cluster.step.rpartition(".")[2] in named

    def right_level(self, cluster: Cluster) -> bool:
        return cluster.level == self.stranger.fault.level

    @property
    def suspects(self) -> set[str]:
        """Ids of the cases whose label the diagnosis doubts, as its records or its screen say."""
        apart = {finding.case_id for finding in self.found.suspects}
        return apart | {
            finding.case_id for finding, cluster in self.named if _SUSPECT in _words(finding, cluster).lower()
        }

    @property
    def said(self) -> str:
        kinds = Counter((each.step, each.category, each.level) for each in self.judged)
        return "; ".join(f"{' '.join(kind)} ({count})" for kind, count in kinds.most_common(4)) or (
            f"nothing (exit code {self.code})"
        )


class Clinic:
    """Diagnoses every pipeline once, for all rows that look at it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._done: dict[str, Diagnosed] = {}

    def of(self, strangers: Sequence[Stranger]) -> list[Diagnosed]:
        """Diagnose these pipelines as their users would."""
        for found in self._lab.each(
            self._diagnose, [each for each in strangers if each.name not in self._done]
        ):
            self._done[found.stranger.name] = found
        return [self._done[each.name] for each in strangers]

    def _diagnose(self, stranger: Stranger) -> Diagnosed:
        project = self._lab.project(stranger, stranger.faulty)
        log = project.root.parent / f"{project.root.name}.json"
        project.env["STRANGER_LOG"] = str(log)
        ran = project.pytest("-p", "benchmarks.strangers.observer", "--fapo-diagnose", "--tb=no")
        found = Diagnosis.model_validate_json(log.read_text()) if log.exists() else Diagnosis()
        return Diagnosed(stranger, found, ran.output, ran.code)


def diagnosis(found: Sequence[Diagnosed]) -> list[Figure]:
    """Whether the bulk of each pipeline's failures is laid at the right door."""
    steps = [each for each in found if each.step > 0.5]
    levels = [each for each in found if each.level > 0.5]
    return [
        Figure(
            "culprit step named for the bulk of failures",
            "≥ 85 %",
            share(len(steps), len(found)),
            len(steps) >= STEP_BAR * len(found) > 0,
            notes=[_note(each, each.stranger.fault.step, each.step) for each in found if each not in steps],
        ),
        Figure(
            "culprit level named for the bulk of failures",
            "≥ 80 %",
            share(len(levels), len(found)),
            len(levels) >= LEVEL_BAR * len(found) > 0,
            notes=[
                _note(each, each.stranger.fault.level, each.level) for each in found if each not in levels
            ],
        ),
    ]


def _note(found: Diagnosed, right: str, part: float) -> str:
    return f"{found.stranger.name}: {right} was planted, {part:.0%} say so; said: {found.said}"


def calibration(found: Sequence[Diagnosed]) -> list[Figure]:
    """How often findings are right, by how sure they say they are; prints the reliability table.

    A finding is right if it names the culprit's step. For a case with a wrong label no step is to blame: a
    finding on it is wrong unless it doubts the label.
    """
    bands: dict[int, list[bool]] = defaultdict(list)
    sure: list[bool] = []
    false: Counter[str] = Counter()
    for each in found:
        wrong, suspects = each.stranger.wrong_ids(), each.suspects
        for finding, cluster in each.named:
            doubted = finding.case_id in suspects
            right = doubted == (finding.case_id in wrong) and (doubted or each.right_step(cluster))
            bands[_band(cluster.confidence)].append(right)
            if cluster.confidence >= SURE:
                sure.append(right)
                false[each.stranger.name] += not right
        for finding in each.found.suspects:
            right = finding.case_id in wrong
            bands[_band(finding.confidence)].append(right)
            if finding.confidence >= SURE:
                sure.append(right)
                false[each.stranger.name] += not right
    table = [
        f"sure {low:4.0%} - {min(high, 1):4.0%}: {share(sum(bands[number]), len(bands[number]))} right"
        for number, (low, high) in enumerate(pairwise(_BANDS))
    ]
    misses = [f"{name}: {count} sure and wrong" for name, count in false.most_common() if count]
    return [
        Figure(
            "findings that say 80-100 % and are right",
            "≥ 80 %",
            share(sum(sure), len(sure)),
            sum(sure) >= SURE_BAR * len(sure) > 0,
            notes=[*table, *misses],
        )
    ]


def _band(sureness: float) -> int:
    return max(number for number, low in enumerate(_BANDS[:-1]) if sureness >= low)


def labels(found: Sequence[Diagnosed]) -> list[Figure]:
    """How many of the wrong labels among the train cases are pointed at, and how many right ones are."""
    planted = accused = pointed = right = 0
    notes = []
    for each in found:
        train = {case["id"] for case in each.stranger.cases()["train"]}
        wrong = each.stranger.wrong_ids() & train
        suspects = each.suspects & train
        planted, pointed = planted + len(wrong), pointed + len(suspects & wrong)
        accused, right = accused + len(suspects - wrong), right + len(train - wrong)
        if wrong or suspects:
            notes.append(
                f"{each.stranger.name}: {len(suspects & wrong)} of {len(wrong)} found, "
                f"{len(suspects - wrong)} falsely accused"
            )
    return [
        Figure(
            "wrong labels pointed at",
            "≥ 60 %",
            share(pointed, planted),
            pointed >= FOUND_BAR * planted > 0,
            notes=notes,
        ),
        Figure("right labels accused", "≤ 5 %", share(accused, right), accused <= FALSE_BAR * right),
    ]


def _words(finding: Finding, cluster: Cluster) -> str:
    return f"{finding.evidence} {finding.explanation} {cluster.label} {cluster.suggested_fix}"


def _part(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
