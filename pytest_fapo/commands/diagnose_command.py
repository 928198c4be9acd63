"""`--fapo-diagnose`: where and why the cases fail; nothing is proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_fapo.capture.redaction import error_text
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.pytest_terminal import PytestTerminal

if TYPE_CHECKING:
    from pytest_fapo.core.diagnosis import Diagnosis
    from pytest_fapo.core.evaluation import Evaluation
    from pytest_fapo.diagnosis.model_reader import LLMReader
    from pytest_fapo.session.fapo_session import FapoSession


def diagnose_failures(
    config: pytest.Config, session: FapoSession, baseline: Evaluation, out: PytestTerminal
) -> Diagnosis:
    """Find out where and why the cases fail, and show it."""
    from pytest_fapo.commands.run_request import make_request, passing_run
    from pytest_fapo.loop.run_result import ScopeSnapshot
    from pytest_fapo.loop.tree_diagnosis import diagnose_baseline
    from pytest_fapo.views.diagnosis_table import render_diagnosis

    with passing_run(session, "diagnose") as run:
        snapshot = ScopeSnapshot.of_whatever(session.root, session.settings.scope)
        reader = _reader(config, session, out)
        request = make_request(
            config, session, baseline, run=run, snapshot=snapshot, proposers=[], reader=reader
        )
        diagnosis = diagnose_baseline(request)
    render_diagnosis(diagnosis, baseline, out.file, tty=out.tty, color=out.color)
    return diagnosis


def _reader(config: pytest.Config, session: FapoSession, out: PytestTerminal) -> LLMReader | None:
    """Who reads what the rules leave unsure; a diagnosis does without where the model cannot be asked."""
    from pytest_fapo.commands.run_request import calls_of, use_plugins_clients
    from pytest_fapo.diagnosis.model_reader import make_reader

    use_plugins_clients(config)
    try:
        return make_reader(session.settings, calls_of(session), session.root)
    except ConfigError as error:
        out.file.write(f"\nfapo: only the rules diagnose: {error_text(error)}\n")
        return None
