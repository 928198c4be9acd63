"""Which changed artifact a regression points at: one that its first differing step was seen to use."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.diagnose.links import artifacts_of_step
from pytest_fapo.errors import ArtifactError
from pytest_fapo.models import Artifact, Evaluation, GateResult
from pytest_fapo.reading import TraceView

_VIEWS = 20


def with_prompts(
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
    told = []
    for regression in gate.regressions:
        key = (regression.pipeline, regression.step)
        if key not in known:
            known[key] = _artifact(*key, evaluation, concerned) if regression.step else ""
        told.append(regression.model_copy(update={"prompt": regression.prompt or known[key]}))
    return gate.model_copy(update={"regressions": told})


def _artifact(pipeline: str, step: str, evaluation: Evaluation, artifacts: Sequence[Artifact]) -> str:
    traces = [trace for trace in evaluation.traces.values() if trace.pipeline == pipeline][:_VIEWS]
    found = artifacts_of_step(step, [TraceView(trace) for trace in traces], artifacts)
    return found[0] if found else ""
