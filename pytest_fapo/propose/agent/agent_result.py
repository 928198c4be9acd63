"""The result of one run of a coding agent: its changes as edits, kept on disk.

Changes outside the scope are dropped and named. A run that was killed and resumes runs no agent twice.
"""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import LEVELS, Level, Record
from pytest_fapo.propose.agent.agent_copy import MOST_BYTES, left_out
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.source.data_values import find_values, is_data_file
from pytest_fapo.source.patch import edits_between

FOLDER = "fapo-evidence"


class AgentResult(Record):
    """The result of one run of an agent."""

    edits: list[Edit] = Field(default_factory=list)
    level: Level = "prompt"
    """The highest among the edits'."""
    dropped: list[str] = Field(default_factory=list)
    """Each change that was left out, with the reason."""
    reason: str = ""
    """The agent's own words, in a sentence."""


class AgentMemo:
    """Results by the digest of what was asked.

    The question holds the traces with their times, so that only a resumed run asks the same again; a new run
    asks again.

    Args:
        folder: made when something is first kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, digest: str) -> AgentResult | None:
        """Return the result that was kept, if any."""
        try:
            return AgentResult.model_validate_json(self._path(digest).read_bytes())
        except (OSError, ValidationError):
            return None

    def keep(self, digest: str, result: AgentResult) -> None:
        """Keep a result; it is on disk, whole, when this returns."""
        write_atomically(self._path(digest), result.model_dump_json().encode())

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"


_MOST_FILES = 5_000


def read_changes(
    folder: Path, files: Mapping[str, bytes], store: ArtifactStore, evidence: Evidence
) -> AgentResult:
    """Compare the copy with what it was.

    Args:
        folder: the copy.
        files: its contents as the agent found them.
        store: the artifacts as of the parent; knows the scope.
        evidence: its level bounds what may be edited.
    """
    result = AgentResult()
    seen = set()
    for path in _walked(folder):
        seen.add(path)
        content = _read(folder, path)
        if content is None:
            result.dropped.append(f"{path} is no plain file of text")
        elif content != files.get(path):
            _take(path, content, store, evidence, result)
    gone = sorted(set(files) - seen)
    result.dropped += [f"{path} cannot be deleted" for path in gone]
    return result


def _take(path: str, content: bytes, store: ArtifactStore, evidence: Evidence, result: AgentResult) -> None:
    """Add the edits that a changed file holds."""
    allowed = LEVELS[: LEVELS.index(evidence.level) + 1]
    try:
        found = edits_between(store, {path: content})
        levels = {each.address: each.level for each in store.with_files({path: content}).all()}
        edits = [edit for edit in found if levels[edit.address] in allowed]
        edits = [edit for edit in edits if edit.before or store.creates(edit)]
        made = store.render(edits).get(path) if edits else None
    except ArtifactError as error:
        result.dropped.append(str(error))
        return
    refused = sorted(levels[edit.address] for edit in found if levels[edit.address] not in allowed)
    if refused:
        result.dropped.append(f"{path} has changes of level {refused[0]}, which is not open yet")
    elif made is None:
        result.dropped.append(f"{path} is outside the scope")
    elif not _same(path, made, content):
        result.dropped.append(f"{path}: changes beside what may be edited")
    result.edits += edits
    result.level = max([result.level, *(levels[edit.address] for edit in edits)], key=LEVELS.index)


def _same(path: str, made: bytes, wanted: bytes) -> bool:
    if made == wanted:
        return True
    if is_data_file(path):
        return find_values(made, path) == find_values(wanted, path)
    if not path.endswith(".py"):
        return False
    try:
        trees = [sorted(map(ast.dump, ast.parse(content).body)) for content in (made, wanted)]
    except (SyntaxError, ValueError):
        return False
    return trees[0] == trees[1]


def _walked(folder: Path) -> Iterator[str]:
    """Relative paths of what the agent may have changed, no link followed."""
    count = 0
    for parent, folders, names in os.walk(folder, followlinks=False):
        relative = Path(parent).relative_to(folder)
        folders[:] = sorted(
            name for name in folders if not left_out((relative / name).as_posix()) and name != FOLDER
        )
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in sorted([*names, *links]):
            path = (relative / name).as_posix()
            count += 1
            if count > _MOST_FILES:
                return
            if not left_out(path):
                yield path


def _read(folder: Path, path: str) -> bytes | None:
    return read_plain(folder, path, MOST_BYTES)


def read_plain(folder: Path, path: str, most: int) -> bytes | None:
    """Return the content of a file that a stranger made; None unless it is a plain file of this folder.

    No link is followed, so that nothing from elsewhere is read; a pipe does not hold us up.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    current = folder
    for part in Path(path).parts[:-1]:
        current = current / part
        if current.is_symlink():
            return None
    try:
        number = os.open(folder / path, flags)
    except OSError:
        return None
    with os.fdopen(number, "rb") as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_size > most:
            return None
        return file.read(most)
