"""A candidate's way to its verdict: reviewed, revised once after a block, evaluated in stages, gate,
confirmation.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pytest_fapo.core.candidate import Attempt, Candidate, Review, ReviewProblem, Verdict
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.core.errors import ArtifactError, CacheMiss
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import Level, files_digest
from pytest_fapo.core.spending import Spending
from pytest_fapo.loop.evaluator import Evaluator
from pytest_fapo.loop.events import CandidateBlocked, CandidateJudged, Note
from pytest_fapo.loop.optimize_request import OptimizeRequest, unrecorded
from pytest_fapo.loop.search_state import BestTree, fingerprint
from pytest_fapo.propose.proposer import ProposalFailed, Proposer
from pytest_fapo.review.static_review import review
from pytest_fapo.shadow.shadow_run import check_loaded
from pytest_fapo.verdict import reasons
from pytest_fapo.verdict.candidate_gate import judge_cases, judge_suite
from pytest_fapo.verdict.comparison import Chance
from pytest_fapo.verdict.confirmation import Confirmation, confirmed_verdict
from pytest_fapo.verdict.fresh_samples import Tree
from pytest_fapo.verdict.statistics import allowed_error


@dataclass(frozen=True)
class Proposed:
    """A candidate with all that belongs to its judgement."""

    candidate: Candidate
    cluster: Cluster
    proposer: Proposer
    evidence: Evidence
    level: Level


@dataclass(frozen=True)
class ReviewedCandidate:
    """A reviewed candidate; `files` is all that differs from the user's tree, None where it was blocked."""

    candidate: Candidate
    review: Review
    revised: bool = False
    files: dict[str, bytes] | None = None
    notes: list[str] = field(default_factory=list)
    first: Candidate | None = None
    """The candidate that was blocked before it was revised."""
    objections: Sequence[ReviewProblem] = ()
    """The reasons why `first` was blocked."""

    @property
    def tree(self) -> str:
        """Names what would be evaluated, so that a resumed run finds its verdict again."""
        return files_digest(self.files) if self.files is not None else f"unbuilt-{self.candidate.digest}"

    def blocked(self) -> str:
        """The reason why it must not be evaluated; empty if it may."""
        if self.files is not None and self.review.verdict != "block":
            return ""
        return reasons.blocked([problem.message for problem in self.review.problems if problem.blocks])


class CandidateReviewing:
    """Checks candidates independently of whoever proposed them.

    Args:
        request: the run's; its `reviewer` reads what the static checks let through.
        cases: all cases of all splits, for the leakage check.
    """

    def __init__(self, request: OptimizeRequest, cases: Sequence[Case]) -> None:
        self._request = request
        self._cases = cases
        self._blocked: dict[str, Review] = {}
        if request.settings.review == "off":
            said = (
                'REVIEW IS OFF ([tool.fapo] review = "off"): what fits the scope is run, and may be written'
            )
            request.run.journal.tell(Note(said))

    def prepare(
        self, candidate: Candidate, best: BestTree, proposed: Proposed | None = None
    ) -> ReviewedCandidate:
        """Return the candidate that passed, or the blocked one; a block goes back to its proposer once.

        Args:
            candidate: what was proposed, with its id.
            best: the tree that it builds on.
            proposed: who proposed it from what; None for a merge of what the reviewer has read already.
        """
        known = self._blocked.get(_patch_name(candidate))
        if known is not None:
            return ReviewedCandidate(candidate, known)  # neither the reviewer nor the proposer is asked twice
        first = self._checked(candidate, best, proposed)
        if first.review.verdict != "block" or proposed is None:
            return first
        blocked = CandidateBlocked(candidate=candidate.id, problems=first.review.problems)
        self._request.run.journal.write(blocked)
        try:
            revision = proposed.proposer.revise(candidate, first.review, proposed.evidence)
        except (ProposalFailed, CacheMiss):
            revision = None
        if revision is None or revision.digest == candidate.digest:
            return first
        revision = revision.model_copy(update={"id": candidate.id, "parent": candidate.parent})
        known = self._blocked.get(_patch_name(revision))
        if known is not None:
            second = ReviewedCandidate(revision, known)
        else:
            second = self._checked(revision, best, proposed)
        objections = [problem for problem in first.review.problems if problem.blocks]
        return replace(second, revised=True, first=candidate, objections=objections)

    def _checked(self, candidate: Candidate, best: BestTree, proposed: Proposed | None) -> ReviewedCandidate:
        prepared = self._check(candidate, best, proposed)
        if prepared.review.verdict == "block":
            self._blocked[_patch_name(candidate)] = prepared.review
        return prepared

    def _check(self, candidate: Candidate, best: BestTree, proposed: Proposed | None) -> ReviewedCandidate:
        snapshot, request = self._request.snapshot, self._request
        store = snapshot.store.with_files(best.files)
        checked = review(
            candidate, store=store, cases=self._cases, settings=request.settings, levels=request.levels
        )
        checked = self._with(checked, request.hooks.review(candidate))
        if checked.verdict == "block":
            return ReviewedCandidate(candidate, checked)
        try:
            files = snapshot.render(candidate.edits, base=best.files)
        except ArtifactError as error:
            return ReviewedCandidate(
                candidate, self._with(checked, [ReviewProblem(check="scope", message=str(error))])
            )
        if proposed is not None and request.reviewer is not None:
            opinion = request.reviewer.review(candidate, artifacts=store.all(), cluster=proposed.cluster)
            checked = self._with(checked, opinion.problems)
        return ReviewedCandidate(candidate, checked, files=None if checked.verdict == "block" else files)

    def _with(self, checked: Review, problems: Sequence[ReviewProblem]) -> Review:
        return Review(problems=[*checked.problems, *problems]) if problems else checked


def _patch_name(candidate: Candidate) -> str:
    """Equal for patches of equal content on one tree, whoever proposes them and whatever they are called."""
    return f"{candidate.parent} {candidate.level} {candidate.joint} {fingerprint(candidate)}"


@dataclass(frozen=True)
class Judged:
    """The result of a candidate so far."""

    prepared: ReviewedCandidate
    verdict: Verdict
    evaluation: Evaluation | None = None
    """None where it was blocked."""
    proven: bool = False
    """True if the full suite and the held-out cases were asked, or it lost before."""
    spending: Spending = field(default_factory=Spending)
    duration: float = 0.0
    """Seconds."""
    chance: Chance = frozenset()
    """Changes that fresh samples have shown to be luck."""

    @property
    def candidate(self) -> Candidate:
        return self.prepared.candidate

    @property
    def wins(self) -> bool:
        """True if it passed its cases, be it proven or not."""
        return self.verdict.accepted or bool(self.verdict.kept)


class Trial:
    """Judges candidates. A resumed run judges again what is on record; only evaluations cost anything.

    Args:
        request: the run's.
        evaluator: runs pytest on the candidate's tree.
    """

    def __init__(self, request: OptimizeRequest, evaluator: Evaluator) -> None:
        self._request = request
        self._evaluator = evaluator
        self._asked_again: list[str] = []
        """Digests of the candidates whose gains were asked again, in that order."""

    def judge(self, batch: Sequence[ReviewedCandidate], best: BestTree) -> list[Judged]:
        """Judge candidates that build on `best`: one alone to the end, several side by side on their cases.

        Raises:
            BudgetExceeded: a limit was reached before the verdicts; nothing is decided then.
        """
        blocked = [_blocked(prepared) for prepared in batch]
        open_ones = [prepared for prepared, known in zip(batch, blocked, strict=True) if known is None]
        if len(open_ones) == 1:
            judged = iter([self.prove(open_ones[0], best)])
        else:
            judged = iter(self._side_by_side(open_ones, best))
        return [known if known is not None else next(judged) for known in blocked]

    def prove(self, prepared: ReviewedCandidate, best: BestTree) -> Judged:
        """Judge one candidate on everything: its cases, the full suite, the held-out cases."""
        blocked = _blocked(prepared)
        if blocked is not None:
            return blocked
        assert prepared.files is not None
        started, before = time.monotonic(), self._request.budget.spending()
        confirmation = self._confirmation(prepared, best)

        def evaluate(chance: Chance) -> Evaluation:
            assert prepared.files is not None
            excused = {name for metric, name in chance if not metric}
            return self._evaluator.candidate(prepared.candidate, prepared.files, best.compared, excused)

        def judge(after: Evaluation, chance: Chance) -> Verdict:
            verdict = self._verdict(prepared, best, after, chance)
            if verdict.accepted:
                counting = best.compared.not_counting(prepared.candidate.demonstrations)
                verdict = judge_suite(
                    counting,
                    after,
                    policy=self._request.policy,
                    chance=chance,
                    candidate=prepared.candidate,
                )
            return verdict

        if self._request.cache_mode == "only":  # nothing may be asked again
            after = evaluate(frozenset())
            verdict = judge(after, frozenset())
        else:
            after, verdict = confirmed_verdict(confirmation, evaluate, judge)
        if verdict.accepted:
            verdict = self._request.hooks.gate(prepared.candidate, best.compared, after, verdict)
        made = self._judged(prepared, verdict, after, started, before, proven=True)
        return replace(made, chance=confirmation.chance)

    def record(self, judged: Judged) -> CandidateJudged:
        """Put a final verdict into the journal. No listener hears of it before the search has taken it over.

        Returns:
            the event; where an interrupted run has put it there, with what it cost then.
        """
        prepared, verdict, run = judged.prepared, judged.verdict, self._request.run
        attempt = Attempt(
            candidate=prepared.candidate,
            review=prepared.review,
            verdict=verdict,
            revised=prepared.revised,
            replaced=list(prepared.first.edits) if prepared.first is not None else [],
            objections=list(prepared.objections),
            spending=judged.spending,
            duration=judged.duration,
        )
        if judged.wins and judged.evaluation is not None:
            run.save_evaluation(f"candidates/{prepared.tree}.json", judged.evaluation)
        return run.journal.keep(CandidateJudged(tree=prepared.tree, attempt=attempt))

    # --- evaluation -----------------------------------------------------------------------------------

    def _side_by_side(self, batch: Sequence[ReviewedCandidate], best: BestTree) -> list[Judged]:
        if not batch:
            return []
        started, before = time.monotonic(), self._request.budget.spending()
        works = [(prepared.candidate, prepared.files or {}) for prepared in batch]
        evaluations = self._evaluator.side_by_side(works, best.compared)
        judged = []
        for prepared, after in zip(batch, evaluations, strict=True):
            verdict = self._with_losses(prepared, best, after, self._verdict(prepared, best, after))
            judged.append(
                self._judged(prepared, verdict, after, started, before, proven=not verdict.accepted)
            )
            before = self._request.budget.spending()  # the first one's account holds what all have spent
        return judged

    def _verdict(
        self, prepared: ReviewedCandidate, best: BestTree, after: Evaluation, chance: Chance = frozenset()
    ) -> Verdict:
        unusable = _unusable(after) or _unanswered(after) or self._inert(prepared, best, after)
        if unusable is not None:
            return unusable
        policy = self._request.policy
        return judge_cases(prepared.candidate, best.compared, after, policy=policy, chance=chance)

    def _confirmation(self, prepared: ReviewedCandidate, best: BestTree) -> Confirmation:
        """Return the fresh samples that a candidate's verdict may need: luck is no gain, and no loss."""
        digest = prepared.candidate.digest

        def ask(tree: Tree, names: Sequence[str], sample: int) -> Evaluation:
            # A sample of one number has the same answers on both trees where they ask the same, for every
            # candidate: the parent's are paid for once, and what an edit does not touch cannot differ.
            files = best.files if tree == "parent" else prepared.files or {}
            return self._evaluator.again(files, names, sample=sample)

        def error() -> float:
            if digest not in self._asked_again:
                self._asked_again.append(digest)
            return allowed_error(self._asked_again.index(digest) + 1)

        counting = best.compared.not_counting(prepared.candidate.demonstrations)
        return Confirmation(counting, ask, error, self._request.policy)

    def _with_losses(
        self, prepared: ReviewedCandidate, best: BestTree, after: Evaluation, verdict: Verdict
    ) -> Verdict:
        """Return the verdict on its cases, accepting where its losses were luck: then it has to be proven."""
        graded = bool(self._request.policy.objectives)
        if verdict.accepted or not (verdict.fixed or graded) or self._request.cache_mode == "only":
            return verdict
        reviewed = self._confirmation(prepared, best).review(after, verdict)
        if reviewed is not None:
            return reviewed
        return verdict.model_copy(update={"accepted": True, "reason": reasons.losses_were_luck()})

    def _inert(self, prepared: ReviewedCandidate, best: BestTree, after: Evaluation) -> Verdict | None:
        files = prepared.files or {}
        edited = sorted({edit.address.split("::", 1)[0] for edit in prepared.candidate.edits})
        unread = check_loaded(after, [path for path in edited if path in files])
        if unread:
            return _rejected(reasons.never_read(unread), inert=True)
        if _same_requests(best.compared, after):
            return _rejected(reasons.changes_nothing(), inert=True)
        return None

    def _judged(
        self,
        prepared: ReviewedCandidate,
        verdict: Verdict,
        after: Evaluation,
        started: float,
        before: Spending,
        *,
        proven: bool,
    ) -> Judged:
        if after.without_labels is not None:
            on_cases = sum(item.case_id is not None for item in after.items.values())
            verdict = verdict.model_copy(update={"without_labels": (after.without_labels, on_cases)})
        return Judged(
            prepared,
            verdict,
            after,
            proven,
            spending=self._request.budget.spending() - before,
            duration=round(time.monotonic() - started, 3),
        )


def _blocked(prepared: ReviewedCandidate) -> Judged | None:
    """Return the verdict of a candidate that is not evaluated; None of one that may be."""
    reason = prepared.blocked()
    if not reason and prepared.files is not None:
        return None
    return Judged(prepared, Verdict(accepted=False, reason=reason, stage="review"), proven=True)


def _unanswered(after: Evaluation) -> Verdict | None:
    """Under `--fapo-cache=only` nothing is sent: what an edit would change cannot be seen."""
    missing = unrecorded(after)
    return _rejected(reasons.no_recorded_answer(len(missing))) if missing else None


def _unusable(after: Evaluation) -> Verdict | None:
    if after.outage:
        return _rejected(reasons.provider_rejects(after.outage.sentence))
    if after.complete or after.dropped_at:
        return None
    return _rejected(reasons.tests_stopped(after.stopped))


def _rejected(reason: str, *, inert: bool = False) -> Verdict:
    return Verdict(accepted=False, reason=reason, stage="targeted", inert=inert)


def _same_requests(before: Evaluation, after: Evaluation) -> bool:
    """True if every traced run made exactly the requests that its twin made before."""
    pairs = [(before.traces[name], trace) for name, trace in after.traces.items() if name in before.traces]
    if not any(trace.llm_calls for _, trace in pairs):
        return False
    return all(
        [call.key for call in old.llm_calls] == [call.key for call in new.llm_calls]
        and old.output == new.output
        for old, new in pairs
    )
