"""The commands behind the options: prepare before the tests run, and follow up after them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.capture.redaction import error_text
from pytest_fapo.commands.diagnose_command import diagnose_failures
from pytest_fapo.commands.optimize_command import optimize_failures, prepare_optimize
from pytest_fapo.core.errors import ConfigError, FapoError, SettingsConflict, disk_errors
from pytest_fapo.core.pytest_terminal import PytestTerminal
from pytest_fapo.core.stash import COMMAND_KEY, GATE_KEY
from pytest_fapo.views.session_result import SessionResult

if TYPE_CHECKING:
    from pytest_fapo.core.evaluation import Evaluation
    from pytest_fapo.session.fapo_session import FapoSession


def hide_tracebacks(config: pytest.Config) -> None:
    """Failing cases are what these commands work on: no traceback of each, unless the user asks for it."""
    option = config.option
    if getattr(option, "verbose", 0) <= 0 and getattr(option, "tbstyle", "") == "auto":
        option.tbstyle = "no"
        everything = option.reportchars.replace("A", "PpsxXEf").replace("a", "sxXEf")
        option.reportchars = everything.replace("f", "")


def prepare(config: pytest.Config, session: FapoSession) -> None:
    """Find out now what would otherwise stop the command after all tests have run.

    Raises:
        FapoError: an option, a setting, the scope or a proposer cannot be used.
    """
    option = config.option
    _check_together(option)
    if _needs_cases(option):
        hide_tracebacks(config)
    if _needs_cases(option) and option.collectonly and not option.fapo_diagnose:
        raise ConfigError(f"{_command(option)} needs the tests to run: leave --collect-only out")
    if option.fapo_gate or option.fapo_update_baseline:
        from pytest_fapo.commands.gate_command import prepare_gate

        prepare_gate(config, session)
    elif session.packages.problem is not None:
        raise session.packages.problem
    if option.fapo_review and not hasattr(config, "workerinput"):
        from pytest_fapo.commands.review_command import prepare_review

        prepare_review(config, session)
    optimizing = (option.fapo_optimize or option.fapo_resume) and not option.fapo_estimate
    if optimizing and not hasattr(config, "workerinput"):
        prepare_optimize(config, session)


def refuse_collection(session: pytest.Session, error: SettingsConflict) -> None:
    """Refuse the collected tests for the command: the gate reports the error at its end, others now.

    An xdist worker runs nothing then and leaves it to the controller to say why.

    Raises:
        pytest.UsageError: there is no gate.
    """
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["fapo_conflict"] = json.dumps([str(error), error.command])
        session.items.clear()
    elif config.option.fapo_gate or config.option.fapo_update_baseline:
        config.stash[GATE_KEY].hooks.blocked = error
    else:
        raise pytest.UsageError(error_text(error))


def take_over(config: pytest.Config, session: FapoSession, conflict: str) -> None:
    """Keep why an xdist worker could not work; it is said at the end."""
    session.packages.problem = SettingsConflict(*json.loads(conflict))
    if GATE_KEY in config.stash:
        config.stash[GATE_KEY].hooks.blocked = session.packages.problem


def finish(pytest_session: pytest.Session, session: FapoSession) -> None:
    """Do what was asked for after the tests, and set the session's exit status."""
    option = pytest_session.config.option
    out = PytestTerminal(pytest_session.config)
    done = SessionResult(session.evaluation(exit_code=int(pytest_session.exitstatus)))
    if option.fapo_gate or option.fapo_update_baseline:
        from pytest_fapo.commands.gate_command import finish_gate

        done.gate = finish_gate(pytest_session, session, done.baseline, out)
        if option.fapo_shard is not None and done.gate is None:
            return  # pages and reports are those of all shards together
    elif session.packages.problem is not None and pytest_session.exitstatus != pytest.ExitCode.USAGE_ERROR:
        out.file.write(f"\nfapo: {error_text(session.packages.problem)}\n")
        pytest_session.exitstatus = pytest.ExitCode.USAGE_ERROR
        return
    elif _needs_cases(option):
        _work_on_failures(pytest_session, session, done, out)
    _publish(pytest_session, session, done, out)
    if done.run is not None and done.summary is not None and done.summary.stop != "interrupted":
        done.run.drop_records()


def _work_on_failures(
    pytest_session: pytest.Session, session: FapoSession, done: SessionResult, out: PytestTerminal
) -> None:
    """Diagnose, optimize or review."""
    option, baseline = pytest_session.config.option, done.baseline
    if pytest_session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        # Interrupted, nothing collected, or an internal error: pytest has said which.
        out.file.write("\nfapo: the tests did not finish; nothing was tried, nothing was changed\n")
        return
    try:
        if option.fapo_estimate:
            from pytest_fapo.commands.estimate_command import estimate_cost

            _check_complete(pytest_session, session, baseline)
            estimate_cost(pytest_session.config, session, baseline, out)
            pytest_session.exitstatus = pytest.ExitCode.OK
            return
        if option.fapo_diagnose and not option.fapo_optimize and not option.fapo_resume:
            done.diagnosis = diagnose_failures(pytest_session.config, session, baseline, out)
            return
        _check_complete(pytest_session, session, baseline)
        if option.fapo_review:
            from pytest_fapo.commands.review_command import review_changes

            pytest_session.exitstatus = review_changes(pytest_session.config, session, baseline, out)
            return
        with disk_errors():
            done.summary = optimize_failures(pytest_session.config, session, baseline, out)
        done.run = pytest_session.config.stash[COMMAND_KEY].run
        pytest_session.exitstatus = done.summary.exit_code
    except KeyboardInterrupt:
        again = "--fapo-review" if option.fapo_review else "--fapo-resume"
        out.file.write(session.packages.advice(f"\nfapo: interrupted; continue with: pytest {again}\n"))
        pytest_session.exitstatus = pytest.ExitCode.INTERRUPTED
    except FapoError as error:
        said = session.packages.advice(error_text(error))
        out.file.write(f"\nfapo: {said}\nfapo: your files are untouched\n")
        pytest_session.exitstatus = max(int(pytest_session.exitstatus), 1)


def _publish(
    pytest_session: pytest.Session, session: FapoSession, done: SessionResult, out: PytestTerminal
) -> None:
    """Summaries, annotations and reports for others; one that cannot be written fails the session."""
    from pytest_fapo.views.publishing import publish

    try:
        with disk_errors():
            publish(pytest_session.config, session, done, out)
    except FapoError as error:
        out.file.write(f"\nfapo: {error_text(error)}\n")
        pytest_session.exitstatus = int(pytest_session.exitstatus) or 1


def _needs_cases(option: Any) -> bool:
    """True if failing cases are what the command works on; a report alone leaves a plain run as it is."""
    return any(getattr(option, name) for name, _ in _EXCLUSIVE) or bool(option.fapo_diagnose)


_EXCLUSIVE = (
    ("fapo_estimate", "--fapo-estimate"),
    ("fapo_resume", "--fapo-resume"),
    ("fapo_optimize", "--fapo-optimize"),
    ("fapo_gate", "--fapo-gate"),
    ("fapo_update_baseline", "--fapo-update-baseline"),
    ("fapo_review", "--fapo-review"),
)


def _command(option: Any) -> str:
    return next((name for attribute, name in _EXCLUSIVE if getattr(option, attribute)), "--fapo-diagnose")


def _check_together(option: Any) -> None:
    """Commands that would contradict each other are refused; resume implies optimize.

    Raises:
        ConfigError: names both.
    """
    given = [name for attribute, name in _EXCLUSIVE if getattr(option, attribute)]
    if {"--fapo-resume", "--fapo-estimate"} & set(given) and "--fapo-optimize" in given:
        given.remove("--fapo-optimize")
    if len(given) > 1:
        raise ConfigError(f"{given[0]} and {given[1]} are two commands: give one of them")
    if option.fapo_shard is not None and not option.fapo_gate:
        raise ConfigError("--fapo-shard runs one share of a gate's tests: it goes with --fapo-gate")


def _check_complete(session: pytest.Session, fapo: FapoSession, baseline: Evaluation) -> None:
    """A baseline that lacks items (a lost worker, `-x`) cannot prove anything.

    Raises:
        FapoError: says how many results are missing.
    """
    if not baseline.cases:
        raise ConfigError(
            "no selected test is marked with @fapo.cases(...), so there is nothing to tune; "
            "`fapo init` writes a first test"
        )
    expected = fapo.expected_items if fapo.expected_items is not None else session.testscollected
    missing = expected - len(baseline.items)
    if missing > 0:
        raise FapoError(
            f"{missing} of {expected} tests left no result (a crashed worker, or -x): a run "
            f"needs every test's result; nothing was tried"
        )
