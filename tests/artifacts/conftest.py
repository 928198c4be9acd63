from __future__ import annotations

from pathlib import Path

import pytest
from support.artifact_project import MakeStore

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.config import Scope


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    def make(files: dict[str, str | bytes], *prompts: str) -> ArtifactStore:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return ArtifactStore(tmp_path, Scope(prompts=list(prompts)))

    return make
