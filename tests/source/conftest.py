from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from pytest_fapo.core.scope import Scope
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


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    def make(
        files: Mapping[str, str | bytes],
        *prompts: str,
        params: Sequence[str] = (),
        structure: Sequence[str] = (),
    ) -> ArtifactStore:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        scope = Scope(prompts=list(prompts), params=list(params), structure=list(structure))
        return ArtifactStore(tmp_path, scope)

    return make
