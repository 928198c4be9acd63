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
    from pytest_fapo.diagnosis.request_samples import SentRequests
    from pytest_fapo.session.fapo_session import FapoSession


def diagnose_failures(
    config: pytest.Config, session: FapoSession, baseline: Evaluation, out: PytestTerminal
) -> Diagnosis:
    """Find out where and why the cases fail, and show it."""
    from pytest_fapo.commands.run_request import make_request, passing_run
    from pytest_fapo.core.scope import Scope
    from pytest_fapo.core.settings import Settings
    from pytest_fapo.diagnosis.sent_texts import find_sent_texts
    from pytest_fapo.loop.run_result import ScopeSnapshot
    from pytest_fapo.loop.train_evidence import diagnose_baseline
    from pytest_fapo.views.diagnosis_table import render_diagnosis
    from pytest_fapo.views.sent_texts_list import show_sent_texts
    from pytest_fapo.views.terminal import Terminal

    scope, found = session.settings.scope, None
    if scope.is_empty:
        found = find_sent_texts(session.folder, _sample(config, session, baseline))
        scope = Settings(scope=Scope(prompts=found.entries)).under(session.packages.home.prefix).scope
    with passing_run(session, "diagnose") as run:
        snapshot, problems = ScopeSnapshot.of_usable(session.root, scope)
        for problem in problems:
            out.file.write(f"\nfapo: left out of the diagnosis: {error_text(problem)}\n")
        reader = _reader(config, session, out)
        request = make_request(
            config, session, baseline, run=run, snapshot=snapshot, proposers=[], reader=reader
        )
        diagnosis = diagnose_baseline(request)
    command = session.packages.advice("pytest --fapo-optimize")
    command = command if found is None else f"name what may be edited, as below; then {command}"
    render_diagnosis(diagnosis, baseline, out.file, tty=out.tty, color=out.color, next_command=command)
    if found is not None:
        show_sent_texts(found, Terminal(out.file, tty=out.tty, color=out.color))
    return diagnosis


def _sample(config: pytest.Config, session: FapoSession, evaluation: Evaluation) -> SentRequests:
    from pytest_fapo.diagnosis.request_samples import sample_requests

    elsewhere = config.pluginmanager.hasplugin("dsession")  # under xdist the workers import the project
    return sample_requests(evaluation, None if elsewhere else session.folder)


def _reader(config: pytest.Config, session: FapoSession, out: PytestTerminal) -> LLMReader | None:
    """Return the model that reads what the rules leave unsure; None where it cannot be asked."""
    from pytest_fapo.commands.run_request import calls_of, use_plugins_clients
    from pytest_fapo.diagnosis.model_reader import make_reader

    use_plugins_clients(config)
    try:
        return make_reader(session.settings, calls_of(session, "diagnosing"), session.root)
    except ConfigError as error:
        out.file.write(f"\nfapo: only the rules diagnose: {error_text(error)}\n")
        return None
