"""Where a run asks the project's own plugins; `pytest_fapo.hookspecs` documents each hook."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.models import (
    Attempt,
    Candidate,
    Case,
    Evaluation,
    Finding,
    ItemResult,
    ReviewProblem,
    Trace,
    Verdict,
)
from pytest_fapo.report import Summary


class Hooks:
    """Without plugins: nobody objects and nobody is told."""

    def review(self, candidate: Candidate) -> Sequence[ReviewProblem]:
        """Objections beside the review's own."""
        return ()

    def gate(self, candidate: Candidate, before: Evaluation, after: Evaluation, verdict: Verdict) -> Verdict:
        """The verdict on a candidate that passed; a plugin can reject it, never let a rejected one pass."""
        return verdict

    def attribute(self, item: ItemResult, case: Case, trace: Trace | None) -> Finding | None:
        """What a plugin knows of a failure; None to leave it to the rules."""
        return None

    def sections(self, summary: Summary) -> list[tuple[str, str]]:
        """Title and Markdown of what is added to the summary."""
        return []

    def settled(self, attempt: Attempt) -> None:
        """A candidate has its final verdict."""
