from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.shadow_project import Bench, Project


@pytest.fixture(autouse=True)
def _few_plugins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children load no plugins that happen to be installed: they start in half the time."""
    if "plugins" not in request.fixturenames:
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def plugins() -> None:
    """Children load all installed plugins, as a user's do."""


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


@pytest.fixture(scope="session")
def _bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        bench = Bench(tmp_path_factory.mktemp("bench") / "app")
    with bench.shadow:
        yield bench


@pytest.fixture
def bench(_bench: Bench) -> Bench:
    """A bench for small, quick runs: a few hundredths of a second."""
    return _bench
