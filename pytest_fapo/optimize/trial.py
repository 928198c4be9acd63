"""One candidate's way: review, one revision after a block, evaluation in stages, gate."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pytest_fapo.errors import ArtifactError, BudgetExceeded, CacheMiss
from pytest_fapo.evaluate import check_loaded
from pytest_fapo.gate import judge_cases, judge_suite
from pytest_fapo.models import (
    Attempt,
    Candidate,
    Case,
    Evaluation,
    Evidence,
    Review,
    ReviewProblem,
    Verdict,
    files_digest,
)
from pytest_fapo.optimize.budget import refusal
from pytest_fapo.optimize.evaluator import Evaluator
from pytest_fapo.optimize.request import OptimizeRequest
from pytest_fapo.optimize.standing import Best
from pytest_fapo.propose import ProposalFailed, Proposer
from pytest_fapo.review import review


@dataclass(frozen=True)
class TrialResult:
    """What came of a candidate; `best` is the new best tree where it was accepted."""

    attempt: Attempt
    best: Best | None = None


class Trial:
    """Judges candidates; what an interrupted run has judged already is not judged again.

    Args:
        request: the run's.
        evaluator: runs pytest on the candidate's tree.
        cases: all cases of all splits, for the leakage check.
    """

    def __init__(self, request: OptimizeRequest, evaluator: Evaluator, cases: list[Case]) -> None:
        self._request = request
        self._evaluator = evaluator
        self._cases = cases
        self._known = dict(request.run.attempts())

    def run(self, candidate: Candidate, best: Best, proposer: Proposer, evidence: Evidence) -> TrialResult:
        """Judge one candidate that builds on `best`.

        Raises:
            BudgetExceeded: a limit was reached before the verdict; nothing is decided then.
        """
        started = time.monotonic()
        self._request.run.log("proposed", candidate=candidate.model_dump(mode="json"))
        candidate, checked, revised, files = self._reviewed(candidate, best, proposer, evidence)
        tree = files_digest(files) if files is not None else f"unbuilt-{candidate.digest}"
        known = self._replayed(candidate, tree, files)
        if known is not None:
            return known
        before = self._request.budget.spending()
        evaluation = None
        if checked.verdict == "block" or files is None:
            reasons = "; ".join(problem.message for problem in checked.problems if problem.blocks)
            verdict = Verdict(accepted=False, reason=reasons, stage="review")
        else:
            verdict, evaluation = self._judge(candidate, files, best)
        attempt = Attempt(
            candidate=candidate,
            review=checked,
            verdict=verdict,
            revised=revised,
            spending=self._request.budget.spending() - before,
            duration=round(time.monotonic() - started, 3),
        )
        return self._journaled(attempt, tree, files, evaluation)

    # --- review ---------------------------------------------------------------------------------------

    def _reviewed(
        self, candidate: Candidate, best: Best, proposer: Proposer, evidence: Evidence
    ) -> tuple[Candidate, Review, bool, dict[str, bytes] | None]:
        """The candidate that passed, or the blocked one; a block goes back to the proposer once."""
        checked, files = self._check(candidate, best)
        if checked.verdict != "block":
            return candidate, checked, False, files
        self._request.run.log(
            "blocked", candidate=candidate.id, problems=[p.model_dump() for p in checked.problems]
        )
        try:
            revision = proposer.revise(candidate, checked, evidence)
        except (ProposalFailed, CacheMiss):
            revision = None
        if revision is None or revision.digest == candidate.digest:
            return candidate, checked, False, files
        revision = revision.model_copy(update={"id": candidate.id, "parent": candidate.parent})
        checked, files = self._check(revision, best)
        return revision, checked, True, files

    def _check(self, candidate: Candidate, best: Best) -> tuple[Review, dict[str, bytes] | None]:
        snapshot = self._request.snapshot
        store = snapshot.store.with_files(best.files)
        checked = review(candidate, store=store, cases=self._cases, settings=self._request.settings)
        if checked.verdict == "block":
            return checked, None
        try:
            return checked, snapshot.render(candidate.edits, base=best.files)
        except ArtifactError as error:
            problem = ReviewProblem(check="scope", message=str(error))
            return Review(problems=[*checked.problems, problem]), None

    # --- evaluation -----------------------------------------------------------------------------------

    def _judge(
        self, candidate: Candidate, files: dict[str, bytes], best: Best
    ) -> tuple[Verdict, Evaluation | None]:
        after = self._evaluator.candidate(candidate, files, best.evaluation)
        self._stop_on_budget(after)
        unusable = _unusable(after) or self._inert(candidate, files, best, after)
        if unusable is not None:
            return unusable, None
        verdict = judge_cases(candidate, best.evaluation, after)
        if verdict.accepted:
            verdict = judge_suite(best.evaluation, after)
        return verdict, after if verdict.accepted else None

    def _stop_on_budget(self, evaluation: Evaluation) -> None:
        """An evaluation that ran into a limit decides nothing."""
        reason = refusal(evaluation)
        if not reason and evaluation.stopped.startswith("time limit"):
            reason = "--fapo-time-limit is over"
        if reason:
            raise BudgetExceeded(reason, limit="")

    def _inert(
        self, candidate: Candidate, files: dict[str, bytes], best: Best, after: Evaluation
    ) -> Verdict | None:
        edited = sorted({edit.address.split("::", 1)[0] for edit in candidate.edits})
        unread = check_loaded(after, [path for path in edited if path in files])
        if unread:
            reason = f"inert: no test ever read {', '.join(unread)}"
            return Verdict(accepted=False, reason=reason, stage="targeted", inert=True)
        if _same_requests(best.evaluation, after):
            reason = "inert: it changes no request of the cases that it targets"
            return Verdict(accepted=False, reason=reason, stage="targeted", inert=True)
        return None

    # --- the journal ----------------------------------------------------------------------------------

    def _replayed(
        self, candidate: Candidate, tree: str, files: dict[str, bytes] | None
    ) -> TrialResult | None:
        attempt = self._known.get(tree)
        if attempt is None or attempt.candidate.digest != candidate.digest:
            return None
        attempt = attempt.model_copy(update={"candidate": candidate})
        if not attempt.verdict.accepted:
            return TrialResult(attempt)
        evaluation = self._request.run.load_evaluation(f"candidates/{tree}.json")
        if evaluation is None or files is None:
            return None
        return TrialResult(attempt, Best(evaluation, candidate.id, files))

    def _journaled(
        self, attempt: Attempt, tree: str, files: dict[str, bytes] | None, evaluation: Evaluation | None
    ) -> TrialResult:
        run = self._request.run
        accepted = attempt.verdict.accepted and files is not None and evaluation is not None
        if accepted and evaluation is not None:
            run.save_evaluation(f"candidates/{tree}.json", evaluation)
        run.log("judged", tree=tree, attempt=attempt.model_dump(mode="json"))
        if accepted and evaluation is not None and files is not None:
            return TrialResult(attempt, Best(evaluation, attempt.candidate.id, files))
        return TrialResult(attempt)


def _unusable(after: Evaluation) -> Verdict | None:
    if after.complete or after.dropped_at:
        return None
    reason = f"the tests could not be run with this edit: {after.stopped}"
    return Verdict(accepted=False, reason=reason, stage="targeted")


def _same_requests(before: Evaluation, after: Evaluation) -> bool:
    """Whether every traced run made exactly the requests that its twin made before."""
    pairs = [(before.traces[name], trace) for name, trace in after.traces.items() if name in before.traces]
    if not any(trace.llm_calls for _, trace in pairs):
        return False
    return all(
        [call.key for call in old.llm_calls] == [call.key for call in new.llm_calls]
        and old.output == new.output
        for old, new in pairs
    )
