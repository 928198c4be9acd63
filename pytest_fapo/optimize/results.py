"""A run's changes written later, and taken back: all files or none, whatever happens meanwhile."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from pytest_fapo.artifacts import WriteResult, recover, write_back
from pytest_fapo.errors import FapoError
from pytest_fapo.models import Record
from pytest_fapo.optimize.resume import finish_writing
from pytest_fapo.optimize.run_directory import RunDirectory
from pytest_fapo.optimize.run_result import (
    Decision,
    FileChange,
    RunResult,
    digest,
    load_result,
    marked,
    store_result,
)

__all__ = ["apply_run", "load_result", "settled_result", "undo_run", "write_part"]

_PENDING = "pending-write.json"


class _Pending(Record):
    """Lies in the run's folder while files are written; tells after a kill which result is true of them."""

    journal: str
    """Name of the write's own journal: a helper of an earlier, killed write must not meet a later one's."""
    before: RunResult


def apply_run(root: Path, run: RunDirectory) -> WriteResult:
    """Write everything that a run has proven into the project, all or none.

    Args:
        root: the project's folder.
        run: the run's folder.

    Returns:
        what was written; with conflicts, nothing was, because those files are not as the run found them.

    Raises:
        FapoError: the run left no proven change, or its records cannot be read.
    """
    result = settled_result(root, run)
    files = {path: change.new for path, change in result.files.items()}
    expected = {path: _expected(root, path, change) for path, change in result.files.items()}
    outcome = _write(root, run, result, marked(result, files), files, expected)
    if outcome.written:
        run.log("applied", files=sorted(outcome.written))
    return outcome


def undo_run(root: Path, run: RunDirectory) -> WriteResult:
    """Give the files that a run has written their exact bytes from before it; what it created is removed.

    Args:
        root: the project's folder.
        run: the run's folder.

    Returns:
        what was changed; with conflicts, nothing was, because those files were edited since.

    Raises:
        FapoError: the run left no proven change, or its records cannot be read.
    """
    result = settled_result(root, run)
    files = {path: change.old for path, change in result.files.items() if change.written}
    expected = {path: result.files[path].written for path in files}
    outcome = _write(root, run, result, marked(result, {}), files, expected, since="it was written")
    if outcome.written:
        run.log("undone", files=sorted(outcome.written))
    return outcome


def write_part(
    root: Path, run: RunDirectory, files: Mapping[str, bytes], decided: Mapping[str, Decision]
) -> WriteResult:
    """Write what a person accepted of a run, all or none; `undo_run` takes it back.

    Args:
        root: the project's folder.
        run: the run's folder.
        files: contents by relative POSIX path, each of a file that the run changed.
        decided: what is settled now, by address; it stays as it was where there are conflicts.
    """
    result = settled_result(root, run)
    kept = {path: content for path in result.files if (content := _held(root, path, result)) is not None}
    expected = {path: _expected(root, path, result.files[path]) for path in files}
    after = marked(result, {**kept, **files}, decided)
    outcome = _write(root, run, result, after, files, expected)
    if not outcome.conflicts:
        run.log("reviewed", files=sorted(outcome.written), decided=dict(decided))
    return outcome


def settled_result(root: Path, run: RunDirectory) -> RunResult:
    """What the run has left, once a write that was killed has come to its end.

    Raises:
        FapoError: it left no proven change, or its records cannot be read.
    """
    if run.write_journal.is_file():
        recover(run.write_journal, root)
    later = any(run.find(event) for event in ("applied", "undone", "reviewed"))
    if not run.find("finished") and finish_writing(run) is None and not later:
        # Killed before the run's writing began, or broken off in it: the project holds nothing of it.
        store_result(run, marked(load_result(run), {}))
    _decide(root, run)
    return load_result(run)


# --- files -------------------------------------------------------------------------------------------------


def _write(
    root: Path,
    run: RunDirectory,
    before: RunResult,
    after: RunResult,
    files: Mapping[str, bytes | None],
    expected: Mapping[str, str],
    since: str = "the run began",
) -> WriteResult:
    """Write files, and with them the result that says so: both or neither."""
    pending = _Pending(journal=f"write-{secrets.token_hex(4)}.json", before=before)
    run.save_text(_PENDING, pending.model_dump_json())
    store_result(run, after)
    changes = before.files
    folders: dict[str, Sequence[str]] = {path: changes[path].folders for path in files if files[path] is None}
    try:
        outcome = write_back(
            root,
            files,
            expected=expected,
            journal=run.path / pending.journal,
            folders=folders,
            since=since,
        )
    except BaseException:
        _decide(root, run)
        raise
    _close(run, pending, kept=not outcome.conflicts)
    return outcome


def _decide(root: Path, run: RunDirectory) -> None:
    """After a write that was cut off: whichever result is true of the files."""
    try:
        pending = _Pending.model_validate_json((run.path / _PENDING).read_bytes())
    except FileNotFoundError:
        return
    except ValueError as error:
        raise FapoError(f"{run.path / _PENDING}: not written by this version of pytest-fapo") from error
    journal = run.path / PurePath(pending.journal).name
    outcome = recover(journal, root) if journal.is_file() else None
    _close(run, pending, kept=outcome is not None and bool(outcome.written))


def _close(run: RunDirectory, pending: _Pending, *, kept: bool) -> None:
    """Keep the new result, or take the one from before."""
    if not kept:
        store_result(run, pending.before)
    (run.path / _PENDING).unlink()
    (run.path / pending.journal).unlink(missing_ok=True)


def _expected(root: Path, path: str, change: FileChange) -> str:
    """The hash that the file must have to be written over: as the run left it, else as it found it."""
    now = current(root, path)
    if now is not None and change.written and digest(now) == change.written:
        return change.written
    return "" if change.old is None else digest(change.old)


def _held(root: Path, path: str, result: RunResult) -> bytes | None:
    """What the run has put into the file and that still stands there."""
    now = current(root, path)
    return now if now is not None and digest(now) == result.files[path].written else None


def current(root: Path, path: str) -> bytes | None:
    """A file's content now; None where there is none that can be read."""
    try:
        return (root / path).read_bytes()
    except OSError:
        return None
