"""Where a run asks the project's own plugins; `pytest_fapo.hookspecs` documents each hook."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.models import Attempt, Candidate, Evaluation, ReviewProblem, Verdict


class Hooks:
    """Without plugins: nobody objects and nobody is told."""

    def review(self, candidate: Candidate) -> Sequence[ReviewProblem]:
        """Objections beside the review's own."""
        return ()

    def gate(self, candidate: Candidate, before: Evaluation, after: Evaluation, verdict: Verdict) -> Verdict:
        """The verdict on a candidate that passed; a plugin can reject it, never let a rejected one pass."""
        return verdict

    def settled(self, attempt: Attempt) -> None:
        """A candidate has its final verdict."""
