"""End a write-back: all files of the patch or none. Standard library only.

Runs as a process of its own (`python -I write_helper.py JOURNAL`), started before anything is staged and
detached from pytest's terminal and session. It waits until its standard input ends, which is when pytest says
so or has died, and then does what the journal says: renames the new files into place when the patch is
committed, throws the staged files away when it is not. Doing it twice, or in two processes at once, changes
nothing.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

Json = dict[str, Any]

Content = bytes | None
"""None: the file is not there."""


def finish(journal: Path) -> Json | None:
    """Carry out what the journal says; None where there is none.

    Returns:
        `{"written": [path …], "conflicts": {path: reason}}`; nothing was written where there are conflicts.
    """
    record = load(journal)
    if record is None:
        return None
    if record["state"] == "done":
        result: Json = record["result"]
        return result
    files = record["files"]
    result = _apply(files) if record["state"] == "committed" else {"written": [], "conflicts": {}}
    for file in files:
        with contextlib.suppress(OSError):
            os.unlink(file["staged"])
    _remove_folders(files)
    save(journal, {"state": "done", "result": result, "files": []})
    return result


def load(journal: Path) -> Json | None:
    """Return the journal's record; None where it does not exist.

    Raises:
        ValueError: it is not as it was saved.
    """
    try:
        record: Json = json.loads(journal.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(record, dict) or record.pop("sha256", "") != _digest(record):
        raise ValueError("it is damaged")
    return record


def save(journal: Path, record: Json) -> None:
    """Replace the journal in one step that survives a power cut."""
    draft = journal.with_name(f"{journal.name}.{os.getpid()}.tmp")
    with open(draft, "w", encoding="utf-8") as file:
        json.dump({**record, "sha256": _digest(record)}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, journal)
    _sync_folder(journal.parent)


def _digest(record: Json) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def stage(file: Json, content: Content) -> None:
    """Write `content` beside the target, looking like it in mode, owner and extended attributes."""
    if content is None:
        return
    target, staged = Path(file["target"]), Path(file["staged"])
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    with open(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    if target.exists():
        _resemble(staged, target)
    else:
        staged.chmod(0o644)


def current(file: Json) -> Content:
    """Return the present content of the target."""
    try:
        return Path(file["target"]).read_bytes()
    except FileNotFoundError:
        return None


def unpack(text: str | None) -> Content:
    """Return a content as the journal holds it."""
    return None if text is None else base64.b64decode(text)


def _resemble(staged: Path, target: Path) -> None:
    status = target.stat()
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):  # only root may give a file away
            os.chown(staged, status.st_uid, status.st_gid)
    shutil.copystat(target, staged)
    # Another whole second than before, or a .pyc of the old source with the same size would stay in use.
    changed = max(time.time(), int(status.st_mtime) + 1)
    os.utime(staged, (changed, changed))


def _apply(files: list[Json]) -> Json:
    old = {file["path"]: unpack(file["old"]) for file in files}
    new = {file["path"]: unpack(file["new"]) for file in files}
    foreign = {file["path"]: "changed meanwhile" for file in files}
    for file in files:
        if current(file) in (old[file["path"]], new[file["path"]]):
            del foreign[file["path"]]
    placed: list[Json] = []
    if not foreign:
        for file in files:
            try:
                _place(file, new[file["path"]])
            except OSError as error:
                foreign[file["path"]] = f"cannot be written: {error.strerror or error}"
                break
            placed.append(file)
    if not foreign:
        return {"written": [file["path"] for file in files], "conflicts": {}}
    for file in files:
        if file["path"] not in foreign and current(file) == new[file["path"]]:
            _place(file, old[file["path"]])
    return {"written": [], "conflicts": foreign}


def _place(file: Json, content: Content) -> None:
    target, staged = Path(file["target"]), Path(file["staged"])
    if current(file) == content:
        return
    if content is None:  # moved aside first, so that it can be put back as it was
        with contextlib.suppress(FileNotFoundError):  # as below
            os.replace(target, staged)
        _sync_folder(target.parent)
        return
    if not staged.exists() or staged.read_bytes() != content:
        stage(file, content)
    try:
        os.replace(staged, target)
    except FileNotFoundError:  # another process did the same in this moment
        if current(file) != content:
            raise
    _sync_folder(target.parent)


def _remove_folders(files: list[Json]) -> None:
    """Take away the folders of files that are not there; those that hold something else stay."""
    for file in files:
        if os.path.lexists(file["target"]):
            continue
        for folder in file.get("folders", []):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every system can sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


if __name__ == "__main__":
    sys.stdin.read()
    finish(Path(sys.argv[1]))
