"""Why a session has not run every test that it was to run; then nothing is judged and nothing recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_fapo.models import Evaluation, GateProblem

if TYPE_CHECKING:
    from pytest_fapo.gate_command.hooks import GateHooks
    from pytest_fapo.session import FapoSession


def causes(
    pytest_session: pytest.Session, session: FapoSession, evaluation: Evaluation, hooks: GateHooks
) -> list[GateProblem]:
    """What went wrong, the first cause first; empty where every collected test has its result.

    Args:
        pytest_session: at its end.
        session: the plugin's.
        evaluation: what the tests have left.
        hooks: what was watched meanwhile.
    """
    found = []
    if hooks.lost:
        names = ", ".join(sorted(set(hooks.lost)))
        found.append(GateProblem(kind="lost-worker", message=f"the xdist worker {names} was lost"))
    if hooks.uncollected:
        files = ", ".join(hooks.uncollected[:3])
        more = f" and {len(hooks.uncollected) - 3} more" if len(hooks.uncollected) > 3 else ""
        found.append(_stopped(f"{files}{more} could not be collected"))
    reason = _reason(pytest_session)
    missing = _missing(pytest_session, session, evaluation)
    if not found and missing:
        what = f"{missing:,} of {_expected(pytest_session, session):,} tests left no result"
        found.append(_stopped(f"{what}: {reason or 'they were not run to their end'}"))
    elif not found and reason:
        found.append(_stopped(reason))
    return found


def _stopped(message: str) -> GateProblem:
    return GateProblem(kind="interrupted", message=message)


def _reason(session: pytest.Session) -> str:
    """Why pytest stopped early; empty where it did not."""
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
