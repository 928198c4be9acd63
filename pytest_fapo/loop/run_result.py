"""The result of a run, file by file: `result.json`, from which it is written later and undone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from pytest_fapo.core.candidate import Attempt, Edit
from pytest_fapo.core.errors import ArtifactError, ConfigError, FapoError
from pytest_fapo.core.record import Record, canonical_json
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.text import parsed_json
from pytest_fapo.loop.events import RunFinished
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.source.patch import edits_between


@dataclass(frozen=True)
class ScopeSnapshot:
    """Contents by relative POSIX path, and the artifacts in them."""

    store: ArtifactStore
    files: Mapping[str, bytes]

    @classmethod
    def take(cls, root: Path, scope: Scope) -> ScopeSnapshot:
        """Read every file of the scope.

        Raises:
            ConfigError: the scope is empty.
            ArtifactError: a pattern of it stands for nothing.
        """
        if scope.is_empty:
            raise ConfigError(
                "[tool.fapo.scope] is empty: name what may be edited, such as "
                'prompts = ["app/prompts/*.md", "app/texts.py::*_PROMPT"]; `pytest --fapo-diagnose` '
                "lists the texts that reach the model, as a table to paste"
            )
        store = ArtifactStore(root, scope)
        files = {path: store.read(path) for path in store.paths()}
        return cls(store.with_files(files), files)

    @classmethod
    def of_usable(cls, root: Path, scope: Scope) -> tuple[ScopeSnapshot, list[str]]:
        """Read what of a scope can be read, also of an empty one, for a diagnosis, which edits nothing.

        The second value has a sentence for each entry that stands for nothing.
        """
        usable: dict[str, list[str]] = {name: [] for name in Scope.model_fields}
        problems = []
        for name, entries in usable.items():
            for entry in getattr(scope, name):
                try:
                    ArtifactStore(root, Scope.model_validate({name: [entry]})).paths()
                    entries.append(entry)
                except ArtifactError as error:
                    problems.append(str(error))
        store = ArtifactStore(root, Scope.model_validate(usable))
        files = {path: store.read(path) for path in store.paths()}
        return cls(store.with_files(files), files), problems

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file."""
        return {path: hashlib.sha256(content).hexdigest() for path, content in self.files.items()}

    def render(self, edits: Sequence[Edit], base: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """Return the files that differ from the snapshot after `edits` on top of `base`.

        Raises:
            ArtifactError: an edit is out of scope, not possible, or made for another text.
        """
        files = self.store.render(edits, base=base or {})
        return {path: content for path, content in files.items() if self.files.get(path) != content}


RESULT_NAME = "result.json"

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

    found: str | None = None
    """Base64 of what a person had made of the file when the run's change was merged into it; None where it
    was as in `before`."""

    @property
    def old(self) -> bytes | None:
        return None if self.before is None else base64.b64decode(self.before)

    @property
    def new(self) -> bytes:
        return base64.b64decode(self.after)

    @property
    def original(self) -> bytes | None:
        """Return the content of the project's file before the run changed it."""
        return self.old if self.found is None else base64.b64decode(self.found)

    def stands(self, now: bytes | None) -> bool:
        """True if the project's file is as the run found it, or as the run has left it."""
        return now == self.old or (now is not None and sha256_hex(now) == self.written)


class EditMade(Record):
    """One artifact's new text and whose idea it was."""

    address: str
    before: str
    """Empty where the artifact is new."""
    after: str
    candidates: list[str] = Field(default_factory=list)
    """Ids of the accepted candidates that changed it, in order."""

    def as_edit(self, text: str | None = None) -> Edit:
        """Return the edit, with another text where one is given."""
        return Edit(address=self.address, before=self.before, after=self.after if text is None else text)


class RunResult(Record):
    """Everything that a run has accepted and proven."""

    files: dict[str, FileChange]
    """By relative POSIX path."""
    edits: list[EditMade] = Field(default_factory=list)
    quoted: list[str] = Field(default_factory=list)
    """Ids of the train cases that the new prompts quote as examples."""
    chance: list[tuple[str, str]] = Field(default_factory=list)
    """Changes that fresh samples have shown to be luck: metric (empty for pass and fail) and test."""
    decided: dict[str, Decision] = Field(default_factory=dict)
    """The decisions of `--fapo-review`, by address."""
    sha256: str = ""
    """Hex digest of all the rest: what is written into a project is what was proven, or nothing."""

    def sealed(self) -> RunResult:
        """Return the result with its digest."""
        return self.model_copy(update={"sha256": self._digest()})

    @property
    def is_whole(self) -> bool:
        """True if nothing in it has changed since it was sealed."""
        return self.sha256 == self._digest()

    def _digest(self) -> str:
        rest = self.model_dump(mode="json", exclude={"sha256"})
        return sha256_hex(canonical_json(rest).encode("utf-8", "surrogatepass"))

    @property
    def written(self) -> bool:
        """True if the project's files hold any of it."""
        return any(change.written for change in self.files.values())

    @property
    def open(self) -> list[EditMade]:
        """The edits that still wait for a decision: none once the whole was written."""
        if self.written and not self.decided:
            return []
        return [edit for edit in self.edits if edit.address not in self.decided]


def sha256_hex(content: bytes) -> str:
    """SHA-256 as hex."""
    return hashlib.sha256(content).hexdigest()


def save_result(
    run: RunFolder,
    snapshot: ScopeSnapshot,
    files: Mapping[str, bytes],
    accepted: Sequence[Attempt],
    quoted: Sequence[str] = (),
    chance: Iterable[tuple[str, str]] = (),
) -> None:
    """Keep what a run has proven, before any of it is written.

    Args:
        run: its folder.
        snapshot: the files as the run began with them.
        files: new contents by relative POSIX path.
        accepted: the attempts that led there, in order.
        quoted: ids of the train cases that prompts quote now.
        chance: changes that fresh samples have shown to be luck.
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
    store_result(run, RunResult(files=changes, edits=made, quoted=sorted(quoted), chance=sorted(chance)))


def load_result(run: RunFolder) -> RunResult:
    """Return the result of the run.

    Raises:
        FapoError: it left nothing, or nothing that this version can read.
    """
    try:
        data = (run.path / RESULT_NAME).read_bytes()
    except OSError:
        raise FapoError(f"run {run.path.name} left no proven change{_reasons_of(run)}") from None
    try:
        result = RunResult.model_validate_json(data)
    except ValueError:
        raise FapoError(
            f"{run.path / RESULT_NAME}: not written by this version of pytest-fapo; its patch is beside it"
        ) from None
    return checked_result(result, run.path / RESULT_NAME)


def checked_result(result: RunResult, path: Path) -> RunResult:
    """Return a result that was read from a file.

    Raises:
        FapoError: it is not as it was written.
    """
    if not result.is_whole:
        raise FapoError(
            f"{path}: damaged or edited, so it is not what the run has proven; nothing was written. "
            "The run's patch, changes.patch, lies beside it"
        )
    return result


def store_result(run: RunFolder, result: RunResult) -> None:
    """Replace the run's `result.json` in one step."""
    run.save_text(RESULT_NAME, result.sealed().model_dump_json(indent=1))


def with_files_written(
    result: RunResult,
    contents: Mapping[str, bytes],
    decided: Mapping[str, Decision] | None = None,
    found: Mapping[str, bytes] | None = None,
) -> RunResult:
    """The result once the project holds some of it.

    Args:
        result: as it was.
        contents: by path, everything of the run that the project is going to hold; nothing when undone.
        decided: the decisions of a review.
        found: by path, what a file held that a person had edited before.
    """
    files = {}
    for path, change in result.files.items():
        update: dict[str, str | None] = {"written": sha256_hex(contents[path]) if path in contents else ""}
        if path not in contents:
            update["found"] = None
        elif found and path in found:
            update["found"] = _packed(found[path])
        files[path] = change.model_copy(update=update)
    return result.model_copy(update={"files": files, "decided": dict(decided or {})})


def mark_written(run: RunFolder, contents: Mapping[str, bytes]) -> None:
    """Note what the run is about to write into the project, or (with nothing) that it holds none of it."""
    store_result(run, with_files_written(load_result(run), contents))


def _packed(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _missing(root: Path, path: str) -> list[str]:
    folders = [folder for folder in Path(path).parents if folder != Path(".")]
    return [folder.as_posix() for folder in folders if not (root / folder).exists()]


def _reasons_of(run: RunFolder) -> str:
    finished = run.journal.last(RunFinished)
    if finished is None:
        return ": it did not finish (continue with: pytest --fapo-resume)"
    if finished.stop == "unproven" or _stop_reason(run) == "unproven":
        return ": what it had accepted did not pass the final proof"
    if (run.path / "changes.patch").is_file():
        return " that this version can read; its patch is in its folder"
    return ""


def _stop_reason(run: RunFolder) -> str:
    try:
        return str(parsed_json((run.path / "summary.json").read_text(encoding="utf-8")).get("stop"))
    except (OSError, ValueError):
        return ""
