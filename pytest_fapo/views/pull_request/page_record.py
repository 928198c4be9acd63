"""The data of the pull-request page."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pytest_fapo.core.diagnosis import Diagnosis
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateResult
from pytest_fapo.core.record import Record
from pytest_fapo.loop.run_summary import Summary
from pytest_fapo.verdict.case_effect import Effect

PageKind = Literal["gate", "update", "optimize", "diagnose", "plain"]


class ArtifactChange(Record):
    """A changed prompt, parameter or function: what changed, why, and who says so."""

    address: str
    path: str
    """File of the artifact, relative to the rootdir, POSIX."""
    line: int = 1
    """First changed line in the file as it is now, from 1."""
    before: str
    after: str
    why: list[str] = Field(default_factory=list)
    """The hypothesis of the candidate, or the subjects of the commits that changed the file."""
    origin: str = ""
    """The source of `why`: `c3, by playbook`, or `commits`."""
    effect: Effect = Field(default_factory=Effect)
    """The effect that a run has measured; without rows if none has."""


class PullRequest(Record):
    """Everything that the Markdown page says of one session."""

    kind: PageKind
    evaluation: Evaluation
    """The results of this session's tests."""
    gate: GateResult | None = None
    branch: GateResult | None = None
    """The same tests compared with an earlier baseline: that of the base branch, where it is another."""
    base: str = ""
    """Name of what `changes` compares with: `main`."""
    written: bool = True
    """True if `--fapo-update-baseline` has written the baseline."""
    compared: str = ""
    """The counterpart of `branch` in the comparison, as text: `the baseline of main`."""
    gone: list[str] = Field(default_factory=list)
    """Node ids of tests on cases that the base's baseline has and the branch's own has not."""
    summary: Summary | None = None
    diagnosis: Diagnosis | None = None
    changes: list[ArtifactChange] = Field(default_factory=list)
    effect: Effect = Field(default_factory=Effect)
    """Of all changes together."""
    notes: list[str] = Field(default_factory=list)
    """Other notes for the reader, one sentence each."""
    report: str = ""
    """Path of the HTML report, where one was written."""
