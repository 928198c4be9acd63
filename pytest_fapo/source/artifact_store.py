"""The artifacts of a project: a list of them, their texts, and the files that result from edits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from pytest_fapo.core.candidate import Artifact, Domain, Edit
from pytest_fapo.core.demonstration_file import FOLDER, is_demonstration_file, module_folder, read_examples
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.record import LEVELS, Level
from pytest_fapo.core.scope import Scope, ScopeEntry
from pytest_fapo.source.addresses import (
    Address,
    all_paths,
    creation_problem,
    find_paths,
    has_wildcard,
    in_environment,
    keys_of,
    matches_name,
    matches_path,
    matches_text,
    parse_address,
)
from pytest_fapo.source.artifact_kinds import ArtifactForm, FoundPiece, kind_for
from pytest_fapo.source.data_values import is_data_file
from pytest_fapo.source.parameter_values import read_value
from pytest_fapo.source.saved_programs import SavedPrograms
from pytest_fapo.source.text_files import universal_newlines

LARGEST = 16 * 2**20
"""Bytes of a file in which something can be edited: what is longer is data, and would be read many times."""

_SETTING: dict[Level, str] = {"prompt": "prompts", "param": "params", "structure": "structure"}


class ArtifactStore:
    """Reads the artifacts that a scope names, from the disk or from files laid over it.

    Args:
        root: folder that the scope's paths are relative to.
        scope: the scope contract of `[tool.fapo.scope]`.
    """

    def __init__(self, root: Path, scope: Scope) -> None:
        self.root = root
        self.scope = scope
        self.files: dict[str, bytes] = {}
        """Contents laid over the disk, by relative POSIX path."""
        self.skipped: dict[str, str] = {}
        """Address to reason, of what a wildcard met and could not take; filled by `all`."""
        self._begun: dict[str, bytes] = {}
        """Contents before the first file was laid over them."""
        self._saved = SavedPrograms(root)
        self._stepped: set[str] = set()
        """Files that edits of other files were carried over to."""

    def with_files(self, base: Mapping[str, bytes]) -> ArtifactStore:
        """Return the same store reading `base` over the disk: the texts of a parent candidate."""
        store = ArtifactStore(self.root, self.scope)
        store._saved = self._saved
        store.files = {**self.files, **base}
        begun = {path: self.read(path) for path in base if path not in self._begun and self._exists(path)}
        store._begun = {**begun, **self._begun}
        return store

    def all(self, level: Level | None = None) -> list[Artifact]:
        """Return every editable artifact, of all levels or of one, in the order of the scope's entries.

        What two levels name belongs to the lower one.

        Raises:
            ArtifactError: an entry stands for nothing that can be edited; says which and what is near.
        """
        found: dict[str, Artifact] = {}
        for each in LEVELS if level is None else (level,):
            for entry in self.scope.entries(each):
                for artifact in self._of_entry(entry, each):
                    if each != "param" or self._decisive(artifact.address) == entry:
                        found.setdefault(artifact.address, artifact)
                for artifact in self._examples_of(entry) if each == "structure" else ():
                    found.setdefault(artifact.address, artifact)
        return list(found.values())

    def get(self, address: str) -> Artifact:
        """One artifact by its address.

        Raises:
            ArtifactError: it is outside the scope, does not exist or cannot be edited.
        """
        wanted = parse_address(address)
        refused: ArtifactError | None = None
        for level in LEVELS:
            if self.in_scope(str(wanted), level):
                try:
                    return self._at(wanted, level)
                except ArtifactError as error:
                    refused = refused or error
        if refused is not None:
            raise refused
        raise ArtifactError(f"{address}: not in the scope; [tool.fapo.scope] allows {self._allowed()}")

    def in_scope(self, address: str, level: Level) -> bool:
        """True if the scope contract allows edits of `address` (in its canonical spelling) at `level`."""
        try:
            wanted = parse_address(address)
        except ArtifactError:
            return False
        if str(wanted) != address or in_environment(self.root, wanted.path):
            return False
        return any(_covers(entry, wanted, level) for entry in self.scope.entries(level))

    def paths(self) -> list[str]:
        """Return every file in which the scope lets something be edited, or that changes with it, sorted;
        also one without functions yet.

        Raises:
            ArtifactError: an entry stands for nothing that can be edited.
        """
        found = {artifact.path for artifact in self.all()}
        found.update([beside for path in found for beside in self._saved.files_beside(path, self.read)])
        for entry in self.scope.entries("structure"):
            found.update(
                path for path in find_paths(self.root, entry.path, self.files) if path.endswith(".py")
            )
        return sorted(found)

    def creatable(self) -> list[str]:
        """Patterns of paths at which new prompt files may be created."""
        return [
            entry.path
            for entry in self.scope.entries("prompt")
            if not entry.name
            and has_wildcard(entry.path)
            and not is_data_file(entry.path)
            and not entry.path.endswith(".py")
        ]

    def creates(self, edit: Edit) -> bool:
        """True if `edit` makes something new: nothing is there yet, and the scope allows to create it."""
        return not edit.before and self._creation_level(edit.address) is not None

    def render(self, edits: Sequence[Edit], base: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """Return the files of the project as they are after `edits`, by relative POSIX path.

        Files laid over the disk (this store's own and `base`) are part of the result, so that it is the
        whole patch against the disk and not only the last step. What edits create is added after the others
        are carried out, so that a new function finds the place where it is used.

        Raises:
            ArtifactError: an edit is out of scope, not possible, outside the parameter's domain, or made for
                another text than is there.
        """
        store = self.with_files(base or {})
        for address in {edit.address for edit in edits}:
            if sum(edit.address == address for edit in edits) > 1:
                raise ArtifactError(f"{address}: two edits of one candidate change it; give one")
        created = [edit for edit in edits if store.creates(edit)]
        for edit in edits:
            if edit not in created:
                store._replace(edit)
        for edit in created:
            store._create(edit)
        return store.files

    # --- editing ---------------------------------------------------------------------------------------

    def _replace(self, edit: Edit) -> None:
        artifact = self.get(edit.address)
        now = universal_newlines(artifact.text)
        if artifact.path in self._stepped and now == universal_newlines(edit.after):
            return
        if now != universal_newlines(edit.before):
            raise ArtifactError(f"{edit.address}: its text is not the one that the edit was made for")
        if artifact.domain is not None:
            _check_domain(artifact.address, artifact.domain, edit.after)
        kind = kind_for(artifact.path, artifact.name, artifact.level)
        content = kind.replace(self.read(artifact.path), artifact.path, artifact.name, edit.after)
        if artifact.level == "prompt" and artifact.name:
            piece = FoundPiece(artifact.name, artifact.text)
            stepped = self._saved.keep_in_step(piece, artifact.path, edit.after, self.read)
            self.files |= stepped
            self._stepped |= stepped.keys()
        self.files[artifact.path] = content

    def _create(self, edit: Edit) -> None:
        level = self._creation_level(edit.address)
        if level is None:
            raise ArtifactError(f"{edit.address}: there is something of this name already")
        if not edit.after.strip():
            raise ArtifactError(f"{edit.address}: nothing is created by an edit without a text")
        path, name = parse_address(edit.address)
        objection = "" if name else creation_problem(self.root, path, self.files)
        if objection:
            raise ArtifactError(f"{edit.address}: cannot be created: {objection}")
        data = self.read(path) if name else b""
        self.files[path] = kind_for(path, name, level).create(data, path, name, edit.after)

    def _creation_level(self, address: str) -> Level | None:
        """Return the level at which `address` could be created; None where it cannot, or exists."""
        try:
            path, name = parse_address(address)
        except ArtifactError:
            return None
        for level in LEVELS:
            if level != "param" and self.in_scope(address, level) and _inside(self.root, path):
                if not name and not self._exists(path):
                    return level
                if name and self._exists(path) and not self._names_piece(path, name, level):
                    return level
        return None

    def _exists(self, path: str) -> bool:
        return path in self.files or (self.root / path).exists()

    def _names_piece(self, path: str, name: str, level: Level) -> bool:
        try:
            kind = kind_for(path, name, level)
            return any(piece.name == name for piece in kind.find(self.read(path), path, name, None))
        except ArtifactError:
            return True

    # --- finding ---------------------------------------------------------------------------------------

    def _of_entry(self, entry: ScopeEntry, level: Level) -> list[Artifact]:
        key = f"[tool.fapo.scope] {_SETTING[level]}: {entry.text!r}"
        try:
            kind = kind_for(entry.path, entry.name, level) if _one_format(entry) else None
        except ArtifactError as error:
            raise ArtifactError(f"{key} names nothing that can be edited: {error}") from None
        found: list[Artifact] = []
        refused: dict[str, str] = {}
        paths = find_paths(self.root, entry.path, self.files)
        for path in paths:
            try:
                pieces = self._pieces(kind, path, entry, level)
            except ArtifactError as error:
                raise ArtifactError(f"{key}: {error}") from None
            for piece in pieces:
                address = str(Address(path, piece.name))
                if piece.reason:
                    refused[address] = piece.reason
                else:
                    found.append(_artifact(path, piece, level))
        self.skipped.update(refused)
        if found and (_broad(entry, level) or not refused):
            return found
        if refused:
            reasons = "; ".join(f"{address}: {reason}" for address, reason in sorted(refused.items())[:3])
            raise ArtifactError(f"{key} names nothing that can be edited: {reasons}")
        if paths and level == "structure" and not entry.name:
            return []  # no function yet, but new ones may go there
        raise ArtifactError(f"{key} matches nothing{self._near_entry(entry, level)}")

    def _examples_of(self, entry: ScopeEntry) -> Iterator[Artifact]:
        """Yield the examples that the functions of an entry show their model."""
        folder = entry.path.rpartition("/")[0]
        for path in find_paths(self.root, f"{_below(folder)}/*.jsonl", self.files):
            for piece in self._pieces(None, path, ScopeEntry(entry.text, path), "structure"):
                if not piece.reason and _holds_examples(piece.text):
                    yield _artifact(path, piece, "structure")

    def _at(self, address: Address, level: Level) -> Artifact:
        kind = kind_for(address.path, address.name, level)
        decisive = self._decisive(str(address)) if level == "param" else None
        domain = decisive.domain if decisive else None
        entry = ScopeEntry(str(address), address.path, address.name, domain)
        for piece in self._pieces(kind, address.path, entry, level):
            if piece.name == address.name:
                if piece.reason:
                    raise ArtifactError(f"{address}: cannot be edited: {piece.reason}")
                return _artifact(address.path, piece, level)
        names = [str(Address(address.path, name)) for name in self._names(address, level)]
        raise ArtifactError(f"{address}: there is no such {kind.noun}{_near(str(address), names)}")

    def _decisive(self, address: str) -> ScopeEntry | None:
        """Return the entry that says what a parameter may be: one that gives a domain, and its name before a
        pattern."""
        wanted = parse_address(address)
        entries = [entry for entry in self.scope.entries("param") if _covers(entry, wanted, "param")]
        entries.sort(key=lambda entry: (entry.domain is None, keys_of(entry.name) != keys_of(wanted.name)))
        return entries[0] if entries else None

    def _pieces(
        self, kind: ArtifactForm | None, path: str, entry: ScopeEntry, level: Level
    ) -> list[FoundPiece]:
        if path not in self.files and not _inside(self.root, path):
            return [FoundPiece(entry.name, reason="it is a link that leads out of the project")]
        try:
            kind = kind or kind_for(path, entry.name, level)
            pieces = list(kind.find(self.read(path), path, entry.name, entry.domain))
            if level == "param" and entry.domain is None and path in self._begun:
                return self._with_first_guess(pieces, kind, path, entry)
            if level == "prompt" and path.endswith(".py"):
                return [self._saved.as_loaded(piece, path, self.read) for piece in pieces]
            return pieces
        except ArtifactError as error:
            if not has_wildcard(entry.path):
                raise
            return [FoundPiece("", reason=str(error).removeprefix(f"{path}: "))]

    def _with_first_guess(
        self, pieces: list[FoundPiece], kind: ArtifactForm, path: str, entry: ScopeEntry
    ) -> list[FoundPiece]:
        """Guessed domains are those of the values that the run began with, or each gain would widen them."""
        begun = {piece.name: piece for piece in kind.find(self._begun[path], path, entry.name, None)}
        return [
            piece._replace(domain=begun[piece.name].domain)
            if piece.name in begun and not begun[piece.name].reason and not piece.reason
            else piece
            for piece in pieces
        ]

    def _names(self, address: Address, level: Level) -> list[str]:
        kind = kind_for(address.path, address.name or "*", level)
        data = self.read(address.path)
        found = [
            piece
            for pattern in ("**", "**.__doc__")  # docstrings want to be named
            for piece in kind.find(data, address.path, pattern, None)
        ]
        return [piece.name for piece in found if piece.name]

    def read(self, path: str) -> bytes:
        """Return a file as it is laid over the disk, else as it is there.

        Raises:
            ArtifactError: it cannot be read.
        """
        if path in self.files:
            return self.files[path]
        try:
            with (self.root / path).open("rb") as file:
                content = file.read(LARGEST + 1)
        except OSError as error:
            raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from None
        if len(content) > LARGEST:
            raise ArtifactError(f"{path}: it is larger than {LARGEST >> 20} MB, too large to be edited")
        return content

    def _near_entry(self, entry: ScopeEntry, level: Level) -> str:
        paths = find_paths(self.root, entry.path, self.files)
        if (self.root / entry.path).is_dir():
            ending = "/*.md" if level == "prompt" else "/*.py"
            return f": it is a folder; write {entry.path.rstrip('/') + ending!r} for the files in it"
        if (self.root / entry.path).is_symlink():
            return ": it is a link to something that is not there"
        if not paths:
            return _near(entry.path, all_paths(self.root)) + " (paths are relative to pyproject.toml)"
        names = [name for path in paths for name in self._names(Address(path, entry.name), level)]
        near = _near(entry.name, names) or (f"; there is {', '.join(names[:5])}" if names else "")
        return f" in {', '.join(paths[:3])}{near}"

    def _allowed(self) -> str:
        texts = [entry.text for level in LEVELS for entry in self.scope.entries(level)]
        return ", ".join(map(repr, texts)) or "nothing"


def _artifact(path: str, piece: FoundPiece, level: Level) -> Artifact:
    return Artifact(
        address=str(Address(path, piece.name)),
        kind=kind_for(path, piece.name, level).kind,
        level=level,
        path=path,
        name=piece.name,
        text=piece.text,
        domain=piece.domain,
    )


def _check_domain(address: str, domain: Domain, text: str) -> None:
    try:
        value = read_value(text)
    except ArtifactError as error:
        raise ArtifactError(f"{address}: {error}") from None
    if not domain.allows(value):
        kind = {"int": "a whole number, ", "float": "a number, "}.get(domain.kind, "")
        raise ArtifactError(f"{address}: {text.strip()[:60]} is outside its domain: {kind}{domain}")


def _covers(entry: ScopeEntry, address: Address, level: Level) -> bool:
    if level == "structure" and is_demonstration_file(address.path):
        folder = entry.path.rpartition("/")[0]
        beside = matches_path(_below(module_folder(address.path)), _below(folder))
        return not address.name and beside
    if not matches_path(address.path, entry.path):
        return False
    if level == "structure" and not entry.name:
        return bool(address.name) and address.path.endswith(".py")
    if level == "param":
        return bool(address.name) and matches_name(address.name, entry.name)
    if not entry.name and is_data_file(address.path):
        return bool(address.name)
    matches = matches_text if level == "prompt" and address.path.endswith(".py") else matches_name
    wild = has_wildcard(entry.name) and bool(address.name)
    return address.name == entry.name or (wild and matches(address.name, entry.name))


def _below(folder: str) -> str:
    return f"{folder}/{FOLDER}" if folder else FOLDER


def _holds_examples(text: str) -> bool:
    try:
        return bool(read_examples(text))
    except ValueError:
        return False  # a file of the project's own


def _broad(entry: ScopeEntry, level: Level) -> bool:
    """True if an entry stands for several artifacts, so that some of them may be refused."""
    whole = not entry.name and (level == "structure" or is_data_file(entry.path))
    return whole or has_wildcard(entry.path) or has_wildcard(entry.name)


def _one_format(entry: ScopeEntry) -> bool:
    """True if the entry's path says by itself of which format its files are."""
    return not has_wildcard(entry.path.rpartition(".")[2])


def _inside(root: Path, path: str) -> bool:
    return (root / path).resolve().is_relative_to(root.resolve())


def _near(wanted: str, known: Sequence[str]) -> str:
    near = get_close_matches(wanted, known, n=3, cutoff=0.5)
    if not near:
        last = wanted.rsplit("/", 1)[-1]
        near = [name for name in known if name.rsplit("/", 1)[-1] == last][:3]
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
