"""The input of a proposer: the cluster to fix, its cases and traces, what it may edit, earlier attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from pytest_fapo.core.candidate import Artifact, Attempt, Candidate, Edit
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.core.record import Level, Record
from pytest_fapo.core.trace import Trace


class EvidenceCase(Record):
    """One train case as a proposer may see it."""

    case: Case
    nodeid: str
    passed: bool
    explanation: str = ""
    feedback: list[str] = Field(default_factory=list)
    scores: dict[str, float] = Field(default_factory=dict)
    trace: Trace | None = None


class Repair(Record):
    """A candidate that won but broke something, on its way back to its proposer."""

    candidate: Candidate
    broken: list[EvidenceCase]
    """The train cases that passed before and fail with it, with their traces under the candidate."""
    broken_val: int = 0
    """The number of val cases that broke; their names are withheld."""
    broken_holdout: bool = False


class Evidence(Record):
    """All that a proposer sees. Train cases only: val and holdout never get here."""

    cluster: Cluster
    cases: list[EvidenceCase]
    """Every train item with the cluster's pipeline and labels, failing and passing; where there is a graded
    objective, an item whose score is low counts as failing."""
    objectives: list[str] = Field(default_factory=list)
    """Graded metrics that are to get better; empty where passing tests are what counts."""
    artifacts: list[Artifact]
    """The artifacts that may be edited at `level`, with their texts as of the parent."""
    level: Level = "prompt"
    """The highest level that may be edited now; `artifacts` holds those of the lower levels too."""
    memory: list[Attempt] = Field(default_factory=list)
    parent: str = ""
    together: list[Cluster] = Field(default_factory=list)
    """Clusters of other steps that fail in the same cases: only edits of all these steps together show."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Path to text of the pipeline's Python files, for reading; only artifacts may be edited."""
    demonstrations: Literal["made", "train", "off"] = "made"
    """The permitted source of added examples: made up (made), also train cases (train), none (off)."""
    max_demonstrations: int = 8
    creatable: list[str] = Field(default_factory=list)
    """Patterns of the scope for which new prompt files may be created."""
    escalation: str = ""
    """The reason why the levels below `level` were left, with figures; empty at the lowest."""

    def failing(self) -> list[EvidenceCase]:
        """Return the cases of the cluster, in order."""
        wanted = set(self.cluster.nodeids)
        return [case for case in self.cases if case.nodeid in wanted]

    def candidate(
        self,
        edits: Sequence[Edit],
        *,
        proposer: str,
        technique: str,
        hypothesis: str,
        level: Level = "prompt",
        targets: Sequence[str] | None = None,
        demonstrations: Sequence[str] = (),
    ) -> Candidate:
        """Return a candidate for this cluster, on the tree that it was seen in.

        Args:
            edits: its edits.
            proposer: who proposes it.
            technique: a short name of what it does.
            hypothesis: one sentence: what is wrong and why this should fix it.
            level: the highest of its edits.
            targets: node ids of what it should fix; default: all of the cluster.
            demonstrations: ids of train cases that it quotes.
        """
        return Candidate(
            parent=self.parent,
            edits=list(edits),
            hypothesis=hypothesis,
            proposer=proposer,
            technique=technique,
            level=level,
            cluster=self.cluster.id,
            step=self.cluster.step,
            targets=list(self.cluster.nodeids if targets is None else targets),
            demonstrations=list(demonstrations),
        )
