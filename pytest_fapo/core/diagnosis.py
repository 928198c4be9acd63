"""Failures attributed to steps, and clusters of failures that have one cause."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from pytest_fapo.core.record import Category, Level, Record


class Finding(Record):
    """One failing item attributed to a step."""

    nodeid: str
    case_id: str
    pipeline: str
    label_set: str = ""
    """That of the item's case."""
    step: str
    """The culprit's name; empty where the trace names none."""
    category: Category
    level: Level
    confidence: float
    """0 to 1."""
    evidence: str
    """One sentence: what in the trace speaks for this step and category."""
    expected: JsonValue = None
    """The right output of the step (or value of the field), if known."""
    actual: JsonValue = None
    field: str = ""
    """Dotted path of the output's field concerned, where there is one."""
    explanation: str = ""
    also: list[str] = Field(default_factory=list)
    """Further steps that are at fault in the same case: fixing `step` alone does not turn it green."""
    source: Literal["rules", "llm", "intervention", "hook"] = "rules"
    """The source of the attribution; an intervention has proven it."""
    fix: str = ""
    """The thing to do about it, where that is not what is usual for the category."""
    beside: str = ""
    """Id of the case that contradicts the label, where the label may be wrong."""


NO_GAIN = 2 / 3
"""The factor on the odds that a cause is the right one, for each technique that was tried without gain."""


class Cluster(Record):
    """Findings with one cause."""

    id: str
    label: str
    pipeline: str
    label_set: str = ""
    """Whose labels its findings speak of; where they speak of none, that of most of them."""
    step: str
    category: Category
    level: Level
    field: str = ""
    confidence: float
    findings: list[Finding] = Field(default_factory=list)
    """Empty in a run's journal."""
    suggested_fix: str = ""
    ceiling: float | None = None
    """An upper bound: the train score if every finding of this cluster were solved, 0 to 1."""
    artifacts: list[str] = Field(default_factory=list)
    """Addresses of the artifacts that the culprit step was seen to use, most specific first."""
    also: list[str] = Field(default_factory=list)
    """Further steps that are at fault in most of these cases; the edits have to come together."""
    tried: int = 0
    """Techniques that were tried on it without gain; each makes it less sure that this is the cause."""

    def after(self, tried: int) -> Cluster:
        """Return the cluster as sure as it is after so many techniques without gain."""
        odds = self.confidence * NO_GAIN**tried
        sure = odds / (odds + 1 - self.confidence) if tried else self.confidence
        return self.model_copy(update={"tried": tried, "confidence": round(sure, 2)})

    @property
    def case_ids(self) -> list[str]:
        return sorted({finding.case_id for finding in self.findings})

    @property
    def nodeids(self) -> list[str]:
        return sorted({finding.nodeid for finding in self.findings})


class Intervention(Record):
    """A case run again with one step's output replaced: what turns green shows which step was the cause."""

    nodeid: str
    """The item whose outcome is asked for."""
    case_id: str
    pipeline: str
    outputs: dict[str, JsonValue] = Field(default_factory=dict)
    """Step key (`name` or `name#2`) to the output that it gives instead of being run."""
    resample: list[str] = Field(default_factory=list)
    """Keys of the steps that are run again with fresh answers instead."""
    types: dict[str, str] = Field(default_factory=dict)
    """Step key to the `Step.output_type` of the outputs that this step gave elsewhere."""
    short_of: dict[str, float] = Field(default_factory=dict)
    """Of an item with a low score: merits that it must exceed to count as passing."""
    source: Literal["label", "sibling", "oracle", "resample"] = "label"
    """The source of the output."""


class Diagnosis(Record):
    """The locations and causes of an evaluation's failures, worst cluster first."""

    findings: list[Finding] = Field(default_factory=list)
    clusters: list[Cluster] = Field(default_factory=list)
    infrastructure: list[Finding] = Field(default_factory=list)
    """Failures that no edit can address; kept apart from the clusters."""
    suspects: list[Finding] = Field(default_factory=list)
    """Failures whose label may be wrong; kept apart from the clusters, and from what proposers see."""
    ceilings: dict[Level, float] = Field(default_factory=dict)
    """Level to the most that train can reach, 0 to 1: if every cluster up to that level were solved. Cases
    whose label may be wrong, or that got no answer, are not among what can be."""
    interventions: int = 0
    """The number of cases that were run again with a step's output replaced."""
