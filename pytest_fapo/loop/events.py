"""The events of a run, typed.

An `Event` is a line of the run's journal: it is on disk before the next thing starts, and a resumed run goes
by it. A `Notice` is for whoever looks on, and is kept nowhere. The loop writes both; the progress on the
screen, the report, the review and the pull-request page read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, FieldSerializationInfo, field_serializer

from pytest_fapo.core.candidate import Attempt, Candidate, ReviewProblem
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.core.evaluation import ItemResult
from pytest_fapo.core.record import Level, Record, Split
from pytest_fapo.core.spending import Spending

_MEASURED = frozenset({"time", "duration", "spending"})
"""Fields that are different each time, at any depth: when it was, how long it took, what it cost."""


LAST_SECOND = 253_402_214_400.0
"""The last day of the year 9999: calendars go no further."""


class Event(Record):
    """One line of a run's journal."""

    event: str
    """The kind of event."""
    time: float = Field(default=0.0, ge=0, le=LAST_SECOND, allow_inf_nan=False)
    """Epoch seconds; set when it is written."""

    def repeats(self, known: Event) -> bool:
        """True if it says the same as an event of an interrupted run.

        What is different each time does not count, nor do fields that the version which wrote the known event
        did not have.
        """
        return _same(known, self)


def _same(known: Any, new: Any) -> bool:
    if isinstance(known, Record):
        names = known.model_fields_set - _MEASURED
        return type(known) is type(new) and all(
            _same(getattr(known, name), getattr(new, name)) for name in names
        )
    if isinstance(known, list) and isinstance(new, list):
        return len(known) == len(new) and all(map(_same, known, new))
    if isinstance(known, dict) and isinstance(new, dict):
        return known.keys() == new.keys() and all(_same(known[key], new[key]) for key in known)
    return bool(known == new)


# --- the run ----------------------------------------------------------------------------------------------


class RunBegan(Event):
    """A run was started, before the first test."""

    event: Literal["began"] = "began"
    files: dict[str, str] = Field(default_factory=dict)
    """Relative POSIX path of each file in the scope to the SHA-256 of its content."""
    args: list[str] = Field(default_factory=list)
    """pytest's command line."""
    folder: str = ""
    """The folder in which pytest was started, below the folder that `.fapo` lies in."""


class ReferenceReproduced(Event):
    """An unpatched copy of the project gives the results of the project."""

    event: Literal["reference"] = "reference"
    items: int


class MetricsUnjudged(Event):
    """Some metrics differ between two runs on the same answers: they decide nothing."""

    event: Literal["unjudged"] = "unjudged"
    metrics: list[str]


class TreeDiagnosed(Event):
    """The failures of a tree have their causes."""

    event: Literal["diagnosis"] = "diagnosis"
    best: str = ""
    """Id of the accepted candidate that made the tree; empty for the user's own."""
    interventions: int = 0
    unread: list[str] = Field(default_factory=list)
    """The reasons why a model could not read some of the failures."""
    clusters: list[Cluster] = Field(default_factory=list)
    """Without their findings, which are in a file of their own."""

    @field_serializer("clusters")
    def _without_findings(
        self, clusters: list[Cluster], info: FieldSerializationInfo
    ) -> list[dict[str, Any]]:
        return [
            cluster.model_dump(mode="json", exclude={"findings"}, exclude_unset=bool(info.exclude_unset))
            for cluster in clusters
        ]


class InterventionsFailed(Event):
    """Cases could not be run with a step's output replaced; the diagnosis does without."""

    event: Literal["interventions-failed"] = "interventions-failed"
    reason: str


class IterationBegan(Event):
    """The search looks for the next improvement of the best tree."""

    event: Literal["iteration"] = "iteration"
    number: int
    """1 for the first."""
    best: str = ""
    """Id of the candidate that made the best tree; empty for the user's own."""
    scores: Mapping[Split, float | None] = Field(default_factory=dict)
    """The best tree's, 0 to 1, without those of held-out cases."""
    objectives: Mapping[str, Mapping[Split, float | None]] = Field(default_factory=dict)
    """Graded metric to its means there."""


# --- candidates -------------------------------------------------------------------------------------------


class CandidateProposed(Event):
    """A candidate has its id and is about to be reviewed."""

    event: Literal["proposed"] = "proposed"
    candidate: Candidate


class CandidateBlocked(Event):
    """The review blocked a candidate; its proposer may revise it."""

    event: Literal["blocked"] = "blocked"
    candidate: str
    problems: list[ReviewProblem]


class CandidateJudged(Event):
    """A candidate has its final verdict."""

    event: Literal["judged"] = "judged"
    tree: str
    """Names the files that were judged; `candidates/<tree>.json` is their evaluation."""
    attempt: Attempt


class NoProposal(Event):
    """A proposer could not propose: an attempt without edits, with its reason."""

    event: Literal["proposal-failed"] = "proposal-failed"
    attempt: Attempt


class LevelLeft(Event):
    """A level was left on one best tree."""

    event: Literal["level-left"] = "level-left"
    level: Level
    reason: str
    """`resolved`, `ceiling`, `exhausted` or `nothing to propose`."""
    detail: str
    """The figures, in words."""
    best: str = ""
    """Id of the candidate that made the best tree."""

    def __str__(self) -> str:
        return f"{self.level} level left: {self.detail}"


# --- the end ----------------------------------------------------------------------------------------------


class WritingBegan(Event):
    """The accepted edits are about to be written, or saved as a patch."""

    event: Literal["writing"] = "writing"
    files: list[str]
    mode: str
    """One of `core.settings.WriteMode`."""


class RunFinished(Event):
    """The run finished; an interrupted one has no such event."""

    event: Literal["finished"] = "finished"
    stop: str = ""
    """One of `run_summary.StopReason`."""
    writing: str = ""
    """One of `run_summary.Writing`."""


class ChangesApplied(Event):
    """`fapo apply` has written the run's patch."""

    event: Literal["applied"] = "applied"
    files: list[str]


class ChangesUndone(Event):
    """`fapo undo` has reverted what the run had written."""

    event: Literal["undone"] = "undone"
    files: list[str]


class ChangesReviewed(Event):
    """A person has decided on changes; what was accepted is written."""

    event: Literal["reviewed"] = "reviewed"
    files: list[str]
    decided: dict[str, str] = Field(default_factory=dict)
    """Address to `accepted`, `edited` or `rejected`."""


class UnreadableEvent(Event):
    """An event that another version has written: only its kind and time are known."""


EVENTS: dict[str, type[Event]] = {
    kind.model_fields["event"].default: kind
    for kind in (
        RunBegan,
        ReferenceReproduced,
        MetricsUnjudged,
        TreeDiagnosed,
        InterventionsFailed,
        IterationBegan,
        CandidateProposed,
        CandidateBlocked,
        CandidateJudged,
        NoProposal,
        LevelLeft,
        WritingBegan,
        RunFinished,
        ChangesApplied,
        ChangesUndone,
        ChangesReviewed,
    )
}


# --- notices ----------------------------------------------------------------------------------------------


class Notice:
    """Something for whoever looks on at a run."""


@dataclass(frozen=True)
class Note(Notice):
    """A sentence that is said once."""

    text: str


@dataclass(frozen=True)
class StageBegan(Notice):
    """A stage of an evaluation begins."""

    name: str
    """As the user reads it, `train`."""
    total: int
    """Items that it will judge; 0 where that is not known."""


@dataclass(frozen=True)
class ItemFinished(Notice):
    """An item of the present stage has its verdict."""

    result: ItemResult


@dataclass(frozen=True)
class SpendingChanged(Notice):
    """The run's spending from its beginning until now: a total, not an increment."""

    spending: Spending


@dataclass(frozen=True)
class ChoiceRefused(Notice):
    """The part of the changes that the user chose could not be proven."""

    reason: str


Listener = Callable[[Event | Notice], None]
"""Hears of every event once it is on disk, and of every notice."""
