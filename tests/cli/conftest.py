"""The fixture `folder`: an empty project, and the command `fapo` in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli_projects import Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Folder:
    root = tmp_path / "project"
    root.mkdir()
    return Folder(root, monkeypatch, capsys)
