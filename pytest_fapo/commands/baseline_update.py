"""`--fapo-update-baseline`: write the results of a full run of all cases, to be committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_fapo.commands.gate_session import PreparedGate, session_snapshots
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateProblem
from pytest_fapo.verdict.baseline_comparison import compare_with_baseline
from pytest_fapo.verdict.baseline_contents import item_groups, make_baseline
from pytest_fapo.verdict.baseline_file import write_baseline
from pytest_fapo.verdict.gate_problems import pipeline_not_run
from pytest_fapo.views.gate_screen import BaselineUpdate, render_update

if TYPE_CHECKING:
    from pytest_fapo.core.pytest_terminal import PytestTerminal
    from pytest_fapo.session.fapo_session import FapoSession

_SELECTING = {
    "keyword": "-k",
    "markexpr": "-m",
    "deselect": "--deselect",
    "ignore": "--ignore",
    "ignore_glob": "--ignore-glob",
    "lf": "--lf",
    "stepwise": "--stepwise",
}
"""Attribute of an option with which tests may be left out, and how it is typed."""


def check_selection(config: pytest.Config) -> None:
    """Refuse a selection of tests before the first one runs.

    What is in the project's own `addopts` is how the project always runs its tests.

    Raises:
        ConfigError: names the option.
    """
    if hasattr(config, "workerinput"):
        return
    always = [str(entry) for entry in config.getini("addopts")]
    for attribute, name in _SELECTING.items():
        value = getattr(config.option, attribute, None)
        values = [str(each) for each in value] if isinstance(value, list) else [str(value)]
        if value and (value is True or not all(any(each in entry for entry in always) for each in values)):
            raise ConfigError(_refusal(name))
    chosen = [argument for argument in config.args if "::" in argument]
    if chosen:
        raise ConfigError(_refusal(chosen[0]))


def _refusal(selection: str) -> str:
    return (
        f"--fapo-update-baseline records a run of all cases, and {selection} selects some of the tests: "
        f"leave it out"
    )


def update_baseline(
    config: pytest.Config,
    session: FapoSession,
    evaluation: Evaluation,
    prepared: PreparedGate,
    causes: Sequence[GateProblem],
    out: PytestTerminal,
) -> bool:
    """Write baseline and snapshots where the run was whole; print what came of it.

    Args:
        config: pytest's.
        session: the plugin's.
        evaluation: of all cases.
        prepared: has the earlier baseline, if one could be read.
        causes: why not every test has its result.
        out: where to print.

    Returns:
        whether the baseline now says what this run gave.

    Raises:
        FapoError: a file cannot be written.
    """
    shown = session.packages.shown
    update = BaselineUpdate(shown(session.root / session.settings.baseline))
    outage = evaluation.outage
    update.refusals = [f"{outage.sentence}; {outage.advice}"] if outage else []
    update.refusals += [problem.message for problem in causes]
    update.refusals = update.refusals or _refusals(config, evaluation, prepared)
    if not update.refusals:
        made = make_baseline(evaluation, artifacts=prepared.digests)
        update.baseline, update.earlier = made, prepared.baseline
        update.written = write_baseline(session.root / session.settings.baseline, made)
        snapshots = session_snapshots(session, evaluation, made, prepared)
        written = snapshots.write() if snapshots is not None else []
        update.snapshots = [shown(path) for path in written]
        update.plain_failures = sum(
            item.case_id is None and item.counts and not item.passed for item in evaluation.items.values()
        )
    render_update(update, out.file, tty=out.tty, color=out.color)
    return not update.refusals


def _refusals(config: pytest.Config, evaluation: Evaluation, prepared: PreparedGate) -> list[str]:
    groups = list(item_groups(evaluation))
    if not groups:
        return ["no test on a case was run"]
    refused = [group.name for group in groups if group.refused]
    if refused:
        return [
            f"{len(refused):,} tests could not ask their model, {refused[0]} first: run them with "
            f"--fapo-cache=auto and without limits"
        ]
    not_run = [group for group in groups if group.not_run]
    if not_run:
        return [pipeline_not_run([group.name for group in not_run], not_run[0].not_run).message]
    missing = (
        compare_with_baseline(evaluation, prepared.baseline).missing if prepared.baseline is not None else []
    )
    left_out = [nodeid for nodeid in missing if _left_out(nodeid, config, prepared.hooks.deselected)]
    if left_out:
        return [
            f"{len(left_out):,} tests of the earlier baseline were left out, {left_out[0]} first: run the "
            f"tests of all cases"
        ]
    return []


def _left_out(nodeid: str, config: pytest.Config, deselected: set[str]) -> bool:
    """True if a test of the earlier baseline was left out, as opposed to: is gone."""
    if nodeid in deselected:
        return True
    path = config.rootpath / nodeid.split("::", 1)[0]
    paths = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    return path.exists() and not any(path.resolve().is_relative_to(folder) for folder in paths)
