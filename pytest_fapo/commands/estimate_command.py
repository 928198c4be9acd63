"""`--fapo-estimate`: what a run of `--fapo-optimize` would cost, from recorded answers; nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.pytest_terminal import PytestTerminal

if TYPE_CHECKING:
    from pytest_fapo.core.evaluation import Evaluation
    from pytest_fapo.loop.run_summary import Summary
    from pytest_fapo.session.fapo_session import FapoSession


def skip_unrecorded(report: pytest.TestReport, error_type: str) -> None:
    """Let a test whose model has no recorded answer count as skipped: it did not fail."""
    from pytest_fapo.core.evaluation import REFUSALS

    if report.failed and error_type in REFUSALS:
        report.outcome = "skipped"
        report.longrepr = (str(report.fspath), 0, "Skipped: no recorded answer")


def estimate_cost(
    config: pytest.Config, session: FapoSession, baseline: Evaluation, out: PytestTerminal
) -> None:
    """Compute and show what `--fapo-optimize` would cost with these options and settings."""
    from pytest_fapo.commands.run_request import make_request, passing_run
    from pytest_fapo.loop.estimate import Known, make_estimate
    from pytest_fapo.loop.run_result import ScopeSnapshot
    from pytest_fapo.loop.train_evidence import diagnose_baseline
    from pytest_fapo.views.estimate_table import render_estimate

    snapshot = ScopeSnapshot.take(session.root, session.settings.scope)
    items = {name: item for name, item in baseline.items.items() if not item.refused}
    causes = None
    with passing_run(session, "estimate") as run:
        judged = baseline.model_copy(update={"items": items})
        request = make_request(config, session, judged, run=run, snapshot=snapshot, proposers=[])
        if any(not item.passed for item in judged.in_split("train")):
            try:
                causes = len(diagnose_baseline(request).clusters) or None
            except FapoError:
                causes = None  # a copy of the project cannot be made; the estimate guesses
    known = Known(
        baseline,
        causes,
        session.settings,
        [artifact.text for artifact in snapshot.store.all("prompt")],
        _earlier(session),
        config.option.fapo_max_candidates,
    )
    command = session.packages.advice("pytest --fapo-optimize")
    render_estimate(
        make_estimate(known), out.file, tty=out.tty, color=out.color, command=command, budget=request.budget
    )


def _earlier(session: FapoSession) -> list[Summary]:
    """Return the summaries of earlier runs that tried something."""
    from pytest_fapo.loop.run_summary import read_summary

    folder = session.folder / ".fapo" / "runs"
    found = [read_summary(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []
    return [each for each in found if each is not None and each.candidates]
