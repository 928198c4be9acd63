"""`--fapo-optimize` and `--fapo-resume`: run the search after the tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_fapo.core.pytest_terminal import PytestTerminal
from pytest_fapo.core.stash import COMMAND_KEY

if TYPE_CHECKING:
    from pytest_fapo.core.evaluation import Evaluation
    from pytest_fapo.diagnosis.model_reader import LLMReader
    from pytest_fapo.loop.run_folder import RunFolder
    from pytest_fapo.loop.run_result import ScopeSnapshot
    from pytest_fapo.loop.run_summary import Summary
    from pytest_fapo.propose.proposer import Proposer
    from pytest_fapo.review.model_reviewer import LLMReviewer
    from pytest_fapo.session.fapo_session import FapoSession
    from pytest_fapo.shadow.tree_state import TreeState


class PreparedRun:
    """The preparations of `--fapo-optimize` from before the first test."""

    def __init__(
        self,
        run: RunFolder,
        snapshot: ScopeSnapshot,
        proposers: list[Proposer],
        readers: tuple[LLMReader | None, LLMReviewer | None],
        summary: Summary | None,
        begun: TreeState,
    ) -> None:
        self.run = run
        self.snapshot = snapshot
        self.proposers = proposers
        self.reader, self.reviewer = readers
        self.summary = summary
        """Of a resumed run whose files are written already."""
        self.begun = begun
        """The project before its tests ran."""


def prepare_optimize(config: pytest.Config, session: FapoSession) -> None:
    """Make or find the run before the first test, and everything that it needs.

    Raises:
        FapoError: another run goes on, or the scope, a proposer or the run to resume cannot be used.
    """
    from pytest_fapo.commands.run_request import gate_policy, make_proposers, readers_of
    from pytest_fapo.loop.events import RunBegan
    from pytest_fapo.loop.resume import check_unchanged, finish_writing, resumable
    from pytest_fapo.loop.run_folder import RunFolder, RunLock
    from pytest_fapo.loop.run_result import ScopeSnapshot
    from pytest_fapo.session.capturing import prepare_folder
    from pytest_fapo.shadow.tree_state import TreeState

    folder = prepare_folder(session.folder / ".fapo")
    runs, lock = folder / "runs", RunLock(folder)
    lock.take()
    config.add_cleanup(lock.release)
    resuming, summary = config.option.fapo_resume, None
    if resuming:
        run = resumable(runs)
        summary = finish_writing(run)
    snapshot = ScopeSnapshot.take(session.root, session.settings.scope)
    gate_policy(config, session.settings)
    proposers, readers = make_proposers(config, session), readers_of(session)
    begun = TreeState.now(session.root)
    if not resuming:
        run = RunFolder.create(runs)
        args, below = list(config.invocation_params.args), session.packages.home.prefix
        run.journal.write(RunBegan(files=snapshot.hashes, args=args, folder=below))
    elif summary is None:
        check_unchanged(run, snapshot, begun, output_files(config, session.root))
    session.plan = replace(session.plan, spend_file=run.spend_file)
    config.stash[COMMAND_KEY] = PreparedRun(run, snapshot, proposers, readers, summary, begun)


def output_files(config: pytest.Config, root: Path) -> list[str]:
    """Files of the project that options name, such as reports: a session writes them by itself."""
    named = [value for value in vars(config.option).values() if isinstance(value, str | Path) and value]
    paths = [Path(config.invocation_params.dir, value) for value in named]
    return [path.relative_to(root).as_posix() for path in paths if path.is_relative_to(root)]


def optimize_failures(
    config: pytest.Config, session: FapoSession, baseline: Evaluation, out: PytestTerminal
) -> Summary:
    """Improve the failing cases, or bring a run that a kill had broken off in its last step to its end."""
    from pytest_fapo.commands.run_request import make_request
    from pytest_fapo.loop.optimization import optimize
    from pytest_fapo.views.change_screen import changes_chooser
    from pytest_fapo.views.closing_summary import next_command, render_summary, save_summary_page
    from pytest_fapo.views.progress import Progress

    prepared: PreparedRun = config.stash[COMMAND_KEY]
    summary = prepared.summary
    if summary is None:
        session.activate()  # the optimizer's own calls are cached and counted like the pipeline's
        request = make_request(
            config,
            session,
            baseline,
            run=prepared.run,
            snapshot=prepared.snapshot,
            proposers=prepared.proposers,
            reader=prepared.reader,
            reviewer=prepared.reviewer,
            begun=prepared.begun,
            choose=changes_chooser(out.read_line, out.file, tty=out.tty, color=out.color),
        )
        out.file.write("\n")
        progress = Progress(
            out.file,
            tty=out.tty,
            verbosity=getattr(config.option, "verbose", 0),
            color=out.color,
            budget=request.budget,
        )
        prepared.run.journal.listen(progress)
        with progress:
            summary = optimize(request)
    save_summary_page(prepared.run.path)
    following = session.packages.advice(next_command(summary))
    shown = summary.model_copy(update={"next_command": following})
    render_summary(shown, out.file, tty=out.tty, color=out.color)
    return summary
