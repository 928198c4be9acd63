"""What a change did to every case, and why it was made: the records that the loop keeps and views show."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from pytest_fapo.core.candidate import SplitChange
from pytest_fapo.core.record import Record, Split

EffectKind = Literal["fixed", "broken", "changed"]

Answer = Literal["accept", "reject", "skip"]


class Idea(Record):
    """One candidate that went into a change."""

    candidate: str
    """Its id."""
    hypothesis: str
    cause: str = ""
    """What the failures that it aimed at have in common."""
    failing: int = 0
    """How many failing tests it aimed at."""
    example: str = ""
    """Node id of one of them."""
    inputs: JsonValue = None
    """Of the example's case."""
    explanation: str = ""
    """pytest's own words on the example."""


class CaseEffect(Record):
    """One test whose result or output is another one since the change."""

    nodeid: str
    """Of the first repeat."""
    kind: EffectKind
    case_id: str = ""
    """Empty for a test without a case."""
    pipeline: str = ""
    split: Split | None = None
    before: JsonValue = None
    """The pipeline's output on the tree before; the failure's explanation where it gave none."""
    after: JsonValue = None
    share_before: float = 0.0
    """Share of the repeats that pass, 0 to 1."""
    share_after: float = 0.0

    @property
    def run(self) -> tuple[str, str]:
        """Equal for tests that look at one run of a pipeline; a test without a case stands for itself."""
        return (self.pipeline, self.case_id) if self.case_id else ("", self.nodeid)


class Effect(Record):
    """What a change did, as its candidates were measured: train and val cases, and tests without a case."""

    rows: list[CaseEffect] = Field(default_factory=list)
    """Broken ones first, then fixed, then those whose output alone changed."""
    same: int = 0
    """Tests with equal result and equal output."""
    together: list[str] = Field(default_factory=list)
    """Addresses that were changed by the same candidates: the effect is that of all."""
    known: bool = True
    """False where the run has no evaluation of it (any more)."""

    def of_kind(self, kind: EffectKind) -> list[CaseEffect]:
        return [row for row in self.rows if row.kind == kind]


class ReviewedChange(Record):
    """One change that waits for a person's word."""

    address: str
    files: list[TextChange]
    ideas: list[Idea] = Field(default_factory=list)
    effect: Effect = Field(default_factory=Effect)
    edited: bool = False
    """The person wrote another text: the effect is that of the text as it was proposed."""
    answer: Answer | None = None
    """What the person said last."""


class TextChange(Record):
    """One file before and after."""

    path: str
    before: str | None
    """None where the file is new."""
    after: str


class KeptEffect(Record):
    """What a candidate changed for one item: its verdict, or what the pipeline gave."""

    nodeid: str
    """Of the first repeat."""
    before: str
    """Outcome on the candidate's parent."""
    after: str
    """Outcome with the candidate."""
    output: str = ""
    """The pipeline's output with the candidate, as JSON, shortened; empty where it is the parent's."""
    explanation: str = ""
    """pytest's own words where the item fails with the candidate, shortened."""


class WriteChoice(Record):
    """One change that waits for the user's word."""

    title: str
    """What it edits: an artifact's address or a file."""
    hypothesis: str = ""
    diff: str
    """Unified diff."""
    splits: dict[Split, SplitChange] = Field(default_factory=dict)
    fixed: int = 0
    broken: int = 0
