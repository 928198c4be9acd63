"""The loop: diagnose, propose, review, evaluate, gate, accept; until target, budget or nothing is left."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from pytest_fapo.core.candidate import Attempt, Candidate, Review, Verdict
from pytest_fapo.core.diagnosis import Cluster, Diagnosis
from pytest_fapo.core.errors import BudgetExceeded, NoAnswer
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import Level
from pytest_fapo.core.text import count, listing
from pytest_fapo.loop.batch import Gathering, ProposerSource, Round
from pytest_fapo.loop.candidate_merge import rejected_together
from pytest_fapo.loop.events import (
    CandidateJudged,
    IterationBegan,
    NoProposal,
    Note,
    SpendingChanged,
)
from pytest_fapo.loop.folds import turned
from pytest_fapo.loop.ladder import Ladder
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.loop.search_state import BestTree, Memory
from pytest_fapo.loop.train_evidence import TreeDiagnoser, make_evidence
from pytest_fapo.loop.trial import Proposed
from pytest_fapo.propose.proposer import ProposalFailed
from pytest_fapo.verdict import reasons
from pytest_fapo.verdict.low_scores import with_low_scores


@dataclass(frozen=True)
class Stop:
    """The reason why the loop ended."""

    reason: str
    """One of `report.StopReason`."""
    detail: str = ""

    @property
    def open(self) -> bool:
        """True if the run has not finished: `--fapo-resume` continues it."""
        return self.reason in ("interrupted", "no-answer")


class Loop:
    """Improves `best` by one accepted candidate per iteration.

    Args:
        request: the run's.
        best: the user's own tree, evaluated; replaced whenever a candidate is accepted.
        memory: everything that was tried.
        round: judges a batch of candidates.
        attribution: diagnoses the best tree.
    """

    def __init__(
        self,
        request: OptimizeRequest,
        best: BestTree,
        memory: Memory,
        round: Round,
        attribution: TreeDiagnoser,
    ) -> None:
        self.best = best
        self.memory = memory
        self.ladder = Ladder(request.levels)
        self._request = request
        self._round = round
        self._attribution = attribution
        self._journal = request.run.journal
        self._useless: set[str] = set()
        self._stale: Counter[str] = Counter()
        self.pruned: list[str] = []
        self._silent = ""
        """The message about a proposer whose own model did not answer; empty while all do."""
        self._waiting: deque[Proposed] = deque()

    def run(self) -> Stop:
        """Iterate until there is a reason to stop."""
        iteration, idle, folds = 0, 0, self._request.settings.folds
        while True:
            stop = self._stop()
            if stop is not None:
                return stop
            self.best = turned(self.best, iteration, folds)
            iteration += 1
            self._journal.write(self._began(iteration))
            try:
                idle = 0 if self._improve() else idle + 1
                if idle == folds or (idle and self._stop() is not None):
                    return self._stop() or self._nothing_left()
                if idle:
                    self.ladder.start_over()
            except BudgetExceeded as error:
                return Stop("budget", str(error))
            except NoAnswer as error:
                return Stop("no-answer", str(error) + self._left_open())

    def _began(self, iteration: int) -> IterationBegan:
        scores = self.best.scores()
        del scores["holdout"]
        metrics = {
            name: {split: self.best.evaluation.metric_mean(name, split) for split in scores}
            for name in self._request.policy.objectives
        }
        return IterationBegan(number=iteration, best=self.best.candidate, scores=scores, objectives=metrics)

    def diagnosis(self) -> Diagnosis:
        """Return the diagnosis of the best tree's failures on train."""
        return self._attribution.of(self.best)

    def closing_diagnosis(self) -> Diagnosis:
        """Return the same where it is known already; it costs nothing."""
        return self.ladder.less_sure(self._attribution.free(self.best))

    def _stop(self) -> Stop | None:
        if self.best.reaches(self._request.target, self._request.policy):
            return Stop("target")
        limit = self._request.max_candidates
        if limit is not None and self.memory.evaluated >= limit:
            return Stop("budget", f"--fapo-max-candidates={limit}")
        looks = self._request.settings.holdout_looks
        if self.memory.looks >= looks:
            return Stop("budget", f"the held-out cases were checked {count(looks, 'time')} (holdout_looks)")
        if self._journal.is_known:
            return None  # a resumed run has not come to where it was cut off
        exhausted = self._request.budget.exhausted()
        return Stop("budget", exhausted) if exhausted else None

    def _nothing_left(self) -> Stop:
        """Nobody has said that nothing is left where an optimizer's model could not be asked."""
        return Stop("no-answer", self._silent) if self._silent else Stop("nothing-left")

    def _left_open(self) -> str:
        """Return names the candidates without a verdict."""
        names = self.memory.without_verdict
        return f"; {listing(names)} without a verdict" if names else ""

    def _improve(self) -> bool:
        """One iteration: True as soon as a candidate was accepted, False when nothing is left to try."""
        while True:
            for level in self.ladder.levels:
                if self._climb(level):
                    return True
                if self._stop() is not None:
                    return False
                if self._try_together(level):
                    return True
                self._leave(level)
            if self._try_again():
                return True
            if self._stop() is not None or not self.ladder.second_turn(self.best.candidate):
                return False

    # --- one level ------------------------------------------------------------------------------------

    def _climb(self, level: Level) -> bool:
        """Work on one level until a candidate is accepted, or nothing is left to propose there."""
        gathering = self._gathering(level)
        while True:
            batch = gathering.batch(self._room())
            if not batch:
                return False
            if self._judge(batch, gathering.repairs):
                return True
            gathering.judged()
            if self._stop() is not None:
                return False

    def _gathering(self, level: Level) -> Gathering:
        clusters = self.ladder.clusters(self.diagnosis(), level)
        sources = [
            ProposerSource(proposer, cluster, level)
            for proposer in self._request.proposers
            if proposer.name not in self._useless
            for cluster in clusters
        ]
        gathering = Gathering(
            level=level,
            sources=sources,
            ladder=self.ladder,
            best=self.best.candidate,
            evidence=self._evidence,
            known=self.memory.known,
            failed=self._failed,
            stale=self._stale,
        )
        while self._waiting:
            renewed = self._again(self._waiting.popleft().candidate, clusters)
            if renewed is not None:
                gathering.repairs.append(renewed)
        return gathering

    def _leave(self, level: Level) -> None:
        if level in self.ladder.left:
            return
        seen, best = with_low_scores(self.best.evaluation, self._request.policy), self.best.candidate
        left = self._journal.write(self.ladder.leave(level, self.diagnosis(), seen.score("train"), best=best))
        if level != self.ladder.levels[-1]:
            self._journal.tell(Note(str(left)))

    def _room(self) -> int:
        limit = self._request.max_candidates
        room = self._request.settings.parallel
        return room if limit is None else max(1, min(room, limit - self.memory.evaluated))

    # --- judging --------------------------------------------------------------------------------------

    def _judge(self, batch: list[Proposed], repairs: deque[Proposed]) -> bool:
        """Judge a batch; True where it gave a new best tree."""
        result = self._round.run(batch, self.best, self.memory, self._evidence)
        before = self.best
        if result.best is not None:
            self.best = result.best  # before it is told: Ctrl-C in between must not lose it
        for judged, proposed in result.judged:
            self._remember(judged)
            if result.best is None and proposed is not None:
                candidate = judged.attempt.candidate
                self.ladder.no_gain(candidate, proposed.cluster, proposed.level, best=before.candidate)
        repairs.extend(result.repairs)
        if result.best is None:
            return False
        self.ladder.accepted()
        self._stale.clear()
        self._waiting.extend([*result.waiting, *repairs])
        return True

    def _try_together(self, level: Level) -> bool:
        """When a level is exhausted: the best rejected edit of each step at once, on the same cases."""
        candidate = rejected_together(self.memory.attempts, self.best.candidate, level)
        proposed = self._again(candidate, self.diagnosis().clusters) if candidate is not None else None
        return proposed is not None and self._judge([proposed], deque())

    def _try_again(self) -> bool:
        """When nothing new is left: what brought nothing on an earlier tree, and pairs that make up for
        each other."""
        clusters = self.diagnosis().clusters
        for candidate in [*self.memory.second_chances(self.best.candidate), *self._round.pool.pairs()]:
            proposed = self._again(candidate, clusters)
            if proposed is None:
                continue
            if self._judge([proposed], deque()):
                return True
            if self._stop() is not None:
                return False
        return False

    def _again(self, candidate: Candidate, clusters: list[Cluster]) -> Proposed | None:
        """Return a candidate of an earlier tree, for what still fails; None where it does not fit any
        more.
        """
        failing = {nodeid: cluster for cluster in clusters for nodeid in cluster.nodeids}
        targets = [nodeid for nodeid in candidate.targets if nodeid in failing]
        proposers = {proposer.name: proposer for proposer in self._request.proposers}
        if not targets or candidate.proposer not in proposers or not self._fits(candidate):
            return None
        renewed = candidate.model_copy(update={"targets": targets, "parent": self.best.candidate})
        if self.memory.judged_on(renewed):
            return None
        cluster = failing[targets[0]]
        evidence = self._evidence(cluster, candidate.level)
        return Proposed(renewed, cluster, proposers[candidate.proposer], evidence, candidate.level)

    def _fits(self, candidate: Candidate) -> bool:
        """True if the texts that the edits were made for are still there."""
        store = self._request.snapshot.store.with_files(self.best.files)
        known = {artifact.address: artifact.text for artifact in store.all()}
        return all(known.get(edit.address, "") == edit.before for edit in candidate.edits)

    def _evidence(self, cluster: Cluster, level: Level) -> Evidence:
        return make_evidence(
            cluster,
            best=self.best,
            level=level,
            diagnosis=self.diagnosis(),
            attempts=self.memory.attempts,
            store=self._request.snapshot.store.with_files(self.best.files),
            settings=self._request.settings,
            policy=self._request.policy,
            escalation=self.ladder.why(level),
        )

    # --- memory ---------------------------------------------------------------------------------------

    def _failed(self, cluster: Cluster, level: Level, error: ProposalFailed) -> None:
        """A proposer that could not propose is an attempt like any other, with its reason."""
        if not error.again or error.unanswered:
            self._useless.add(error.proposer)
        if error.unanswered:
            self._silent = reasons.optimizer_did_not_answer(str(error))
            if all(proposer.name in self._useless for proposer in self._request.proposers):
                raise NoAnswer(self._silent)
            return
        self.ladder.nothing_more(cluster, level, error.proposer, best=self.best.candidate)
        candidate = Candidate(
            id=self.memory.next_id(),
            parent=self.best.candidate,
            edits=[],
            hypothesis="no usable proposal",
            proposer=error.proposer,
            technique="no proposal",
            level=level,
            cluster=cluster.id,
            step=cluster.step,
        )
        verdict = Verdict(accepted=False, reason=str(error), stage="review")
        attempt = Attempt(candidate=candidate, review=Review(), verdict=verdict)
        self._remember(self._journal.keep(NoProposal(attempt=attempt)))

    def _remember(self, event: CandidateJudged | NoProposal) -> None:
        """Take a verdict that is in the journal into the memory, and tell of it."""
        self.memory.attempts.append(event.attempt)
        self._journal.tell(event)
        self._journal.tell(SpendingChanged(self._request.budget.spending()))
        if event.attempt.candidate.edits:
            self._request.hooks.judged(event.attempt)
