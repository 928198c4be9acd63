"""The commands behind the options: what is prepared before the tests run, and what follows after them."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest

from pytest_fapo.errors import ConfigError, FapoError
from pytest_fapo.stash import COMMAND_KEY

if TYPE_CHECKING:
    from pytest_fapo.models import Evaluation
    from pytest_fapo.optimize import OptimizeRequest, RunDirectory, Snapshot
    from pytest_fapo.propose import Proposer
    from pytest_fapo.report import Summary
    from pytest_fapo.session import FapoSession


class Prepared:
    """What `--fapo-optimize` has made ready before the first test ran."""

    def __init__(
        self, run: RunDirectory, snapshot: Snapshot, proposers: list[Proposer], summary: Summary | None
    ) -> None:
        self.run = run
        self.snapshot = snapshot
        self.proposers = proposers
        self.summary = summary
        """Of a resumed run whose files are written already."""


def quieten(config: pytest.Config) -> None:
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
    quieten(config)
    option = config.option
    optimizing = option.fapo_optimize or option.fapo_resume
    if optimizing and option.collectonly:
        raise ConfigError("--fapo-optimize needs the tests to run: leave --collect-only out")
    if hasattr(config, "workerinput") or not optimizing:
        return
    from pytest_fapo.optimize import RunDirectory, Snapshot, finish_writing, resumable
    from pytest_fapo.optimize.resume import check_unchanged
    from pytest_fapo.session import prepare_folder

    runs = prepare_folder(config.rootpath / ".fapo") / "runs"
    summary = None
    if option.fapo_resume:
        run = resumable(runs)
        summary = finish_writing(run)
    snapshot = Snapshot.take(config.rootpath, session.settings.scope)
    proposers = _proposers(config, session)
    if option.fapo_resume:
        if summary is None:
            check_unchanged(run, snapshot)
    else:
        run = RunDirectory.create(runs)
        run.log("began", files=snapshot.hashes, args=list(config.invocation_params.args))
    session.plan = replace(session.plan, spend_file=run.spend_file)
    config.stash[COMMAND_KEY] = Prepared(run, snapshot, proposers, summary)


def finish(pytest_session: pytest.Session, session: FapoSession) -> None:
    """Diagnose or optimize what the tests have shown, and set the session's exit status."""
    option = pytest_session.config.option
    out = _Output(pytest_session.config)
    if pytest_session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        # Interrupted, nothing collected, or an internal error: pytest has said which.
        out.file.write("\nfapo: the tests did not run to their end; nothing was tried, nothing was changed\n")
        return
    baseline = session.evaluation(exit_code=int(pytest_session.exitstatus))
    try:
        if option.fapo_diagnose and not option.fapo_optimize and not option.fapo_resume:
            _diagnose(session, baseline, out)
            return
        _check_complete(pytest_session, session, baseline)
        pytest_session.exitstatus = _optimize(pytest_session.config, session, baseline, out)
    except KeyboardInterrupt:
        out.file.write("\nfapo: interrupted; go on with: pytest --fapo-resume\n")
        pytest_session.exitstatus = pytest.ExitCode.INTERRUPTED
    except FapoError as error:
        out.file.write(f"\nfapo: {error}\nfapo: your files are untouched\n")
        pytest_session.exitstatus = max(int(pytest_session.exitstatus), 1)


def _diagnose(session: FapoSession, baseline: Evaluation, out: _Output) -> None:
    from pytest_fapo.artifacts import ArtifactStore
    from pytest_fapo.diagnose import diagnose
    from pytest_fapo.report import render_diagnosis

    scope = session.settings.scope
    artifacts = ArtifactStore(session.root, scope).all()
    render_diagnosis(
        diagnose(baseline, artifacts=artifacts), baseline, out.file, tty=out.tty, color=out.color
    )


def _optimize(config: pytest.Config, session: FapoSession, baseline: Evaluation, out: _Output) -> int:
    from pytest_fapo.optimize import optimize
    from pytest_fapo.report import Progress, render_summary

    prepared: Prepared = config.stash[COMMAND_KEY]
    summary = prepared.summary
    if summary is None:
        session.activate()  # the optimizer's own calls are cached and counted like the pipeline's
        request = _request(config, session, baseline, prepared, out)
        out.file.write("\n")
        progress = Progress(
            out.file, tty=out.tty, verbosity=getattr(config.option, "verbose", 0), color=out.color
        )
        with progress:
            summary = optimize(request, progress)
    render_summary(summary, out.file, tty=out.tty, color=out.color)
    return summary.exit_code


def _request(
    config: pytest.Config, session: FapoSession, baseline: Evaluation, prepared: Prepared, out: _Output
) -> OptimizeRequest:
    from pytest_fapo.evaluate import child_args
    from pytest_fapo.optimize import Budget, OptimizeRequest
    from pytest_fapo.plugin_hooks import PluginHooks
    from pytest_fapo.session.capturing import offline_applies

    option, settings, plan = config.option, session.settings, session.plan
    under_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    offline = settings.offline.model if settings.offline and offline_applies(settings) else ""
    return OptimizeRequest(
        root=config.rootpath,
        settings=settings,
        baseline=baseline,
        proposers=prepared.proposers,
        run=prepared.run,
        snapshot=prepared.snapshot,
        budget=Budget(prepared.run.spend_file, plan.max_calls, plan.max_cost, plan.deadline),
        child_args=child_args(config),
        cwd=_relative(config.invocation_params.dir, config.rootpath),
        cache_folder=plan.cache_folder,
        cache_mode=plan.mode,
        guard=option.fapo_guard,
        write=option.fapo_write or ("patch" if under_ci else "auto"),
        target=option.fapo_target or settings.target,
        max_candidates=option.fapo_max_candidates,
        level=option.fapo_level,
        hooks=PluginHooks(config.hook),
        stand_in=offline,
        read_line=out.read_line,
        file=out.file,
        tty=out.tty,
        color=out.color,
    )


def _proposers(config: pytest.Config, session: FapoSession) -> list[Proposer]:
    from pytest_fapo.config import PROVIDERS
    from pytest_fapo.llm import optimizer_calls
    from pytest_fapo.llm.clients import add_client_factory
    from pytest_fapo.propose import make_proposer

    def calls() -> AbstractContextManager[object]:
        return optimizer_calls(session.optimizer_ledger())

    settings, hook = session.settings, config.hook
    config.add_cleanup(
        add_client_factory(lambda spec, given: hook.pytest_fapo_llm_client(spec=spec, settings=given))
    )
    proposers = []
    for spec in settings.optimizer:
        proposer = None
        if spec != "playbook" and spec.partition(":")[0] not in PROVIDERS:
            proposer = hook.pytest_fapo_proposer(spec=spec, settings=settings, root=session.root)
        proposers.append(proposer or make_proposer(spec, settings=settings, root=session.root, calls=calls))
    for proposer in proposers:
        proposer.check()
    return proposers


def _check_complete(session: pytest.Session, fapo: FapoSession, baseline: Evaluation) -> None:
    """A baseline that lacks items (a lost worker, `-x`) cannot prove anything.

    Raises:
        FapoError: says how many results are missing.
    """
    if not baseline.cases:
        raise ConfigError(
            "no selected test is marked with @fapo.cases(...): there is nothing to tune; see the README"
        )
    expected = fapo.expected_items if fapo.expected_items is not None else session.testscollected
    missing = expected - len(baseline.items)
    if missing > 0:
        raise FapoError(
            f"{missing} of {expected} tests left no result (a crashed worker, or -x): a run "
            f"needs every test's result; nothing was tried"
        )


def _relative(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return "."


class _Output:
    """pytest's own terminal, which neither captures nor is captured."""

    def __init__(self, config: pytest.Config) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._config = config
        self.file: TextIO = reporter._tw._file if reporter is not None else sys.__stdout__ or sys.stdout
        self.tty = bool(reporter is not None and reporter.isatty)
        self.color = bool(reporter is not None and reporter.hasmarkup)

    def read_line(self, question: str) -> str:
        """Ask on the terminal. pytest's capture ends with the first question: no test runs any more, and a
        capture that went on would swallow what is asked next."""
        manager = self._config.pluginmanager.get_plugin("capturemanager")
        if manager is not None:
            manager.suspend_global_capture(in_=True)
        self.file.write(question)
        self.file.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")
