"""Snapshots for review: one Markdown page per pipeline, committed beside the baseline.

A page shows the prompts as they were sent for one train case, parameters, steps and scores, so that a pull
request that changes a prompt shows the change where a person reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_fapo.models import Artifact, Baseline, Evaluation, GateProblem
from pytest_fapo.snapshots import folder as files
from pytest_fapo.snapshots.page import Page, foreign_prompts
from pytest_fapo.snapshots.stale import staleness
from pytest_fapo.snapshots.state import FORMAT, State, UnreadableState, read_state
from pytest_fapo.trace import Redactor

__all__ = ["FORMAT", "check", "render", "write"]

COMMAND = "pytest --fapo-update-baseline"


def render(
    pipeline: str,
    *,
    evaluation: Evaluation,
    baseline: Baseline,
    artifacts: Sequence[Artifact],
    sample: str = "",
    redactor: Redactor | None = None,
    root: Path | None = None,
) -> str:
    """The snapshot of one pipeline.

    Args:
        pipeline: one of `baseline.pipelines`.
        evaluation: of this session; only its train cases are shown.
        baseline: as it is written in the same session.
        artifacts: every editable artifact of the project (`ArtifactStore.all`).
        sample: id of the train case whose prompts are shown; default: the first by id.
        redactor: what keeps credentials and private texts out of the record.
        root: folder of the project, whose place on this machine is nobody's business.
    """
    return _Pages(evaluation, baseline, artifacts, redactor, root).of(pipeline, sample).text


def write(
    folder: Path,
    evaluation: Evaluation,
    baseline: Baseline,
    artifacts: Sequence[Artifact],
    *,
    redactor: Redactor | None = None,
    root: Path | None = None,
) -> list[Path]:
    """Write the snapshots of all pipelines of the baseline; those of other pipelines are removed.

    The sample case of a snapshot stays as long as it is a train case, so that a new case with a lower id
    changes nothing.

    Args:
        folder: of the snapshots; made where it is not there.
        evaluation: of this session.
        baseline: as it is written in the same session.
        artifacts: every editable artifact of the project.
        redactor: as in `render`.
        root: as in `render`.

    Returns:
        The files that were written or removed; what is up to date is left alone.

    Raises:
        ConfigError: a file cannot be written.
    """
    pages = _Pages(evaluation, baseline, artifacts, redactor, root)
    names = files.file_names(baseline.pipelines)
    changed = [
        folder / name
        for pipeline, name in names.items()
        if files.write_file(folder / name, pages.of(pipeline, _state(files.read(folder / name)).sample).text)
    ]
    left = files.others(folder, names.values())
    for path in left:
        files.remove(path)
    return [*changed, *left]


def check(
    folder: Path,
    evaluation: Evaluation,
    baseline: Baseline,
    artifacts: Sequence[Artifact],
    *,
    redactor: Redactor | None = None,
    root: Path | None = None,
) -> list[GateProblem]:
    """The snapshots that are not there or do not say what the pipelines do, each with the command that
    renews it.

    Args:
        folder: of the snapshots.
        evaluation: of this session.
        baseline: the committed one.
        artifacts: every editable artifact as it is now.
        redactor: as in `render`.
        root: folder that the paths in the messages are relative to.

    Raises:
        ConfigError: a file cannot be read.
    """
    pages = _Pages(evaluation, baseline, artifacts, redactor, root)
    names = files.file_names(baseline.pipelines)
    texts = {pipeline: files.read(folder / name) for pipeline, name in names.items()}
    states = {pipeline: _state(text) for pipeline, text in texts.items()}
    problems = []
    for pipeline, text in texts.items():
        reason = "there is none yet"
        if text is not None:
            others = {address for name in states if name != pipeline for address in states[name].artifacts}
            reason = staleness(text, pages.of(pipeline, states[pipeline].sample), others)
        if reason:
            message = f"the snapshot of pipeline {pipeline!r} is out of date: {reason}"
            problems.append(_problem(folder / names[pipeline], message, root))
    left = files.others(folder, names.values())
    return [*problems, *(_problem(path, "its pipeline is not in the baseline", root) for path in left)]


@dataclass(frozen=True)
class _Pages:
    """Makes the pages of one session."""

    evaluation: Evaluation
    baseline: Baseline
    artifacts: Sequence[Artifact]
    redactor: Redactor | None
    root: Path | None

    @cached_property
    def _foreign(self) -> dict[str, set[str]]:
        return foreign_prompts(self.evaluation, self.baseline.pipelines, self.artifacts)

    def of(self, pipeline: str, sample: str) -> Page:
        return Page(
            pipeline,
            evaluation=self.evaluation,
            baseline=self.baseline,
            artifacts=self.artifacts,
            foreign=self._foreign[pipeline],
            sample=sample,
            redactor=self.redactor,
            root=self.root,
        )


def _state(text: str | None) -> State:
    """What a snapshot was made from; empty where it does not say."""
    try:
        return read_state(text or "")
    except UnreadableState:
        return State()


def _problem(path: Path, message: str, root: Path | None) -> GateProblem:
    inside = root is not None and path.is_relative_to(root)
    shown = path.relative_to(root).as_posix() if root and inside else f"{path.parent.name}/{path.name}"
    return GateProblem(kind="stale-snapshot", message=f"{shown}: {message}", command=COMMAND, path=shown)
