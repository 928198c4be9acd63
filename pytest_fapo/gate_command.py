"""`--fapo-gate` and `--fapo-update-baseline`: the accuracy of the tree against the committed baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_fapo.errors import ConfigError

if TYPE_CHECKING:
    from pytest_fapo.models import Evaluation, GateResult
    from pytest_fapo.session import FapoSession
    from pytest_fapo.terminal_output import Output


def prepare_gate(config: pytest.Config, session: FapoSession) -> None:
    """Before the first test; also in xdist workers.

    Raises:
        FapoError: an option, a setting or the baseline cannot be used.
    """
    raise ConfigError("--fapo-gate is not there yet")


def finish_gate(
    pytest_session: pytest.Session, session: FapoSession, evaluation: Evaluation, out: Output
) -> GateResult | None:
    """Judge, or write the baseline; print what came of it; set the exit status. Runs however the session
    ended: what could not be judged is not let through."""
    return None
