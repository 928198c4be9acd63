"""`--fapo-review`: a person goes through what a run has left as a patch, change by change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_fapo.errors import ConfigError

if TYPE_CHECKING:
    from pytest_fapo.models import Evaluation
    from pytest_fapo.session import FapoSession
    from pytest_fapo.terminal_output import Output


def prepare_review(config: pytest.Config, session: FapoSession) -> None:
    """Find the run before the first test.

    Raises:
        FapoError: there is no such run, it left no patch, or files have changed since.
    """
    raise ConfigError("--fapo-review is not there yet")


def review_changes(config: pytest.Config, session: FapoSession, baseline: Evaluation, out: Output) -> int:
    """Ask about each change, prove what was accepted, write it.

    Returns:
        the exit code.
    """
    return 1
