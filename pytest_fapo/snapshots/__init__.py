"""Snapshots for review: one Markdown page per pipeline, committed beside the baseline.

A page shows the prompts as they were sent for one train case, parameters, steps and scores, so that a pull
request that changes a prompt shows the change where a person reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_fapo.models import Artifact, Baseline, Evaluation, GateProblem
from pytest_fapo.snapshots import folder as files
from pytest_fapo.snapshots.page import Page
from pytest_fapo.snapshots.stale import staleness
from pytest_fapo.snapshots.state import FORMAT, UnreadableState, read_state
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
    page = Page(
        pipeline,
        evaluation=evaluation,
        baseline=baseline,
        artifacts=artifacts,
        sample=sample,
        redactor=redactor,
        root=root,
    )
    return page.text


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

    Returns:
        The files that were written or removed; what is up to date is left alone.

    Raises:
        ConfigError: a file cannot be written.
    """
    names = files.file_names(baseline.pipelines)
    changed = []
    for pipeline, name in names.items():
        text = render(
            pipeline,
            evaluation=evaluation,
            baseline=baseline,
            artifacts=artifacts,
            sample=_sample(files.read(folder / name)),
            redactor=redactor,
            root=root,
        )
        if files.write_file(folder / name, text):
            changed.append(folder / name)
    for path in files.others(folder, names.values()):
        path.unlink()
        changed.append(path)
    return changed


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
        redactor: as in `write`.
        root: folder that the paths in the messages are relative to.

    Raises:
        ConfigError: a file cannot be read.
    """
    problems = []
    names = files.file_names(baseline.pipelines)
    for pipeline, name in names.items():
        text = files.read(folder / name)
        if text is None:
            problems.append(
                _problem(folder / name, f"the snapshot of pipeline {pipeline!r} is missing", root)
            )
            continue
        page = Page(
            pipeline,
            evaluation=evaluation,
            baseline=baseline,
            artifacts=artifacts,
            sample=_sample(text),
            redactor=redactor,
            root=root,
        )
        reason = staleness(text, page)
        if reason:
            problems.append(_problem(folder / name, f"the snapshot is out of date: {reason}", root))
    left = files.others(folder, names.values())
    return [*problems, *(_problem(path, "its pipeline is not in the baseline", root) for path in left)]


def _sample(text: str | None) -> str:
    try:
        return read_state(text or "").sample
    except UnreadableState:
        return ""


def _problem(path: Path, message: str, root: Path | None) -> GateProblem:
    inside = root is not None and path.is_relative_to(root)
    shown = path.relative_to(root).as_posix() if root and inside else f"{path.parent.name}/{path.name}"
    return GateProblem(kind="stale-snapshot", message=f"{shown}: {message}", command=COMMAND, path=shown)
