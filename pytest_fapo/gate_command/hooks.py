"""What the gate and the baseline's update watch and change while tests run, in xdist workers too."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.errors import BudgetExceeded, CacheMiss, NetworkRefused
from pytest_fapo.stash import RESULT_KEY

if TYPE_CHECKING:
    from pytest_fapo.errors import FapoError

_REFUSALS = (CacheMiss.__name__, BudgetExceeded.__name__, NetworkRefused.__name__)
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
        if state.error_type in _REFUSALS or state.notes.unanswered:
            return report
        reason = self._excuse(item.nodeid, state.notes.repeat)
        if reason:
            report.outcome = "skipped"
            report.wasxfail = reason
        return report

    # --- what was left out --------------------------------------------------------------------------------

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        from pytest_fapo.session.parametrize import bound_case

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
