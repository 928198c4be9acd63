"""`fapo apply` and `fapo undo`: a run's patch into the project's files, and out of them again."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fapo.cli.console import Console
from pytest_fapo.cli.exit_codes import NOTHING_DONE, OK
from pytest_fapo.cli.project import find_root
from pytest_fapo.optimize.finding import find_run
from pytest_fapo.optimize.run_lock import RunLock
from pytest_fapo.report.words import listing

if TYPE_CHECKING:
    from pytest_fapo.artifacts import WriteResult
    from pytest_fapo.optimize import RunDirectory

_Action = Callable[[Path, "RunDirectory"], "WriteResult"]


def apply(options: argparse.Namespace, console: Console) -> int:
    """`fapo apply RUN`."""
    from pytest_fapo.optimize.results import apply_run

    return _carry_out(options.name, console, apply_run, done="Written", idle="hold the run's changes already")


def undo(options: argparse.Namespace, console: Console) -> int:
    """`fapo undo RUN`."""
    from pytest_fapo.optimize.results import undo_run

    return _carry_out(
        options.name, console, undo_run, done="Taken back", idle="are as before the run already"
    )


def _carry_out(name: str, console: Console, action: _Action, *, done: str, idle: str) -> int:
    root = find_root()
    run = find_run(root, name)
    with RunLock(root / ".fapo").held():
        result = action(run.project, run)
    if result.conflicts:
        console.line(("Nothing was changed, because not all of it could be:", "bold"))
        for path, reason in sorted(result.conflicts.items()):
            console.line(f"    {path}: {reason}", indent=8)
        patch = run.path / "changes.patch"
        if patch.is_file():
            console.line("The run's changes as text:")
            console.verbatim(f"    fapo diff {run.path.name}")
        return NOTHING_DONE
    if not result.written:
        console.line(f"Nothing to do: the files {idle}.")
        return NOTHING_DONE
    console.line((f"{done}, run {run.path.name}: {listing(sorted(result.written))}.", "bold"))
    merged = getattr(result, "merged", [])
    if merged:
        files = listing(merged)
        console.line(
            f"{files} had been edited since the run: it holds both changes now, which nobody has proven."
        )
    console.verbatim("Next    git diff" if not merged else "Next    pytest")
    return OK
