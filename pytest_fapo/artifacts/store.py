"""The artifacts of a project: which there are, their texts, and the files that edits of them give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from pytest_fapo.artifacts.addresses import Address, parse_address, split_pattern
from pytest_fapo.artifacts.encoding import universal
from pytest_fapo.artifacts.globs import (
    all_paths,
    find_paths,
    has_wildcard,
    in_environment,
    matches_name,
    matches_path,
)
from pytest_fapo.artifacts.kinds import Kind, Piece, kind_for
from pytest_fapo.config import Scope
from pytest_fapo.errors import ArtifactError
from pytest_fapo.models import Artifact, Edit, Level

_SETTING: dict[Level, str] = {"prompt": "prompts", "param": "params", "structure": "structure"}
SUPPORTED: tuple[Level, ...] = ("prompt",)
"""Levels whose artifacts can be edited; the scope's patterns for other levels are accepted and wait."""


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

    def with_files(self, base: Mapping[str, bytes]) -> ArtifactStore:
        """The same store reading `base` over the disk: the texts of a parent candidate."""
        store = ArtifactStore(self.root, self.scope)
        store.files = {**self.files, **base}
        return store

    def all(self, level: Level | None = None) -> list[Artifact]:
        """Every editable artifact, in the order of the scope's patterns.

        Raises:
            ArtifactError: a pattern stands for nothing that can be edited; says which and what is near.
        """
        found: dict[str, Artifact] = {}
        for each in SUPPORTED if level is None else (level,):
            if each in SUPPORTED:
                for pattern in self._patterns(each):
                    found.update((artifact.address, artifact) for artifact in self._of_pattern(pattern, each))
        return list(found.values())

    def get(self, address: str) -> Artifact:
        """One artifact by its address.

        Raises:
            ArtifactError: it is outside the scope, does not exist or cannot be edited.
        """
        wanted = parse_address(address)
        for level in SUPPORTED:
            if self.in_scope(str(wanted), level):
                for artifact in self._of_address(wanted, level):
                    return artifact
                names = [str(Address(wanted.path, name)) for name in self._names(wanted, level)]
                raise ArtifactError(f"{address}: there is no such constant{_near(str(wanted), names)}")
        raise ArtifactError(f"{address}: not in the scope; [tool.fapo.scope] allows {self._allowed()}")

    def in_scope(self, address: str, level: Level) -> bool:
        """Whether the scope contract allows edits of `address` (in its canonical spelling) at `level`."""
        try:
            wanted = parse_address(address)
        except ArtifactError:
            return False
        if str(wanted) != address or in_environment(self.root, wanted.path):
            return False
        return any(
            matches_path(wanted.path, pattern.path) and _same_name(wanted.name, pattern.name)
            for pattern in map(split_pattern, self._patterns(level))
        )

    def render(self, edits: Sequence[Edit], base: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """The files of the project as they are after `edits`, by relative POSIX path.

        Files laid over the disk (this store's own and `base`) are part of the result, so that it is the
        whole patch against the disk and not only the last step.

        Raises:
            ArtifactError: an edit is out of scope, not possible, or made for another text than is there.
        """
        store = self.with_files(base or {})
        for address in {edit.address for edit in edits}:
            if sum(edit.address == address for edit in edits) > 1:
                raise ArtifactError(f"{address}: two edits of one candidate change it; give one")
        for edit in edits:
            artifact = store.get(edit.address)
            if artifact.text != universal(edit.before):
                raise ArtifactError(f"{edit.address}: its text is not the one that the edit was made for")
            kind = kind_for(artifact.path, artifact.name, artifact.level)
            content = kind.replace(store._read(artifact.path), artifact.path, artifact.name, edit.after)
            store.files[artifact.path] = content
        return store.files

    def _patterns(self, level: Level) -> list[str]:
        patterns: list[str] = getattr(self.scope, _SETTING[level])
        return patterns

    def _of_pattern(self, text: str, level: Level) -> list[Artifact]:
        pattern = split_pattern(text)
        kind = kind_for(pattern.path, pattern.name, level)
        broad = has_wildcard(pattern.path) or has_wildcard(pattern.name)
        found: list[Artifact] = []
        refused: dict[str, str] = {}
        for path in find_paths(self.root, pattern.path, self.files):
            for piece in self._pieces(kind, path, pattern.name):
                address = str(Address(path, piece.name))
                if piece.reason:
                    refused[address] = piece.reason
                else:
                    found.append(_artifact(kind, path, piece, level))
        self.skipped.update(refused)
        if found and (broad or not refused):
            return found
        key = f"[tool.fapo.scope] {_SETTING[level]}: {text!r}"
        if refused:
            reasons = "; ".join(f"{address}: {reason}" for address, reason in sorted(refused.items())[:3])
            raise ArtifactError(f"{key} names nothing that can be edited: {reasons}")
        raise ArtifactError(f"{key} matches nothing{self._near_pattern(pattern, level)}")

    def _of_address(self, address: Address, level: Level) -> Iterator[Artifact]:
        kind = kind_for(address.path, address.name, level)
        for piece in self._pieces(kind, address.path, address.name):
            if piece.name == address.name:
                if piece.reason:
                    raise ArtifactError(f"{address}: cannot be edited: {piece.reason}")
                yield _artifact(kind, address.path, piece, level)

    def _pieces(self, kind: Kind, path: str, name: str) -> list[Piece]:
        if path not in self.files and not _inside(self.root, path):
            return [Piece(name, reason="it is a link that leads out of the project")]
        return list(kind.find(self._read(path), path, name))

    def _names(self, address: Address, level: Level) -> list[str]:
        kind = kind_for(address.path, address.name, level)
        return [piece.name for piece in kind.find(self._read(address.path), address.path, "*") if piece.name]

    def _read(self, path: str) -> bytes:
        if path in self.files:
            return self.files[path]
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from None

    def _near_pattern(self, pattern: Address, level: Level) -> str:
        paths = find_paths(self.root, pattern.path, self.files)
        if (self.root / pattern.path).is_dir():
            return f": it is a folder; write {pattern.path.rstrip('/') + '/*.md'!r} for the files in it"
        if not paths:
            return _near(pattern.path, all_paths(self.root)) + " (paths are relative to pyproject.toml)"
        names = [name for path in paths for name in self._names(Address(path, "*"), level)]
        return f" in {', '.join(paths[:3])}{_near(pattern.name, names)}"

    def _allowed(self) -> str:
        return ", ".join(repr(pattern) for pattern in self._patterns("prompt")) or "nothing"


def _artifact(kind: Kind, path: str, piece: Piece, level: Level) -> Artifact:
    address = str(Address(path, piece.name))
    return Artifact(address=address, kind=kind.kind, level=level, path=path, name=piece.name, text=piece.text)


def _same_name(name: str, pattern: str) -> bool:
    return name == pattern or (has_wildcard(pattern) and bool(name) and matches_name(name, pattern))


def _inside(root: Path, path: str) -> bool:
    return (root / path).resolve().is_relative_to(root.resolve())


def _near(wanted: str, known: Sequence[str]) -> str:
    near = get_close_matches(wanted, known, n=3, cutoff=0.5)
    if not near:
        last = wanted.rsplit("/", 1)[-1]
        near = [name for name in known if name.rsplit("/", 1)[-1] == last][:3]
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
