"""The type of the `make_store` fixture of tests/artifacts."""

from __future__ import annotations

from typing import Protocol

from pytest_fapo.artifacts import ArtifactStore


class MakeStore(Protocol):
    """Writes `{path: text or bytes}` into the test's folder; gives a store with these prompt patterns."""

    def __call__(self, files: dict[str, str | bytes], *prompts: str) -> ArtifactStore: ...
