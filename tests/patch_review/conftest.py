"""A project with a run that left two changes as a patch, made once and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.left_patch import NEW_SORT, NEW_TONE, SORT, TONE, TWO_PROMPTS, half_by_half
from support.teams import (
    Project,
    Server,
    make_project,
    proposal,
    serving,
)

from pytest_fapo.optimize import RunDirectory
from pytest_fapo.optimize.results import undo_run


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
    before = made.snapshot()
    result = made.optimize()
    assert "2 accepted" in result.text, result.text
    assert made.prompt == NEW_SORT
    undone = undo_run(root, RunDirectory(made.run_directory))
    assert sorted(undone.written) == [SORT, TONE]
    assert made.snapshot() == before, "undo gives back what a run itself has written"
    return made


@pytest.fixture
def left(tmp_path: Path, made_once: Project) -> Project:
    """The project with nothing written, and the run with two open changes."""
    root = Path(shutil.copytree(made_once.root, tmp_path / "project"))
    return Project(root, made_once.server)
