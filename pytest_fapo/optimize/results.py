"""What a run has left, file by file, so that it can be written later and taken back: `result.json`."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from pytest_fapo.artifacts import WriteResult, edits_between, recover, write_back
from pytest_fapo.errors import FapoError
from pytest_fapo.models import Attempt, Edit, Record
from pytest_fapo.optimize.resume import finish_writing
from pytest_fapo.optimize.run_directory import RunDirectory
from pytest_fapo.optimize.snapshot import Snapshot

NAME = "result.json"
Decision = Literal["accepted", "edited", "rejected"]


class FileChange(Record):
    """One file of the project: before the run, and with everything that the run accepted."""

    before: str | None = None
    """Base64 of the bytes; None where there was no such file."""
    after: str
    """Base64 of the bytes."""
    folders: list[str] = Field(default_factory=list)
    """Folders (relative, POSIX) that did not exist either, innermost first."""
    written: str = ""
    """SHA-256 (hex) of what the run has put into the project's file; empty where it has put nothing there.
    It is set before the file is written, so a killed write may have left the file as it was."""

    @property
    def old(self) -> bytes | None:
        return None if self.before is None else base64.b64decode(self.before)

    @property
    def new(self) -> bytes:
        return base64.b64decode(self.after)

    def stands(self, now: bytes | None) -> bool:
        """Whether the project's file is as the run found it, or as the run has left it."""
        return now == self.old or (now is not None and digest(now) == self.written)


class EditMade(Record):
    """One artifact's new text and whose idea it was."""

    address: str
    before: str
    """Empty where the artifact is new."""
    after: str
    candidates: list[str] = Field(default_factory=list)
    """Ids of the accepted candidates that changed it, in order."""

    def as_edit(self, text: str | None = None) -> Edit:
        """The edit, with another text where one is given."""
        return Edit(address=self.address, before=self.before, after=self.after if text is None else text)


class RunResult(Record):
    """Everything that a run has accepted and proven."""

    files: dict[str, FileChange]
    """By relative POSIX path."""
    edits: list[EditMade] = Field(default_factory=list)
    quoted: list[str] = Field(default_factory=list)
    """Ids of the train cases that the new prompts quote as examples."""
    decided: dict[str, Decision] = Field(default_factory=dict)
    """What `--fapo-review` has settled, by address."""

    @property
    def written(self) -> bool:
        """Whether the project's files hold any of it."""
        return any(change.written for change in self.files.values())

    @property
    def open(self) -> list[EditMade]:
        """What still waits for a word: nothing once the whole was written."""
        if self.written and not self.decided:
            return []
        return [edit for edit in self.edits if edit.address not in self.decided]


def digest(content: bytes) -> str:
    """SHA-256 as hex."""
    return hashlib.sha256(content).hexdigest()


def save_result(
    run: RunDirectory,
    snapshot: Snapshot,
    files: Mapping[str, bytes],
    accepted: Sequence[Attempt],
    quoted: Sequence[str] = (),
) -> None:
    """Keep what a run has proven, before any of it is written.

    Args:
        run: its folder.
        snapshot: the files as the run began with them.
        files: new contents by relative POSIX path.
        accepted: the attempts that led there, in order.
        quoted: ids of the train cases that prompts quote now.
    """
    root = snapshot.store.root
    changes = {
        path: FileChange(
            before=_packed(snapshot.files.get(path)),
            after=base64.b64encode(content).decode(),
            folders=[] if path in snapshot.files else _missing(root, path),
        )
        for path, content in files.items()
    }
    made = [
        EditMade(
            address=edit.address,
            before=edit.before,
            after=edit.after,
            candidates=[
                attempt.candidate.id
                for attempt in accepted
                if any(other.address == edit.address for other in attempt.candidate.edits)
            ],
        )
        for edit in edits_between(snapshot.store, files)
    ]
    store_result(run, RunResult(files=changes, edits=made, quoted=sorted(quoted)))


def load_result(run: RunDirectory) -> RunResult:
    """What the run has left.

    Raises:
        FapoError: it left nothing, or nothing that this version can read.
    """
    try:
        data = (run.path / NAME).read_bytes()
    except OSError:
        raise FapoError(f"run {run.path.name} left no proven change{_why(run)}") from None
    try:
        return RunResult.model_validate_json(data)
    except ValueError:
        raise FapoError(
            f"{run.path / NAME}: not written by this version of pytest-fapo; its patch is beside it"
        ) from None


def store_result(run: RunDirectory, result: RunResult) -> None:
    """Replace the run's `result.json` in one step."""
    run.save_text(NAME, result.model_dump_json(indent=1))


def mark_written(
    run: RunDirectory, contents: Mapping[str, bytes], decided: Mapping[str, Decision] | None = None
) -> None:
    """Note what is about to be written into the project, or (with nothing) that it holds none of it.

    Args:
        run: its folder.
        contents: by path, everything of the run that the project is going to hold.
        decided: what a review has settled.
    """
    result = load_result(run)
    for path, change in result.files.items():
        change.written = digest(contents[path]) if path in contents else ""
    result.decided = dict(decided or {})
    store_result(run, result)


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
    result = _settled(root, run)
    files = {path: change.new for path, change in result.files.items()}
    expected = {path: _expected(root, path, change) for path, change in result.files.items()}
    mark_written(run, files)
    outcome = write_back(root, files, expected=expected, journal=_journal(run))
    if outcome.conflicts:
        store_result(run, result)
    elif outcome.written:
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
    result = _settled(root, run)
    changes = {path: change for path, change in result.files.items() if change.written}
    outcome = write_back(
        root,
        {path: change.old for path, change in changes.items()},
        expected={path: change.written for path, change in changes.items()},
        journal=_journal(run),
        folders={path: change.folders for path, change in changes.items()},
        since="it was written",
    )
    if outcome.conflicts:
        return outcome
    mark_written(run, {})
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
    result = _settled(root, run)
    kept = {path: content for path in result.files if (content := _held(root, path, result)) is not None}
    expected = {path: _expected(root, path, result.files[path]) for path in files}
    mark_written(run, {**kept, **files}, decided)
    outcome = write_back(root, files, expected=expected, journal=_journal(run))
    if outcome.conflicts:
        store_result(run, result)
        return outcome
    run.log("reviewed", files=sorted(outcome.written), decided=dict(decided))
    return outcome


# --- files -------------------------------------------------------------------------------------------------


def _settled(root: Path, run: RunDirectory) -> RunResult:
    """The run's result once a write that was killed has come to its end."""
    for journal in (run.write_journal, _journal(run)):
        if journal.is_file():
            recover(journal, root)
    if not run.find("finished"):
        finish_writing(run)
    return load_result(run)


def _journal(run: RunDirectory) -> Path:
    """Of what is written after the run; the run's own tells `--fapo-resume` how the run ended."""
    return run.path / "later-write.json"


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


def _packed(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _missing(root: Path, path: str) -> list[str]:
    folders = [folder for folder in Path(path).parents if folder != Path(".")]
    return [folder.as_posix() for folder in folders if not (root / folder).exists()]


def _why(run: RunDirectory) -> str:
    finished = run.find("finished")
    if finished is None:
        return ": it did not come to its end (go on with: pytest --fapo-resume)"
    if finished.get("stop") == "unproven" or _stop(run) == "unproven":
        return ": what it had accepted did not pass the final proof"
    if (run.path / "changes.patch").is_file():
        return " that this version can read; its patch is in its folder"
    return ""


def _stop(run: RunDirectory) -> str:
    try:
        return str(json.loads((run.path / "summary.json").read_text(encoding="utf-8")).get("stop"))
    except (OSError, ValueError):
        return ""
