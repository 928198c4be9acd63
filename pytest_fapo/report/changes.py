"""What a person is shown of one change, as data: the ideas behind it and what it did to every case."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from pytest_fapo.models import Record, Split
from pytest_fapo.report.diffs import TextChange

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
