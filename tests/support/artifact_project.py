"""The type of the `make_store` fixture of tests/artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pytest_fapo.source.artifact_store import ArtifactStore


class MakeStore(Protocol):
    """Writes `{path: text or bytes}` into the test's folder; gives a store with these scope entries."""

    def __call__(
        self,
        files: Mapping[str, str | bytes],
        *prompts: str,
        params: Sequence[str] = (),
        structure: Sequence[str] = (),
    ) -> ArtifactStore: ...
