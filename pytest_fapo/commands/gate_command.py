"""`--fapo-gate`: compare the tree with the committed baseline, from the first test to the exit code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_fapo.commands.baseline_update import check_selection, update_baseline
from pytest_fapo.commands.gate_session import (
    GateHooks,
    PreparedGate,
    missing_result_causes,
    session_snapshots,
)
from pytest_fapo.commands.gate_shard import ShardHooks
from pytest_fapo.core.baseline import Baseline
from pytest_fapo.core.errors import BaselineError, FapoError, SettingsConflict
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateProblem, GateResult
from pytest_fapo.core.record import text_digest
from pytest_fapo.core.stash import GATE_KEY
from pytest_fapo.core.text import text_diff
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.verdict import gate_problems
from pytest_fapo.verdict.baseline_contents import artifact_digests
from pytest_fapo.verdict.baseline_file import read_baseline
from pytest_fapo.verdict.merge_gate import judge_merge, old_failure, with_problems
from pytest_fapo.verdict.policy import GatePolicy, floors_of, policy_of
from pytest_fapo.views.gate_screen import render_gate

if TYPE_CHECKING:
    from pytest_fapo.core.pytest_terminal import PytestTerminal
    from pytest_fapo.session.fapo_session import FapoSession

FELL = 10
"""Exit code: accuracy fell."""

UNDECIDED = 11
"""Exit code: that could not be judged, or the baseline could not be written."""


def prepare_gate(config: pytest.Config, session: FapoSession) -> None:
    """Before the first test; also in xdist workers.

    Raises:
        FapoError: an option, a setting or the scope cannot be used. A baseline that cannot be used is no
            mistake on the command line: then no test is run, and the gate says why.
    """
    settings, option = session.settings, config.option
    # Not by way of wiring, which loads all of the optimizer.
    target = option.fapo_target or settings.target
    policy = policy_of(settings, name=option.fapo_policy, target=target)
    floors = floors_of(settings.min_score, option.fapo_min_score)
    baseline: Baseline | None = None
    problem: FapoError | None = session.packages.problem
    try:
        path = session.root / settings.baseline
        baseline = read_baseline(path, session.packages.shown(path))
    except BaselineError as error:
        problem = problem or error
    if option.fapo_update_baseline:
        check_selection(config)
        hooks = GateHooks(
            config, lambda nodeid, repeat: "recorded as failing", blocked=session.packages.problem
        )
    else:
        repeats = option.fapo_repeats or settings.repeats
        hooks = GateHooks(config, old_failure(baseline, policy, repeats), blocked=problem)
    config.pluginmanager.register(hooks, "fapo-gate")
    prepared = PreparedGate(policy, floors, hooks, baseline)
    if not hasattr(config, "workerinput"):
        store = ArtifactStore(session.root, settings.scope)
        prepared.artifacts = store.all()
        prepared.digests = artifact_digests(store)
    config.stash[GATE_KEY] = prepared
    if config.option.fapo_shard is not None:
        config.pluginmanager.register(ShardHooks(config, session, prepared), "fapo-shard")


def finish_gate(
    pytest_session: pytest.Session, session: FapoSession, evaluation: Evaluation, out: PytestTerminal
) -> GateResult | None:
    """Judge, or write the baseline; print what came of it; set the exit status. Runs however the session
    ended: what could not be judged is not let through."""
    prepared: PreparedGate = pytest_session.config.stash[GATE_KEY]
    status = int(pytest_session.exitstatus)
    causes = prepared.causes or missing_result_causes(pytest_session, session, evaluation, prepared.hooks)
    pytest_session.exitstatus = UNDECIDED
    try:
        if pytest_session.config.option.fapo_update_baseline:
            if prepared.hooks.blocked is not None:
                raise prepared.hooks.blocked
            written = update_baseline(pytest_session.config, session, evaluation, prepared, causes, out)
            if written:
                pytest_session.exitstatus = status
            return None
        shard: ShardHooks | None = pytest_session.config.pluginmanager.get_plugin("fapo-shard")
        if shard is not None and prepared.hooks.blocked is None:
            shard.write(pytest_session, causes, out)
            pytest_session.exitstatus = UNDECIDED if causes else pytest.ExitCode.OK
            return None
        result = _as_typed_here(_judged(session, evaluation, prepared, causes), session)
    except FapoError as error:
        from pytest_fapo.capture.redaction import error_text

        out.file.write(f"\nfapo: {session.packages.advice(error_text(error))}\n")
        return None
    verbosity = getattr(pytest_session.config.option, "verbose", 0)
    changes = _changed_lines(result, session, prepared)
    render_gate(result, out.file, tty=out.tty, color=out.color, verbosity=verbosity, changes=changes)
    pytest_session.exitstatus = _exit_status(result, status)
    return result


def _judged(
    session: FapoSession, evaluation: Evaluation, prepared: PreparedGate, causes: list[GateProblem]
) -> GateResult:
    name = session.settings.baseline
    problem = prepared.hooks.blocked
    if problem is not None:
        return _unreadable(problem, prepared.policy, name)
    assert prepared.baseline is not None
    if prepared.refusals:
        return GateResult(policy=prepared.policy.name, verdict="undecided", problems=prepared.refusals)
    result = judge_merge(
        evaluation,
        prepared.baseline,
        policy=prepared.policy,
        floors=prepared.floors,
        current_artifacts=prepared.digests,
    )
    if causes:
        evaluation.complete, evaluation.stopped = False, causes[0].message
    said = [problem for problem in result.problems if not (causes and problem.kind in _CONSEQUENCES)]
    result = with_problems(result.model_copy(update={"problems": causes}), said)
    if not result.partial:
        result = with_problems(result, _stale_snapshots(session, evaluation, prepared, prepared.baseline))
    result = with_problems(result, _plain_failures(evaluation))
    return _with_prompts(result, evaluation, prepared).model_copy(update={"baseline": name})


def _as_typed_here(result: GateResult, session: FapoSession) -> GateResult:
    """Return the result with commands and the path of the baseline as they are typed where pytest was
    started.
    """
    packages = session.packages
    problems = [
        each.model_copy(
            update={"message": packages.advice(each.message), "command": packages.advice(each.command)}
        )
        for each in result.problems
    ]
    baseline = packages.shown(session.root / result.baseline)
    return result.model_copy(update={"problems": problems, "baseline": baseline})


_CONSEQUENCES = ("missing-cases", "empty", "too-few-cases")
"""Not said where a run that did not finish explains them."""


def _unreadable(error: FapoError, policy: GatePolicy, name: str) -> GateResult:
    if isinstance(error, BaselineError):
        problem = GateProblem(
            kind=error.kind,
            message=str(error),
            command="pytest --fapo-update-baseline",
            path=name,
            line=error.line,
        )
    else:
        command = error.command if isinstance(error, SettingsConflict) else ""
        problem = GateProblem(kind="settings", message=str(error), command=command)
    return GateResult(policy=policy.name, verdict="undecided", baseline=name, problems=[problem])


def _stale_snapshots(
    session: FapoSession, evaluation: Evaluation, prepared: PreparedGate, baseline: Baseline
) -> list[GateProblem]:
    snapshots = session_snapshots(session, evaluation, baseline, prepared)
    return snapshots.check() if snapshots is not None else []


def _plain_failures(evaluation: Evaluation) -> list[GateProblem]:
    return [
        gate_problems.test_without_a_case_fails(item.nodeid)
        for item in evaluation.items.values()
        if item.case_id is None and item.counts and not item.passed
    ]


def _with_prompts(result: GateResult, evaluation: Evaluation, prepared: PreparedGate) -> GateResult:
    """Return the regressions with the changed artifact that the first differing step uses, where one is
    known.
    """
    assert prepared.baseline is not None
    before = prepared.baseline.artifacts
    changed = [
        each for each in prepared.artifacts if before.get(each.address) != prepared.digests[each.address]
    ]
    if not changed or not result.regressions:
        return result
    from pytest_fapo.diagnosis.artifact_links import artifacts_of_step
    from pytest_fapo.diagnosis.trace_view import TraceView

    regressions, known = [], {}
    for each in result.regressions:
        item = evaluation.items.get(each.nodeid)
        trace = evaluation.trace_of(item) if item is not None else None
        key = (each.pipeline, each.step)
        if trace is not None and key not in known:
            known[key] = artifacts_of_step(each.step, [TraceView(trace)], changed) if each.step else []
        address = next(iter(known.get(key, [])), "")
        regressions.append(each.model_copy(update={"prompt": address}))
    return result.model_copy(update={"regressions": regressions})


def _changed_lines(result: GateResult, session: FapoSession, prepared: PreparedGate) -> dict[str, list[str]]:
    """Changed lines of the artifacts behind regressions, where the last commit has what the baseline saw."""
    wanted = {each.prompt for each in result.regressions if each.prompt}
    if not wanted or prepared.baseline is None:
        return {}
    from pytest_fapo.views.pull_request.branch_changes import GitRepository, changes_since

    repository = GitRepository(session.root)
    base = repository.base(os.environ)
    if base is None:
        return {}
    store = ArtifactStore(session.root, session.settings.scope)
    known = prepared.baseline.artifacts
    return {
        change.address: [
            line for line in text_diff(change.before, change.after, context=0) if line[:1] in "+-"
        ]
        for change in changes_since(base, repository, store)
        if change.address in wanted and text_digest(change.before) == known.get(change.address)
    }


def _exit_status(result: GateResult, status: int) -> int:
    if result.verdict == "fell":
        return FELL
    if result.verdict == "undecided":
        return UNDECIDED
    return status
