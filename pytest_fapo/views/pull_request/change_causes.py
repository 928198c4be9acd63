"""Explain a change from runs and traces: why it was made, what it did, which regression it may explain."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from pytest_fapo.core.candidate import Artifact, Attempt
from pytest_fapo.core.errors import ArtifactError, FapoError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateResult
from pytest_fapo.diagnosis.artifact_links import artifacts_of_step
from pytest_fapo.diagnosis.trace_view import TraceView
from pytest_fapo.loop.events import CandidateJudged
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_history import RunHistory
from pytest_fapo.loop.run_result import load_result
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.views.pull_request.page_record import ArtifactChange


def changes_of_run(run: RunFolder, addresses: Collection[str]) -> list[ArtifactChange]:
    """Return a run's proven changes, each with its hypotheses and its effects on the cases. Held-out cases
    are left out.

    Args:
        run: its directory.
        addresses: the artifacts that were written or saved.
    """
    history = RunHistory(run)
    try:
        edits = load_result(run).edits
    except FapoError:
        return []
    changes = []
    for edit in edits:
        if edit.address in addresses:
            ideas = history.ideas(edit)
            changes.append(
                ArtifactChange(
                    address=edit.address,
                    path=edit.address.partition("::")[0],
                    before=edit.before,
                    after=edit.after,
                    why=list(dict.fromkeys(idea.hypothesis for idea in ideas)),
                    origin=", ".join(idea.candidate for idea in ideas),
                    effect=history.effect(edit),
                )
            )
    return changes


def run_attempts(runs: Path) -> list[Attempt]:
    """Judged attempts of this checkout's runs, oldest run first."""
    folders = sorted((path for path in runs.iterdir() if path.is_dir()), key=lambda path: path.name)
    found: list[Attempt] = []
    for folder in folders[-20:]:
        try:
            found += [event.attempt for event in RunFolder(folder).journal.of(CandidateJudged)]
        except (ValueError, KeyError, OSError):
            continue  # of another version
    return found


_VIEWS = 20


def with_causes(
    gate: GateResult, evaluation: Evaluation, store: ArtifactStore, changed: Collection[str]
) -> GateResult:
    """The result with `Regression.prompt` where a changed artifact is known to matter.

    Args:
        gate: the gate's answer.
        evaluation: what it judged.
        store: the artifacts as they are.
        changed: addresses of those that the branch changed.
    """
    try:
        concerned = [artifact for artifact in store.all() if artifact.address in changed]
    except ArtifactError:
        return gate  # its remarks stay on the cases
    known: dict[tuple[str, str], str] = {}
    regressions = []
    for regression in gate.regressions:
        key = (regression.pipeline, regression.step)
        if key not in known:
            known[key] = _artifact_of_step(*key, evaluation, concerned) if regression.step else ""
        regressions.append(regression.model_copy(update={"prompt": regression.prompt or known[key]}))
    return gate.model_copy(update={"regressions": regressions})


def _artifact_of_step(pipeline: str, step: str, evaluation: Evaluation, artifacts: Sequence[Artifact]) -> str:
    traces = [trace for trace in evaluation.traces.values() if trace.pipeline == pipeline][:_VIEWS]
    found = artifacts_of_step(step, [TraceView(trace) for trace in traces], artifacts)
    return found[0] if found else ""
