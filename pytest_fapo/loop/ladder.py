"""The escalation ladder: prompt, then param, then structure; the reason for leaving a level is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_fapo.core.candidate import Candidate
from pytest_fapo.core.diagnosis import Cluster, Diagnosis
from pytest_fapo.core.record import LEVELS, Level
from pytest_fapo.core.text import percent
from pytest_fapo.loop.events import LevelLeft

TECHNIQUES_PER_LEVEL = 3
"""So many different techniques of one proposer without gain, and a cluster is left at this level."""

CANDIDATES_PER_CLUSTER = 5
"""So many candidates of one proposer without gain, however alike their techniques are called."""

ClusterKey = tuple[str, str, str, str, str]
"""The key by which clusters of different diagnoses are the same: pipeline, labels, step, category and field.
"""


def key_of(cluster: Cluster) -> ClusterKey:
    return (cluster.pipeline, cluster.label_set, cluster.step, cluster.category, cluster.field)


def technique_of(candidate: Candidate) -> str:
    """Return the technique without the number of its variant."""
    return candidate.technique.partition(" (variant")[0]


@dataclass
class TechniqueTally:
    """The techniques that one proposer has tried on one cluster at one level without gain since the last
    acceptance.
    """

    techniques: set[str] = field(default_factory=set)
    candidates: int = 0

    def add(self, candidate: Candidate) -> None:
        self.techniques.add(technique_of(candidate))
        self.candidates += 1

    @property
    def full(self) -> bool:
        return len(self.techniques) >= TECHNIQUES_PER_LEVEL or self.candidates >= CANDIDATES_PER_CLUSTER


class Ladder:
    """The present level, and the reasons why the lower ones were left.

    Args:
        levels: those that may be edited, cheapest first.
    """

    def __init__(self, levels: Sequence[Level]) -> None:
        self.levels = tuple(level for level in LEVELS if level in levels)
        self.left: dict[Level, LevelLeft] = {}
        self._tallies: dict[tuple[ClusterKey, Level, str], TechniqueTally] = {}
        self._marks: dict[tuple[ClusterKey, Level, str], str] = {}

    def clusters(self, diagnosis: Diagnosis, level: Level) -> list[Cluster]:
        """Return the clusters for this level: causes that it can fix, and cheaper ones that are still open.

        Those in which one step alone is at fault come first: their effect shows by itself.
        """
        reach = LEVELS.index(level)
        reachable = [cluster for cluster in diagnosis.clusters if LEVELS.index(cluster.level) <= reach]
        own = [cluster for cluster in reachable if cluster.level == level]
        lower = [cluster for cluster in reachable if cluster.level != level]
        return sorted([*own, *lower], key=lambda cluster: bool(cluster.also))

    def exhausted(self, cluster: Cluster, level: Level, proposer: str) -> bool:
        """True if this proposer has had its tries here, on the present best tree or an earlier one."""
        return (key_of(cluster), level, proposer) in self._marks

    def no_gain(self, candidate: Candidate, cluster: Cluster, level: Level, *, best: str) -> None:
        """A candidate brought nothing."""
        key = (key_of(cluster), level, candidate.proposer)
        tally = self._tallies.setdefault(key, TechniqueTally())
        tally.add(candidate)
        if tally.full:
            self._marks[key] = best

    def less_sure(self, diagnosis: Diagnosis) -> Diagnosis:
        """Return the diagnosis with causes less sure, the more techniques were tried on them without gain."""
        return diagnosis.model_copy(
            update={"clusters": [cluster.after(self._tried(cluster)) for cluster in diagnosis.clusters]}
        )

    def _tried(self, cluster: Cluster) -> int:
        """Return the number of different techniques without gain on the present best tree."""
        key = key_of(cluster)
        tallies = [tally for (each, _, _), tally in self._tallies.items() if each == key]
        return len(set().union(*(tally.techniques for tally in tallies)))

    def nothing_more(self, cluster: Cluster, level: Level, proposer: str, *, best: str) -> None:
        """The proposer has nothing (more) to propose for the cluster at this level."""
        self._marks[key_of(cluster), level, proposer] = best

    def accepted(self) -> None:
        """There is a new best tree: all tries start over, what was exhausted waits for its second turn."""
        self._tallies.clear()
        self.left.clear()

    def start_over(self) -> None:
        """Other cases are train now: nothing is exhausted on them."""
        self.accepted()
        self._marks.clear()

    def second_turn(self, best: str) -> bool:
        """Forget what was exhausted on earlier trees; False where nothing was."""
        earlier = [key for key, tree in self._marks.items() if tree != best]
        for key in earlier:
            del self._marks[key]
        return bool(earlier)

    def leave(self, level: Level, diagnosis: Diagnosis, score: float | None, *, best: str = "") -> LevelLeft:
        """Leave a level on the present best tree, with the reason."""
        own = [cluster for cluster in diagnosis.clusters if cluster.level == level]
        tried = [tally for (_, at, _), tally in self._tallies.items() if at == level]
        techniques = set().union(*(tally.techniques for tally in tried)) if tried else set()
        ceiling = diagnosis.ceilings.get(level)
        number = sum(tally.candidates for tally in tried)
        if not own:
            noun = "candidate" if number == 1 else "candidates"
            before = f"{number} {noun} tried without gain; " if number else ""
            reason, detail = "resolved", f"{before}no open cause is of this level{_of(score)}"
        elif ceiling is not None and score is not None and score >= ceiling:
            reason, detail = "ceiling", f"its ceiling of {percent(ceiling)} is reached"
        elif len(techniques) >= TECHNIQUES_PER_LEVEL:
            named = ", ".join(sorted(techniques)[:4])
            reason = "exhausted"
            detail = f"{number} candidates of {len(techniques)} techniques ({named}) brought nothing"
        else:
            brought = f"{number} tried without gain, and " if number else ""
            reason = "nothing to propose"
            detail = f"{brought}nothing more to propose for {_causes(own)}"
        self.left[level] = LevelLeft(level=level, reason=reason, detail=detail, best=best)
        return self.left[level]

    def why(self, level: Level) -> str:
        """Return the reasons why the levels below `level` were left."""
        return "; ".join(
            str(left) for each, left in self.left.items() if LEVELS.index(each) < LEVELS.index(level)
        )


def _of(score: float | None) -> str:
    return "" if score is None else f", train is at {percent(score)}"


def _causes(clusters: Sequence[Cluster]) -> str:
    return f"{len(clusters)} open cause{'s' if len(clusters) != 1 else ''}"
