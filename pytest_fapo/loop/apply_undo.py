"""Apply or undo a run's changes later: all files or none, even if they change meanwhile."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from pydantic import Field

from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.record import Record
from pytest_fapo.loop.events import ChangesApplied, ChangesReviewed, ChangesUndone, RunFinished
from pytest_fapo.loop.resume import finish_writing
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_result import (
    Decision,
    FileChange,
    RunResult,
    checked_result,
    load_result,
    sha256_hex,
    store_result,
    with_files_written,
)
from pytest_fapo.source.patch import merge
from pytest_fapo.source.write_back import WriteResult, recover, write_back

_PENDING = "pending-write.json"

_LATER = (ChangesApplied, ChangesUndone, ChangesReviewed)


class _PendingWrite(Record):
    """Lies in the run's folder while files are written; tells after a kill which result is true of them."""

    journal: str
    """Name of the write's own journal: a helper of an earlier, killed write must not meet a later one's."""
    before: RunResult


class AppliedFiles(WriteResult):
    """The result of an apply."""

    merged: list[str] = Field(default_factory=list)
    """Files that a person has edited since the run: they hold both changes now, which nobody has proven."""


def apply_run(root: Path, run: RunFolder) -> AppliedFiles:
    """Write everything that a run has proven into the project, all or none; beside what a person has edited.

    Args:
        root: the project's folder.
        run: the run's folder.

    Returns:
        what was written; with conflicts, nothing was, because those files were edited in the same lines.

    Raises:
        FapoError: the run left no proven change, or its records cannot be read.
    """
    result = finished_result(root, run)
    files = {path: change.new for path, change in result.files.items()}
    expected = {path: _expected(root, path, change) for path, change in result.files.items()}
    found: dict[str, bytes] = {}
    for path, change in result.files.items():
        now = current_content(root, path)
        mine = change.original if change.found is not None else now
        if mine is None or (change.stands(mine) and change.found is None):
            continue
        merged = merge(change.old, mine, change.new) if change.old is not None else None
        if now is None or merged is None:
            continue  # the writing says what is in the way
        if change.found is None and not change.written:
            files[path], expected[path], found[path] = merged, sha256_hex(now), now
        elif sha256_hex(now) == change.written:
            files[path] = merged
    write_result = _write(root, run, result, with_files_written(result, files, found=found), files, expected)
    if write_result.written:
        run.journal.write(ChangesApplied(files=sorted(write_result.written)))
    return AppliedFiles(**write_result.model_dump(), merged=sorted(found) if write_result.written else [])


def undo_run(root: Path, run: RunFolder) -> WriteResult:
    """Give the files that a run has written their exact bytes from before it; what it created is removed.

    Where a file was edited since, only the run's own lines are undone.

    Args:
        root: the project's folder.
        run: the run's folder.

    Returns:
        what was changed; with conflicts, nothing was, because those files were edited in the same lines.

    Raises:
        FapoError: the run left no proven change, or its records cannot be read.
    """
    result = finished_result(root, run)
    files = {path: change.original for path, change in result.files.items() if change.written}
    expected = {path: result.files[path].written for path in files}
    for path in files:
        now = current_content(root, path)
        rest = None if now is None else _without_run(result.files[path], now)
        if now is not None and rest is not None:
            files[path], expected[path] = rest, sha256_hex(now)
    write_result = _write(
        root, run, result, with_files_written(result, {}), files, expected, since="it was written"
    )
    if write_result.written:
        run.journal.write(ChangesUndone(files=sorted(write_result.written)))
    return write_result


def _without_run(change: FileChange, now: bytes) -> bytes | None:
    """Return a file that was edited after the run's change was written, without that change; None where it
    cannot be told apart from the edits.
    """
    original, put = change.original, change.new
    if sha256_hex(now) == change.written or original is None or change.old is None:
        return None
    if sha256_hex(put) != change.written:
        put = merge(change.old, original, change.new) or b""
    return merge(put, now, original) if sha256_hex(put) == change.written else None


def write_part(
    root: Path,
    run: RunFolder,
    files: Mapping[str, bytes],
    decided: Mapping[str, Decision],
    base: Mapping[str, bytes] | None = None,
) -> WriteResult:
    """Write what a person accepted of a run, all or none; `undo_run` takes it back.

    Args:
        root: the project's folder.
        run: the run's folder.
        files: contents by relative POSIX path, each of a file that the run changed.
        decided: the decisions so far, by address; unchanged if there are conflicts.
        base: the files as they were when the contents were made from them; default: as the run found them.
    """
    result = finished_result(root, run)
    kept = {
        path: content for path in result.files if (content := _own_content(root, path, result)) is not None
    }
    expected = {path: _expected(root, path, result.files[path]) for path in files}
    found = {}
    for path in files:
        change = result.files[path]
        if base is not None and path in base and not change.stands(base[path]):
            expected[path] = sha256_hex(base[path])
            found[path] = base[path]
    after = with_files_written(result, {**kept, **files}, decided, found)
    write_result = _write(root, run, result, after, files, expected)
    if not write_result.conflicts:
        run.journal.write(ChangesReviewed(files=sorted(write_result.written), decided=dict(decided)))
    return write_result


def finished_result(root: Path, run: RunFolder) -> RunResult:
    """Return the run's result after finishing a write that was killed.

    Raises:
        FapoError: it left no proven change, or its records cannot be read.
    """
    if run.write_journal.is_file():
        recover(run.write_journal, root)
    later = any(isinstance(event, _LATER) for event in run.journal.read())
    if run.journal.last(RunFinished) is None and finish_writing(run) is None and not later:
        # Killed before the run's writing began, or broken off in it: the project holds nothing of it.
        store_result(run, with_files_written(load_result(run), {}))
    _decide(root, run)
    return load_result(run)


# --- files -------------------------------------------------------------------------------------------------


def _write(
    root: Path,
    run: RunFolder,
    before: RunResult,
    after: RunResult,
    files: Mapping[str, bytes | None],
    expected: Mapping[str, str],
    since: str = "the run began",
) -> WriteResult:
    """Write files, and with them the result that says so: both or neither."""
    pending = _PendingWrite(journal=f"write-{secrets.token_hex(4)}.json", before=before.sealed())
    run.save_text(_PENDING, pending.model_dump_json())
    store_result(run, after)
    changes = before.files
    folders: dict[str, Sequence[str]] = {path: changes[path].folders for path in files if files[path] is None}
    try:
        write_result = write_back(
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
    _close(run, pending, kept=not write_result.conflicts)
    return write_result


def _decide(root: Path, run: RunFolder) -> None:
    """After a write that was cut off: whichever result is true of the files."""
    try:
        pending = _PendingWrite.model_validate_json((run.path / _PENDING).read_bytes())
    except FileNotFoundError:
        return
    except ValueError as error:
        raise FapoError(f"{run.path / _PENDING}: not written by this version of pytest-fapo") from error
    checked_result(pending.before, run.path / _PENDING)
    journal = run.path / PurePath(pending.journal).name
    write_result = recover(journal, root) if journal.is_file() else None
    _close(run, pending, kept=write_result is not None and bool(write_result.written))


def _close(run: RunFolder, pending: _PendingWrite, *, kept: bool) -> None:
    """Keep the new result, or take the one from before."""
    if not kept:
        store_result(run, pending.before)
    (run.path / _PENDING).unlink()
    (run.path / pending.journal).unlink(missing_ok=True)


def _expected(root: Path, path: str, change: FileChange) -> str:
    """Return the hash that the file must have to be written over: as the run left it, else as it found it."""
    now = current_content(root, path)
    if now is not None and change.written and sha256_hex(now) == change.written:
        return change.written
    return "" if change.old is None else sha256_hex(change.old)


def _own_content(root: Path, path: str, result: RunResult) -> bytes | None:
    """Return the run's content of the file if it is still there."""
    now = current_content(root, path)
    return now if now is not None and sha256_hex(now) == result.files[path].written else None


def current_content(root: Path, path: str) -> bytes | None:
    """Return a file's content now; None where there is none that can be read."""
    try:
        return (root / path).read_bytes()
    except OSError:
        return None
