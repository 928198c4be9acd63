"""The project of the gate's end-to-end tests, with a baseline of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.gated_project import GatedProject, gated_project


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose baseline is written; copied for each test."""
    project = gated_project(tmp_path_factory.mktemp("recorded"))
    done = project.update("-p", "no:cacheprovider")
    assert done.code == 0, done.text
    return project.root


@pytest.fixture
def project(recorded: Path, tmp_path: Path) -> GatedProject:
    root = tmp_path / "project"
    shutil.copytree(recorded, root, ignore=shutil.ignore_patterns("__pycache__"))
    return GatedProject(root)
