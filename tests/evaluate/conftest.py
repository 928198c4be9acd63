from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.shadow_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project, not under version control."""
    return Project(tmp_path / "place" / "app")


@pytest.fixture
def repository(project: Project) -> Project:
    """An empty project in a git repository of its own."""
    project.git("init", "-q")
    return project


@pytest.fixture
def bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children keep bytecode, even where the tests are run without."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setattr(subprocess, "_args_from_interpreter_flags", list, raising=False)
