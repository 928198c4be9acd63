"""What is known of one failing item while a diagnosis goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_fapo.diagnose.failure import Failure
from pytest_fapo.models import Category, Evaluation, Finding, ItemResult, Level

UNSURE = 0.6
"""Findings below this confidence are read by a model and tried by interventions."""

AttributeHook = Callable[[Evaluation, ItemResult], "Finding | None"]
"""The user's own rule; the first that speaks decides, before all others."""


@dataclass(frozen=True)
class Opinion:
    """What a reader says of one failing item."""

    nodeid: str
    step: str
    category: Category
    level: Level | None
    """None where the table of categories is to decide."""
    confidence: float
    evidence: str


@dataclass
class Attribution:
    """A failing item, what is held to be its cause, and what a reader holds against that."""

    failure: Failure
    finding: Finding
    other: Opinion | None = None
    """A reader's opinion where it names another step."""

    @property
    def unsure(self) -> bool:
        return self.finding.confidence < UNSURE and self.finding.category != "infrastructure"

    @property
    def group(self) -> tuple[str, ...]:
        """Equal for items that look alike: what holds for some of them probably holds for all."""
        finding = self.finding
        other = self.other.step if self.other is not None else ""
        return (finding.pipeline, finding.label_set, finding.step, finding.category, finding.field, other)

    def change(self, **fields: object) -> None:
        """Give the finding other values."""
        self.finding = self.finding.model_copy(update=fields)
