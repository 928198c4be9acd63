"""What did not win and is still worth something: candidates on the per-case Pareto front of train."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from pytest_fapo.models import Attempt, Candidate, Evaluation
from pytest_fapo.optimize.merging import merged

KEPT = 8
"""Entries; the front of a small train split is small, that of a large one is cut to the best."""


@dataclass(frozen=True)
class Entry:
    """A rejected candidate and the train items that pass with it."""

    candidate: Candidate
    passing: frozenset[str]
    fixed: frozenset[str]
    """Items of `passing` that failed on its parent."""
    broken: frozenset[str]
    """Items that passed on its parent and fail with it."""


@dataclass
class Pool:
    """Rejected candidates of which none is better on every train case than another.

    GEPA (arXiv 2507.19457) keeps such a front to choose parents from; here it gives what a later best tree
    may be able to use: edits that mended cases and broke others, and pairs that make up for each other.
    """

    entries: list[Entry] = field(default_factory=list)

    def add(self, attempt: Attempt, before: Evaluation, after: Evaluation) -> None:
        """Keep a candidate that mended something, unless another one mends the same and more."""
        if attempt.verdict.accepted or attempt.verdict.inert or not attempt.candidate.edits:
            return
        train = [item.nodeid for item in before.in_split("train") if item.nodeid in after.items]
        passing = frozenset(nodeid for nodeid in train if after.items[nodeid].passed)
        was = frozenset(nodeid for nodeid in train if before.items[nodeid].passed)
        entry = Entry(attempt.candidate, passing, passing - was, was - passing)
        if not entry.fixed or any(entry.passing <= other.passing for other in self.entries):
            return
        self.entries = [other for other in self.entries if not other.passing < entry.passing]
        self.entries.append(entry)
        self.entries.sort(key=lambda each: (-len(each.passing), each.candidate.id))
        del self.entries[KEPT:]

    def prune(self, best: Evaluation) -> None:
        """Drop what mends nothing that the new best tree does not mend itself."""
        failing = {item.nodeid for item in best.in_split("train") if not item.passed}
        self.entries = [entry for entry in self.entries if entry.fixed & failing]

    def pairs(self) -> Iterator[Candidate]:
        """Two entries in one where each mends what the other breaks or leaves; most mended cases first."""
        found = []
        for one, other in combinations(self.entries, 2):
            gain = len(one.fixed | other.fixed)
            if gain <= max(len(one.fixed), len(other.fixed)) or one.broken & other.broken:
                continue
            if one.candidate.parent == other.candidate.parent:
                found.append((-gain, one, other))
        for _, one, other in sorted(found, key=lambda each: each[0]):
            together = merged([one.candidate, other.candidate])
            if together is not None:
                yield together
