"""What a proposer sees."""

from __future__ import annotations

from pydantic import Field

from pytest_fapo.models.base import Level, Record
from pytest_fapo.models.candidates import Artifact, Attempt
from pytest_fapo.models.cases import Case
from pytest_fapo.models.diagnosis import Cluster
from pytest_fapo.models.traces import Trace


class EvidenceCase(Record):
    """One train case as a proposer may see it."""

    case: Case
    nodeid: str
    passed: bool
    explanation: str = ""
    feedback: list[str] = Field(default_factory=list)
    trace: Trace | None = None


class Evidence(Record):
    """All that a proposer sees. Train cases only: val and holdout never get here."""

    cluster: Cluster
    cases: list[EvidenceCase]
    """Every train item of the cluster's pipeline, failing and passing."""
    artifacts: list[Artifact]
    """The artifacts that may be edited at `level`, with their texts as of the parent."""
    level: Level = "prompt"
    memory: list[Attempt] = Field(default_factory=list)
    parent: str = ""

    def failing(self) -> list[EvidenceCase]:
        """The cases of the cluster, in order."""
        wanted = set(self.cluster.nodeids)
        return [case for case in self.cases if case.nodeid in wanted]
