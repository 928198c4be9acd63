"""One batch of candidates: gathered from proposers in turn, evaluated in parallel, the winners merged and
proven.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pytest_fapo.core.candidate import Attempt, Candidate
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.core.errors import CacheMiss
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import Level
from pytest_fapo.loop.candidate_merge import CandidatePool, merged, needed_parts
from pytest_fapo.loop.events import CandidateJudged, CandidateProposed
from pytest_fapo.loop.ladder import Ladder
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.loop.partial_credit import gained_credit
from pytest_fapo.loop.run_history import save_effects
from pytest_fapo.loop.search_state import BestTree, Memory
from pytest_fapo.loop.train_evidence import make_repair
from pytest_fapo.loop.trial import CandidateReviewing, Judged, Proposed, Trial
from pytest_fapo.propose.proposer import ProposalFailed, Proposer
from pytest_fapo.verdict import reasons
from pytest_fapo.verdict.comparison import newly_failing

STALE = 2
"""A proposer that repeats itself so often in a row is asked no more until there is another best tree."""


@dataclass
class ProposerSource:
    """One proposer asked about one cluster at one level, again and again until it has nothing new."""

    proposer: Proposer
    cluster: Cluster
    level: Level
    ended: bool = False
    _candidates: Iterator[Candidate] | None = None
    _evidence: Evidence | None = None
    _given: int = 0
    _unjudged: int = 0
    _waiting: bool = False

    def next(
        self,
        evidence: Callable[[Cluster, Level], Evidence],
        known: Callable[[Candidate], bool],
        taken: Collection[tuple[str, bool]] = (),
    ) -> Proposed | None:
        """Return the next new candidate; None where there is none before the last ones are judged.

        Args:
            evidence: makes the proposer's evidence.
            known: whether an equivalent candidate was judged.
            taken: edits about to be judged, and whether as joint ones; what comes of them tells whether they
                answer this cause too.

        Raises:
            ProposalFailed: the proposer could not propose.
            BudgetExceeded: asking it would go past a budget.
        """
        while not (self.ended or self._waiting):
            if self._candidates is None:
                self._evidence, self._given = evidence(self.cluster, self.level), 0
                self._candidates = iter(self.proposer.propose(self._evidence))
            candidate = self._next_new(known, taken)
            if candidate is not None:
                assert self._evidence is not None
                return Proposed(candidate, self.cluster, self.proposer, self._evidence, self.level)
            self.release()
            self.ended, self._waiting = self._given == 0, self._unjudged > 0
        return None

    def _next_new(
        self, known: Callable[[Candidate], bool], taken: Collection[tuple[str, bool]]
    ) -> Candidate | None:
        assert self._candidates is not None
        try:
            for candidate in self._candidates:
                if not known(candidate):
                    self._given += 1
                    self._unjudged += 1
                    if (candidate.edits_digest, candidate.joint) not in taken:
                        return candidate
        except CacheMiss as error:
            self.ended = True
            self.release()
            raise ProposalFailed(str(error), proposer=self.proposer.name, again=False) from None
        except ProposalFailed:
            self.ended = True
            self.release()
            raise
        return None

    def release(self) -> None:
        """Forget the evidence, which holds all that was tried before; a later turn starts over."""
        self._candidates = self._evidence = None

    def judged(self) -> None:
        """The verdicts on what it gave are in the memory: it may be asked again."""
        self._waiting, self._unjudged = False, 0


@dataclass
class Gathering:
    """The candidates of one level on one best tree, in batches.

    Args:
        level: the level.
        sources: in the order in which they are asked.
        ladder: is told of sources that have nothing more.
        best: id of the best candidate.
        evidence: makes a proposer's evidence.
        known: whether an equivalent candidate was judged.
        failed: is told of a proposer that could not propose.
    """

    level: Level
    sources: list[ProposerSource]
    ladder: Ladder
    best: str
    evidence: Callable[[Cluster, Level], Evidence]
    known: Callable[[Candidate], bool]
    failed: Callable[[Cluster, Level, ProposalFailed], None]
    stale: Counter[str] = field(default_factory=Counter)
    """The number of times in a row that each proposer had only repeated candidates on this tree."""
    repairs: deque[Proposed] = field(default_factory=deque)

    def batch(self, size: int) -> list[Proposed]:
        """Up to `size` candidates: repairs first, then one of each cluster, of one proposer after another."""
        taken: list[Proposed] = []
        while self.repairs and len(taken) < size:
            taken.append(self.repairs.popleft())
        for proposer in dict.fromkeys(source.proposer.name for source in self.sources):
            mine = [source for source in self.sources if source.proposer.name == proposer]
            while len(taken) < size:
                before = len(taken)
                for source in mine:
                    if len(taken) < size:
                        self._take(source, taken)
                if len(taken) == before:
                    break
            if taken:
                break  # the next proposer is asked only when this one has nothing more
        return taken

    def judged(self) -> None:
        """The last batch is in the memory."""
        for source in self.sources:
            source.judged()

    def _take(self, source: ProposerSource, taken: list[Proposed]) -> None:
        cluster, name = source.cluster, source.proposer.name
        if source.ended or self.stale[name] >= STALE or self.ladder.exhausted(cluster, self.level, name):
            source.release()
            return
        names = {(proposed.candidate.edits_digest, proposed.candidate.joint) for proposed in taken}
        try:
            proposed = source.next(self.evidence, self.known, names)
        except ProposalFailed as error:
            self.stale[name] += error.repeated
            self.failed(cluster, self.level, error)
            return
        if proposed is not None:
            self.stale[name] = 0
            taken.append(proposed)
        elif source.ended:
            self.ladder.nothing_more(cluster, self.level, name, best=self.best)


MakeEvidence = Callable[[Cluster, Level], Evidence]


@dataclass
class RoundResult:
    """The result of a batch."""

    judged: list[tuple[CandidateJudged, Proposed | None]] = field(default_factory=list)
    """In the order of their ids; None for a merge, which nobody proposed."""
    best: BestTree | None = None
    """The new best tree, where a candidate was accepted."""
    waiting: list[Proposed] = field(default_factory=list)
    """Candidates that won their cases and did not go into the new best tree."""
    repairs: list[Proposed] = field(default_factory=list)
    """Better versions of candidates that won but broke something."""


class Round:
    """Judges batches.

    Args:
        request: the run's.
        reviewing: checks before anything is run.
        trial: evaluates and judges.
    """

    def __init__(self, request: OptimizeRequest, reviewing: CandidateReviewing, trial: Trial) -> None:
        self.pool = CandidatePool()
        self._request = request
        self._reviewing = reviewing
        self._trial = trial

    def run(
        self, batch: Sequence[Proposed], best: BestTree, memory: Memory, evidence: MakeEvidence
    ) -> RoundResult:
        """Judge a batch of candidates that build on `best`.

        Raises:
            BudgetExceeded: a limit was reached before the verdicts; nothing is decided then.
        """
        prepared = []
        for each in batch:
            candidate = self._named(each.candidate, memory, best)
            prepared.append(self._reviewing.prepare(candidate, best, each))
        judged = self._trial.judge(prepared, best)
        pairs: list[tuple[Judged, Proposed | None]] = [*zip(judged, batch, strict=True)]
        winners = sorted((each for each in judged if each.wins), key=lambda each: -len(each.verdict.fixed))
        result = RoundResult()
        if winners:
            pairs = self._prove_winners(winners, pairs, best, memory, result)
        for judgment, proposed in pairs:
            self._record(judgment, proposed, best, result, evidence)
        if result.best is not None:
            self.pool.prune(result.best.evaluation)
        return result

    def _named(self, candidate: Candidate, memory: Memory, best: BestTree) -> Candidate:
        candidate = candidate.model_copy(update={"id": memory.next_id(), "parent": best.candidate})
        self._request.run.journal.write(CandidateProposed(candidate=candidate))
        return candidate

    # --- winners --------------------------------------------------------------------------------------

    def _prove_winners(
        self,
        winners: list[Judged],
        pairs: list[tuple[Judged, Proposed | None]],
        best: BestTree,
        memory: Memory,
        result: RoundResult,
    ) -> list[tuple[Judged, Proposed | None]]:
        """Prove the winners together, else one after the other, until one is accepted."""
        results = [*pairs]
        parts = self._parts(winners, best)
        most = self._request.settings.holdout_looks
        looks = memory.looks + sum("holdout" in judged.verdict.splits for judged, _ in pairs)
        together = None
        if len(parts) > 1 and looks < most and self._may_try_one_more(memory, pairs):
            together = self._together(parts, best, memory)
        if together is not None:
            looks += "holdout" in together.verdict.splits
            results.append((together, None))
            if together.verdict.accepted:
                self._accept(together, best, result)
                return [(_placed(each, together, winners), proposed) for each, proposed in results]
        for winner in [*parts, *(winner for winner in winners if winner not in parts)]:
            if not winner.proven and looks >= most:
                results = [(_unproven(each, looks), proposed) for each, proposed in results]
                break
            proven = winner if winner.proven else self._trial.prove(winner.prepared, best)
            looks += proven is not winner and "holdout" in proven.verdict.splits
            results = [(proven if each is winner else each, proposed) for each, proposed in results]
            if proven.verdict.accepted:
                self._accept(proven, best, result)
                return [(_placed(each, proven, winners), proposed) for each, proposed in results]
        return results

    def _may_try_one_more(self, memory: Memory, pairs: Sequence[tuple[Judged, Proposed | None]]) -> bool:
        """True if a merge, which is a candidate of its own, stays within the limits beside its batch."""
        limit = self._request.max_candidates
        evaluated = sum(judged.verdict.stage != "review" for judged, _ in pairs)
        return limit is None or memory.evaluated + evaluated < limit

    def _parts(self, winners: Sequence[Judged], best: BestTree) -> list[Judged]:
        """Return the winners that can be put together, without those that add nothing: their evaluations
        tell.
        """
        chosen: list[Judged] = []
        for winner in winners:
            candidates = [each.candidate for each in chosen]
            alternative = any(winner.candidate.cluster == other.cluster for other in candidates)
            if not alternative and merged([*candidates, winner.candidate]) is not None:
                chosen.append(winner)
        objectives = self._request.policy.objectives
        if objectives and any(each.evaluation is None for each in chosen):
            return chosen  # judged before this run was interrupted, and found to be needed then
        gains = [_gains(each, best, objectives) for each in chosen]
        return [chosen[index] for index in needed_parts([each.candidate for each in chosen], gains)]

    def _together(self, parts: Sequence[Judged], best: BestTree, memory: Memory) -> Judged | None:
        candidate = merged([part.candidate for part in parts])
        if candidate is None:
            return None
        named = self._named(candidate, memory, best)
        return self._trial.prove(self._reviewing.prepare(named, best), best)

    def _accept(self, judged: Judged, best: BestTree, result: RoundResult) -> None:
        assert judged.evaluation is not None
        assert judged.prepared.files is not None
        quoted = best.quoted | frozenset(judged.candidate.demonstrations)
        evaluation = judged.evaluation.not_counting(quoted)
        chance = best.chance | judged.chance
        lost = newly_failing(best.compared, evaluation, {name for metric, name in chance if not metric})
        compared = evaluation.with_items_of(best.compared, lost)
        result.best = BestTree(
            evaluation, judged.candidate.id, judged.prepared.files, quoted, chance, compared
        )

    # --- the rest -------------------------------------------------------------------------------------

    def _record(
        self,
        judged: Judged,
        proposed: Proposed | None,
        best: BestTree,
        result: RoundResult,
        evidence: MakeEvidence,
    ) -> None:
        event = self._trial.record(_with_credit(judged, best))
        attempt = event.attempt
        result.judged.append((event, proposed))
        if judged.evaluation is not None:
            self.pool.add(attempt, best.evaluation, judged.evaluation)
            save_effects(self._request.run, attempt.candidate.id, best.evaluation, judged.evaluation)
        if proposed is None or attempt.verdict.accepted or attempt.verdict.kept:
            return
        if attempt.verdict.postponed:
            result.waiting.append(replace(proposed, candidate=attempt.candidate))
            return
        repaired = self._repair(judged, attempt, proposed, best, evidence)
        if repaired is not None:
            result.repairs.append(replace(proposed, candidate=repaired))

    def _repair(
        self, judged: Judged, attempt: Attempt, proposed: Proposed, best: BestTree, evidence: MakeEvidence
    ) -> Candidate | None:
        """Return the proposer's repair of a winning candidate that broke something, asked for once."""
        verdict, candidate = attempt.verdict, attempt.candidate
        lost = len(verdict.broken) + verdict.broken_hidden
        if candidate.repairs or judged.evaluation is None or not lost or len(verdict.fixed) <= lost:
            return None
        repair = make_repair(attempt, best.evaluation, judged.evaluation, proposed.cluster.pipeline)
        if not (repair.broken or repair.broken_val or repair.broken_holdout):
            return None
        method = getattr(proposed.proposer, "repair", None)
        try:
            repaired: Candidate | None = (
                method(repair, evidence(proposed.cluster, proposed.level)) if method is not None else None
            )
        except (ProposalFailed, CacheMiss):
            return None
        if repaired is None or repaired.edits_digest == candidate.edits_digest:
            return None
        return repaired.model_copy(update={"repairs": candidate.id})


def _with_credit(judged: Judged, best: BestTree) -> Judged:
    """The same with what a rejected candidate's targets have of their labels, for ordering."""
    if judged.evaluation is None or judged.verdict.accepted:
        return judged
    credit = gained_credit(judged.candidate, best.evaluation, judged.evaluation)
    return replace(judged, verdict=judged.verdict.model_copy(update={"credit": credit}))


def _gains(judged: Judged, best: BestTree, objectives: Sequence[str] = ()) -> dict[str, float]:
    """Return the items that pass with a candidate and did not before; of graded objectives also what they
    reach.
    """
    gained = dict.fromkeys(judged.verdict.fixed, 1.0)
    if not objectives or judged.evaluation is None:
        return gained
    for nodeid, item in judged.evaluation.items.items():
        before = best.evaluation.items.get(nodeid)
        if before is None or item.split == "holdout":
            continue
        for name in objectives:
            was, now = before.merit(name), item.merit(name)
            if now is not None and (was is None or now > was):
                gained[f"{name} of {nodeid}"] = now
    return gained


def _placed(judged: Judged, accepted: Judged, winners: Sequence[Judged]) -> Judged:
    """Return a winner beside the one that was accepted: part of it, tried again later, or of no further
    use.
    """
    if judged.candidate.id in accepted.candidate.merges:
        return _kept(judged, accepted)
    return _postponed(judged, accepted, winners)


def _kept(judged: Judged, together: Judged) -> Judged:
    update = {
        "accepted": False,
        "kept": together.candidate.id,
        "reason": reasons.went_into(together.candidate.id),
    }
    return replace(judged, verdict=judged.verdict.model_copy(update=update))


def _unproven(judged: Judged, looks: int) -> Judged:
    """Return a winner that the limit on looks at the held-out cases has kept from its proof."""
    if judged.proven or not judged.wins:
        return judged
    update = {"accepted": False, "reason": reasons.looks_used_up(looks)}
    return replace(judged, verdict=judged.verdict.model_copy(update=update))


def _postponed(judged: Judged, accepted: Judged, winners: Sequence[Judged]) -> Judged:
    """Return a winner beside the accepted one: it is not proven."""
    if judged is accepted or judged not in winners or judged.proven:
        return judged
    winner = accepted.candidate
    passing = accepted.evaluation.items if accepted.evaluation is not None else {}
    fixed = judged.verdict.fixed
    covered = bool(fixed) and all(nodeid in passing and passing[nodeid].passed for nodeid in fixed)
    taken = {each.candidate.cluster for each in winners if each.candidate.id in winner.merges}
    other_cause = judged.candidate.cluster not in taken | {winner.cluster} and not covered
    if other_cause:
        reason = reasons.set_aside_for(winner.id)
    elif covered:
        reason = reasons.covered_by(winner.id)
    else:
        reason = reasons.same_cause_as(winner.id)
    update = {"accepted": False, "reason": reason, "postponed": other_cause}
    return replace(judged, verdict=judged.verdict.model_copy(update=update))
