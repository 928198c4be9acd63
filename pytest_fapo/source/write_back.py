"""Write a proven patch into the project: every file of it or none, whatever happens meanwhile."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.record import Record
from pytest_fapo.source import write_helper


class WriteResult(Record):
    """The result of a write-back. If there are conflicts, nothing was written."""

    written: list[str] = Field(default_factory=list)
    """Relative paths of the files that hold what was asked for now and did not before (or are removed)."""
    conflicts: dict[str, str] = Field(default_factory=dict)
    """Relative path to the reason why its file was left alone."""


def write_back(
    root: Path,
    files: Mapping[str, bytes | None],
    *,
    expected: Mapping[str, str],
    journal: Path,
    folders: Mapping[str, Sequence[str]] | None = None,
    since: str = "the run began",
) -> WriteResult:
    """Write and remove `files` below `root`, all or none.

    The new contents are staged beside their targets; once the journal says "committed", a detached process
    renames them into place, and does so even when this one is killed. Mode, owner (where permitted),
    extended attributes and symbolic links stay.

    Args:
        root: folder that the paths are relative to.
        files: new contents by relative POSIX path; None removes the file.
        expected: SHA-256 (hex) of each file as it was when the run began; a path that is missing here,
            or whose hash is empty, must not exist yet.
        journal: file for the record of the write, outside the files; what it holds of an earlier,
            interrupted write is finished first.
        folders: by the path of a file that is removed, the folders (relative, innermost first) that go with
            it where nothing else is in them.
        since: the moment that `expected` is of, as a conflict names it.

    Raises:
        ArtifactError: the journal cannot be written, or is not one of ours.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    recover(journal)
    conflicts = _conflicts(root, files, expected, since)
    left = folders or {}
    entries = [
        _entry(root, path, content, left.get(path, ()))
        for path, content in files.items()
        if path not in conflicts
    ]
    entries = [entry for entry in entries if entry["old"] != entry["new"]]
    if conflicts or not entries:
        return WriteResult(conflicts=conflicts)
    try:
        with _helper(journal) as outcome:
            write_helper.save(journal, {"state": "staging", "files": entries})
            conflicts = _stage(entries) or _conflicts(root, files, expected, since)
            if not conflicts:
                write_helper.save(journal, {"state": "committed", "files": entries})
    except OSError as error:
        raise ArtifactError(f"{journal}: the patch could not be written: {error}") from None
    return WriteResult(conflicts=conflicts) if conflicts else WriteResult.model_validate(outcome)


def recover(journal: Path, root: Path | None = None) -> WriteResult | None:
    """End a write-back that was interrupted: a committed one is completed, any other thrown away.

    Args:
        journal: the file that was given to `write_back`.
        root: where given, the folder that every file of the journal must lie in.

    Returns:
        What became of it (the same again when asked again); None where nothing was ever journaled.

    Raises:
        ArtifactError: the journal is not one of ours, or names files outside `root`.
    """
    try:
        record = write_helper.load(journal)
        if record is None:
            return None
        for file in record["files"]:
            _check(file, root)
        return WriteResult.model_validate(write_helper.finish(journal))
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{journal}: not the journal of a write-back: {error}") from None


# --- before writing ------------------------------------------------------------------------------------


def _conflicts(
    root: Path, files: Mapping[str, bytes | None], expected: Mapping[str, str], since: str
) -> dict[str, str]:
    reasons = {
        path: _objection(root, path, content, expected.get(path), since) for path, content in files.items()
    }
    seen: dict[Path, str] = {}
    for path in files:
        target = (root / path).resolve()
        if target in seen:
            reasons[path] = f"the same file as {seen[target]}, through a link"
        seen[target] = path
    return {path: reason for path, reason in reasons.items() if reason}


def _objection(root: Path, path: str, content: bytes | None, expected: str | None, since: str) -> str:
    """Return the reason why this file must not be changed; empty if it may be written."""
    target = (root / path).resolve()
    if not target.is_relative_to(root.resolve()):
        return "a link that leads out of the project"
    if not target.exists():
        return f"deleted since {since}" if expected and content is not None else ""
    if not target.is_file():
        return "not a regular file"
    try:
        data = target.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if data == content:
        return ""
    if not expected:
        return f"created since {since}"
    if hashlib.sha256(data).hexdigest() != expected:
        return f"changed since {since}"
    if not target.stat().st_mode & 0o222 or not os.access(target, os.W_OK):
        return "read-only"
    return "" if os.access(target.parent, os.W_OK | os.X_OK) else "its folder is read-only"


def _entry(root: Path, path: str, content: bytes | None, folders: Sequence[str]) -> dict[str, Any]:
    target = (root / path).resolve()
    entry: dict[str, Any] = {"path": path, "target": str(target)}
    entry["staged"] = str(target.with_name(f".fapo-{secrets.token_hex(6)}"))
    old = write_helper.current(entry)
    entry["old"] = None if old is None else base64.b64encode(old).decode()
    entry["new"] = None if content is None else base64.b64encode(content).decode()
    # Folders that are there for this file alone: those made for a new one, or for one that is removed.
    left = [str((root / folder).resolve()) for folder in folders]
    entry["folders"] = _missing_folders(target) if content is not None else left
    return entry


def _missing_folders(target: Path) -> list[str]:
    """Folders that must be made for a new file, innermost first."""
    return [str(folder) for folder in target.parents if not folder.exists()]


def _stage(entries: list[dict[str, Any]]) -> dict[str, str]:
    for entry in entries:
        try:
            write_helper.stage(entry, write_helper.unpack(entry["new"]))
        except OSError as error:
            return {entry["path"]: f"cannot be written: {error.strerror or error}"}
    return {}


# --- the helper process --------------------------------------------------------------------------------


@contextlib.contextmanager
def _helper(journal: Path) -> Iterator[dict[str, Any]]:
    """The process that ends the write when the block is left, or when this process dies inside it.

    The mapping holds the outcome afterwards.
    """
    outcome: dict[str, Any] = {}
    command = [sys.executable, "-I", "-S", write_helper.__file__, str(journal.resolve())]
    process: subprocess.Popen[bytes] | None = None
    with contextlib.suppress(OSError):  # no process to be had: this one ends the write itself
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield outcome
    finally:
        if process is not None:
            _wait(process)
        # After the helper this only reads its result; without one it does the work.
        outcome.update(write_helper.finish(journal) or {})


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Let the helper go and wait for it. The first Ctrl-C meanwhile is not heard: it takes milliseconds."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # the helper may have been killed
        process.stdin.close()
    with contextlib.suppress(KeyboardInterrupt):
        process.wait()
    process.wait()


def _check(file: dict[str, Any], root: Path | None) -> None:
    target, staged = Path(file["target"]), Path(file["staged"])
    if staged.parent != target.parent or not staged.name.startswith(".fapo-"):
        raise ValueError(f"{staged} is no staged file of {target}")
    if not set(map(Path, file.get("folders", []))) <= set(target.parents):
        raise ValueError(f"{target} does not lie in the folders made for it")
    if root is not None and not target.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{target} is outside of {root}")
