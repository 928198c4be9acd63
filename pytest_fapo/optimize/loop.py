"""The loop: diagnose, propose, review, evaluate, gate, accept; until target, budget or nothing is left."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_fapo.diagnose import diagnose
from pytest_fapo.errors import BudgetExceeded, CacheMiss
from pytest_fapo.models import Attempt, Candidate, Cluster, Diagnosis, Evidence, Review, Verdict
from pytest_fapo.optimize.request import OptimizeRequest
from pytest_fapo.optimize.standing import Best, Memory, train_evidence, visible
from pytest_fapo.optimize.trial import Trial
from pytest_fapo.propose import ProposalFailed, Proposer
from pytest_fapo.report import Progress

TRIES = 3
"""How many candidates of one proposer for one cluster may bring nothing before the next cluster's turn."""


@dataclass(frozen=True)
class Stop:
    """Why the loop ended."""

    reason: str
    """One of `report.StopReason`."""
    detail: str = ""


class Loop:
    """Improves `best` by one accepted candidate per iteration.

    Args:
        request: the run's.
        best: the user's own tree, evaluated; replaced whenever a candidate is accepted.
        memory: what an interrupted run had tried, else empty.
        trial: judges one candidate.
        progress: is told what happens.
    """

    def __init__(
        self,
        request: OptimizeRequest,
        best: Best,
        memory: Memory,
        trial: Trial,
        progress: Progress,
    ) -> None:
        self.best = best
        self.memory = memory
        self._request = request
        self._trial = trial
        self._progress = progress
        self._useless: set[str] = set()

    def run(self) -> Stop:
        """Iterate until there is a reason to stop."""
        iteration = 0
        while True:
            stop = self._stop()
            if stop is not None:
                return stop
            iteration += 1
            self._progress.iteration(iteration, best=self.best.scores())
            self._request.run.log("iteration", number=iteration, best=self.best.candidate)
            try:
                if not self._improve():
                    return self._stop() or Stop("nothing-left")
            except BudgetExceeded as error:
                return Stop("budget", str(error))

    def diagnosis(self) -> Diagnosis:
        """Where and why the best tree still fails on train."""
        artifacts = self._request.snapshot.store.with_files(self.best.files).all("prompt")
        return diagnose(self.best.evaluation, artifacts=artifacts)

    def _stop(self) -> Stop | None:
        if self.best.reaches(self._request.target):
            return Stop("target")
        limit = self._request.max_candidates
        if limit is not None and self.memory.evaluated >= limit:
            return Stop("budget", f"--fapo-max-candidates={limit} is used up")
        exhausted = self._request.budget.exhausted()
        return Stop("budget", exhausted) if exhausted else None

    def _improve(self) -> bool:
        """One iteration: True as soon as a candidate was accepted, False when nothing is left to try."""
        clusters = self.diagnosis().clusters
        for proposer in self._request.proposers:
            for cluster in clusters:
                if proposer.name not in self._useless and self._work_on(cluster, proposer):
                    return True
                if self._stop() is not None:
                    return False
        return self._try_again(clusters)

    def _work_on(self, cluster: Cluster, proposer: Proposer) -> bool:
        """Ask one proposer about one cluster until it has nothing new, fails, or has had its tries."""
        tries = 0
        while True:
            before = tries
            try:
                for candidate in proposer.propose(self._evidence(cluster)):
                    if self.memory.known(candidate):
                        continue
                    if self._try(candidate, cluster, proposer):
                        return True
                    tries += 1
                    if tries >= TRIES or self._stop() is not None:
                        return False
            except ProposalFailed as error:
                self._failed(cluster, error)
                return False
            except CacheMiss as error:
                self._failed(cluster, ProposalFailed(str(error), proposer=proposer.name, again=False))
                return False
            if tries == before:
                return False

    def _try_again(self, clusters: list[Cluster]) -> bool:
        """Once per best tree, when nothing new is left: what brought nothing on an earlier tree."""
        store = self._request.snapshot.store.with_files(self.best.files)
        failing = {nodeid: cluster for cluster in clusters for nodeid in cluster.nodeids}
        proposers = {proposer.name: proposer for proposer in self._request.proposers}
        for candidate in self.memory.second_chances(self.best.candidate):
            targets = [nodeid for nodeid in candidate.targets if nodeid in failing]
            current = all(store.get(edit.address).text == edit.before for edit in candidate.edits)
            if not targets or not current:
                continue
            renewed = candidate.model_copy(update={"targets": targets})
            if self._try(renewed, failing[targets[0]], proposers[candidate.proposer]):
                return True
            if self._stop() is not None:
                return False
        return False

    def _evidence(self, cluster: Cluster) -> Evidence:
        return Evidence(
            cluster=cluster,
            cases=train_evidence(self.best.evaluation, cluster.pipeline),
            artifacts=self._request.snapshot.store.with_files(self.best.files).all("prompt"),
            level="prompt",
            memory=visible(self.memory.attempts),
            parent=self.best.candidate,
        )

    def _try(self, candidate: Candidate, cluster: Cluster, proposer: Proposer) -> bool:
        candidate = candidate.model_copy(update={"id": self.memory.next_id(), "parent": self.best.candidate})
        self._progress.trying(candidate)
        evidence = self._evidence(cluster)
        outcome = self._trial.run(candidate, self.best, proposer, evidence)
        if outcome.best is not None:
            self.best = outcome.best  # before it is told: Ctrl-C in between must not lose it
        self._remember(outcome.attempt)
        return outcome.best is not None

    def _failed(self, cluster: Cluster, error: ProposalFailed) -> None:
        """A proposer that could not propose is an attempt like any other, with its reason."""
        if not error.again:
            self._useless.add(error.proposer)
        candidate = Candidate(
            id=self.memory.next_id(),
            parent=self.best.candidate,
            edits=[],
            hypothesis="no usable proposal",
            proposer=error.proposer,
            technique="no proposal",
            cluster=cluster.id,
            step=cluster.step,
        )
        verdict = Verdict(accepted=False, reason=str(error), stage="review")
        attempt = Attempt(candidate=candidate, review=Review(), verdict=verdict)
        self._request.run.log("proposal-failed", attempt=attempt.model_dump(mode="json"))
        self._remember(attempt)

    def _remember(self, attempt: Attempt) -> None:
        self.memory.attempts.append(attempt)
        self._progress.attempt(attempt)
        self._progress.spending(self._request.budget.spending())
