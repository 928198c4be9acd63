"""The teams project with its server, for the tests of the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.teams import MakeProject, Project, Server, make_project, serving


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
