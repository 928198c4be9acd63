"""A candidate before any evaluation: static checks, the reviewer's reading, one revision after a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pytest_fapo.errors import ArtifactError, CacheMiss
from pytest_fapo.models import Candidate, Case, Review, ReviewProblem, files_digest
from pytest_fapo.optimize.equivalence import fingerprint
from pytest_fapo.optimize.proposals import Proposed
from pytest_fapo.optimize.request import OptimizeRequest
from pytest_fapo.optimize.standing import Best
from pytest_fapo.propose import ProposalFailed
from pytest_fapo.review import review


@dataclass(frozen=True)
class Prepared:
    """A reviewed candidate; `files` is all that differs from the user's tree, None where it was blocked."""

    candidate: Candidate
    review: Review
    revised: bool = False
    files: dict[str, bytes] | None = None
    notes: list[str] = field(default_factory=list)
    first: Candidate | None = None
    """What was blocked before it was revised."""
    objections: Sequence[ReviewProblem] = ()
    """Why `first` was blocked."""

    @property
    def tree(self) -> str:
        """Names what would be evaluated, so that a resumed run finds its verdict again."""
        return files_digest(self.files) if self.files is not None else f"unbuilt-{self.candidate.digest}"

    def blocked(self) -> str:
        """Why it must not be evaluated; empty where it may."""
        if self.files is not None and self.review.verdict != "block":
            return ""
        return "; ".join(problem.message for problem in self.review.problems if problem.blocks)


class Reviewing:
    """Checks candidates independently of whoever proposed them.

    Args:
        request: the run's; its `reviewer` reads what the static checks let through.
        cases: all cases of all splits, for the leakage check.
    """

    def __init__(self, request: OptimizeRequest, cases: Sequence[Case]) -> None:
        self._request = request
        self._cases = cases
        self._blocked: dict[str, Review] = {}

    def prepare(self, candidate: Candidate, best: Best, proposed: Proposed | None = None) -> Prepared:
        """The candidate that passed, or the blocked one; a block goes back to its proposer once.

        Args:
            candidate: what was proposed, with its id.
            best: the tree that it builds on.
            proposed: who proposed it from what; None for a merge of what the reviewer has read already.
        """
        known = self._blocked.get(_name(candidate))
        if known is not None:
            return Prepared(candidate, known)  # neither the reviewer nor the proposer is asked twice
        first = self._checked(candidate, best, proposed)
        if first.review.verdict != "block" or proposed is None:
            return first
        problems = [problem.model_dump() for problem in first.review.problems]
        self._request.run.log("blocked", candidate=candidate.id, problems=problems)
        try:
            revision = proposed.proposer.revise(candidate, first.review, proposed.evidence)
        except (ProposalFailed, CacheMiss):
            revision = None
        if revision is None or revision.digest == candidate.digest:
            return first
        revision = revision.model_copy(update={"id": candidate.id, "parent": candidate.parent})
        known = self._blocked.get(_name(revision))
        if known is not None:
            second = Prepared(revision, known)
        else:
            second = self._checked(revision, best, proposed)
        objections = [problem for problem in first.review.problems if problem.blocks]
        return replace(second, revised=True, first=candidate, objections=objections)

    def _checked(self, candidate: Candidate, best: Best, proposed: Proposed | None) -> Prepared:
        prepared = self._check(candidate, best, proposed)
        if prepared.review.verdict == "block":
            self._blocked[_name(candidate)] = prepared.review
        return prepared

    def _check(self, candidate: Candidate, best: Best, proposed: Proposed | None) -> Prepared:
        snapshot, request = self._request.snapshot, self._request
        store = snapshot.store.with_files(best.files)
        checked = review(
            candidate, store=store, cases=self._cases, settings=request.settings, levels=request.levels
        )
        checked = self._with(checked, request.hooks.review(candidate))
        if checked.verdict == "block":
            return Prepared(candidate, checked)
        try:
            files = snapshot.render(candidate.edits, base=best.files)
        except ArtifactError as error:
            return Prepared(
                candidate, self._with(checked, [ReviewProblem(check="scope", message=str(error))])
            )
        if proposed is not None and request.reviewer is not None:
            opinion = request.reviewer.review(candidate, artifacts=store.all(), cluster=proposed.cluster)
            checked = self._with(checked, opinion.problems)
        return Prepared(candidate, checked, files=None if checked.verdict == "block" else files)

    def _with(self, checked: Review, problems: Sequence[ReviewProblem]) -> Review:
        return Review(problems=[*checked.problems, *problems]) if problems else checked


def _name(candidate: Candidate) -> str:
    """Equal for patches of equal content on one tree, whoever proposes them and whatever they are called."""
    return f"{candidate.parent} {candidate.level} {fingerprint(candidate)}"
