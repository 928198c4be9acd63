"""`--fapo-review`: a person goes through what a run has left as a patch, change by change."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
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

    gate_policy(config, session.settings)
    name = config.option.fapo_run
    if name is not None and not name.strip():
        raise ConfigError("--fapo-run is empty: give the id of a run, see `fapo runs`")
    if (session.folder / ".fapo").is_dir():
        lock = RunLock(session.folder / ".fapo")
        lock.take()
        config.add_cleanup(lock.release)
    config.stash[COMMAND_KEY] = find_reviewable(
        session.root, session.settings.scope, name, folder=session.folder
    )


def review_changes(
    config: pytest.Config, session: FapoSession, baseline: Evaluation, out: PytestTerminal
) -> int:
    """Ask about each change, prove what was accepted, write it.

    Returns:
        the exit code.
    """
    from pytest_fapo.commands.review_session import review_patch
    from pytest_fapo.commands.run_request import make_request
    from pytest_fapo.loop.run_folder import RunFolder

    reviewable = config.stash[COMMAND_KEY]
    session.activate()
    with tempfile.TemporaryDirectory(prefix="fapo-review-") as folder:
        run = RunFolder(Path(folder))
        session.plan = replace(session.plan, spend_file=run.spend_file)
        request = make_request(
            config, session, baseline, run=run, snapshot=reviewable.snapshot, proposers=[], out=out
        )
        return review_patch(reviewable, request)
