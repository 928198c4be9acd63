"""The scoped files as they were when the run began: what edits build on, and what write-back expects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.config import Scope
from pytest_fapo.errors import ConfigError
from pytest_fapo.models import Edit


@dataclass(frozen=True)
class Snapshot:
    """Contents by relative POSIX path, and the artifacts in them."""

    store: ArtifactStore
    files: Mapping[str, bytes]

    @classmethod
    def take(cls, root: Path, scope: Scope) -> Snapshot:
        """Read every file of the scope.

        Raises:
            ConfigError: the scope is empty.
            ArtifactError: a pattern of it stands for nothing.
        """
        if not (scope.prompts or scope.params or scope.structure):
            raise ConfigError(
                "[tool.fapo.scope] is empty: name what may be edited, such as "
                'prompts = ["app/prompts/*.md", "app/texts.py::*_PROMPT"]'
            )
        return cls.of_whatever(root, scope)

    @classmethod
    def of_whatever(cls, root: Path, scope: Scope) -> Snapshot:
        """The same, also of an empty scope: a diagnosis edits nothing."""
        store = ArtifactStore(root, scope)
        files = {path: store.read(path) for path in store.paths()}
        return cls(store.with_files(files), files)

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file."""
        return {path: hashlib.sha256(content).hexdigest() for path, content in self.files.items()}

    def render(self, edits: Sequence[Edit], base: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """The files that differ from the snapshot after `edits` on top of `base`.

        Raises:
            ArtifactError: an edit is out of scope, not possible, or made for another text.
        """
        files = self.store.render(edits, base=base or {})
        return {path: content for path, content in files.items() if self.files.get(path) != content}
