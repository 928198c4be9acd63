"""A project with a run that left two changes as a patch, made once and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.left_patch import NEW_SORT, NEW_TONE, SORT, TONE, TWO_PROMPTS, half_by_half
from support.teams import (
    MakeProject,
    Project,
    Server,
    make_project,
    proposal,
    serving,
)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, server: Server) -> MakeProject:
    def make(files: Mapping[str, str] | None = None) -> Project:
        root = tmp_path / "project"
        root.mkdir()
        return make_project(root, server, files)

    return make


@pytest.fixture(scope="session")
def reviewed_server() -> Iterator[Server]:
    edits = iter([proposal(NEW_SORT, SORT), proposal(NEW_TONE, TONE)])
    answers = Server(task=half_by_half, optimizer=lambda body: next(edits, proposal("Nothing {ticket}.\n")))
    with serving(answers) as running:
        yield running


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, reviewed_server: Server) -> Project:
    root = tmp_path_factory.mktemp("left") / "project"
    root.mkdir()
    made = make_project(root, reviewed_server, TWO_PROMPTS)
    result = made.optimize("--fapo-write=patch")
    assert "2 accepted" in result.text, result.text
    return made


@pytest.fixture
def left(tmp_path: Path, made_once: Project) -> Project:
    """The project as the run has left it: nothing written, two changes in its patch."""
    root = Path(shutil.copytree(made_once.root, tmp_path / "project"))
    return Project(root, made_once.server)
