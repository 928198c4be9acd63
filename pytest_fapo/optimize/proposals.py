"""Candidates as the loop asks for them: from several clusters in turn, so that a batch has several steps."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pytest_fapo.errors import CacheMiss
from pytest_fapo.models import Candidate, Cluster, Evidence, Level
from pytest_fapo.optimize.ladder import Ladder
from pytest_fapo.propose import ProposalFailed, Proposer

STALE = 2
"""A proposer that repeats itself so often in a row is asked no more until there is another best tree."""


@dataclass(frozen=True)
class Proposed:
    """A candidate with all that belongs to its judgement."""

    candidate: Candidate
    cluster: Cluster
    proposer: Proposer
    evidence: Evidence
    level: Level


@dataclass
class Source:
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
        self, evidence: Callable[[Cluster, Level], Evidence], known: Callable[[Candidate], bool]
    ) -> Proposed | None:
        """The next new candidate; None where there is none before the last ones are judged.

        Raises:
            ProposalFailed: the proposer could not propose.
            BudgetExceeded: asking it would go past a budget.
        """
        while not (self.ended or self._waiting):
            if self._candidates is None:
                self._evidence, self._given = evidence(self.cluster, self.level), 0
                self._candidates = iter(self.proposer.propose(self._evidence))
            candidate = self._next_new(known)
            if candidate is not None:
                assert self._evidence is not None
                return Proposed(candidate, self.cluster, self.proposer, self._evidence, self.level)
            self._candidates = None
            self.ended, self._waiting = self._given == 0, self._unjudged > 0
        return None

    def _next_new(self, known: Callable[[Candidate], bool]) -> Candidate | None:
        assert self._candidates is not None
        try:
            for candidate in self._candidates:
                if not known(candidate):
                    self._given += 1
                    self._unjudged += 1
                    return candidate
        except CacheMiss as error:
            self.ended = True
            raise ProposalFailed(str(error), proposer=self.proposer.name, again=False) from None
        except ProposalFailed:
            self.ended = True
            raise
        return None

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
    sources: list[Source]
    ladder: Ladder
    best: str
    evidence: Callable[[Cluster, Level], Evidence]
    known: Callable[[Candidate], bool]
    failed: Callable[[Cluster, Level, ProposalFailed], None]
    stale: Counter[str] = field(default_factory=Counter)
    """How often in a row each proposer had nothing but what was tried before, on this tree."""
    repairs: deque[Proposed] = field(default_factory=deque)

    def batch(self, size: int) -> list[Proposed]:
        """Up to `size` candidates: repairs first, then one of each cluster, of one proposer after another."""
        found: list[Proposed] = []
        while self.repairs and len(found) < size:
            found.append(self.repairs.popleft())
        for proposer in dict.fromkeys(source.proposer.name for source in self.sources):
            mine = [source for source in self.sources if source.proposer.name == proposer]
            while len(found) < size:
                before = len(found)
                for source in mine:
                    if len(found) < size:
                        self._take(source, found)
                if len(found) == before:
                    break
            if found:
                break  # the next proposer is asked only when this one has nothing more
        return found

    def judged(self) -> None:
        """The last batch is in the memory."""
        for source in self.sources:
            source.judged()

    def _take(self, source: Source, found: list[Proposed]) -> None:
        cluster, name = source.cluster, source.proposer.name
        if source.ended or self.stale[name] >= STALE or self.ladder.exhausted(cluster, self.level, name):
            return
        names = {proposed.candidate.edits_digest for proposed in found}
        try:
            proposed = source.next(
                self.evidence,
                lambda candidate: candidate.edits_digest in names or self.known(candidate),
            )
        except ProposalFailed as error:
            self.stale[name] += error.repeated
            self.failed(cluster, self.level, error)
            return
        if proposed is not None:
            self.stale[name] = 0
            found.append(proposed)
        elif source.ended:
            self.ladder.nothing_more(cluster, self.level, name, best=self.best)
