"""`--fapo-review`: a person goes through the patch of a run, change by change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.stash import COMMAND_KEY

if TYPE_CHECKING:
    from pytest_fapo.core.evaluation import Evaluation
    from pytest_fapo.core.pytest_terminal import PytestTerminal
    from pytest_fapo.session.fapo_session import FapoSession


def prepare_review(config: pytest.Config, session: FapoSession) -> None:
    """Find the run before the first test.

    Raises:
        FapoError: there is no such run, it left no patch, files have changed since, or another run goes on.
    """
    from pytest_fapo.commands.run_request import gate_policy
    from pytest_fapo.loop.change_review import find_reviewable
    from pytest_fapo.loop.run_lock import RunLock
    from pytest_fapo.views.closing_summary import complete_summary

    gate_policy(config, session.settings)
    name = config.option.fapo_run
    if name is not None and not name.strip():
        raise ConfigError("--fapo-run is empty: give the id of a run, see `fapo runs`")
    if (session.folder / ".fapo").is_dir():
        lock = RunLock(session.folder / ".fapo")
        lock.take()
        config.add_cleanup(lock.release)
    reviewable = find_reviewable(session.root, session.settings.scope, name, folder=session.folder)
    complete_summary(reviewable.run.path)
    config.stash[COMMAND_KEY] = reviewable


def review_changes(
    config: pytest.Config, session: FapoSession, baseline: Evaluation, out: PytestTerminal
) -> int:
    """Ask about each change, prove what was accepted, write it.

    Returns:
        the exit code.
    """
    from pytest_fapo.commands.review_session import review_patch
    from pytest_fapo.commands.run_request import make_request, passing_run

    reviewable = config.stash[COMMAND_KEY]
    with passing_run(session, "review") as run:
        request = make_request(config, session, baseline, run=run, snapshot=reviewable.snapshot, proposers=[])
        return review_patch(reviewable, request, out)
