"""One change that waits for a decision: its text, the ideas behind it, its effect."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from pytest_fapo.core.candidate import MetricChange, SplitChange
from pytest_fapo.core.record import Record, Split
from pytest_fapo.verdict.case_effect import Effect

Answer = Literal["accept", "reject", "skip"]


class Idea(Record):
    """One candidate that went into a change."""

    candidate: str
    """Its id."""
    hypothesis: str
    cause: str = ""
    """The common cause of the failures that it aimed at."""
    failing: int = 0
    """The number of failing tests it aimed at."""
    example: str = ""
    """Node id of one of them."""
    inputs: JsonValue = None
    """Of the example's case."""
    explanation: str = ""
    """pytest's own words on the example."""
    without_labels: str = ""
    """Of changed code: for how many tests it could not know the labels, as a part of a sentence."""

    @property
    def reason(self) -> str:
        """The hypothesis, and of changed code what it could not know."""
        return f"{self.hypothesis} ({self.without_labels})" if self.without_labels else self.hypothesis


class ReviewedChange(Record):
    """One change that waits for a person's word."""

    address: str
    files: list[TextChange]
    ideas: list[Idea] = Field(default_factory=list)
    effect: Effect = Field(default_factory=Effect)
    edited: bool = False
    """The person wrote another text: the effect is that of the text as it was proposed."""
    answer: Answer | None = None
    """The person's last answer."""


class TextChange(Record):
    """One file before and after."""

    path: str
    before: str | None
    """None where the file is new."""
    after: str


class WriteChoice(Record):
    """One change that waits for the user's word."""

    title: str
    """The edited artifact's address or file."""
    hypothesis: str = ""
    diff: str
    """Unified diff."""
    splits: dict[Split, SplitChange] = Field(default_factory=dict)
    objectives: list[MetricChange] = Field(default_factory=list)
    fixed: int = 0
    broken: int = 0
