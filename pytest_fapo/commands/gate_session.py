"""Prepare the gate and the baseline's update, watch the tests, and tell why a session is incomplete.

The hooks work in xdist workers too. Where a test has no result nothing is judged and nothing recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.core.baseline import Baseline
from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.evaluation import NOT_RUN, REFUSALS, Evaluation
from pytest_fapo.core.gate_result import GateProblem
from pytest_fapo.core.stash import RESULT_KEY
from pytest_fapo.verdict import gate_problems
from pytest_fapo.verdict.policy import Floor, GatePolicy

if TYPE_CHECKING:
    from pytest_fapo.core.errors import FapoError
    from pytest_fapo.session.fapo_session import FapoSession
    from pytest_fapo.views.snapshots.snapshot_files import Snapshots


_DESELECTED = "fapo_deselected"


class GateHooks:
    """Registered for one session.

    Args:
        config: pytest's.
        excuse: why the failure of a test on a case is nothing new, by node id and repeat; empty where it
            is. Such failures are reported as expected, so that `-x`, reruns and the list of failures are
            about what is new.
        blocked: why nothing can be judged; then no test is run.
    """

    def __init__(
        self,
        config: pytest.Config,
        excuse: Callable[[str, int], str],
        blocked: FapoError | None = None,
    ) -> None:
        self.blocked = blocked
        self.deselected: set[str] = set()
        """Node ids of tests on cases that a selection left out."""
        self.uncollected: list[str] = []
        """Files that could not be collected."""
        self.lost: list[str] = []
        """Names of xdist workers that ended before their time."""
        self._config = config
        self._excuse = excuse

    # --- nothing runs where nothing can be judged -----------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> bool | None:
        return True if self.blocked is not None else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> bool | None:
        return True if self.blocked is not None else None

    # --- old failures -----------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        state = item.stash.get(RESULT_KEY, None)
        if not report.failed or report.when == "teardown" or state is None or state.notes.case is None:
            return report
        if state.error_type in (*REFUSALS, NOT_RUN) or state.notes.unanswered:
            return report
        if report.when == "setup" and state.notes.execution is None:
            return report
        reason = self._excuse(item.nodeid, state.notes.repeat)
        if reason:
            report.outcome = "skipped"
            report.wasxfail = reason
        return report

    # --- what was left out --------------------------------------------------------------------------------

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        from pytest_fapo.session.case_items import bound_case

        self.deselected.update(item.nodeid for item in items if bound_case(item) is not None)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.uncollected.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[_DESELECTED] = json.dumps(sorted(self.deselected))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        output = getattr(node, "workeroutput", None)
        if error or output is None:
            self.lost.append(node.gateway.id)
        else:
            self.deselected.update(json.loads(output.get(_DESELECTED, "[]")))


@dataclass
class PreparedGate:
    """The facts known before the first test."""

    policy: GatePolicy
    floors: list[Floor]
    hooks: GateHooks
    baseline: Baseline | None = None
    artifacts: list[Artifact] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    refusals: list[GateProblem] = field(default_factory=list)
    """The reasons why shards cannot be joined: then nothing is judged."""
    causes: list[GateProblem] = field(default_factory=list)
    """The reasons why tests of the joined shards have no result."""


def session_snapshots(
    session: FapoSession, evaluation: Evaluation, baseline: Baseline, prepared: PreparedGate
) -> Snapshots | None:
    """Return the snapshots as this session's cases and the baseline have them; None where none are kept."""
    if not session.settings.snapshots:
        return None
    from pytest_fapo.views.snapshots.snapshot_files import Snapshots

    return Snapshots(
        session.root / session.settings.snapshots,
        evaluation,
        baseline,
        prepared.artifacts,
        redactor=session.activate().redactor,
        root=session.root,
    )


def missing_result_causes(
    pytest_session: pytest.Session, session: FapoSession, evaluation: Evaluation, hooks: GateHooks
) -> list[GateProblem]:
    """Return the causes of missing results, the first cause first; empty if every collected test has its
    result.

    Args:
        pytest_session: at its end.
        session: the plugin's.
        evaluation: what the tests have left.
        hooks: what was watched meanwhile.
    """
    causes = []
    if hooks.lost:
        causes.append(gate_problems.worker_lost(sorted(set(hooks.lost))))
    if hooks.uncollected:
        causes.append(gate_problems.not_collected(hooks.uncollected))
    reason = _reason(pytest_session)
    missing = _missing(pytest_session, session, evaluation)
    if not causes and missing:
        causes.append(gate_problems.without_result(missing, _expected(pytest_session, session), reason))
    elif not causes and reason:
        causes.append(GateProblem(kind="interrupted", message=reason))
    return causes


def _reason(session: pytest.Session) -> str:
    """Return why pytest stopped early; empty if it did not."""
    if session.shouldfail:
        return str(session.shouldfail)
    if session.shouldstop:
        return str(session.shouldstop)
    if session.exitstatus == pytest.ExitCode.INTERRUPTED:
        return "the tests were interrupted"
    if session.exitstatus in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        return "pytest ended with an error of its own"
    return ""


def _expected(pytest_session: pytest.Session, session: FapoSession) -> int:
    return session.expected_items if session.expected_items is not None else pytest_session.testscollected


def _missing(pytest_session: pytest.Session, session: FapoSession, evaluation: Evaluation) -> int:
    return max(0, _expected(pytest_session, session) - len(evaluation.items))
